"""``vcred trust export``: the trust list in the forms that other people's verifiers read."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred.cli._command import Group, Run, option
from vcred.cli._files import make_folder, read, refuse_existing, write
from vcred.errors import TrustError

if TYPE_CHECKING:
    from vcred.trust import TrustBundle
    from vcred.trust.lote import Scheme

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_YEARS, _SIGNER_DAYS = 10, 1095
_SKEW = timedelta(hours=1)

command = Group("export", parent="trust")


@command.command("key", at=True, json=True)
@click.argument("folder", metavar="DIR", type=_PATH)
@option("--name-ko", required=True)
@option("--name-en", required=True)
@option("--password-file", type=_PATH)
@click.pass_obj
def key(run: Run, *, folder: Path, name_ko: str, name_en: str, password_file: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.cli._describe import fingerprint, pem
    from vcred.cli._secrets import new_password
    from vcred.keys import SoftwareSigner
    from vcred.trust.x509_build import build_list_signer, build_root

    files = {name: folder / name for name in ("list-root.key", "list-root.pem", "list.key", "list.pem")}
    refuse_existing(*files.values())
    password, name = new_password(password_file), {"ko": name_ko, "en": name_en}
    root_key, list_key = SoftwareSigner.generate(), SoftwareSigner.generate()
    start = run.at - _SKEW
    root = build_root(root_key, name=name, not_before=start, not_after=run.at + timedelta(days=365 * _YEARS))
    certificate = build_list_signer(
        list_key.public_key,
        name=name,
        issuer=root,
        issuer_signer=root_key,
        not_before=start,
        not_after=run.at + timedelta(days=_SIGNER_DAYS),
    )
    make_folder(folder)
    write(files["list-root.key"], root_key.to_pem(password=password), private=True)
    write(files["list-root.pem"], pem(root))
    write(files["list.key"], list_key.to_pem(password=password), private=True)
    write(files["list.pem"], pem(certificate))
    facts = {"root": str(files["list-root.pem"]), "fingerprint": fingerprint(root)}
    run.report(facts, lambda console: console.print(f"{facts['root']}\n{facts['fingerprint']}"))


@command.command("lists", at=True, json=True)
@click.argument("bundle", type=_PATH)
@option("--root", required=True, type=_PATH, envvar="VCRED_ROOT")
@option("--scheme", "scheme_file", required=True, type=_PATH)
@option("--key", "key_file", required=True)
@option("--certificate", required=True, type=_PATH)
@option("--out", required=True, type=_PATH)
@option("--days", default=35, type=click.IntRange(1, 365))
@option("--password-file", type=_PATH)
@option("--force", is_flag=True)
@click.pass_obj
def lists(
    run: Run,
    *,
    bundle: Path,
    root: Path,
    scheme_file: Path,
    key_file: str,
    certificate: Path,
    out: Path,
    days: int,
    password_file: Path | None,
    force: bool,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._describe import pem_chain
    from vcred.cli._trust import naming
    from vcred.cli._trust_keys import open_key
    from vcred.trust import TrustBundle
    from vcred.trust.lote import build_lote
    from vcred.trust.vical_build import build_vical

    files = {"lote": out / "lote.json", "vical": out / "vical.cbor"}
    if not force:
        refuse_existing(*files.values())
    with naming(bundle, root):
        loaded = TrustBundle.loads(read(bundle), root=read(root), seen=None)
    loaded.require_current(run.at)
    scheme, signer, chain = _scheme(scheme_file, loaded), open_key(key_file, password_file), pem_chain(certificate)
    common: dict[str, Any] = {
        "issued_at": run.at,
        "next_update": run.at + timedelta(days=days),
        "signer": signer,
        "chain": chain,
    }
    catalog = loaded.catalog
    lote = build_lote(loaded.authorities, loaded.readers, sequence=loaded.version, scheme=scheme, **common)
    vical = build_vical(
        loaded.authorities,
        provider=scheme.operator.en,
        issue_id=loaded.version,
        doctypes=lambda code: catalog[code].doctype,
        **common,
    )
    out.mkdir(parents=True, exist_ok=True)
    write(files["lote"], lote, force=force)
    write(files["vical"], vical, force=force)
    facts = {name: str(path) for name, path in files.items()} | {"sequence": loaded.version}
    run.report(facts, lambda console: console.print(f"{facts['lote']}\n{facts['vical']}"))


def _scheme(file: Path, bundle: TrustBundle) -> Scheme:
    """Who publishes the list, from a TOML file. Raises ``TrustError``."""
    from vcred.trust import Names
    from vcred.trust.lote import Scheme

    try:
        body = tomllib.loads(read(file, 65_536).decode("utf-8"))
        operator, street = (
            Names(ko=str(body[name]["ko"]), en=str(body[name]["en"])) for name in ("operator", "street")
        )
        return Scheme(
            operator=operator,
            names=bundle.names,
            territory="KR",
            street=street,
            contact=str(body["contact"]),
            information_uri=str(body["information_uri"]),
        )
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        wanted = "operator and street with ko and en, contact, information_uri"
        raise TrustError(f"{file}: not the description of a scheme ({wanted}): {error}") from error
