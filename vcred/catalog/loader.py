"""The strict reader of type files: TOML text in, a frozen ``CertificateType`` or every mistake out.

Unknown keys are mistakes. What can be checked without issuing is checked here (``vcred.catalog.check``), so
a type that loads can be issued; ``vcred.catalog.lint`` adds what needs its sample.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vcred.catalog.check import check
from vcred.catalog.codes import CodeList, CodeValue
from vcred.catalog.derive import Derivation
from vcred.catalog.effects import Coarsen, Condition, Drop, Newer, Rows
from vcred.catalog.element import OURS, MdocElement, element_mistakes
from vcred.catalog.reader import Table
from vcred.catalog.types import CertificateType, ClaimSpec, IssueOption, OptionValue, TypeStatus, Variant
from vcred.catalog.values import TYPES
from vcred.claims import ClaimPath
from vcred.errors import CatalogError
from vcred.formats.known import FORMATS, LEGACY_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vcred.catalog.effects import Effect

__all__ = ["CODE", "MAX_FILE", "read_codes", "read_type"]

CODE = r"[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,47}"
MAX_FILE = 256 * 1024
_ID = r"[a-z][A-Za-z0-9_]{0,39}"
_CODE_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
_VALUE_ID = r"[a-z][A-Za-z0-9_]{0,39}(?::N)?"
_CLAIM_TYPES = {*TYPES, "object"}
_CARDINALITIES = ("1", "0..1", "0..n", "1..n")
_SENSITIVITIES = ("document", "personal", "sensitive", "identifier")
_FORMATS = (*FORMATS, *LEGACY_FORMATS)
_DOTTED = r"[a-z0-9_]+(?:\.[a-z0-9_]+){2,}"
_FOREIGN_DOTTED = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2,}"
_URN = r"urn:[a-z0-9][a-z0-9-]{1,30}:[A-Za-z0-9_.:-]{1,120}"
_FOREIGN_VCT = rf"{_URN}|https://[a-z0-9.-]{{1,120}}(?:/[A-Za-z0-9_.:/-]{{0,200}})?"
_ELEMENT = r"[a-z][a-z0-9_]{0,63}"
_NUMBER_PARTS = (
    ("birthDate", "birthdate", "personal", {"ko": "생년월일", "en": "Birth date"}),
    ("sexDigit", "string", "personal", {"ko": "성별 자리", "en": "Sex digit"}),
    ("serial", "string", "identifier", {"ko": "뒷자리", "en": "Last six digits"}),
)


def read_type(
    text: str, file: str, shared: Mapping[str, CodeList]
) -> tuple[CertificateType | None, list[CatalogError]]:
    """The type in ``text`` and every mistake found; the type is ``None`` if there is one."""
    errors: list[CatalogError] = []
    root = _parse(text, file, errors)
    if errors:
        return None, errors
    lists = dict(shared) | _code_lists(root.table("codes"))
    claims = _claims(root, lists)
    facts = tuple(_fact(table) for table in root.tables("facts"))
    sample = root.raw("sample")
    if not isinstance(sample, dict):
        root.error("sample", "is missing; add the record of a fictitious person")
    kind_fields = _head(root)
    options = tuple(_option(table) for table in root.tables("options"))
    variants = tuple(_variant(table) for table in root.tables("variants"))
    root.close()
    if errors:
        return None, errors
    check(
        file,
        errors,
        claims=claims,
        facts=facts,
        options=options,
        variants=variants,
        retired_labels=kind_fields["retired_labels"],
        foreign=kind_fields["foreign"],
    )
    names = {key: kind_fields[key] for key in ("doctype", "namespace", "foreign")}
    errors += [CatalogError(file, path, detail) for path, detail in element_mistakes(claims, **names)]
    if errors:
        return None, errors
    kind = CertificateType(
        claims=_tree(claims), facts=facts, options=options, variants=variants, sample=sample, file=file, **kind_fields
    )
    return kind, errors


def read_codes(text: str, file: str) -> dict[str, CodeList]:
    """The shared code lists of a ``codes.toml``. Raises ``CatalogError``."""
    errors: list[CatalogError] = []
    root = _parse(text, file, errors)
    lists = _code_lists(root.table("codes")) if not errors else {}
    root.close()
    if errors:
        raise errors[0]
    return lists


def _parse(text: str, file: str, errors: list[CatalogError]) -> Table:
    import tomllib  # noqa: PLC0415  # a program that reads no type does not pay for it

    content: Any = {}
    if len(text) > MAX_FILE:
        errors.append(CatalogError(file, "", f"is larger than {MAX_FILE} characters"))
    else:
        try:
            content = tomllib.loads(text)
        except (ValueError, RecursionError) as problem:  # ValueError: not TOML, or a number of 5,000 digits
            said = str(problem).replace("Illegal character '\\n'", "the line ends too early")
            detail = f"is not TOML: {said}" if isinstance(problem, ValueError) else "is nested too deeply"
            errors.append(CatalogError(file, "", detail))
    return Table(content, file, "", errors)


def _head(root: Table) -> dict[str, Any]:
    code = root.matching("code", CODE, "family.kind in small letters, digits and _")
    sample_date = root.day("sample_date")
    if sample_date is None:
        root.error("sample_date", "is missing; add a day on which the sample can be issued")
    formats = root.texts("formats")
    if not formats or not set(formats) <= set(_FORMATS):
        root.error("formats", f"must be some of {', '.join(_FORMATS)}")
    foreign = root.yes_no("foreign") if root.has("foreign") else False
    dotted = _FOREIGN_DOTTED if foreign else _DOTTED
    doctype = root.matching("doctype", dotted, "a dotted name with its version")
    vct = _vct(root, doctype, foreign=foreign)
    return {
        "code": code,
        "foreign": foreign,
        "vct": vct,
        "doctype": doctype,
        "namespace": root.matching("namespace", dotted, "a dotted name") if root.has("namespace") else doctype,
        "depth": root.one_of("depth", ("full", "basic")),
        "names": root.names("name"),
        "descriptions": root.names("description"),
        "authorities": root.names("authority"),
        "legal_basis": root.text("legal_basis"),
        "formats": formats,
        "lifetime_days": root.integer("lifetime_days", 1, 36600),
        "freshness_days": root.integer("freshness_days", 1, 36600),
        "holder_binding": root.one_of("holder_binding", ("required", "bearer_ok")),
        "status": _status(root.table("status")),
        "retired_labels": root.texts("retired_labels"),
        "sample_date": sample_date,
    }


def _vct(root: Table, doctype: str, *, foreign: bool) -> str:
    """A URN; of a foreign type also an https URL or, since its mdocs have no other name, its document type."""
    if not foreign:
        return root.matching("vct", _URN, "a URN with its version")
    vct = root.text("vct")
    ours = vct.startswith("urn:vcred:") or doctype.startswith(OURS)
    if ours or not (vct == doctype or re.fullmatch(_FOREIGN_VCT, vct)):
        root.error("vct", "must be a URN or an https URL, or the document type, and that of another than vcred")
    return vct


def _status(table: Table) -> TypeStatus:
    status = TypeStatus(
        suspendable=table.yes_no("suspendable"), max_age=timedelta(hours=table.integer("max_age_hours", 1, 24 * 366))
    )
    table.close()
    return status


def _code_lists(codes: Table) -> dict[str, CodeList]:
    lists = {}
    for name in codes.keys():  # noqa: SIM118  # a Table is not a dict
        table = codes.table(name)
        values = tuple(_code_value(row) for row in table.tables("values"))
        table.close()
        ids = [value.id for value in values]
        if not ids or len(set(ids)) != len(ids):
            table.error("values", "must be a list of values with different ids")
        lists[name] = CodeList(id=name, values=values)
    return lists


def _code_value(row: Table) -> CodeValue:
    value = CodeValue(
        id=row.matching("id", _CODE_ID, "ASCII letters, digits, _ and -"),
        valid_from=row.day("valid_from"),
        valid_to=row.day("valid_to"),
        names=row.both(close=False),
    )
    row.close()
    if value.valid_from and value.valid_to and value.valid_from > value.valid_to:
        row.error("valid_to", "lies before valid_from")
    return value


def _claims(root: Table, lists: Mapping[str, CodeList]) -> list[ClaimSpec]:
    claims = []
    for table in root.tables("claims"):
        path = _path(table, "path")
        if path is not None:
            table.path = f"claims.{path}"
            claims.append(_claim(table, path, lists))
        else:
            table.raw("path")
    if not claims:
        root.error("claims", "is missing; a type has at least one claim")
    return claims


def _path(table: Table, key: str) -> ClaimPath | None:
    text = table.text(key)
    try:
        path = ClaimPath.parse(text) if text else None
    except ValueError:
        table.error(key, "must be a claim path such as members[].name")
        return None
    if path is not None and any(isinstance(part, int) for part in path.parts):
        table.error(key, "must not pick one element; write [] for every element")
        return None
    return path


def _claim(table: Table, path: ClaimPath, lists: Mapping[str, CodeList]) -> ClaimSpec:
    codes = table.text("codes", "")
    if codes and codes not in lists:
        table.error("codes", "names no code list; define it under [codes]")
    spec = ClaimSpec(
        path=path,
        type=table.one_of("type", _CLAIM_TYPES),
        cardinality=table.one_of("cardinality", _CARDINALITIES, "1"),
        sensitivity=table.one_of("sensitivity", _SENSITIVITIES, "personal"),
        disclosure=table.one_of("disclosure", ("always", "selective"), "selective"),
        elements=table.one_of("elements", ("always", "selective"), "selective"),
        label=table.integer("label", 0, 2**31 - 1),
        codes=lists.get(codes),
        codes_at=table.text("codes_at", "") or None,
        derive=_derivation(table),
        mdoc=_element(table.table("mdoc")) if table.has("mdoc") else None,
        children=_number_parts(path) if table.raw("type") in ("rrn", "frn") else (),
        names=table.both(close=False),
    )
    table.close()
    return spec


def _derivation(table: Table) -> Derivation | None:
    text = table.text("derive", "")
    try:
        return Derivation.parse(text) if text else None
    except ValueError as problem:
        table.error("derive", str(problem))
        return None


def _element(table: Table) -> MdocElement:
    words = table.table("values") if table.has("values") else None
    values: dict[str, str | int] = {}
    for code in words.keys() if words else ():
        value = words.raw(code) if words else None
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            values[code] = value
        else:
            table.error(f"values.{code}", "must be a text or a whole number")
    element = MdocElement(
        namespace=table.matching("namespace", _DOTTED, "a dotted name"),
        name=table.matching("element", _ELEMENT, "a name in small letters, digits and _"),
        values=values,
    )
    table.close()
    return element


def _number_parts(path: ClaimPath) -> tuple[ClaimSpec, ...]:
    return tuple(
        ClaimSpec(
            path=path.child(key),
            type=type_,
            cardinality="1",
            sensitivity=sensitivity,
            disclosure="selective",
            label=label,
            names=names,
        )
        for label, (key, type_, sensitivity, names) in enumerate(_NUMBER_PARTS)
    )


def _fact(table: Table) -> ClaimSpec:
    path = _path(table, "path") or ClaimPath(("unreadable",))
    spec = ClaimSpec(
        path=path,
        type=table.one_of("type", ("boolean", "date", "string", "integer")),
        cardinality="0..1",
        sensitivity="document",
        disclosure="selective",
        label=0,
        names={},
    )
    table.close()
    return spec


def _option(table: Table) -> IssueOption:
    yes_no = table.has("when_false")
    kind = "yes_no" if yes_no else table.one_of("kind", ("choice", "set"), "choice")
    default = table.raw("default")
    if isinstance(default, list):
        default = table.texts("default")
    option = IssueOption(
        id=table.matching("id", _ID, "a camelCase name"),
        label=table.integer("label", 0, 2**31 - 1),
        names=table.names("name"),
        kind=kind,
        default=default if isinstance(default, (bool, str, tuple)) else "",
        values=() if yes_no else tuple(_value(row, kind) for row in table.tables("values")),
        when_false=_effects(table, "when_false"),
        variants=table.texts("variants"),
    )
    table.close()
    return option


def _value(row: Table, kind: str) -> OptionValue:
    value_id = row.matching("id", _VALUE_ID, "an ASCII name, with :N behind it where a number is to be given")
    counted = value_id.endswith(":N")
    if counted and kind == "set":
        row.error("id", "a set has no value with a number")
    value = OptionValue(
        id=value_id,
        effects=_effects(row, "effects", counted=counted),
        without=_effects(row, "without") if kind == "set" else (),
        low=row.integer("min", 1, 9999) if counted else 0,
        high=row.integer("max", 1, 9999) if counted else 0,
        names=row.both(close=False),
    )
    row.close()
    return value


def _variant(table: Table) -> Variant:
    variant = Variant(
        id=table.matching("id", _ID, "a camelCase name"),
        names=table.names("name"),
        effects=_effects(table, "effects"),
    )
    table.close()
    return variant


def _effects(table: Table, key: str, *, counted: bool = False) -> tuple[Effect, ...]:
    found = (_effect(row, counted=counted) for row in table.tables(key))
    return tuple(effect for effect in found if effect is not None)


def _effect(row: Table, *, counted: bool) -> Effect | None:
    do = row.one_of("do", ("drop", "drop_rows", "keep_rows", "newer", "coarsen"))
    claim = _path(row, "claim")
    effect: Effect | None = None
    if claim is not None:
        if do == "drop":
            condition = _condition(row)
            effect = Drop(claim=claim, where=condition if condition.fields else None)
        elif do == "newer":
            years = None if counted and row.raw("years") == "N" else row.integer("years", 1, 9999)
            effect = Newer(claim=claim, by=row.text("by"), years=years)
        elif do == "coarsen":
            effect = Coarsen(claim=claim, keep=frozenset(row.texts("keep")), otherwise=row.text("otherwise"))
        else:
            condition = _condition(row)
            if not condition.fields:
                row.error("where", "is missing; say which rows")
            effect = Rows(claim=claim, where=condition, keep=do == "keep_rows")
    row.close()
    return effect


def _condition(row: Table) -> Condition:
    where = row.table("where") if row.has("where") else None
    equals: dict[str, tuple[Any, ...]] = {}
    for name in where.keys() if where else ():
        value = where.raw(name) if where else None
        choices = tuple(value) if isinstance(value, list) else (value,)
        if not choices or not all(isinstance(choice, (str, bool, int)) for choice in choices):
            row.error(f"where.{name}", "must be a text, a number, true or false, or an array of these")
        equals[name] = choices
    return Condition(equals=equals, absent=row.texts("absent"))


def _tree(claims: Iterable[ClaimSpec]) -> tuple[ClaimSpec, ...]:
    """Claims listed flat, parents first or not, as trees in the order of the file."""
    below: dict[tuple[Any, ...], list[ClaimSpec]] = {}
    for spec in claims:
        parent = spec.path.parts[:-1]
        while parent and parent[-1] is None:
            parent = parent[:-1]
        below.setdefault(parent, []).append(spec)

    def grown(parent: tuple[Any, ...]) -> tuple[ClaimSpec, ...]:
        return tuple(
            spec if spec.type != "object" else replace(spec, children=grown(spec.path.parts))
            for spec in below.get(parent, ())
        )

    return grown(())
