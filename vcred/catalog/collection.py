"""``Catalog``: certificate types by code and by ``vct``, each file read when it is first asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from vcred.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vcred.catalog.codes import CodeList
    from vcred.catalog.types import CertificateType
    from vcred.formats.base import LabelMap

__all__ = ["CODES_FILE", "Catalog", "type_files"]

CODES_FILE = "codes.toml"
"""The file of shared code lists, beside the type files."""

_BUILTIN = Path(__file__).with_name("data")
_URN = re.compile(r"urn:vcred:kr:([a-z0-9_.]{3,90}):[0-9]{1,4}")


class Catalog:
    """A fixed set of certificate types.

    ``catalog["resident.household"]`` is a type or raises ``CatalogError``; iterating gives the codes in
    order. A file is read, and its mistakes are raised as ``CatalogError``, on first use.
    """

    def __init__(self, sources: Mapping[str, tuple[str, Callable[[], str]]], codes_text: Callable[[], str]) -> None:
        self._sources = dict(sorted(sources.items()))
        self._codes_text = codes_text
        self._codes: Mapping[str, CodeList] | None = None
        self._types: dict[str, CertificateType] = {}

    @classmethod
    def builtin(cls) -> Catalog:
        """The types that come with vcred."""
        return cls.load(_BUILTIN)

    @classmethod
    def load(cls, *paths: Path | str) -> Catalog:
        """The types in files and, recursively, folders, named by the ``code`` they contain.

        Shared code lists come from a ``codes.toml`` among them, else from vcred's own. Raises
        ``CatalogError`` for two files of one code, and for no file at all.
        """
        files = type_files(paths)
        if not files:
            raise CatalogError(", ".join(str(path) for path in paths), "", "there is no type file here")
        sources: dict[str, tuple[str, Callable[[], str]]] = {}
        codes: Callable[[], str] | None = None
        for shown, file in files.items():
            if file.name == CODES_FILE:
                codes = _reading(file)
            else:
                _add(sources, _code_of(shown, file), shown, _reading(file))
        return cls(sources, codes or _reading(_BUILTIN / CODES_FILE))

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Catalog:
        """The types in TOML texts by file name (as a trust bundle carries them; see ``texts``)."""
        sources: dict[str, tuple[str, Callable[[], str]]] = {}
        codes: Callable[[], str] | None = None
        for name, text in texts.items():
            if name.rsplit("/", 1)[-1] == CODES_FILE:
                codes = _giving(text)
            else:
                _add(sources, _code_in(text, name), name, _giving(text))
        return cls(sources, codes or _reading(_BUILTIN / CODES_FILE))

    def __getitem__(self, code: str) -> CertificateType:
        if code not in self._types:
            if code not in self._sources:
                raise CatalogError("catalog", code if len(code) <= 90 else "", "there is no such certificate type")
            from vcred.catalog.loader import read_type  # noqa: PLC0415  # nothing is read before it is asked for

            file, text = self._sources[code]
            kind, errors = read_type(text(), file, self._shared_codes())
            if kind is None:
                raise errors[0]
            if kind.code != code:
                raise CatalogError(file, "code", f"must be {code}, which is where this file was found")
            self._types[code] = kind
        return self._types[code]

    def __contains__(self, code: object) -> bool:
        return code in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __or__(self, other: Catalog) -> Catalog:
        """Both catalogues' types; raises ``CatalogError`` if a code is in both. Keeps this one's code lists."""
        sources = dict(self._sources)
        for code, (file, text) in other._sources.items():
            _add(sources, code, file, text)
        return Catalog(sources, self._codes_text)

    def __repr__(self) -> str:
        return f"Catalog({len(self)} types)"

    def types(self) -> Iterator[CertificateType]:
        """Every type, in the order of the codes. Reads every file."""
        return (self[code] for code in self)

    def by_vct(self, vct: str) -> CertificateType | None:
        """The type that credentials with this ``vct`` are of; ``None`` if there is none here."""
        if found := _URN.fullmatch(vct):
            code = found[1]
            if code in self and self[code].vct == vct:
                return self[code]
        return next((kind for kind in self.types() if kind.vct == vct), None)

    def called(self, name: str) -> tuple[CertificateType, ...]:
        """The types that a query calls ``name``: by ``vct``, or by the document type that several may share."""
        kind = self.by_vct(name)
        if kind is not None:
            return (kind,)
        return tuple(kind for kind in self.types() if kind.doctype == name)

    def labels(self, vct: str) -> LabelMap | None:
        """The integer labels of the type with this ``vct`` (what ``SdCwt`` is given)."""
        kind = self.by_vct(vct)
        return kind.labels if kind else None

    def texts(self) -> dict[str, str]:
        """Every file's text by a portable name, code lists included: ``from_texts`` reads it back."""
        texts = {f"{code.replace('.', '/')}.toml": text() for code, (_, text) in self._sources.items()}
        return {CODES_FILE: self._codes_text(), **texts}

    def _shared_codes(self) -> Mapping[str, CodeList]:
        if self._codes is None:
            from vcred.catalog.loader import read_codes  # noqa: PLC0415  # as in __getitem__

            self._codes = read_codes(self._codes_text(), CODES_FILE)
        return self._codes


def type_files(paths: tuple[Path | str, ...]) -> dict[str, Path]:
    """Every ``.toml`` file of these files and folders, by a short name to show."""
    files: dict[str, Path] = {}
    for path in map(Path, paths):
        if path.is_dir():
            files |= {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*.toml"))}
        else:
            files[path.name] = path
    return files


def _add(sources: dict[str, tuple[str, Callable[[], str]]], code: str, file: str, text: Callable[[], str]) -> None:
    if code in sources:
        raise CatalogError(file, "code", f"{code} is already described by {sources[code][0]}")
    sources[code] = (file, text)


def _code_of(shown: str, file: Path) -> str:
    if file.is_relative_to(_BUILTIN):
        return shown.removesuffix(".toml").replace("/", ".")
    return _code_in(_reading(file)(), shown)


def _code_in(text: str, file: str) -> str:
    found = re.search(r'^code = "([a-z0-9_.]{3,90})"', text, re.MULTILINE)
    if not found:
        raise CatalogError(file, "code", 'is missing; begin the file with code = "family.kind"')
    return found[1]


def _giving(text: str) -> Callable[[], str]:
    return lambda: text


def _reading(file: Path) -> Callable[[], str]:
    def read() -> str:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise CatalogError(
                file.name, "", f"cannot be read: {getattr(problem, 'strerror', None) or 'not UTF-8'}"
            ) from None

    return read
