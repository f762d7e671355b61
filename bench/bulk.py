"""``python bench/bulk.py``: three million copies revoked at a stroke, and all their lists signed anew.

python bench/bulk.py [--copies 3000000] [--at 2026-09-26] [--out bench/results-bulk.md]

A real SQLite file with its fsyncs, real keys, both forms of every list. Filling the store is not part of the figure.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from report import machine
from rich.console import Console

from issuer import Issuer, IssuerProfile, IssuerStore, Selection
from vcred.catalog import Catalog
from vcred.keys import SoftwareSigner
from vcred.testing import SampleRecords
from vcred.trust import Purpose, build_root, build_signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["BUDGET", "Figures", "measure"]

BUDGET = 60.0
"""Seconds for three million, lists signed (threats OP-09)."""

_ID, _NAME = "https://city.example/issuer", {"ko": "가람시 (가상)", "en": "Garam City (fictitious)"}
_CODE = "resident.personal"
_COPIES = 3
_CHUNK = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run took: seconds, except for counts, bytes and mebibytes."""

    credentials: int
    copies: int
    lists: int
    filling: float
    counting: float
    revoking: float
    signing: float
    token_bytes: int
    store_mb: float
    memory_mib: float

    @property
    def total(self) -> float:
        """From the command to the last signed list."""
        return self.revoking + self.signing


def measure(folder: Path, *, copies: int, at: dt.datetime) -> Figures:
    """Fill a store in ``folder``, revoke all that one key signed, sign every list."""
    path = folder / "issuer.db"
    with IssuerStore(path) as store:
        issuer, kid = _issuer(store, at)
        filling = _timed(lambda: _fill(store, kid, copies // _COPIES, int(at.timestamp())))
        which = Selection(signer=kid)
        counting = _timed(lambda: issuer.count_all(which))
        started = time.perf_counter()
        credentials, revoked = issuer.revoke_all(which, reason="key leaked", at=at)
        revoking = time.perf_counter() - started
        started = time.perf_counter()
        signed = [(one.version, len(one.tokens["cwt"])) for one in issuer.signed_lists(at=at, forms=("cwt", "jwt"))]
        signing = time.perf_counter() - started
    return Figures(
        credentials=credentials,
        copies=revoked,
        lists=len(signed),
        filling=filling,
        counting=counting,
        revoking=revoking,
        signing=signing,
        token_bytes=max(size for _, size in signed),
        store_mb=path.stat().st_size / 1e6,
        memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _issuer(store: IssuerStore, at: dt.datetime) -> tuple[Issuer, bytes]:
    root_key, key = SoftwareSigner.generate(), SoftwareSigner.generate()
    start, end = at - dt.timedelta(days=1), at + dt.timedelta(days=7300)
    root = build_root(root_key, name=_NAME, not_before=start, not_after=end)
    leaf = build_signer(
        key.public_key,
        purpose=Purpose.ISSUER,
        id=_ID,
        name=_NAME,
        issuer=root,
        issuer_signer=root_key,
        not_before=start,
        not_after=end,
    )
    catalog = Catalog.builtin()
    profile = IssuerProfile(id=_ID, signer=key, chain=(leaf,))
    return Issuer(profile, records=SampleRecords(catalog), catalog=catalog, store=store), key.public_key.kid


def _fill(store: IssuerStore, kid: bytes, credentials: int, now: int) -> None:
    for chunk in _chunks(credentials):
        with store.writing():
            for number in chunk:
                name = f"c-{number:016x}"
                store.add_credential(
                    name,
                    code=_CODE,
                    subject=f"p-{number}",
                    signer=kid,
                    made_at=now,
                    issued_at=now,
                    expires_at=now + 7_776_000,
                )
                for _ in range(_COPIES):
                    store.add_copy(name, format="sd-cwt", key=secrets.token_bytes(32), bits=1)


def _chunks(count: int) -> Iterator[range]:
    for start in range(0, count, _CHUNK):
        yield range(start, min(start + _CHUNK, count))


def _page(found: Figures, at: dt.datetime) -> str:
    met = "met" if found.total <= BUDGET else "**missed**"
    rows = (
        ("credentials revoked", f"{found.credentials:,}"),
        ("status entries revoked", f"{found.copies:,} in {found.lists} lists of 10^6"),
        ("store", f"{found.store_mb:,.0f} MB, SQLite, WAL, every transaction synced"),
        ("filling it, not part of the figure", f"{found.filling:,.1f} s"),
        ("counting first, a trial run", f"{found.counting:.2f} s"),
        ("revoking, one transaction", f"{found.revoking:.1f} s"),
        ("signing every list, CWT and JWT", f"{found.signing:.1f} s"),
        ("largest CWT", f"{found.token_bytes:,} bytes"),
        ("memory of the process, at most", f"{found.memory_mib:,.0f} MiB"),
        ("**revoked and signed**", f"**{found.total:.1f} s** of {BUDGET:g} s: {met}"),
    )
    lines = ["# Three million revoked at a stroke", "", f"{at:%Y-%m-%d}, by `python bench/bulk.py`. {machine()}.", ""]
    lines += ["| what | figure |", "|---|--:|", *(f"| {what} | {figure} |" for what, figure in rows)]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=3_000_000, help="status entries to revoke")
    parser.add_argument("--at", type=dt.date.fromisoformat, help="the date of the run; without it, today")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parent / "results-bulk.md", help="where to write"
    )
    chosen = parser.parse_args(arguments)
    at = dt.datetime.now(dt.UTC) if chosen.at is None else dt.datetime.combine(chosen.at, dt.time(), dt.UTC)
    console = Console(stderr=True, soft_wrap=True)
    with TemporaryDirectory() as folder, console.status("filling a store, then revoking all of it"):
        found = measure(Path(folder), copies=chosen.copies, at=at)
    chosen.out.write_text(_page(found, at), encoding="utf-8")
    console.print(f"{found.copies:,} copies revoked and signed in {found.total:.1f} s; wrote {chosen.out}")


if __name__ == "__main__":
    main()
