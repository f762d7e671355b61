"""``id_login`` of ``vcred issuer serve``: a verifier's folder as the reader of the cards that applicants log in with.

This is where the roles meet: the issuer's service knows a ``CardReader``, and the verifier's ``GuestVerifier`` is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcred.cli import _trust
from vcred.cli._clock import now
from vcred.errors import PolicyError, RefusedError, SettingsError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from issuer import RecordSource
    from issuer.server.login_settings import IdLoginSettings
    from vcred.policy import VerificationPolicy
    from vcred.trust import TrustBundle
    from verifier.guest import GuestVerifier
    from verifier.identity import ReaderIdentity

__all__ = ["card_reader", "known_people", "reader_identity"]

_KEY, _CHAIN = "reader.key", "reader.pem"
"""As ``vcred verifier init`` names them."""


def reader_identity(settings: IdLoginSettings) -> ReaderIdentity:
    """Who asks, with the key; its password is asked for if it has one.

    Raises ``SettingsError``, ``SigningError``, and ``TrustError`` for a trust list that cannot be used or is older than
    one that was seen in that folder.
    """
    from vcred.cli._secrets import load_key
    from verifier.identity import ReaderIdentity

    folder = settings.verifier
    if not (folder / _KEY).exists():
        raise SettingsError(f"id_login.verifier: {folder}: no verifier's folder: vcred verifier init makes one")
    _trust.load(None, None, folder)
    return ReaderIdentity.load(folder / _CHAIN, signer=load_key(folder / _KEY, settings.password_file))


def card_reader(settings: IdLoginSettings, identity: ReaderIdentity, *, development: bool) -> GuestVerifier:
    """The reader, with the trust list of the folder, which takes up a newer one. Raises ``SettingsError``."""
    from verifier.guest import GuestVerifier, check_login
    from verifier.server.trust import TrustFile

    file = TrustFile(settings.verifier / _trust.BUNDLE, settings.verifier / _trust.ROOT, None)
    policy = _policy(settings.policy, file.bundle)

    def take(bundle: TrustBundle) -> Callable[[], None]:
        check_login(policy, bundle, production=not development)
        return lambda: None

    def newest() -> TrustBundle:
        file.refresh(take, at=now())
        return file.bundle

    try:
        return GuestVerifier(
            newest,
            identity,
            policy,
            formats=settings.formats or None,
            production=not development,
            plain_http=development,
        )
    except PolicyError as error:
        raise SettingsError(f"id_login.policy: {error}") from None
    except RefusedError as error:
        raise SettingsError(f"id_login.verifier: {error.detail}: with development = true only") from None


def known_people(source: RecordSource) -> dict[str, Any]:
    """What a registry can do besides fetching records: list people to choose from, and find whose card it is."""
    from issuer.records import Identifies

    found = {"people": getattr(source, "find", None), "identify": None}
    if isinstance(source, Identifies):
        found["identify"] = source.identify
    return {name: method for name, method in found.items() if method is not None}


def _policy(name: str, trust: TrustBundle) -> VerificationPolicy:
    from pathlib import Path

    from vcred.cli._files import read
    from verifier.policy import VerificationPolicy, preset_ids

    if name.endswith(".toml"):
        try:
            return VerificationPolicy.load(read(Path(name)).decode("utf-8"), file=name)
        except (OSError, UnicodeDecodeError, StoreError) as error:
            raise SettingsError(f"id_login.policy: {name}: {type(error).__name__}") from None
    if name in trust.policies:
        return VerificationPolicy.load(trust.policies[name], file=f"{name}.toml")
    if name in preset_ids():
        return VerificationPolicy.preset(name)
    raise SettingsError(f"id_login.policy: no policy {name}, neither a preset nor in the trust list")
