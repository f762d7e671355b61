"""What a keyholder is asked to sign, in words: keys and authorities with their fingerprints, not only their names.

A signature vouches for these bytes, so whoever is about to give one sees what to compare by telephone.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from vcred.cli._trust_content import moment
from vcred.cli._trust_keys import key_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from vcred.cli._command import Run
    from vcred.keys import PublicKey
    from vcred.trust.content import Authority, ReaderEntry
    from vcred.trust.repository import Repository

__all__ = ["OTHER_PROFILE", "change_lines", "changes", "ends", "key_changes"]

OTHER_PROFILE = "another certificate profile than ours"
_MANY = 5
_CODES = "codes.toml"


def changes(repository: Repository) -> list[dict[str, Any]]:
    """What the staged trust list would change, one entry a thing: ``what``, ``id``, ``change`` and ``details``."""
    new, old = repository.staged_files(), repository.published_files() or {}
    if new is None:
        return []
    found = []
    for kind, before, after in (
        ("authority", _authorities(old), _authorities(new)),
        ("reader", _readers(old), _readers(new)),
        ("type", _texts(old, "types/"), _texts(new, "types/")),
        ("policy", _texts(old, "policies/"), _texts(new, "policies/")),
    ):
        for name in sorted(before.keys() | after.keys()):
            fields = _change(before.get(name), after.get(name))
            if fields:
                details = _details(after.get(name), fields)
                found.append({"what": kind, "id": name, "change": ", ".join(fields), "details": details})
    return found


def key_changes(repository: Repository) -> list[dict[str, Any]]:
    """Keys that the staged root would bring or take away, by role. Empty when no root waits, and for the first one."""
    from vcred.trust.roles import ONLINE, public_keys, read_metadata
    from vcred.trust.shelf import Shelf

    raw = Shelf(repository.folder).root()
    if raw is None or all(each.role != "root" for each in repository.staged()):
        return []
    before, found = read_metadata(raw).signed, []
    for role, held in repository.roles().items():
        name = ONLINE if role == "online" else role
        old = {key_name(key) for key in public_keys(before, name).values()}
        new = {key_name(key) for key in held.keys}
        threshold = before.roles[name].threshold
        if (old, threshold) != (new, held.threshold):
            one = {"role": role, "added": sorted(new - old), "removed": sorted(old - new)}
            found.append(one | {"threshold": held.threshold, "threshold_before": threshold})
    return found


def ends(repository: Repository) -> dict[str, datetime]:
    """When the root and the trust list that are published end: whatever is published daily ends with them."""
    from vcred.trust.roles import read_metadata
    from vcred.trust.shelf import Shelf

    shelf = Shelf(repository.folder)
    found = {"root": shelf.root(), "targets": shelf.published("targets")}
    return {role: read_metadata(raw).signed.expires for role, raw in found.items() if raw is not None}


def change_lines(found: list[dict[str, Any]], run: Run) -> list[str]:
    """A line a change with what to compare below it; of many files of one kind, how many."""
    things = {
        "authority": run.text("발급기관", "authority"),
        "reader": run.text("요청자", "reader"),
        "type": run.text("증명서 종류", "certificate type"),
        "policy": run.text("정책", "policy"),
    }
    words = {"added": "추가", "removed": "삭제", "changed": "변경"} if run.lang == "ko" else {}
    lines: list[str] = []
    for (what, change), group in groupby(found, key=lambda each: (each["what"], each["change"])):
        these, told = list(group), words.get(change, change)
        names = [each["id"] for each in these if each["id"] != _CODES]
        if what in ("type", "policy") and len(names) > _MANY:
            lines.append(f"{things[what]} ({len(names)}): {told}")
            continue
        for each in these:
            lines.append(f"{things[what]} {each['id']}: {told}")
            lines += [f"  {detail}" for detail in each["details"]]
    return lines


def _change(before: Any, after: Any) -> list[str]:
    if before == after:
        return []
    if before is None or after is None:
        return ["removed" if after is None else "added"]
    if not hasattr(before, "__slots__"):
        return ["changed"]
    return [name for name in type(after).__slots__ if getattr(before, name) != getattr(after, name)]


def _details(entry: Any, fields: list[str]) -> list[str]:
    """What a new or changed authority or reader is, as far as it is new."""
    from vcred.trust.content import Authority, ReaderEntry

    lines: list[tuple[str, str]] = []
    if isinstance(entry, Authority):
        lines = _about_authority(entry)
    elif isinstance(entry, ReaderEntry):
        lines = _about_reader(entry)
    return [line for field, line in lines if field in fields or fields == ["added"]]


def _about_authority(entry: Authority) -> list[tuple[str, str]]:
    from vcred.cli._describe import fingerprint
    from vcred.trust.profile import CertificateProfile

    lines = [("names", f"{entry.names.ko} / {entry.names.en}")]
    if entry.profile is not CertificateProfile.VCRED:
        lines.append(("profile", f"{OTHER_PROFILE}: {entry.profile.value}"))
    lines += [("anchors", f"root {fingerprint(der)}") for der in entry.anchors]
    lines += [("signers", f"signer {kid.hex()}") for kid in entry.kids]
    lines += [("keys", _key_line(each.key)) for each in entry.keys]
    lines += [("types", ", ".join(sorted(entry.types)) or "-"), ("status_uris", ", ".join(entry.status_uris) or "-")]
    for each in entry.withdrawn:
        gone = entry.id if each.kid is None else each.kid.hex()
        lines.append(("withdrawn", f"{gone} {each.reason.value} {moment(each.at):%Y-%m-%d %H:%M} UTC"))
    return lines


def _about_reader(entry: ReaderEntry) -> list[tuple[str, str]]:
    from vcred.cli._describe import fingerprint

    return [
        ("names", f"{entry.names.ko} / {entry.names.en}"),
        ("certificate", f"certificate {fingerprint(entry.certificate)}"),
        ("policies", ", ".join(sorted(entry.policies)) or "-"),
    ]


def _authorities(files: Mapping[str, bytes]) -> dict[str, Any]:
    from vcred.trust.content import parse_authorities

    return {} if not files else {each.id: each for each in parse_authorities(files["authorities.json"])[0]}


def _readers(files: Mapping[str, bytes]) -> dict[str, Any]:
    from vcred.cli._describe import fingerprint
    from vcred.trust.content import parse_authorities

    if not files:
        return {}
    entries = parse_authorities(files["authorities.json"])[1]
    return {f"{each.names.en} {fingerprint(each.certificate)[:9]}": each for each in entries}


def _texts(files: Mapping[str, bytes], folder: str) -> dict[str, Any]:
    return {name.removeprefix(folder): raw for name, raw in files.items() if name.startswith(folder)}


def _key_line(key: PublicKey) -> str:
    """A key without a certificate; which algorithm it is for, where that is more than a detail."""
    return f"key {key.kid.hex()}" + (f" {key.alg}" if key.is_post_quantum else "")
