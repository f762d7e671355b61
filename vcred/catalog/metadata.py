"""Documents made from a certificate type: SD-JWT VC Type Metadata, a JSON Schema, and the data of its form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vcred.catalog.types import CertificateType, ClaimSpec, IssueOption

__all__ = ["json_schema", "options_form", "type_metadata"]

LOCALES = {"ko": "ko-KR", "en": "en-US"}

_PLAIN_NAMES = {
    "issuedOn": {"ko": "발급일", "en": "Issued on"},
    "variant": {"ko": "증명서 구분", "en": "Variant"},
    "options": {"ko": "발급 시 선택 사항", "en": "Options chosen at issue"},
}
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_LEAVES: Mapping[str, Mapping[str, Any]] = {
    "string": {"type": "string", "minLength": 1},
    "address": {"type": "string", "minLength": 1},
    "date": {"type": "string", "format": "date", "pattern": _DATE},
    "birthdate": {"type": "string", "pattern": _DATE, "description": "00 stands for an unknown month or day"},
    "datetime": {"type": "string", "format": "date-time"},
    "yearmonth": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
    "year": {"type": "integer", "minimum": 1800, "maximum": 9999},
    "integer": {"type": "integer"},
    "krw": {"type": "integer"},
    "decimal": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    "boolean": {"type": "boolean"},
    "bizno": {"type": "string", "pattern": "^[0-9]{3}-[0-9]{2}-[0-9]{5}$"},
    "corpno": {"type": "string", "pattern": "^[0-9]{6}-[0-9]{7}$"},
    "phone": {"type": "string", "pattern": r"^\+?[0-9-]+$"},
    "country": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "image": {"type": "string", "pattern": "^data:image/(png|jpeg|webp);base64,"},
}


def type_metadata(kind: CertificateType) -> dict[str, Any]:
    """Type Metadata of draft-ietf-oauth-sd-jwt-vc: names, labels and ``sd`` of every claim."""
    claims = [_metadata_claim([name], _PLAIN_NAMES[name], sd="never", mandatory=True) for name in _plain(kind)]
    for spec in kind.walk():
        path = list(spec.path.parts)
        claims.append(
            _metadata_claim(
                path,
                spec.names,
                sd="always" if spec.selective else "never",
                mandatory=len(path) == 1 and not spec.selective,
            )
        )
        if spec.many:
            sd = "always" if spec.elements == "selective" else "never"
            claims.append(_metadata_claim([*path, None], spec.names, sd=sd, mandatory=False))
    return {
        "vct": kind.vct,
        "name": kind.names["en"],
        "description": kind.descriptions["en"],
        "display": [
            {"locale": locale, "name": kind.names[lang], "description": kind.descriptions[lang]}
            for lang, locale in LOCALES.items()
        ],
        "claims": claims,
    }


def _metadata_claim(path: list[Any], names: Mapping[str, str], *, sd: str, mandatory: bool) -> dict[str, Any]:
    display = [{"locale": locale, "label": names[lang]} for lang, locale in LOCALES.items()]
    return {"path": path, "display": display, "sd": sd} | ({"mandatory": True} if mandatory else {})


def json_schema(kind: CertificateType) -> dict[str, Any]:
    """A JSON Schema (2020-12) that every fully disclosed certificate of this type meets."""
    properties: dict[str, Any] = {"issuedOn": dict(_LEAVES["date"])}
    if kind.variants:
        properties["variant"] = {"enum": [variant.id for variant in kind.variants]}
    if kind.options:
        properties["options"] = {
            "type": "object",
            "properties": {option.id: _option_schema(option) for option in kind.options},
            "required": [option.id for option in kind.options if not option.variants],
            "additionalProperties": False,
        }
    properties |= {spec.key: _claim_schema(spec) for spec in kind.claims}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{kind.vct}:schema",
        "title": kind.names["en"],
        "type": "object",
        "properties": properties,
        "required": _plain(kind),
        "additionalProperties": False,
    }


def _plain(kind: CertificateType) -> list[str]:
    return ["issuedOn"] + ["variant"] * bool(kind.variants) + ["options"] * bool(kind.options)


def _option_schema(option: IssueOption) -> dict[str, Any]:
    if option.kind == "yes_no":
        return {"type": "boolean"}
    if option.kind == "set":
        ids = [value.id for value in option.values]
        return {"type": "array", "items": {"enum": ids}, "uniqueItems": True, "minItems": 1}
    fixed = [value.id for value in option.values if not value.id.endswith(":N")]
    counted = [value.id[:-1] for value in option.values if value.id.endswith(":N")]
    patterns = [{"type": "string", "pattern": f"^{prefix}[1-9][0-9]*$"} for prefix in counted]
    return {"anyOf": [{"enum": fixed}, *patterns]} if patterns else {"enum": fixed}


def _claim_schema(spec: ClaimSpec) -> dict[str, Any]:
    if spec.children:
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {child.key: _claim_schema(child) for child in spec.children},
            "additionalProperties": False,
        }
    elif spec.codes is not None:
        schema = {"enum": [value.id for value in spec.codes.values]}
    else:
        schema = dict(_LEAVES[spec.type])
    if spec.many:
        return {"title": spec.names["en"], "type": "array", "items": schema}
    if spec.required and spec.derive is None:
        return {"title": spec.names["en"], **schema}
    return {"title": spec.names["en"], "anyOf": [schema, {"type": "null"}]}


def options_form(kind: CertificateType) -> list[dict[str, Any]]:
    """See ``CertificateType.options_form``."""
    return [_form_option(option) for option in kind.options]


def _form_option(option: IssueOption) -> dict[str, Any]:
    if option.kind == "yes_no":
        values: list[dict[str, Any]] = [
            {"id": True, "name": {"ko": "포함", "en": "Yes"}},
            {"id": False, "name": {"ko": "미포함", "en": "No"}},
        ]
    else:
        values = []
        for value in option.values:
            entry: dict[str, Any] = {"id": value.id, "name": dict(value.names)}
            if value.high:
                entry |= {"min": value.low, "max": value.high}
            values.append(entry)
    default = list(option.default) if isinstance(option.default, tuple) else option.default
    form: dict[str, Any] = {
        "id": option.id,
        "kind": option.kind,
        "name": dict(option.names),
        "default": default,
        "values": values,
    }
    return form | ({"variants": list(option.variants)} if option.variants else {})
