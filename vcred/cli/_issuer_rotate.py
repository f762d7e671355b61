"""``vcred issuer rotate``: a new key for an issuer, in steps that leave nothing invalid between them.

1. Prepare: a key and its certificate under the same root, and an ``authority.json`` that lists old and new.
2. The maker of the trust bundle publishes that; verifiers that carry only key ids would not know the new key before.
3. Activate: the new key signs from now on. What the old one signed stays valid.
4. Retire the old key, when it is certain that nothing signs with it: what carries a later date is refused.

A signer with a certificate is followed by a post-quantum one (or the other way round) in the same steps, with
``--algorithm``; its status lists need a signer of their own before that, since a post-quantum key signs none.

A key that leaked is said to be compromised at once: this store signs nothing with it any more, and whoever takes the
next bundle accepts nothing that it ever signed, certificates and status lists alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from vcred.cli import _issuer_home as home
from vcred.cli._command import Run, option
from vcred.cli._files import write
from vcred.cli._issuer_group import command, forced, in_folder, with_password
from vcred.cli._issuer_home import KeyPlace
from vcred.cli._trust import load, trust_options
from vcred.errors import SigningError, StoreError, TrustError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from vcred.keys import PublicKey, Signer
    from vcred.trust import Authority, Purpose, TrustBundle, WithdrawalReason

__all__: list[str] = []

_PROBE = b"vcred issuer rotate: does this key sign?"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rotation:
    """The signer that is rotated: of certificates, or of status lists."""

    folder: Path
    known: home.Settings
    lists: bool

    @property
    def purpose(self) -> Purpose:
        from vcred.trust import Purpose

        return Purpose.STATUS if self.lists else Purpose.ISSUER

    @property
    def at_work(self) -> KeyPlace | None:
        return self.known.status_signer if self.lists else self.known.signer

    @property
    def prepared(self) -> KeyPlace | None:
        return self.known.next_status_signer if self.lists else self.known.next_signer

    def authority(self) -> Authority:
        from vcred.cli._describe import authority_file

        return authority_file(self.folder / home.AUTHORITY)

    def describe(self, entry: Authority) -> None:
        """Write ``entry`` for the maker of the bundle."""
        from vcred.cli._describe import dump

        write(self.folder / home.AUTHORITY, dump(entry), force=True)

    def kid(self, place: KeyPlace | None) -> bytes | None:
        return None if place is None else home.certificate_key(self.folder, place).kid

    def kids(self, entry: Authority) -> list[bytes]:
        """Every key of ``entry`` with this purpose that is not withdrawn."""
        from vcred.trust import read_certificate

        withdrawn = {each.kid for each in entry.withdrawn}
        bare = () if self.lists else (each.key.kid for each in entry.keys)
        return [kid for kid in bare if kid not in withdrawn] + [
            kid
            for kid, chain in zip(entry.kids, entry.signers, strict=True)
            if kid not in withdrawn and (read_certificate(chain[0], "signer").usages == (self.purpose.eku,))
        ]


@command.command("rotate", at=True, json=True)
@option("--lists", is_flag=True)
@option("--key", "key_uri")
@option("--algorithm", type=click.Choice(home.ALGORITHMS))
@option("--root-key", default=f"file:{home.ROOT_KEY}")
@option("--activate", "step", flag_value="activate")
@option("--retire-old", "step", flag_value="retire_old")
@option("--compromised", "step", flag_value="compromised")
@option("--kid")
@option("--unpublished", is_flag=True)
@trust_options
@in_folder
@with_password
@forced
@click.pass_obj
def rotate(
    run: Run,
    *,
    lists: bool,
    key_uri: str | None,
    algorithm: str | None,
    root_key: str,
    step: str | None,
    kid: str | None,
    unpublished: bool,
    trust: Path | None,
    root: Path | None,
    folder: Path,
    password_file: Path | None,
    force: bool,
) -> None:
    """See ``texts.toml``."""
    this = _Rotation(folder=folder, known=home.settings(folder), lists=lists)
    if step == "activate":
        if not unpublished:
            _require_published(this, trust, root, run.at)
        found = _activate(this, password_file, run.at)
        told = run.text("이제 이 키로 서명합니다", "this key signs from now on")
    elif step == "retire_old":
        found = _retire(this, run.at)
        told = run.text("물러난 키. authority.json을 게시하세요", "retired; publish authority.json")
    elif step == "compromised":
        found = [_give_up(this, kid, run.at)]
        told = run.text("유출된 키. authority.json을 곧바로 게시하세요", "compromised; publish authority.json at once")
    else:
        made = _bare_algorithm(this, algorithm, key_uri)
        if this.prepared is not None and not force:
            raise StoreError("a next key is prepared already: --activate it, or --force another one")
        with home.opened(this.folder):
            pass  # a store of the first version learns who signed what it holds, before that changes
        if made is None:
            found = [_prepare(this, key_uri, root_key, password_file, run.at)]
        else:
            found = [_prepare_bare(this, made, password_file, run.at)]
        told = run.text(
            "다음 키. authority.json을 게시한 뒤 --activate", "the next key; publish authority.json, then --activate"
        )
    facts = {
        "step": step or "prepare",
        "kids": [one.hex() for one in found],
        "authority": str(folder / home.AUTHORITY),
    }
    run.report(facts, lambda console: console.print("\n".join(f"{one.hex()}: {told}" for one in found)))


def _bare_algorithm(this: _Rotation, asked: str | None, key_uri: str | None) -> str | None:
    """What the next signer signs with if it is post-quantum; ``None`` when it has a certificate."""
    place = this.at_work
    found = asked
    if asked is None and place is not None:
        found = home.certificate_key(this.folder, place).alg.lower()
    if found is None or not found.startswith("ml-dsa"):
        return None
    if this.lists or key_uri is not None:
        raise click.UsageError("a post-quantum key is made here, and signs certificates: without --lists and --key")
    if this.known.status_signer is None:
        raise StoreError("a post-quantum key signs no status lists: give them a signer first, with --lists")
    return found


def _prepare_bare(this: _Rotation, algorithm: str, password_file: Path | None, at: datetime) -> bytes:
    """A key without a certificate, told to the maker of the bundle, and not used yet."""
    from vcred.cli._secrets import new_password
    from vcred.keys import SoftwareSigner

    entry = this.authority()
    made = SoftwareSigner.generate(algorithm.upper())
    bare = home.entry_for(made.public_key, end=_end(entry.valid_until, at), at=at)
    stem = f"document-signer-{bare.key.kid.hex()}"
    place = KeyPlace(key=f"file:{stem}.key", chain=f"{stem}.json")
    write(this.folder / f"{stem}.key", made.to_pem(password=new_password(password_file)), private=True)
    write(this.folder / place.chain, home.entry_text(bare), force=True)
    entry = _without(entry, this.kid(this.prepared))
    this.describe(replace(entry, keys=(*entry.keys, bare)))
    _save(this, prepared=place)
    return bare.key.kid


def _without(entry: Authority, kid: bytes | None) -> Authority:
    """``entry`` without a key that was prepared and never used."""
    listed = [(one, chain) for one, chain in zip(entry.kids, entry.signers, strict=True) if one != kid]
    return replace(
        entry,
        kids=tuple(one for one, _ in listed),
        signers=tuple(chain for _, chain in listed),
        keys=tuple(each for each in entry.keys if each.key.kid != kid),
    )


def _prepare(this: _Rotation, key_uri: str | None, root_key: str, password_file: Path | None, at: datetime) -> bytes:
    """A key and its certificate, told to the maker of the bundle, and not used yet."""
    from vcred.cli._describe import pem, pem_chain
    from vcred.trust import build_signer, read_certificate

    folder, (root,) = this.folder, pem_chain(this.folder / home.ROOT_CHAIN)
    root_place = KeyPlace(key=root_key if ":" in root_key else f"file:{root_key}", chain=home.ROOT_CHAIN)
    root_signer = home.load_place(folder, root_place, password_file)
    public_key, key = _next_key(this, key_uri, password_file)
    leaf = build_signer(
        public_key,
        purpose=this.purpose,
        id=this.known.id,
        name=this.known.name,
        issuer=root,
        issuer_signer=root_signer,
        not_before=at - home.SKEW,
        not_after=_end(read_certificate(root, home.ROOT_CHAIN).not_after, at),
    )
    stem = f"{'status' if this.lists else 'document'}-signer-{public_key.kid.hex()}"
    place = KeyPlace(key=key_uri or f"file:{stem}.key", chain=f"{stem}.pem")
    if key is not None:
        write(folder / f"{stem}.key", key, private=True)
    write(folder / place.chain, pem(leaf), force=True)
    entry = _without(this.authority(), this.kid(this.prepared))
    this.describe(replace(entry, kids=(*entry.kids, public_key.kid), signers=(*entry.signers, (leaf,))))
    _save(this, prepared=place)
    return public_key.kid


def _next_key(this: _Rotation, key_uri: str | None, password_file: Path | None) -> tuple[PublicKey, bytes | None]:
    """The next public key; with it, as PEM, the private one if it is made here."""
    from vcred.cli._secrets import new_password
    from vcred.keys import SoftwareSigner

    if key_uri is not None:
        place = KeyPlace(key=key_uri, chain="")
        return _proven(home.load_place(this.folder, place, password_file)).public_key, None
    made = SoftwareSigner.generate()
    return made.public_key, made.to_pem(password=new_password(password_file))


def _require_published(this: _Rotation, trust: Path | None, root: Path | None, at: datetime) -> None:
    """Whether verifiers with this bundle know the next key. Raises ``TrustError``."""
    bundle = load(trust, root, None)
    bundle.check_time(at)
    kid = this.kid(this.prepared)
    if kid is None:
        raise StoreError("no key is prepared: vcred issuer rotate makes one")
    for entry in bundle.authorities:
        if entry.id == this.known.id and kid in this.kids(entry):
            return _require_usable(this, bundle, kid, at)
    raise TrustError("the bundle does not list the next key yet: publish authority.json first")


def _require_usable(this: _Rotation, bundle: TrustBundle, kid: bytes, at: datetime) -> None:
    """Whether verifiers would take what the key signs now: its root may have been withdrawn. Raises ``TrustError``."""
    from vcred.errors import RefusedError
    from vcred.formats._wire import epoch

    if this.lists:
        return
    try:
        for code in this.known.types:
            bundle.resolve_issuer(issuer=this.known.id, kid=kid, x5c=(), code=code, issued_at=epoch(at), at=at)
    except RefusedError as error:
        raise TrustError(f"the bundle lists the next key, but nobody would take what it signs: {error}") from error


def _activate(this: _Rotation, password_file: Path | None, at: datetime) -> list[bytes]:
    """Sign with the prepared key from now on. The key proves first that it can."""
    from vcred.formats._wire import epoch

    place = this.prepared
    if place is None:
        raise StoreError("no key is prepared: vcred issuer rotate makes one")
    signer = _proven(home.load_place(this.folder, place, password_file))
    kid = signer.public_key.kid
    if kid != this.kid(place):
        raise SigningError("the key is not the one in its certificate")
    with home.store_of(this.folder) as store, store.writing():
        store.log(epoch(at), "signer activated", note=f"{kid.hex()}: {this.purpose.value}")
        _save(this, prepared=None, at_work=place)
    return [kid]


def _retire(this: _Rotation, at: datetime) -> list[bytes]:
    """Withdraw every key of this purpose but the one at work and the next: superseded."""
    from vcred.trust import WithdrawalReason

    entry = this.authority()
    found = [kid for kid in this.kids(entry) if kid not in (this.kid(this.at_work), this.kid(this.prepared))]
    if not found:
        raise StoreError("there is no old key: --activate the next one first")
    _withdraw(this, entry, found, WithdrawalReason.SUPERSEDED, at)
    return found


def _give_up(this: _Rotation, named: str | None, at: datetime) -> bytes:
    """Withdraw the key at work, or the one that is named: compromised. Nothing is signed with it any more."""
    from vcred.formats._wire import epoch
    from vcred.trust import WithdrawalReason

    entry = this.authority()
    known = (*entry.kids, *(each.key.kid for each in entry.keys))
    kid = this.kid(this.at_work) if named is None else next((one for one in known if one.hex() == named), None)
    if kid is None:
        raise StoreError(f"authority.json lists no key {named or ''}")
    if not this.lists:
        with home.store_of(this.folder) as store:
            store.give_up(kid, reason="key compromised", at=epoch(at))
    _withdraw(this, entry, [kid], WithdrawalReason.COMPROMISED, at)
    return kid


def _withdraw(this: _Rotation, entry: Authority, kids: list[bytes], reason: WithdrawalReason, at: datetime) -> None:
    from vcred.formats._wire import epoch
    from vcred.trust import Withdrawal

    kept = [each for each in entry.withdrawn if each.kid not in kids]
    new = [Withdrawal(kid=kid, at=epoch(at), reason=reason) for kid in kids]
    this.describe(replace(entry, withdrawn=(*kept, *new)))


def _save(this: _Rotation, *, prepared: KeyPlace | None, at_work: KeyPlace | None = None) -> None:
    work = at_work or this.at_work
    if this.lists:
        made = replace(this.known, next_status_signer=prepared, status_signer=work)
    else:
        made = replace(this.known, next_signer=prepared, signer=work or this.known.signer)
    home.save(this.folder, made)


def _proven(signer: Signer) -> Signer:
    from vcred.errors import RefusedError

    try:
        signer.public_key.verify(signer.sign(_PROBE), _PROBE)
    except RefusedError as error:
        raise SigningError("the key does not sign as its public key says") from error
    return signer


def _end(root_ends: int, at: datetime) -> datetime:
    from datetime import UTC, datetime, timedelta

    return min(at + timedelta(days=home.SIGNER_DAYS), datetime.fromtimestamp(root_ends, UTC))
