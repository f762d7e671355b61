"""PRODUCT, driven: a branch with a terminal, a clock that may be wrong, and ways to be brought up to date."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from tests.flows.year.town import POLICIES
from vcred.credential import Content, StatusReference
from vcred.dcql import Candidate, match
from vcred.errors import RefusedError, TransportError, TrustError
from vcred.formats.base import IssuerKey
from vcred.formats.sd_cwt import SdCwt
from vcred.formats.sd_jwt_vc import SdJwtVc
from vcred.keys import SoftwareSigner
from vcred.presentation import Challenge, Presentation, Presented
from vcred.trust.fetch import Network
from vcred.trust.overlay import load_current, overlay_folder
from vcred.trust.seen import forget_time
from vcred.trust.status_sync import sync_status
from vcred.trust.sync import sync
from verifier import MemoryRequestStore, SqliteRequestStore, Verifier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flows.year.town import Agency, Holder
    from vcred.catalog import Catalog
    from vcred.presentation import PresentationRequest
    from vcred.trust.status_sync import StatusReport
    from vcred.trust.sync import SyncReport
    from verifier import ReaderIdentity, VerificationResult


class Terminal:
    """One desk: its bundle and its memory are files in ``home``, and with ``durable`` its open requests as well."""

    def __init__(self, home: Path, root: Path, identity: ReaderIdentity, *, durable: bool) -> None:
        home.mkdir()
        self._durable = durable
        self._home, self._root, self._identity = home, root, identity
        self.bundle = home / "kr.trust"
        self.fast = dt.timedelta(0)
        """How far its clock is ahead."""
        self.requests = self._open_requests()
        self.verifier: Verifier | None = None

    def clock(self, at: dt.datetime) -> dt.datetime:
        """What its clock shows when it is ``at``."""
        return at + self.fast

    def sync(self, source: str | Path, *, at: dt.datetime) -> SyncReport | None:
        """Bring it up to date; ``None`` when it refuses what is there. Then nothing has changed."""
        before = self.files()
        try:
            report = sync(
                source,
                bundle=self.bundle,
                root=self._root,
                at=self.clock(at),
                network=Network(seconds=60),
            )
        except (TrustError, TransportError):
            assert self.files() == before
            return None
        self._load()
        return report

    def sync_status(self, *, at: dt.datetime) -> StatusReport:
        """Get newer status lists from the agencies themselves."""
        assert self.verifier is not None
        self.verifier.trust, report = sync_status(
            self.verifier.trust, folder=overlay_folder(self.bundle), at=self.clock(at), network=Network(seconds=60)
        )
        return report

    def forget_time(self, *, at: dt.datetime) -> None:
        """Somebody compared the clock with another one: what the desk remembers of later times is wrong."""
        forget_time(self.bundle.with_name(self.bundle.name + ".seen"), at=self.clock(at))
        self.restart()

    def restart(self) -> None:
        """The power was out."""
        self.close()
        self.requests = self._open_requests()
        self.verifier = None
        self._load()

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self.requests, SqliteRequestStore):
            self.requests.close()

    def _open_requests(self) -> SqliteRequestStore | MemoryRequestStore:
        return SqliteRequestStore(self._home / "requests.db") if self._durable else MemoryRequestStore()

    def files(self) -> dict[str, bytes]:
        """What is there of trust, by name."""
        found = (one for one in self._home.rglob("*") if one.is_file() and not one.name.startswith("requests"))
        return {str(one.relative_to(self._home)): one.read_bytes() for one in found}

    def ask(self, code: str, form: str, *, at: dt.datetime) -> PresentationRequest:
        """A request on the desk's screen."""
        assert self.verifier is not None
        return self.verifier.request(POLICIES[code], freshness=Challenge(), at=self.clock(at), formats=(form,))

    def judge(self, answer: Presentation, request: PresentationRequest, *, at: dt.datetime) -> VerificationResult:
        """The verdict about what came over the wire."""
        assert self.verifier is not None
        return self.verifier.verify(Presentation.parse(answer.to_message()), request=request, at=self.clock(at))

    def _load(self) -> None:
        trust = load_current(self.bundle, root=self._root)
        if self.verifier is None:
            self.verifier = Verifier(trust, self._identity, self.requests)
        else:
            self.verifier.trust = trust


def present(holder: Holder, request: PresentationRequest, *, clock: dt.datetime) -> Presentation:
    """The holder looks at a phone that shows ``clock``, and agrees."""
    return holder.wallet.present(holder.wallet.match(request, at=clock).approve(), at=clock)


def refuses(holder: Holder, request: PresentationRequest, *, clock: dt.datetime) -> str | None:
    """Why a phone that shows ``clock`` does not answer; ``None`` if it does."""
    try:
        holder.wallet.match(request, at=clock)
    except RefusedError as error:
        return error.code.value
    return None


class Forger:
    """Writes certificates without an agency: with a key that leaked, or with one made up, and shows them."""

    def __init__(self, agency: Agency, kinds: Catalog, *, key: SoftwareSigner, chain: tuple[bytes, ...]) -> None:
        self._agency, self._kind = agency, kinds[agency.code]
        self._key, self._chain = key, chain
        self._formats = {"sd-cwt": SdCwt(kinds.labels), "dc+sd-jwt": SdJwtVc()}
        self._phone = SoftwareSigner.generate()
        self._made: dict[str, bytes] = {}
        self.uri = f"{agency.lists}1"

    def forge(self, *, at: dt.datetime, expires_at: int) -> None:
        """A certificate in both formats, that points at places in a real list which nobody has."""
        issued = int(at.timestamp()) // 3600 * 3600
        content = Content(
            vct=self._kind.vct,
            issuer=self._agency.id,
            claims=self._kind.issue(self._kind.sample, variant=None, options={}, issued_on=at.date()),
            issued_at=issued,
            expires_at=expires_at,
            holder_key=self._phone.public_key,
            status=StatusReference(uri=self.uri, index=self._free()),
        )
        key = IssuerKey(public_key=self._key.public_key, chain=self._chain)
        self._made = {form: one.issue(content, key, self._key) for form, one in self._formats.items()}

    def show(self, request: PresentationRequest, *, clock: dt.datetime) -> Presentation:
        """Answer ``request`` with what was forged."""
        (wanted,) = request.query.credentials
        form = self._formats[wanted.format]
        opened = form.open(self._made[wanted.format])
        candidate = Candidate(
            id=wanted.id, format=wanted.format, types=[opened.vct], claims=opened.claims, holder_bound=True
        )
        paths = match(request.query, [candidate]).found[wanted.id][0].paths
        prepared = form.prepare_presentation(
            opened, paths, audience=request.client_id, nonce=request.nonce, issued_at=int(clock.timestamp())
        )
        shown = prepared.complete(self._phone.sign(prepared.signing_input))
        return Presentation(tokens={wanted.id: (Presented(format=wanted.format, raw=shown),)}, one_way_nonce=None)

    def _free(self) -> int:
        taken = {entry.index for entry in self._agency.store.entries() if entry.list == 1}
        return next(index for index in range(128) if index not in taken)
