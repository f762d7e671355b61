"""Paper: a certificate as one signed CWT (RFC 8392), to be printed as a code.

A plain COSE_Sign1 with every claim in the open: no holder key, no redaction, no key binding. Whoever has the sheet
can show it, so it proves what the issuer said and nothing about who shows it; ``typ`` says so, and no reader of
SD-CWT takes it. Each sheet has a status index of its own, so that one can be withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from vcred.claims import SD
from vcred.credential import Opened, Prepared
from vcred.errors import MalformedError
from vcred.formats._cbor import decode, encode
from vcred.formats._cose import ALG, COSE_ALG, KID, TYP, assemble, check_alg, parse_sign1
from vcred.formats._cwt_claims import CERTIFICATE_CLAIMS, REGISTERED, labels_for, read_registered, write_registered
from vcred.formats._paths import PathMap
from vcred.formats._sd_cwt_engine import conceal, fresh_salts, match_disclosures
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from vcred.credential import Content
    from vcred.formats.base import IssuerKey, Labels
    from vcred.keys import PublicKey, Signer

__all__ = ["PAPER_FORMAT", "PAPER_TYP", "issue_paper", "open_paper", "prepare_paper", "verify_paper"]

PAPER_FORMAT: Final = "vcred-paper"
"""``Opened.format`` of a sheet. No OpenID4VCI format: a sheet is never presented by a wallet."""

PAPER_TYP: Final = "application/vcred-paper+cwt"

MAX_PAPER: Final = 16 * 1024
_HEADERS: Final = frozenset({ALG, KID, TYP})
_CNF: Final = 8
_NO_TAGS: Final[frozenset[int]] = frozenset()


def prepare_paper(content: Content, key: IssuerKey, labels: Labels) -> Prepared:
    """A sheet but for its signature; ``SD`` marks are taken off, everything is printed in the open.

    Raises ``ValueError`` for an unknown ``vct``, a claim without label, a holder key, decoys, no status or times no
    verifier accepts; ``TypeError`` for a claim value that is not JSON.
    """
    scope = labels(content.vct)
    if scope is None:
        raise ValueError(f"{content.vct} has no labels in the catalogue")
    if content.holder_key is not None or content.decoys:
        raise ValueError("paper has no holder key and hides nothing")
    if content.status is None:
        raise ValueError("a sheet has a status index of its own, so that it can be withdrawn")
    payload = write_registered(content)
    payload[CERTIFICATE_CLAIMS], _ = conceal(_plain(content.claims), scope, salts=fresh_salts(), decoys=0)
    return assemble(_header(key.public_key), b"\xa0", encode(payload))


def issue_paper(content: Content, key: IssuerKey, signer: Signer, labels: Labels) -> bytes:
    """``prepare_paper`` and ``complete`` with a local signer. Raises ``SigningError``, ``ValueError``."""
    if signer.public_key != key.public_key:
        raise ValueError("the signer is not the one the issuer key describes")
    prepared = prepare_paper(content, key, labels)
    return prepared.complete(signer.sign(prepared.signing_input))


def open_paper(raw: bytes, labels: Labels) -> Opened:
    """Parse a sheet strictly. Verifies nothing. Raises ``MalformedError``.

    The result has no holder key: ``SdCwt.verify_key_binding`` refuses it with ``holder_binding``.
    """
    sign1 = parse_sign1(raw, path="token", max_bytes=MAX_PAPER, post_quantum=True)
    if sign1.protected.get(TYP) != PAPER_TYP:
        raise MalformedError(ReasonCode.TYP, f"protected[{TYP}]", "not a paper certificate")
    if not sign1.protected.keys() <= _HEADERS or sign1.unprotected:
        raise MalformedError(ReasonCode.FORMAT, "token", "a header that is not alg, kid or typ")
    payload = decode(sign1.payload, "payload", max_bytes=MAX_PAPER, tags=_NO_TAGS)
    if type(payload) is not dict or not payload.keys() <= REGISTERED:
        raise MalformedError(ReasonCode.FORMAT, "payload", "not the claims of a certificate")
    if _CNF in payload:
        raise MalformedError(ReasonCode.CNF, f"payload[{_CNF}]", "paper is bound to no key")
    known = read_registered(payload)
    certificate = payload.get(CERTIFICATE_CLAIMS)
    if type(certificate) is not dict:
        raise MalformedError(ReasonCode.CLAIM_TYPE, f"payload[{CERTIFICATE_CLAIMS}]", "no certificate claims")
    claims = match_disclosures((), "payload").map(certificate, labels_for(labels, known["vct"]), ())
    return Opened(
        format=PAPER_FORMAT,
        raw=raw,
        alg=sign1.alg,
        kid=sign1.kid,
        x5c=(),
        signing_input=sign1.signing_input,
        signature=sign1.signature,
        claims=claims,
        hidden_elements=PathMap({}),
        disclosures=PathMap({}),
        **known,
    )


def verify_paper(opened: Opened, key: PublicKey) -> None:
    """Check the issuer's signature with ``key``, whoever's that is. Raises ``RefusedError``: ``alg``, ``signature``."""
    check_alg(opened.alg, key)
    key.verify(opened.signature, opened.signing_input)


def _plain(value: Any) -> Any:
    if isinstance(value, SD):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(element) for element in value]
    return value


@lru_cache(maxsize=64)
def _header(key: PublicKey) -> bytes:
    return encode({ALG: COSE_ALG[key.alg], KID: key.kid, TYP: PAPER_TYP})
