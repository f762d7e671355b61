"""The page of certificate types, made from the catalogue (``docs/certificates.md`` is its English form)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from vcred.catalog.codes import CodeList
    from vcred.catalog.collection import Catalog
    from vcred.catalog.types import CertificateType, ClaimSpec, IssueOption

    _Texts = Mapping[str, Any]

__all__ = ["markdown"]

_TEXTS: Mapping[str, Mapping[str, Any]] = {
    "en": {
        "title": "Certificate types",
        "intro": (
            "This page is generated from the type files in `vcred/catalog/data`; do not edit it. Every type also "
            "has the plain claims `issuedOn`, `variant` (where it has variants) and `options` (where it has options). "
            "What options and variant leave out is not in the credential; what they call for is always there, as "
            "null or an empty array when there is nothing."
        ),
        "columns_index": ("Code", "Name", "Depth", "Valid (days)", "Top-level claims"),
        "authority": "Authority",
        "law": "Legal basis",
        "type": "Type",
        "formats": "Formats",
        "status": "It can be {0}. Go by status lists of at most {1} hours.",
        "revocable": "revoked, not suspended",
        "suspendable": "revoked, suspended and reinstated",
        "lifetime": "The credential is valid for {0} days; receivers usually accept it for {1}.",
        "variants": "Variants",
        "options": "Chosen at issue",
        "columns_options": ("Option", "Name", "Values (default in bold)", "In variants"),
        "claims": "Claims",
        "columns_claims": ("Claim", "Name", "Type", "Number", "Sensitivity", "Disclosed", "Label"),
        "always": "with its parent",
        "selective": "selectively",
        "derived": "computed",
        "yes_no": "true or false",
        "codes": "Code lists",
        "from": "from",
        "to": "until",
        "full": "full",
        "basic": "basic",
        "document": "document",
        "personal": "personal",
        "sensitive": "sensitive",
        "identifier": "identifier",
    },
    "ko": {
        "title": "증명서 종류",
        "intro": (
            "이 문서는 `vcred/catalog/data`의 종류 파일에서 자동으로 만들어집니다. 직접 고치지 마십시오. "
            "모든 종류에는 언제나 공개되는 `issuedOn`, `variant`(구분이 있는 종류), "
            "`options`(선택 사항이 있는 종류)가 더 있습니다. 선택 사항과 구분이 뺀 항목은 증명서에 아예 없고, "
            "포함하기로 한 항목은 내용이 없어도 null이나 빈 배열로 들어갑니다."
        ),
        "columns_index": ("코드", "이름", "깊이", "유효 일수", "최상위 항목"),
        "authority": "발급 기관",
        "law": "근거 법령",
        "type": "종류",
        "formats": "형식",
        "status": "{0}할 수 있습니다. 상태 목록은 {1}시간까지 된 것을 씁니다.",
        "revocable": "폐기만",
        "suspendable": "폐기하고, 정지하고, 정지를 해제",
        "lifetime": "증명서의 유효기간은 {0}일이며, 받는 곳은 보통 발급 후 {1}일까지 받아 줍니다.",
        "variants": "구분",
        "options": "발급할 때 고르는 것",
        "columns_options": ("선택 사항", "이름", "값(굵은 글씨는 기본값)", "해당 구분"),
        "claims": "항목",
        "columns_claims": ("항목", "이름", "형식", "개수", "민감도", "공개", "번호"),
        "always": "상위 항목과 함께",
        "selective": "선택",
        "derived": "계산",
        "yes_no": "true, false",
        "codes": "코드 목록",
        "from": "부터",
        "to": "까지",
        "full": "전체",
        "basic": "기본",
        "document": "문서",
        "personal": "개인",
        "sensitive": "민감",
        "identifier": "고유식별",
    },
}


def markdown(catalog: Catalog, lang: str = "en") -> str:
    """The whole page in ``ko`` or ``en``. Raises ``CatalogError`` if a file is wrong."""
    texts = _TEXTS[lang]
    kinds = list(catalog.types())
    lines = [f"# {texts['title']}", "", texts["intro"], ""]
    lines += _table(texts["columns_index"], (_index_row(kind, lang, texts) for kind in kinds))
    for kind in kinds:
        lines += _section(kind, lang, texts)
    lines += [f"## {texts['codes']}", ""]
    for name, codes in sorted(_code_lists(kinds).items()):
        lines += [f"### `{name}`", "", *_code_lines(codes, lang, texts), ""]
    return "\n".join(lines).rstrip() + "\n"


def _index_row(kind: CertificateType, lang: str, texts: _Texts) -> Sequence[str]:
    anchor = kind.code.replace(".", "")
    return (
        f"[`{kind.code}`](#{anchor})",
        _both(kind.names, lang),
        texts[kind.depth],
        str(kind.lifetime_days),
        ", ".join(f"`{spec.key}`" for spec in kind.claims),
    )


def _section(kind: CertificateType, lang: str, texts: _Texts) -> Iterator[str]:
    yield from (f"## {kind.code}", "", f"**{_both(kind.names, lang)}.** {kind.description(lang)}", "")
    yield f"- {texts['authority']}: {kind.authority(lang)}"
    yield f"- {texts['law']}: {kind.legal_basis}"
    names = dict.fromkeys((kind.vct, kind.doctype, kind.namespace))
    yield f"- {texts['type']}: {', '.join(f'`{name}`' for name in names)}"
    yield f"- {texts['formats']}: {', '.join(f'`{one}`' for one in kind.formats)}"
    yield f"- {texts['lifetime'].format(kind.lifetime_days, kind.freshness_days)}"
    yield f"- {_status_line(kind, texts)}"
    if kind.variants:
        yield f"- {texts['variants']}: {', '.join(f'`{one.id}` {one.name(lang)}' for one in kind.variants)}"
    if kind.options:
        yield from ("", f"### {texts['options']}", "")
        yield from _table(texts["columns_options"], (_option_row(option, lang, texts) for option in kind.options))
    else:
        yield ""
    yield from (f"### {texts['claims']}", "")
    yield from _table(texts["columns_claims"], (_claim_row(spec, lang, texts) for spec in kind.walk()))


def _status_line(kind: CertificateType, texts: _Texts) -> str:
    hours = int(kind.status.max_age.total_seconds()) // 3600
    line: str = texts["status"].format(texts["suspendable" if kind.status.suspendable else "revocable"], hours)
    return line


def _option_row(option: IssueOption, lang: str, texts: _Texts) -> Sequence[str]:
    if option.kind == "yes_no":
        values = f"{texts['yes_no']}: **{str(option.default).lower()}**"
    else:
        defaults = option.default if isinstance(option.default, tuple) else (option.default,)
        shown = ((f"**`{one.id}`**" if one.id in defaults else f"`{one.id}`", one.names[lang]) for one in option.values)
        values = ", ".join(f"{value} {name}" for value, name in shown)
    return f"`{option.id}`", option.name(lang), values, ", ".join(f"`{one}`" for one in option.variants)


def _claim_row(spec: ClaimSpec, lang: str, texts: _Texts) -> Sequence[str]:
    kind = f"{spec.type} `{spec.codes.id}`" if spec.codes else spec.type
    if spec.derive:
        kind += f" ({texts['derived']})"
    if spec.mdoc:
        kind += f", mdoc `{spec.mdoc.namespace}` `{spec.mdoc.name}`"
    sensitivity, disclosure = texts[spec.sensitivity], texts[spec.disclosure]
    return f"`{spec.path}`", spec.name(lang), kind, spec.cardinality, sensitivity, disclosure, str(spec.label)


def _code_lists(kinds: Iterable[CertificateType]) -> dict[str, CodeList]:
    return {spec.codes.id: spec.codes for kind in kinds for spec in kind.walk() if spec.codes}


def _code_lines(codes: CodeList, lang: str, texts: _Texts) -> Iterator[str]:
    for value in codes.values:
        dates = [f"{texts['from']} {value.valid_from}"] if value.valid_from else []
        dates += [f"{texts['to']} {value.valid_to}"] if value.valid_to else []
        yield f"- `{value.id}` {_both(value.names, lang)}" + (f" ({', '.join(dates)})" if dates else "")


def _both(names: Mapping[str, str], lang: str) -> str:
    other = "en" if lang == "ko" else "ko"
    return f"{names[lang]} ({names[other]})"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines] + [""]
