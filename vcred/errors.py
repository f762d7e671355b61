"""Every exception this SDK raises, as one tree.

VcredError
├── RefusedError(code, path, detail)      a fact about what the other party sent
│   └── MalformedError                    its bytes cannot be read; raised by parsers only
├── NotAcceptedError(result)              someone read ``.claims`` of a result that was not accepted
├── ConsentError                          presenting something nobody agreed to
├── TrustError                            our trust data: BundleExpired, BundleRollback, BundleSignature
├── SigningError                          our key could not sign
├── StoreError                            our storage: NotFound, Locked
├── RecordError                           the registry has no usable record
├── TransportError                        our network: Offline, Timeout, TooLarge
├── CatalogError(file, path)              a certificate type file is wrong
├── PolicyError(file, path)               a policy file is wrong
├── WorkerError                           a process of ours ended, or could not begin, before it was done
├── SettingsError                         a service's settings are wrong
└── MissingExtraError(extra)              an optional part is not installed

Inside ``verify()`` a ``RefusedError`` becomes a ``Reason`` of the result. Everything else is about
our own keys, files or configuration and reaches the caller as an exception. Wrong use of the API is
``TypeError`` or ``ValueError``. No message carries a claim value, a key or a PIN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vcred.reasons import ReasonCode

__all__ = [
    "BundleExpired",
    "BundleRollback",
    "BundleSignature",
    "CatalogError",
    "ConsentError",
    "Locked",
    "MalformedError",
    "MissingExtraError",
    "NotAcceptedError",
    "NotFound",
    "Offline",
    "PolicyError",
    "RecordError",
    "RefusedError",
    "SettingsError",
    "SigningError",
    "StoreError",
    "Timeout",
    "TooLarge",
    "TransportError",
    "TrustError",
    "VcredError",
    "WorkerError",
]


class VcredError(Exception):
    """Root of every exception raised on purpose."""


class RefusedError(VcredError):
    """What the other party sent is not acceptable.

    ``code`` is the one reason, ``path`` says where (``payload.cnf.jwk``, ``disclosures[3][1]``; may be
    empty) and ``detail`` says what, in English, for a developer, without any claim value.
    """

    def __init__(self, code: ReasonCode, path: str = "", detail: str = "") -> None:
        self.code = code
        self.path = path
        self.detail = detail
        super().__init__(": ".join(part for part in (code.value, path, detail) if part))

    def __reduce__(self) -> tuple[type[RefusedError], tuple[ReasonCode, str, str]]:
        return type(self), (self.code, self.path, self.detail)


class MalformedError(RefusedError):
    """Bytes that break their format or our limits. The only exception a parser lets out."""


class NotAcceptedError(VcredError):
    """Claims were read from a result that is not ACCEPTED. ``result`` is that result."""

    def __init__(self, result: object) -> None:
        self.result = result
        super().__init__(f"the result is {getattr(result, 'outcome', 'not accepted')}: it has no claims")


class ConsentError(VcredError):
    """The holder did not agree to what is about to be disclosed."""


class TrustError(VcredError):
    """Our trust data cannot be used."""


class BundleExpired(TrustError):
    """The trust bundle is past its expiry."""


class BundleRollback(TrustError):
    """The trust bundle is older than one already seen."""


class BundleSignature(TrustError):
    """The trust bundle is not signed by the pinned root, or was changed."""


class SigningError(VcredError):
    """A private key could not be loaded or did not sign."""


class StoreError(VcredError):
    """Stored data cannot be read or written."""


class NotFound(StoreError):
    """There is no such record."""


class Locked(StoreError):
    """The store is locked: wrong PIN, too many attempts, or another process has it open."""


class RecordError(VcredError):
    """The registry has no such subject, or its record cannot be certified."""


class TransportError(VcredError):
    """A message could not be carried."""


class Offline(TransportError):
    """There is no network, and this step needs one."""


class Timeout(TransportError):
    """The other side took too long."""


class TooLarge(TransportError):
    """The other side sent more than the limit."""


class _FileError(VcredError):
    def __init__(self, file: str, path: str, detail: str) -> None:
        self.file = file
        self.path = path
        self.detail = detail
        super().__init__(": ".join(part for part in (file, path, detail) if part))


class CatalogError(_FileError):
    """A certificate type file is wrong: ``file``, ``path`` in it, and ``detail`` with the fix."""


class PolicyError(_FileError):
    """A verification policy is wrong: ``file``, ``path`` in it, and ``detail`` with the fix."""


class WorkerError(VcredError):
    """A process that works for us could not be started, or ended before it had answered."""


class SettingsError(VcredError):
    """The settings of a service are missing, unknown or do not fit together."""


class MissingExtraError(VcredError):
    """An optional part is needed and not installed. The text is the command that installs it."""

    def __init__(self, extra: str) -> None:
        self.extra = extra
        super().__init__(f"pip install 'vcred[{extra}]'")
