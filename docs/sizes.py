"""Writes ``docs/sizes.md`` and its picture: how large each certificate is in each format; ``--check`` only compares.

Every figure is measured: certificates are issued from the catalogue's samples and presented. Salts, keys and signatures
are new each time but of one length; what differs between two runs is a few bytes (``TOLERANCE``).
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcred import Catalog, Presentation
from vcred.claims import ClaimPath
from vcred.credential import Content, StatusReference
from vcred.dcql import Candidate, ClaimQuery, CredentialQuery, DcqlQuery, match
from vcred.formats.base import IssuerKey
from vcred.formats.known import Formats, type_names
from vcred.keys import SoftwareSigner
from vcred.presentation import Presented
from vcred.qr import encode_message
from vcred.qr.codes import FRAME_PART, MAX_STATIC
from vcred.testing import World
from vcred.testing.world import ISSUER_ID
from verifier import VerificationPolicy
from verifier.policy import preset_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vcred.catalog import CertificateType
    from vcred.credential import Opened
    from vcred.formats.base import CredentialFormat

DOCS = Path(__file__).parent
AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
TOLERANCE = 16
"""Bytes by which two runs may differ: a certificate in the header has a DER signature of 70 to 72 bytes, in base64 once
or twice, and an mdoc numbers its items at random, in one to three bytes each. Of twelve runs the widest spread was 8."""
PACKED_TOLERANCE = 64
"""The same for packed messages, where deflate sees other random bytes each time; the widest spread was 30."""
ORDER = ("sd-cwt", "mso_mdoc", "dc+sd-jwt", "vc+sd-jwt", "vc+jwt")
TYPICAL = "A typical answer"
COLOURS = ("#1f77b4", "#2ca02c", "#ff7f0e", "#d62728", "#9467bd")
INTRODUCTION = """# Sizes

How large each certificate is in each format, and how many QR codes it takes. [Formats](formats.md) says which to choose.
Measured by `docs/sizes.py` on the catalogue's sample persons, with P-256 keys, one certificate in the issuer's chain, a
status entry and a holder's key; good to {tolerance} bytes, because signatures and random numbers are new in each run (and
to the frames that {packed} packed bytes more or less make).

- *As issued*: bytes of one copy, as the wallet keeps it.
- *Everything shown* and *a typical answer*: bytes of a presentation with the holder's signature, then the codes a phone has
  to show for it: **1** is one still code (up to {static:,} bytes after packing), more are the animated frames of one round,
  ten a second. A third of the frames may be missed: see [QR profile](qr-profile.md). Packing takes base64 apart and deflates,
  so a presentation as SD-JWT travels at about half its bytes.
- *A typical answer* is what the named policy asks of this certificate, the first of our presets that does. Where none does, the
  answer shows nothing that can be hidden. `vc+jwt` hides nothing: each of its answers shows everything.
- A dash: the catalogue does not issue this type in this format.

![Bytes of a typical answer in each format](img/sizes.png)
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """One presentation: its bytes, and the bytes of the QR message it is packed into."""

    raw: int
    packed: int


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """A certificate in one format."""

    issued: int
    everything: Size
    answer: Size


@dataclass(frozen=True, kw_only=True)
class Row:
    """A certificate type, the policy its typical answer is for, and its sizes by format."""

    kind: CertificateType
    policy: str
    sizes: dict[str, Sizes]


def codes(packed: int) -> int:
    """How many codes a message of ``packed`` bytes is shown in (docs/qr-profile.md section 3)."""
    if packed <= MAX_STATIC:
        return 1
    parts = -(-packed // FRAME_PART)
    return parts + (parts + 1) // 2 + 2


def measure() -> list[Row]:
    """Issue and present every type of the catalogue in each of its formats."""
    catalog = Catalog.builtin()
    world = World(at=AT)
    return [_row(catalog[code], world, Formats(catalog)) for code in catalog]


def _row(kind: CertificateType, world: World, formats: Formats) -> Row:
    phone = SoftwareSigner.generate()
    key = IssuerKey(public_key=world.document_signer.public_key, chain=(world.document_signer_certificate,))
    policy, asked, variant, options = _typical(kind)
    now = int(AT.timestamp())
    content = Content(
        vct=kind.vct,
        issuer=ISSUER_ID,
        claims=kind.issue(kind.sample, variant=variant, options=options, issued_on=AT.date()),
        issued_at=now,
        expires_at=now + kind.lifetime_days * 86_400,
        holder_key=phone.public_key,
        status=StatusReference(uri="https://city.example/s/1", index=123_456),
    )
    sizes = {}
    for name in ORDER:
        if name not in kind.formats:
            continue
        form = formats[name]
        raw = form.issue(content, key, world.document_signer)
        opened = form.open(raw)
        all_of_it = [ClaimPath((claim,)) for claim in opened.claims]
        some = _answer(kind, opened, asked)
        sizes[name] = Sizes(
            issued=len(raw),
            everything=_present(form, opened, _hidden(opened, all_of_it), phone),
            answer=_present(form, opened, some, phone),
        )
    return Row(kind=kind, policy=policy, sizes=sizes)


def _typical(kind: CertificateType) -> tuple[str, tuple[ClaimPath, ...], str | None, dict[str, Any]]:
    """The first policy that asks for such a certificate: its id, the claims, and a variant and options that it takes."""
    variant = kind.variants[0].id if kind.variants else None
    for policy_id in preset_ids():
        for slot in VerificationPolicy.preset(policy_id).slots:
            for one in slot.any_of:
                if one.code == kind.code:
                    options = {name: values[0] for name, values in one.options.items()}
                    return policy_id, one.asked, one.variants[0] if one.variants else variant, options
    return "", (), variant, {}


def _answer(kind: CertificateType, opened: Opened, asked: Iterable[ClaimPath]) -> list[ClaimPath]:
    """The concrete paths of ``asked``; of a claim that the sample does not have, nothing."""
    types = type_names(opened.format, vct=kind.vct, doctype=kind.doctype)
    held = Candidate(id="it", format=opened.format, types=types, claims=opened.claims, holder_bound=True)
    paths: list[ClaimPath] = []
    for claim in asked:
        query = CredentialQuery(
            id="q", format=opened.format, types=(frozenset(types),), claims=(ClaimQuery(path=claim),)
        )
        found = match(DcqlQuery(credentials=(query,)), [held]).found["q"]
        paths += found[0].paths if found else ()
    return _hidden(opened, paths)


def _hidden(opened: Opened, paths: Iterable[ClaimPath]) -> list[ClaimPath]:
    """Of ``paths`` those that the holder could keep back; the rest is in every presentation."""
    return [one for one in paths if any(node.contains(one) or one.contains(node) for node in opened.disclosures)]


def _present(form: CredentialFormat, opened: Opened, paths: Sequence[ClaimPath], phone: SoftwareSigner) -> Size:
    raw = form.present(
        opened, paths, phone, audience=f"x509_hash:{'A' * 43}", nonce=bytes(range(16)), issued_at=int(AT.timestamp())
    )
    answer = Presentation(tokens={"certificate": (Presented(format=form.id, raw=raw),)}, one_way_nonce=None)
    return Size(raw=len(raw), packed=len(encode_message(answer.to_message())))


def markdown(rows: Sequence[Row]) -> str:
    """The page."""
    lines = [INTRODUCTION.format(tolerance=TOLERANCE, packed=PACKED_TOLERANCE, static=MAX_STATIC)]
    for title in (TYPICAL, "Everything shown", "As issued"):
        typical = title == TYPICAL
        lines += [f"## {title}", "", f"| certificate | {' | '.join(ORDER)} |{' policy |' if typical else ''}"]
        lines.append("| --- |" + " --: |" * len(ORDER) + (" --- |" if typical else ""))
        for row in rows:
            cells = [_cell(title, row.sizes[name]) if name in row.sizes else "–" for name in ORDER]
            policy = f" {f'`{row.policy}`' if row.policy else 'none'} |" if typical else ""
            lines.append(f"| `{row.kind.code}` {row.kind.name('ko')} | {' | '.join(cells)} |{policy}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _cell(title: str, sizes: Sizes) -> str:
    if title == "As issued":
        return f"{sizes.issued:,}"
    size = sizes.answer if title == TYPICAL else sizes.everything
    number = codes(size.packed)
    return f"{size.raw:,} · {'**1**' if number == 1 else number}"


def differences(rows: Sequence[Row], page: str) -> list[str]:
    """What ``page`` says otherwise than ``rows``, beyond what two runs may differ by."""
    found = []
    written, measured = page.splitlines(), markdown(rows).splitlines()
    if len(written) != len(measured):
        return [f"{len(written)} lines, not {len(measured)}"]
    sizes = [one for row in rows for one in row.sizes.values()]
    packed = iter([*(one.answer for one in sizes), *(one.everything for one in sizes)])
    for old, new in zip(written, measured, strict=True):
        if not new.startswith("| `"):
            if old != new:
                found.append(f"{old!r}, not {new!r}")
            continue
        for was, now in zip(old.split("|"), new.split("|"), strict=False):
            size = next(packed) if " · " in now else None
            if not _near(was, now, size):
                found.append(f"{new.split('|')[1].strip()}: {was.strip()}, not {now.strip()}")
        if old.count("|") != new.count("|"):
            found.append(f"{old!r}, not {new!r}")
    return found


def _near(was: str, now: str, size: Size | None) -> bool:
    if was == now:
        return True
    figure = re.compile(r" ([\d,]+)(?: · \**(\d+)\**)? ")
    before, after = figure.fullmatch(was), figure.fullmatch(now)
    if before is None or after is None:
        return False
    bytes_before, bytes_after = (int(one[1].replace(",", "")) for one in (before, after))
    # Every count between the two ends: a message of 1,258 to 1,270 bytes takes fewer frames than one a little longer.
    spread = range(-PACKED_TOLERANCE, PACKED_TOLERANCE + 1)
    some = {None} if size is None else {str(codes(size.packed + more)) for more in spread}
    return abs(bytes_before - bytes_after) <= TOLERANCE and before[2] in some


def picture(rows: Sequence[Row], path: Path) -> None:
    """A dot for each typical answer, by the bytes that QR codes have to carry."""
    import matplotlib as mpl  # noqa: PLC0415 - takes long to import, and --check draws nothing

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice of what draws

    figure, axes = plt.subplots(figsize=(10, 1.4 + 0.3 * len(rows)), layout="constrained")
    ordered = sorted(rows, key=lambda row: -min((one.answer.packed for one in row.sizes.values()), default=0))
    for form, colour in zip(ORDER, COLOURS, strict=True):
        places = [(row.sizes[form].answer.packed, y) for y, row in enumerate(ordered) if form in row.sizes]
        axes.scatter([x for x, _ in places], [y for _, y in places], color=colour, label=form, s=34, zorder=3)
    axes.axvspan(0, MAX_STATIC, color="#1f77b4", alpha=0.08, zorder=0)
    axes.axvline(MAX_STATIC, color="#444444", linewidth=1)
    axes.text(MAX_STATIC - 20, len(rows) - 0.4, "one still code", ha="right", va="bottom", fontsize=9)
    axes.text(MAX_STATIC + 20, len(rows) - 0.4, "animated frames", ha="left", va="bottom", fontsize=9)
    axes.set_yticks(range(len(ordered)), [row.kind.code for row in ordered])
    axes.set_ylim(-0.6, len(rows) + 0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("bytes of a typical answer, packed for QR")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="center right")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main() -> int:
    """Write or check; 1 when the page is out of date."""
    rows, page = measure(), DOCS / "sizes.md"
    stale = differences(rows, page.read_text("utf-8")) if page.exists() else ["there is none"]
    if "--check" in sys.argv:
        print("\n".join(["docs/sizes.md is out of date: run docs/sizes.py", *stale]) if stale else "up to date")
        return bool(stale)
    page.write_text(markdown(rows), "utf-8")
    picture(rows, DOCS / "img" / "sizes.png")
    print("wrote docs/sizes.md and docs/img/sizes.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
