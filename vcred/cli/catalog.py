"""``vcred catalog``: certificate types, and whether type files and policies are right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli._command import Group, Run, option
from vcred.cli._errors import Failure

if TYPE_CHECKING:
    from rich.console import Console

    from vcred.catalog import Catalog, CertificateType
    from vcred.errors import VcredError

__all__ = ["command", "with_own"]

command = Group("catalog")


@command.command("list", json=True)
@option("--family")
@click.pass_obj
def list_types(run: Run, *, family: str | None) -> None:
    """See ``texts.toml``."""
    from vcred.catalog import Catalog
    from vcred.cli._show import table

    catalog = Catalog.builtin()
    kinds = [catalog[code] for code in catalog if family is None or code.partition(".")[0] == family]
    if not kinds:
        raise click.UsageError("no such family; there are " + ", ".join(sorted({c.partition(".")[0] for c in catalog})))
    facts = [
        {
            "code": kind.code,
            "name": dict(kind.names),
            "family": kind.family,
            "depth": kind.depth,
            "variants": [variant.id for variant in kind.variants],
            "options": [one.id for one in kind.options],
        }
        for kind in kinds
    ]
    head = (
        ["코드", "이름", "구분", "선택", "발급기관"]
        if run.lang == "ko"
        else ["code", "name", "variants", "options", "authority"]
    )
    rows = (
        (
            kind.code,
            kind.name(run.lang),
            ", ".join(variant.name(run.lang) for variant in kind.variants),
            len(kind.options) or "",
            kind.authority(run.lang),
        )
        for kind in kinds
    )
    run.report(facts, lambda console: console.print(table(head, rows)))


@command.command("show", json=True)
@click.argument("code")
@option("--schema", is_flag=True)
@option("--type-metadata", is_flag=True)
@option("--sample", is_flag=True)
@click.pass_obj
def show_type(run: Run, *, code: str, schema: bool, type_metadata: bool, sample: bool) -> None:
    """See ``texts.toml``."""
    from vcred.catalog import Catalog

    if schema + type_metadata + sample > 1:
        raise click.UsageError("one of --schema, --type-metadata and --sample")
    kind = Catalog.builtin()[code]
    document: Any = None
    if schema:
        document = kind.json_schema()
    elif type_metadata:
        document = kind.type_metadata()
    elif sample:
        document = kind.sample
    if document is not None:
        click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))
        return
    run.report(_facts(kind), lambda console: _describe(console, kind, run.lang))


@command.command("check", json=True)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@option("--policy", "policies", multiple=True, type=click.Path(path_type=Path))
@click.pass_obj
def check(run: Run, *, files: tuple[Path, ...], policies: tuple[Path, ...]) -> None:
    """See ``texts.toml``."""
    from vcred.catalog import Catalog, lint

    mistakes: list[VcredError] = []
    catalog = Catalog.builtin()
    if files:
        mistakes += lint(files)
        if not mistakes:
            catalog = with_own(catalog, files)
    elif not policies:
        from importlib.resources import files as resources

        from verifier.policy import lint_presets

        mistakes += lint([str(resources("vcred.catalog").joinpath("data"))])
        mistakes += lint_presets(catalog)
    for file in policies:
        mistakes += _policy_mistakes(file, catalog)
    facts = {
        "mistakes": [
            {
                "file": getattr(one, "file", ""),
                "path": getattr(one, "path", ""),
                "detail": getattr(one, "detail", str(one)),
            }
            for one in mistakes
        ]
    }
    if mistakes:
        from vcred.cli._texts import detail_text
        from vcred.qr import safe_text

        for one in mistakes:
            click.echo(safe_text(detail_text(str(one), run.lang)), err=True)
        raise Failure(run.text(f"잘못된 곳 {len(mistakes)}개", f"mistakes: {len(mistakes)}"), kind="mistakes", **facts)
    run.report(facts, lambda console: console.print(run.text("문제 없음", "nothing wrong"), style="green"))


def with_own(catalog: Catalog, files: tuple[Path, ...]) -> Catalog:
    """The built-in types, with those of ``files`` in place of what they describe anew."""
    from vcred.catalog import Catalog

    own = Catalog.load(*files)
    texts = catalog.texts()
    for code in own:
        texts.pop(f"{code.replace('.', '/')}.toml", None)
    return Catalog.from_texts(texts | own.texts())


def _policy_mistakes(file: Path, catalog: Catalog) -> list[VcredError]:
    from vcred.cli._files import read
    from vcred.errors import PolicyError
    from vcred.policy import VerificationPolicy, lint

    try:
        return [*lint(VerificationPolicy.load(read(file).decode("utf-8"), file=file.name), catalog)]
    except UnicodeDecodeError:
        return [PolicyError(file.name, "", "not UTF-8")]
    except PolicyError as error:
        return [error]


def _facts(kind: CertificateType) -> dict[str, Any]:
    return {
        "code": kind.code,
        "vct": kind.vct,
        "doctype": kind.doctype,
        "namespace": kind.namespace,
        "name": dict(kind.names),
        "description": dict(kind.descriptions),
        "authority": dict(kind.authorities),
        "legal_basis": kind.legal_basis,
        "formats": list(kind.formats),
        "lifetime_days": kind.lifetime_days,
        "freshness_days": kind.freshness_days,
        "holder_binding": kind.holder_binding,
        "status": {
            "suspendable": kind.status.suspendable,
            "max_age_hours": int(kind.status.max_age.total_seconds()) // 3600,
        },
        "variants": [{"id": variant.id, "name": dict(variant.names)} for variant in kind.variants],
        "options": kind.options_form(),
        "claims": [
            {
                "path": str(spec.path),
                "type": spec.type,
                "cardinality": spec.cardinality,
                "disclosure": spec.disclosure,
                "sensitivity": spec.sensitivity,
                "name": dict(spec.names),
                "mdoc": None if spec.mdoc is None else {"namespace": spec.mdoc.namespace, "element": spec.mdoc.name},
            }
            for spec in kind.walk()
        ],
    }


def _describe(console: Console, kind: CertificateType, lang: str) -> None:
    from vcred.cli._show import plain, table

    korean = lang == "ko"
    console.print(kind.name(lang), style="bold")
    console.print(plain(kind.description(lang)))
    console.print(plain(f"{kind.authority(lang)} · {kind.legal_basis}"))
    console.print(plain(f"{kind.vct} · {', '.join(kind.formats)}"))
    if kind.variants:
        names = ", ".join(f"{variant.id} ({variant.name(lang)})" for variant in kind.variants)
        console.print(plain(("구분: " if korean else "variants: ") + names))
    if kind.options:
        head = ["선택 사항", "이름", "값", "기본"] if korean else ["option", "name", "values", "default"]
        rows = (
            (form["id"], form["name"][lang], ", ".join(str(value["id"]) for value in form["values"]), form["default"])
            for form in kind.options_form()
        )
        console.print(table(head, rows))
    head = ["항목", "이름", "형식", "개수", "공개"] if korean else ["claim", "name", "type", "count", "disclosure"]
    claims = [[str(spec.path), spec.name(lang), spec.type, spec.cardinality, spec.disclosure] for spec in kind.walk()]
    if kind.namespace != kind.doctype:
        console.print(plain(f"mdoc: {kind.doctype}, {kind.namespace}"))
        head.append("mdoc")
        for row, spec in zip(claims, kind.walk(), strict=True):
            row.append("" if spec.mdoc is None else f"{spec.mdoc.namespace} {spec.mdoc.name}")
    console.print(table(head, claims))


def _plain(value: object) -> Any:
    """Dates and the read-only mappings of a sample, as JSON has them."""
    return dict(value) if isinstance(value, Mapping) else str(value)
