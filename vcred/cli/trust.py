"""``vcred trust``: what an operator needs to make and publish a trust list, and what is in one.

The operator's folder is a ``vcred.trust.repository.Repository`` with the descriptions that were taken in beside it
(``vcred.cli._trust_content``), and ``keys/`` if ``init`` made the keys itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vcred._files import alone
from vcred.cli._command import Group, Run, option
from vcred.cli._errors import OURS
from vcred.cli._files import make_folder, read, write
from vcred.cli._trust import naming
from vcred.errors import TrustError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from vcred.trust.repository import Repository

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_ROLES = ("root", "targets", "online")

command = Group("trust", lazy={name: f"vcred.cli.trust_{name}" for name in ("sync", "clock", "export")})
_folder = click.argument("folder", metavar="DIR", type=_PATH)
_password = option("--password-file", type=_PATH)
_force = option("--force", is_flag=True)


@command.command("key", json=True)
@click.argument("where", metavar="FILE|pkcs11:URI")
@option("--public", type=_PATH)
@_password
@click.pass_obj
def key(run: Run, *, where: str, public: Path | None, password_file: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_keys import key_name, write_key, write_token_key

    in_token = where.startswith("pkcs11:")
    if in_token and public is None:
        raise click.UsageError("--public says where the public key goes")
    shown = public or Path(f"{where}.pub")
    made = write_token_key(where, shown) if in_token else write_key(where, shown, password_file)
    facts = {"key": where, "public": str(shown), "id": key_name(made)}
    run.report(facts, lambda console: console.print(f"{facts['key']}\n{facts['public']}\n{facts['id']}"))


@command.command("init", at=True, json=True)
@_folder
@option("--name-ko", required=True)
@option("--name-en", required=True)
@option("--production", is_flag=True)
@option("--officer", "officers", multiple=True, type=_PATH)
@option("--list-officer", "list_officers", multiple=True, type=_PATH)
@option("--online", type=_PATH)
@option("--threshold", default=2, type=click.IntRange(1, 20))
@option("--root-days", default=1095, type=click.IntRange(1, 3650))
@option("--list-days", default=365, type=click.IntRange(1, 1000))
@option("--online-days", default=35, type=click.IntRange(1, 400))
@_password
@click.pass_obj
def init(
    run: Run,
    *,
    folder: Path,
    name_ko: str,
    name_en: str,
    production: bool,
    officers: tuple[Path, ...],
    list_officers: tuple[Path, ...],
    online: Path | None,
    threshold: int,
    root_days: int,
    list_days: int,
    online_days: int,
    password_file: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_keys import make_keys, public_key
    from vcred.cli._trust_show import show_repository
    from vcred.trust.repository import Lifetimes, Repository
    from vcred.trust.roles import RoleKeys

    if bool(officers) != (online is not None) or (list_officers and not officers):
        raise click.UsageError("--officer and --online go together; --list-officer comes beside them")
    if (folder / "repository.json").exists():
        raise TrustError(f"{folder}: there is a trust repository already")
    make_folder(folder)
    if online is None:
        held, online_key = make_keys(folder, password_file)
        listing = held
    else:
        held, online_key = [public_key(file) for file in officers], public_key(online)
        listing = [public_key(file) for file in list_officers] or held
    repository = Repository.create(
        folder,
        name={"ko": name_ko, "en": name_en},
        production=production,
        roles={
            "root": RoleKeys(keys=tuple(held), threshold=threshold),
            "targets": RoleKeys(keys=tuple(listing), threshold=threshold),
            "online": RoleKeys(keys=(online_key,), threshold=1),
        },
        lifetimes=Lifetimes(root=root_days, targets=list_days, online=online_days),
        at=run.at,
    )
    show_repository(run, repository)


@command.command("add-authority", at=True, json=True)
@_folder
@click.argument("files", nargs=-1, type=_PATH)
@_force
@click.pass_obj
def add_authority(run: Run, *, folder: Path, files: tuple[Path, ...], force: bool) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_content import editing, put_authority
    from vcred.cli._trust_show import show_authorities

    with editing(folder, run) as staged:
        for file in files:
            put_authority(folder, file, force=force)
        staged.content = bool(files)
    show_authorities(run, folder)


@command.command("add-reader", at=True, json=True)
@_folder
@click.argument("files", nargs=-1, type=_PATH)
@option("--policies")
@_force
@click.pass_obj
def add_reader(run: Run, *, folder: Path, files: tuple[Path, ...], policies: str | None, force: bool) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_content import editing, put_reader
    from vcred.cli._trust_show import show_readers

    with editing(folder, run) as staged:
        for file in files:
            put_reader(folder, file, policies=policies, force=force)
        staged.content = bool(files)
    show_readers(run, folder)


@command.command("add-policy", at=True, json=True)
@_folder
@click.argument("files", nargs=-1, required=True, type=_PATH)
@_force
@click.pass_obj
def add_policy(run: Run, *, folder: Path, files: tuple[Path, ...], force: bool) -> None:
    """See ``texts.toml``."""
    _add_texts(run, folder, "policies", files, force=force)


@command.command("add-type", at=True, json=True)
@_folder
@click.argument("files", nargs=-1, required=True, type=_PATH)
@_force
@click.pass_obj
def add_type(run: Run, *, folder: Path, files: tuple[Path, ...], force: bool) -> None:
    """See ``texts.toml``."""
    _add_texts(run, folder, "types", files, force=force)


@command.command("stage", at=True, json=True)
@_folder
@click.pass_obj
def stage(run: Run, *, folder: Path) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_content import editing
    from vcred.cli._trust_show import show_repository
    from vcred.trust.repository import Repository

    with editing(folder, run):
        pass  # what was edited by hand, and what ends soon
    show_repository(run, Repository(folder))


@command.command("unstage", at=True, json=True)
@_folder
@option("--yes", is_flag=True)
@click.pass_obj
def unstage(run: Run, *, folder: Path, yes: bool) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_content import restore
    from vcred.cli._trust_show import show_repository
    from vcred.trust.repository import Repository

    repository = Repository(folder)
    published = repository.published_files()
    if published is None:
        raise TrustError("nothing was published yet that could be gone back to")
    if not yes:
        show_repository(run, repository)
        click.confirm(run.text("이 변경을 모두 버릴까요?", "Give all of this up?"), abort=True, err=True)
    with alone(folder / "staged"):
        repository.unstage()
        restore(folder, published)
    show_repository(run, repository)


@command.command("withdraw", at=True, json=True)
@_folder
@option("--authority", required=True)
@option("--kid")
@option("--reason", required=True, type=click.Choice(["superseded", "compromised"]))
@click.pass_obj
def withdraw(run: Run, *, folder: Path, authority: str, kid: str | None, reason: str) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_content import editing
    from vcred.cli._trust_content import withdraw as apply
    from vcred.cli._trust_show import show_authorities
    from vcred.trust.content import WithdrawalReason

    try:
        chosen = None if kid is None else bytes.fromhex(kid)
    except ValueError:
        raise click.UsageError("--kid is a key id in hexadecimal") from None
    with editing(folder, run):
        apply(folder, authority, chosen, WithdrawalReason(reason), run.at)
    show_authorities(run, folder)


@command.command("rotate", at=True, json=True)
@_folder
@option("--role", required=True, type=click.Choice(_ROLES))
@option("--add", multiple=True, type=_PATH)
@option("--remove", multiple=True)
@option("--threshold", type=click.IntRange(1, 20))
@click.pass_obj
def rotate(
    run: Run, *, folder: Path, role: str, add: tuple[Path, ...], remove: tuple[str, ...], threshold: int | None
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_keys import changed, public_key
    from vcred.cli._trust_show import show_repository
    from vcred.trust.repository import Repository

    repository = Repository(folder)
    with alone(folder / "staged"):
        roles = repository.roles()
        roles[role] = changed(roles[role], [public_key(file) for file in add], remove, threshold)
        repository.rotate(roles, at=run.at)
    show_repository(run, repository)


@command.command("sign", at=True, json=True)
@_folder
@option("--key", "key_name")
@option("--out", type=_PATH)
@option("--signature", "signatures", multiple=True, type=_PATH)
@option("--yes", is_flag=True)
@_password
@click.pass_obj
def sign(
    run: Run,
    *,
    folder: Path,
    key_name: str | None,
    out: Path | None,
    signatures: tuple[Path, ...],
    yes: bool,
    password_file: Path | None,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_keys import open_key
    from vcred.cli._trust_show import confirm, show_repository
    from vcred.trust.repository import Repository

    if (key_name is None) == (not signatures):
        raise click.UsageError("either --key, or --signature")
    repository = Repository(folder)
    for file in signatures:
        repository.attach(read(file, 65_536))
    if key_name is not None:
        shown = None if yes else confirm(run, repository)
        signer = open_key(key_name, password_file)
        if out is None:
            if not repository.sign(signer, shown=shown):
                raise TrustError("nothing is staged that this key signs")
        else:
            made = [str(file) for file in _detached(repository, signer, out, shown=shown)]
            run.report({"signatures": made}, lambda console: console.print("\n".join(made)))
            return
    show_repository(run, repository)


@command.command("publish", at=True, json=True)
@_folder
@option("--key", "key_name")
@option("--status", multiple=True, type=_PATH)
@option("--out", type=_PATH)
@_password
@_force
@click.pass_obj
def publish(
    run: Run,
    *,
    folder: Path,
    key_name: str | None,
    status: tuple[Path, ...],
    out: Path | None,
    password_file: Path | None,
    force: bool,
) -> None:
    """See ``texts.toml``."""
    from vcred.cli._files import refuse_existing
    from vcred.cli._trust_content import editing, status_tokens
    from vcred.cli._trust_keys import home_keys, open_key
    from vcred.cli._trust_show import show_published
    from vcred.trust.repository import Repository

    repository = Repository(folder)
    if out is not None and not force:
        refuse_existing(out)
    tokens, wrong = status_tokens(status)
    if key_name is None:
        officers, online = home_keys(folder, password_file)
        with editing(folder, run):
            pass  # what was edited by hand, and what ends soon
        for officer in officers:
            repository.sign(officer)
    else:
        online = open_key(key_name, password_file)
    if online is None:
        raise TrustError(f"{folder}: no online key here: name it with --key")
    published = repository.publish([online], status=tokens, at=run.at)
    if out is not None:
        write(out, read(repository.bundle_file), force=force)
    if show_published(run, repository, published, wrong, out):
        click.get_current_context().exit(OURS)  # whoever runs this by night has to know


@command.command("show", at=True, json=True)
@click.argument("path", metavar="BUNDLE|DIR", type=_PATH)
@option("--root", type=_PATH, envvar="VCRED_ROOT")
@click.pass_obj
def show(run: Run, *, path: Path, root: Path | None) -> None:
    """See ``texts.toml``."""
    from vcred.cli._trust_show import show_bundle, show_repository
    from vcred.trust import TrustBundle
    from vcred.trust.repository import Repository

    if path.is_dir():
        show_repository(run, Repository(path))
        return
    if root is None:
        raise click.UsageError("--root is needed to verify a bundle")
    with naming(path, root):
        loaded = TrustBundle.loads(read(path), root=read(root), seen=None)
    show_bundle(run, loaded)
    loaded.require_current(run.at)


def _add_texts(run: Run, folder: Path, kind: str, files: Sequence[Path], *, force: bool) -> None:
    from vcred.cli._trust_content import editing
    from vcred.cli._trust_show import show_repository
    from vcred.trust.repository import Repository

    repository = Repository(folder)
    for file in files:
        if file.suffix != ".toml":
            raise TrustError(f"{file}: the name of such a file ends in .toml")
    made = [folder / kind / file.name for file in files]
    with editing(folder, run):
        for file, path in zip(files, made, strict=True):
            write(path, read(file), force=force)
    show_repository(run, repository)


def _detached(repository: Repository, signer: Any, out: Path, *, shown: Collection[str] | None) -> Iterator[Path]:
    from vcred.cli._trust_keys import key_name
    from vcred.trust.ceremony import detached, signable

    mine = signable(repository.staged(), signer.public_key, shown=shown)
    if not mine:
        raise TrustError("nothing is staged that this key signs")
    for staged in mine:
        name = f"{staged.role}-{staged.version}-{key_name(signer.public_key)}.sig.json"
        yield write(out / name, detached(staged, signer), force=True)
