"""What becomes of what was issued: revoked, suspended, reinstated, and the signed lists that tell everybody."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from issuer.database import StateError, audit_reason
from issuer.profile import PURPOSES
from issuer.status_store import REVOKED, SUSPENDED, VALID
from vcred.errors import NotFound
from vcred.formats._wire import epoch

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from issuer.profile import IssuerProfile, TimedSigner
    from issuer.status_store import ListRow, Selection
    from issuer.store import IssuerStore
    from vcred.catalog import Catalog

__all__ = ["LIST_LIFETIME", "Form", "SignedList", "StatusDesk"]

LIST_LIFETIME: Final = timedelta(days=30)

Form = Literal["cwt", "jwt"]
_VALUE_OF: Final = {"revocation": REVOKED, "suspension": SUSPENDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedList:
    """A status list, signed: its URI and number, how often it has been signed, and its tokens by form.

    ``bitstrings`` are the same entries as W3C BitstringStatusListCredentials (``vc+jwt``), one for each purpose, by
    URI; none where no credential names the list so.
    """

    uri: str
    number: int
    version: int
    tokens: Mapping[Form, bytes]
    bitstrings: Mapping[str, bytes] = field(default_factory=dict)


class StatusDesk:
    """Revokes, suspends, reinstates, and signs the lists that say so: what goes on when issuance is stopped."""

    def __init__(
        self, profile: IssuerProfile, status_signer: TimedSigner, *, catalog: Catalog, store: IssuerStore
    ) -> None:
        self._profile = profile
        self._status_signer = status_signer
        self._catalog = catalog
        self._store = store

    @property
    def profile(self) -> IssuerProfile:
        """Who issues, and how."""
        return self._profile

    @property
    def list_count(self) -> int:
        """How many status lists there are."""
        return len(self._store.lists())

    def revoke(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """Revoke every copy for ever. It reaches verifiers with the next status list.

        ``reason`` is a word for the audit log, never personal data (``ValueError``). Raises ``NotFound``.
        """
        self._store.set_state(credential_id, REVOKED, reason=audit_reason(reason), at=epoch(at))

    def suspend(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """Suspend every copy. Raises as ``revoke``, and ``StoreError`` when it is revoked or its type is never."""
        code = self._store.code_of(credential_id)
        if code in self._catalog and not self._catalog[code].status.suspendable:
            raise StateError(f"{code} is revoked, never suspended")
        self._store.set_state(credential_id, SUSPENDED, reason=audit_reason(reason), at=epoch(at))

    def reinstate(self, credential_id: str, *, reason: str, at: dt.datetime) -> None:
        """End a suspension. Raises as ``suspend``."""
        self._store.set_state(credential_id, VALID, reason=audit_reason(reason), at=epoch(at))

    def count_all(self, which: Selection) -> tuple[int, int]:
        """How many credentials and copies ``revoke_all`` would revoke: its trial run."""
        return self._store.count_all(which)

    def revoke_all(self, which: Selection, *, reason: str, at: dt.datetime) -> tuple[int, int]:
        """Revoke everything that ``which`` means, for ever, at one stroke. How many credentials and copies that were.

        Nobody sees a part of it; while it runs nothing else is written (20 s for three million). Raises as ``revoke``.
        """
        return self._store.revoke_all(which, reason=audit_reason(reason), at=epoch(at))

    def signed_lists(
        self, *, at: dt.datetime, forms: Sequence[Form], lifetime: timedelta = LIST_LIFETIME
    ) -> Iterator[SignedList]:
        """Sign every status list, one after the other; each one's version goes up by one.

        One list is in memory at a time, and only the entries that changed are read. Raises ``SigningError`` when the
        signer's certificate is not valid at ``at``, or its key does not sign: then the lists before are signed, and
        the rest are not.
        """
        self._store.forget_expired(at=epoch(at))
        for row in self._store.lists():
            yield self._signed(row, at, forms, lifetime, None)

    def signed_list(
        self, number: int, *, at: dt.datetime, forms: Sequence[Form], lifetime: timedelta, ttl: timedelta
    ) -> SignedList:
        """Sign one status list, for whoever fetches it and may keep it for ``ttl``.

        Raises ``NotFound``, and as ``signed_lists``.
        """
        self._store.forget_expired(at=epoch(at))
        for row in self._store.lists():
            if row.number == number:
                return self._signed(row, at, forms, lifetime, ttl)
        raise NotFound("there is no such status list")

    def status_tokens(
        self, *, at: dt.datetime, form: Form = "cwt", lifetime: timedelta = LIST_LIFETIME
    ) -> dict[str, bytes]:
        """What a trust bundle carries of every list, freshly signed, by URI. Raises as ``signed_lists``.

        A Token Status List in ``form``, and the W3C lists of the same entries where credentials name them.
        """
        signed = self.signed_lists(at=at, forms=(form,), lifetime=lifetime)
        return {uri: raw for one in signed for uri, raw in {one.uri: one.tokens[form], **one.bitstrings}.items()}

    def _signed(
        self, row: ListRow, at: dt.datetime, forms: Sequence[Form], lifetime: timedelta, ttl: timedelta | None
    ) -> SignedList:
        tokens = self._sign_list(row, at, forms, lifetime, ttl)
        bitstrings = self._sign_bitstrings(row, at, lifetime, ttl) if self._store.has_bitstring(row.number) else {}
        version = self._store.count_signature(row.number)
        return SignedList(
            uri=self._profile.list_uri(row.number),
            number=row.number,
            version=version,
            tokens=tokens,
            bitstrings=bitstrings,
        )

    def _sign_list(
        self, row: ListRow, at: dt.datetime, forms: Sequence[Form], lifetime: timedelta, ttl: timedelta | None
    ) -> dict[Form, bytes]:
        from vcred.status import StatusList, build_status_token  # noqa: PLC0415 - an issue does not need it

        self._status_signer.check(at=at)
        values = StatusList(bits=row.bits, buffer=self._store.packed(row))
        return {
            form: build_status_token(
                uri=self._profile.list_uri(row.number),
                status_list=values,
                signer=self._status_signer.signer,
                chain=self._status_signer.chain,
                issued_at=at,
                expires_at=at + lifetime,
                ttl=ttl,
                form=form,
                aggregation_uri=self._profile.aggregation_uri or None,
            )
            for form in forms
        }

    def _sign_bitstrings(
        self, row: ListRow, at: dt.datetime, lifetime: timedelta, ttl: timedelta | None
    ) -> dict[str, bytes]:
        """One list for each purpose, of one bit an entry and never below the standard's length."""
        from vcred.status import StatusList, build_bitstring_token  # noqa: PLC0415 - as above
        from vcred.status.bitstring import MIN_ENTRIES  # noqa: PLC0415 - as above

        self._status_signer.check(at=at)
        changed, signed = self._store.changed(row.number), {}
        for purpose in PURPOSES[: row.bits]:
            uri = self._profile.bitstring_uri(row.number, purpose)
            entries = {index: 1 for index, value in changed.items() if value == _VALUE_OF[purpose]}
            signed[uri] = build_bitstring_token(
                uri=uri,
                issuer=self._profile.id,
                purposes=(purpose,),
                status_list=StatusList.build(bits=1, size=max(row.size, MIN_ENTRIES), values=entries),
                signer=self._status_signer.signer,
                chain=self._status_signer.chain,
                issued_at=at,
                expires_at=at + lifetime,
                ttl=ttl,
            )
        return signed
