"""The page ``vectors.md``: what of the published test vectors runs, and what is skipped, by feature and with a reason.

Made from the vectors themselves (how many there are, where they come from) and from the ``SKIPPED`` of each module in
``tests/specs``, so it can be made only where the vectors are and pytest is installed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
Skips = dict[str, tuple[int, str]]

_HEAD = """# Published vectors

What standards bodies, their working groups and other implementations publish, and what of it runs here. The files are not
in the repository: `tests/specs` looks for them in `VCRED_VECTORS` or `../shared/vectors` and is skipped, with a reason,
where they are absent. In CI a skipped test is a failure. Made by `docs/generate.py` from the files and from `SKIPPED` of
the test modules.

To run is to be accepted where the publisher says valid, with the values it publishes, and refused where it says invalid.
Skipped is a valid vector of a feature that is not here, or that cannot be put to a function of ours. Nothing that its
publisher calls invalid is accepted.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSet:
    """One folder of vectors. ``modules`` of ``tests/specs`` run it; ``count`` says how many of what there are."""

    folder: str
    title: str
    modules: tuple[str, ...]
    count: Callable[[Path], Mapping[str, int]]
    skips: Callable[[Path, ModuleType], Skips] | None = None
    note: str = ""
    run: int | None = None
    """How many run, where no module of their own says it."""


def vectors_home() -> Path:
    return Path(os.environ.get("VCRED_VECTORS") or ROOT.parent / "shared" / "vectors")


def markdown(home: Path) -> str:
    """The page. Raises ``OSError`` where the vectors are not all there."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    lines = [_HEAD, "| set | vectors | run | skipped |", "| --- | ---: | ---: | ---: |"]
    parts: list[str] = []
    for one in SETS:
        counts = one.count(home / one.folder)
        skips = _skips(one, home / one.folder)
        total, left = sum(counts.values()), sum(count for count, _ in skips.values())
        run = total - left if one.run is None else one.run
        lines.append(f"| [{one.title}](#{_anchor(one.title)}) | {total:,} | {run:,} | {total - run or ''} |")
        parts += _section(one, home, counts, skips)
    return "\n".join([*lines, "", *parts]).rstrip() + "\n"


def _section(one: VectorSet, home: Path, counts: Mapping[str, int], skips: Skips) -> list[str]:
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    lines = [f"## {one.title}", "", f"{said}. {one.note}".strip(), ""]
    if one.modules:
        lines += ["Run by " + ", ".join(f"`tests/specs/{name}.py`" for name in one.modules) + ".", ""]
    if skips:
        lines += ["| skipped | vectors | why |", "| --- | ---: | --- |"]
        lines += [f"| {feature} | {count or ''} | {why} |" for feature, (count, why) in skips.items()]
        lines.append("")
    return [*lines, *_provenance(home / one.folder / "PROVENANCE.md"), ""]


def _provenance(file: Path) -> list[str]:
    """The section on the source, as the vectors' own file has it: repository, commit, date, licence."""
    text = file.read_text("utf-8")
    found = re.search(r"^## Source\n+(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{file}: no section on the source")
    # It is prose with patterns of file names, no Markdown of ours.
    return ["Source:", "", *found[1].strip().replace("<", "&lt;").replace("*", r"\*").splitlines()]


def _skips(one: VectorSet, folder: Path) -> Skips:
    found: Skips = {}
    for name in one.modules:
        module = import_module(f"tests.specs.{name}")
        found |= (one.skips or _each)(folder, module)
    return found


def _each(_folder: Path, module: ModuleType) -> Skips:
    """``SKIPPED`` names each vector: those with one reason are put together."""
    skipped: Mapping[str, str] = getattr(module, "SKIPPED", {})
    by_reason: dict[str, list[str]] = {}
    for name, why in skipped.items():
        by_reason.setdefault(why, []).append(f"`{name}`")
    return {", ".join(names): (len(names), why) for why, names in by_reason.items()}


def _cbor_skips(folder: Path, module: ModuleType) -> Skips:
    found = Counter(left[0] for case in _json(folder / "appendix_a.json") if (left := module.left_out(case)))
    return {feature: (found[feature], why) for feature, why in module.SKIPPED.items()}


def _did_skips(folder: Path, module: ModuleType) -> Skips:
    names = [name for file in (folder / "did_key").glob("*.json") for name in _json(file)]
    return {
        f"`{beginning}`": (sum(name.startswith(beginning.rstrip(".")) for name in names), why)
        for beginning, why in module.SKIPPED.items()
    }


def _wycheproof_skips(_folder: Path, module: ModuleType) -> Skips:
    """Those of the primitives' module count for the files of the other one, too."""
    return {
        f"`{file}`: {feature}": found
        for file, features in module.SKIPPED.items()
        if isinstance(features, dict)
        for feature, found in features.items()
    }


def _not_counted(_folder: Path, module: ModuleType) -> Skips:
    """Examples of messages, which say nothing about what to accept."""
    return {f"`{name}`": (0, why) for name, why in getattr(module, "SKIPPED", {}).items()}


def _json(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def _count_files(**patterns: str) -> Callable[[Path], dict[str, int]]:
    def count(folder: Path) -> dict[str, int]:
        found = {what.replace("_", " "): len(list(folder.glob(pattern))) for what, pattern in patterns.items()}
        if not all(found.values()):
            raise FileNotFoundError(folder)
        return found

    return count


def _count_members(**places: tuple[str, str]) -> Callable[[Path], dict[str, int]]:
    """``what=(file, member)``: how many that member has; the file itself where the member is empty."""

    def count(folder: Path) -> dict[str, int]:
        read = {file: _json(folder / file) for file, _ in places.values()}
        return {
            what.replace("_", " "): len(read[file][member] if member else read[file])
            for what, (file, member) in places.items()
        }

    return count


def _count_wycheproof(folder: Path) -> dict[str, int]:
    files = sorted(folder.glob("*_test.json"))
    if not files:
        raise FileNotFoundError(folder)
    found: Counter[str] = Counter()
    for file in files:
        found.update(case["result"] for group in _json(file)["testGroups"] for case in group["tests"])
    return {f"{result} in {len(files)} files" if at == 0 else result: n for at, (result, n) in enumerate(found.items())}


def _count_mdoc(folder: Path) -> dict[str, int]:
    annex = _json(folder / "iso18013_5_annex_d.json")
    return {
        "constants of annex D": len(annex["hex"]),
        "derived values": len(annex["derived"]),
        "documents of other people": len(list((folder / "real_world").glob("*.json"))),
        "pairs of certificates": len(_json(folder / "certificates" / "expected.json")["pairs"]),
        "cases of a VICAL": len(_json(folder / "vical" / "expected.json")["cases"]),
    }


def _count_did(folder: Path) -> dict[str, int]:
    web = _json(folder / "did_web.json")
    names = [_json(file) for file in (folder / "did_key").glob("*.json")]
    return {
        "did:key": sum(name.startswith("did:") for one in names for name in one.get("didDocument", one)),
        "did:jwk": len(_json(folder / "did_jwk.json")["valid"]),
        "did:web": len(web["url_mapping"]) + len(web["example_documents"]),
    }


SETS = (
    VectorSet(
        folder="wycheproof",
        title="Wycheproof",
        modules=("test_wycheproof_primitives", "test_wycheproof_jose"),
        count=_count_wycheproof,
        skips=_wycheproof_skips,
        note="Whatever is not valid is refused. The numbers of what is skipped are exact: a test compares them.",
    ),
    VectorSet(
        folder="sd_jwt",
        title="RFC 9901, SD-JWT",
        modules=("test_rfc9901",),
        count=_count_members(examples=("rfc9901/examples.json", "examples"), specifications=("specs.json", "")),
    ),
    VectorSet(
        folder="sd_jwt_js",
        title="SD-JWT by sd-jwt-js",
        modules=("test_sd_jwt_js",),
        count=_count_members(frames=("frames.json", ""), rejections_and_others=("rfc9901_validation.json", "cases")),
        note="One frame's published answer is wrong, and is corrected in the test.",
    ),
    VectorSet(
        folder="sd_jwt_vc",
        title="SD-JWT VC",
        modules=("test_sd_jwt_vc_vectors",),
        count=_count_members(
            signed_examples=("examples.json", "examples"),
            documents=("documents.json", "figures"),
            chains_of_type_metadata=("type_metadata_cases.json", "cases"),
        ),
    ),
    VectorSet(
        folder="sd_cwt",
        title="SD-CWT",
        modules=("test_sd_cwt_vectors",),
        count=_count_members(tokens=("expected.json", "tokens"), thumbprints=("expected.json", "thumbprints")),
        note="With 41 disclosures and one that is encrypted.",
    ),
    VectorSet(
        folder="mdoc", title="ISO/IEC 18013-5", modules=("test_mdoc_vectors", "test_vical_vectors"), count=_count_mdoc
    ),
    VectorSet(
        folder="openid4vp",
        title="OpenID4VP",
        modules=("test_dcql", "test_openid4vp", "test_openid4vp_response"),
        count=lambda folder: {
            **_count_members(
                evaluations_of_a_query=("dcql_cases.json", "queries"),
                of_claims=("dcql_cases.json", "claims"),
                of_paths=("dcql_cases.json", "paths"),
                published_paths=("claims_path_pointer.json", "cases"),
            )(folder),
            **_count_files(published_queries="examples/query_lang/*.json")(folder),
            "handovers": 2,
            "encrypted response": 1,
        },
        skips=_not_counted,
        note="The handovers are run by `tests/specs/test_mdoc_vectors.py` too. Examples of messages are not counted.",
    ),
    VectorSet(
        folder="openid4vci",
        title="OpenID4VCI",
        modules=("test_openid4vci",),
        count=lambda folder: {
            "signed tokens": len(_json(folder / "tokens.json")),
            "offers": len(list(folder.glob("credential_offer_*"))),
        },
        skips=_not_counted,
        note="Examples of messages are not counted.",
    ),
    VectorSet(
        folder="vc_jose_cose",
        title="VC-JOSE-COSE",
        modules=("test_vc_jose_cose",),
        count=_count_members(cases=("mapping.json", "")),
    ),
    VectorSet(
        folder="status_list",
        title="Token Status List",
        modules=("test_status_list",),
        count=lambda folder: {
            "lists in two encodings": 2 * len(_json(folder / "vectors.json")["lists"]),
            "tokens and documents": 6,
        },
    ),
    VectorSet(
        folder="bitstring_status_list",
        title="Bitstring Status List",
        modules=("test_bitstring",),
        count=_count_members(
            lists=("vectors.json", "lists"),
            orders_of_bits=("vectors.json", "bit_order_msb_first"),
            invalid_texts=("vectors.json", "invalid"),
        ),
    ),
    VectorSet(
        folder="cose",
        title="COSE",
        modules=("test_cose_vectors",),
        count=_count_members(messages=("expected.json", "cases")),
        note="33 of them are no COSE_Sign1 and are refused for that.",
    ),
    VectorSet(
        folder="claim169",
        title="MOSIP claim 169",
        modules=(),
        count=_count_files(codes="*/*.json"),
        note="A pipeline of others (Base45, zlib, a claim of its own) that is not implemented. "
        "`tests/specs/test_cose_vectors.py` reads the COSE_Sign1 in 4 of them.",
        run=4,
    ),
    VectorSet(
        folder="cbor",
        title="CBOR",
        modules=("test_cbor_vectors",),
        count=_count_members(well_formed=("appendix_a.json", ""), not_well_formed=("not_well_formed.json", "cases")),
        skips=_cbor_skips,
    ),
    VectorSet(
        folder="base45",
        title="Base45",
        modules=("test_base45",),
        count=_count_members(valid=("vectors.json", "valid"), invalid=("vectors.json", "invalid")),
    ),
    VectorSet(
        folder="jose_cookbook",
        title="RFC 7520, JOSE cookbook",
        modules=("test_jose_cookbook",),
        count=_count_files(examples="*/*.json"),
    ),
    VectorSet(folder="did", title="DID", modules=("test_did_vectors",), count=_count_did, skips=_did_skips),
    VectorSet(
        folder="jcs",
        title="RFC 8785, JCS",
        modules=(),
        count=_count_files(documents="input/*.json"),
        note="Not run: nothing here canonicalizes JSON; what is signed is the bytes as they were received.",
        run=0,
    ),
)


def _anchor(title: str) -> str:
    """As the table of contents of mkdocs makes it."""
    kept = "".join(char for char in title.lower() if char.isalnum() or char in " -_")
    return "-".join(kept.split())
