"""Checking type files before they are used: everything the loader refuses, and what only shows when issuing.

Every file's sample is issued under every variant and every value of every option; 일반 and 특정 must hold
nothing that 상세 does not; codes, ``vct`` and namespace must be unique. Every mistake is reported, not the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcred.catalog.collection import CODES_FILE, Catalog, type_files
from vcred.catalog.loader import read_codes, read_type
from vcred.claims import SD
from vcred.errors import CatalogError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from vcred.catalog.codes import CodeList
    from vcred.catalog.types import CertificateType, IssueOption

__all__ = ["disclosed", "every_choice", "lint", "lint_type", "values_of"]

WIDEST = "detailed"
"""The variant (상세) that contains every other one."""


def lint(paths: Iterable[Path | str]) -> list[CatalogError]:
    """Every mistake in the type files of these files and folders; an empty list if there is none."""
    files = type_files(tuple(paths))
    errors: list[CatalogError] = []
    shared, texts = _shared(files, errors)
    kinds = []
    for shown, text in texts.items():
        kind, found = read_type(text, shown, shared)
        errors += found
        if kind is not None:
            kinds.append(kind)
            errors += lint_type(kind)
    if not texts and not errors:
        errors.append(CatalogError(", ".join(map(str, paths)), "", "there is no type file here"))
    return [*errors, *_doubles(kinds)]


def lint_type(kind: CertificateType) -> list[CatalogError]:
    """Mistakes of one type that show when its sample is issued."""
    errors = []
    seen = set()
    for variant, options in every_choice(kind):
        try:
            tree = kind.issue(kind.sample, variant=variant, options=options, issued_on=kind.sample_date)
        except (RecordError, ValueError) as problem:
            if str(problem) not in seen:
                seen.add(str(problem))
                errors.append(CatalogError(kind.file, "sample", f"cannot be issued: {problem}"))
            continue
        if variant not in (None, WIDEST) and any(one.id == WIDEST for one in kind.variants):
            errors += _beyond_widest(kind, variant, options, tree)
    return errors


def every_choice(kind: CertificateType) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Every variant with every value of every option, the other options at their default."""
    variants: list[str | None] = [one.id for one in kind.variants]
    for variant in variants or [None]:
        yield variant, {}
        for option in kind.options:
            if not option.variants or variant in option.variants:
                yield from ((variant, {option.id: value}) for value in values_of(option))


def values_of(option: IssueOption) -> list[Any]:
    """Values of one option: all there are; the smallest and largest number; of a set each alone and all."""
    if option.kind == "yes_no":
        return [True, False]
    ids = [value.id for value in option.values]
    if option.kind == "set":
        return [*([value] for value in ids), ids]
    fixed = [value for value in ids if not value.endswith(":N")]
    counted = [
        f"{value.id[:-1]}{number}" for value in option.values if value.high for number in (value.low, value.high)
    ]
    return fixed + counted


def disclosed(tree: Any) -> Any:
    """A claim tree without its ``SD`` marks: what a holder shows who hides nothing."""
    if isinstance(tree, SD):
        return disclosed(tree.value)
    if isinstance(tree, dict):
        return {key: disclosed(value) for key, value in tree.items()}
    return [disclosed(item) for item in tree] if isinstance(tree, list) else tree


def _shared(files: Mapping[str, Path], errors: list[CatalogError]) -> tuple[Mapping[str, CodeList], dict[str, str]]:
    texts = {}
    for shown, file in files.items():
        try:
            texts[shown] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            errors.append(
                CatalogError(shown, "", f"cannot be read: {getattr(problem, 'strerror', None) or 'not UTF-8'}")
            )
    own = [shown for shown in texts if shown.rsplit("/", 1)[-1] == CODES_FILE]
    try:
        codes = texts.pop(own[0]) if own else Catalog.builtin().texts()[CODES_FILE]
        return read_codes(codes, own[0] if own else CODES_FILE), texts
    except CatalogError as problem:
        errors.append(problem)
        return {}, texts


def _beyond_widest(
    kind: CertificateType, variant: str, options: Mapping[str, Any], tree: Mapping[str, Any]
) -> Iterator[CatalogError]:
    shared = {
        name: value
        for name, value in options.items()
        if (option := kind.option(name)) is not None and (not option.variants or WIDEST in option.variants)
    }
    widest = kind.issue(kind.sample, variant=WIDEST, options=shared, issued_on=kind.sample_date)
    mine, all_ = disclosed(tree), disclosed(widest)
    for name in kind.labels.labels:
        if name in mine and name not in ("variant", "options") and not _within(mine[name], all_.get(name)):
            yield CatalogError(kind.file, f"variants.{variant}", f"has something in {name} that {WIDEST} has not")


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and _within(value, whole[key]) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_within(item, other) for other in whole) for item in part)
    return type(part) is type(whole) and bool(part == whole)


def _doubles(kinds: Iterable[CertificateType]) -> Iterator[CatalogError]:
    seen: dict[tuple[str, str], str] = {}
    for kind in kinds:
        for name, value in (("code", kind.code), ("vct", kind.vct), ("namespace", kind.namespace)):
            if (name, value) in seen:
                yield CatalogError(kind.file, name, f"is the same as in {seen[name, value]}")
            seen[name, value] = kind.file
