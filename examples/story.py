"""The keys and files behind the scenery of ``burned.py``: nothing a reader of the story needs first."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vcred.keys import SoftwareSigner
from vcred.trust import Purpose, build_reader, build_root, build_signer
from vcred.trust.publish import PackBuilder, new_root, single_key
from verifier import VerificationPolicy
from verifier.policy import preset_ids

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from issuer import Issuer
    from vcred import Catalog

YEARS = timedelta(days=365 * 20)


@dataclass(frozen=True)
class Reader:
    """A verifier's key and its certificate."""

    certificate: bytes
    key: SoftwareSigner = field(repr=False)


def authority(id_: str, ko: str, en: str, *, at: datetime) -> tuple[SoftwareSigner, tuple[bytes, ...], bytes]:
    """An authority's document signer, its chain, and the root above it."""
    root_key, key, name = SoftwareSigner.generate(), SoftwareSigner.generate(), {"ko": ko, "en": en}
    times = {"not_before": at - timedelta(days=1), "not_after": at + YEARS}
    root = build_root(root_key, name=name, **times)
    leaf = build_signer(
        key.public_key, purpose=Purpose.ISSUER, id=id_, name=name, issuer=root, issuer_signer=root_key, **times
    )
    return key, (leaf,), root


def reader(host: str, ko: str, en: str, *, at: datetime) -> Reader:
    """A verifier's identity."""
    root_key, key, name = SoftwareSigner.generate(), SoftwareSigner.generate(), {"ko": ko, "en": en}
    times = {"not_before": at - timedelta(days=1), "not_after": at + YEARS}
    root = build_root(root_key, name=name, **times)
    return Reader(
        build_reader(key.public_key, identifier=host, name=name, issuer=root, issuer_signer=root_key, **times), key
    )


def bundle(
    out: Path,
    issuers: Mapping[str, tuple[Issuer, bytes, list[str]]],
    readers: Mapping[str, Reader],
    reader_names: Mapping[str, tuple[str, str, str, tuple[str, ...]]],
    authority_names: Mapping[str, tuple[str, str, str, tuple[str, ...]]],
    catalog: Catalog,
    *,
    version: int,
    at: datetime,
) -> None:
    """Sign the trust bundle ``kr.trust`` with everybody's newest status lists; the first one pins ``kr-root.json``."""
    key_file, root_file = out / "ministry.key", out / "kr-root.json"
    if version == 1:
        ministry = SoftwareSigner.generate()
        key_file.write_bytes(ministry.to_pem(password=None))
        keys = single_key(ministry.public_key)
        root_file.write_bytes(new_root(version=1, roles=keys, signers=[ministry], expires=at + YEARS))
        for old in out.glob("seen-*"):
            old.unlink()
    ministry = SoftwareSigner.from_pem(key_file.read_bytes(), password=None)
    pack = PackBuilder(production=False, name={"ko": "가상 신뢰 목록", "en": "Fictitious trust list"})
    for name, (issuer, root, types) in issuers.items():
        id_, ko, en, _ = authority_names[name]
        pack.add_authority(
            id=id_,
            name={"ko": ko, "en": en},
            purpose=Purpose.ISSUER,
            anchors=[root],
            signers=[list(issuer.chain)],
            types=types,
            status_uris=[f"{id_}/s/"],
            valid_from=at - YEARS,
            valid_until=at + YEARS,
            test=True,
        )
        for token in issuer.status_tokens(at=at).values():
            pack.add_status(token)
    for name, one in readers.items():
        _, ko, en, prefixes = reader_names[name]
        policies = [one for one in preset_ids() if one.startswith(prefixes)]
        pack.add_reader(certificate=one.certificate, name={"ko": ko, "en": en}, policies=policies, test=True)
    pack.add_types(catalog.texts())
    for policy_id in preset_ids():
        pack.add_policy(policy_id, VerificationPolicy.preset(policy_id).source)
    expires = at + timedelta(days=30)
    raw = pack.build(version=version, roots=[root_file.read_bytes()], signers=[ministry], at=at, expires=expires)
    (out / "kr.trust").write_bytes(raw)
