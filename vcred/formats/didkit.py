"""``ldp_vc``: VCDM 1.1 with a linked-data proof, for verifiers that read nothing else. Made and checked by didkit.

``_w3c_ldp`` holds the shape, and checks everything but signatures; didkit, in a process of its own, those. didkit signs
by itself and takes the private key to do so: only a ``SoftwareSigner`` can sign, and there is no ``prepare``. What is
signed hides nothing, and is presented as ``vc+jwt`` is: all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from vcred.errors import MalformedError, RefusedError, SigningError
from vcred.formats._didkit_process import DidkitProcess, NoAnswerError
from vcred.formats._kb_jwt import nonce_text
from vcred.formats._w3c_ldp import (
    CLAIMS_CONTEXT,
    FORMAT,
    STATUS_TYPE,
    SUITE_OF,
    LdpOpened,
    document_of,
    open_ldp,
    own_did,
    suite_context,
)
from vcred.formats._w3c_legacy import V1_CONTEXT
from vcred.formats._w3c_model import require_all
from vcred.formats._w3c_time import stamp
from vcred.formats._wire import b64u_encode, dump_json, parse_json
from vcred.formats.sd_jwt import MAX_TOKEN
from vcred.keys import SoftwareSigner
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Collection

    from vcred.claims import ClaimPath
    from vcred.credential import Content, Opened
    from vcred.formats.base import IssuerKey
    from vcred.keys import PublicKey, Signer

__all__ = ["CLAIMS_CONTEXT", "STATUS_TYPE", "LdpVc", "contexts_of"]

_PROVED = {"checks": ["proof"], "warnings": [], "errors": []}


def contexts_of(key: PublicKey) -> tuple[str, list[Any]]:
    """The suite that ``key`` signs with, and the contexts of what it issues. Raises ``ValueError`` for another key."""
    if key.alg not in SUITE_OF:
        raise ValueError("this format takes Ed25519 and P-256 keys")
    return SUITE_OF[key.alg], [V1_CONTEXT, suite_context(key), CLAIMS_CONTEXT]


class LdpVc:
    """``ldp_vc`` with Ed25519 or P-256. Implements ``vcred.formats.base.CredentialFormat`` but for ``prepare``.

    ``process`` may be shared by several; without one a process is started by the first signature.
    """

    __slots__ = ("_didkit",)

    def __init__(self, *, process: DidkitProcess | None = None) -> None:
        self._didkit = process or DidkitProcess()

    @property
    def id(self) -> str:
        """``ldp_vc``."""
        return FORMAT

    def issue(self, content: Content, key: IssuerKey, signer: Signer) -> bytes:
        """A credential with its proof; ``SD`` marks are taken off, since everything is in the open.

        Raises ``ValueError`` for what does not fit the shape, an issuer that is not the ``did:key`` of ``signer``, or a
        key that is not in this process; ``SigningError`` when didkit does not sign; ``MissingExtraError``.
        """
        if signer.public_key != key.public_key or key.chain:
            raise ValueError("the signer is not the one the issuer key describes, or it has a chain")
        did, method = own_did(signer.public_key)
        if content.issuer != did:
            raise ValueError("the issuer of this format is the did:key of its signer")
        document = dump_json(document_of(content, suite_context(signer.public_key)))
        options = _options(signer.public_key, "assertionMethod", method, created=content.issued_at)
        return self._signed("issue_credential", document, options, signer)

    def open(self, raw: bytes) -> Opened:
        """Read a credential, or a presentation of exactly one, by the rules of ``_w3c_ldp``. Verifies nothing.

        Raises ``MalformedError``.
        """
        return open_ldp(raw)

    def verify_signature(self, opened: Opened, key: PublicKey) -> None:
        """Have the issuer's proof checked, which must be by ``key``.

        Raises ``RefusedError`` with ``key``, ``signature``, or ``unchecked`` when didkit did not answer;
        ``MissingExtraError``.
        """
        found = _mine(opened)
        if key.alg not in SUITE_OF or own_did(key)[0] != found.issuer:
            raise RefusedError(ReasonCode.KEY, "issuer", "the key is not that of the issuer's DID")
        options = {"proofPurpose": "assertionMethod", "verificationMethod": own_did(key)[1]}
        if not self._proved("verify_credential", found.document, options):
            raise RefusedError(ReasonCode.SIGNATURE, "proof", "the proof does not verify")

    def verify_key_binding(self, opened: Opened) -> None:
        """Have the holder's proof over the presentation checked; the holder is the subject.

        Raises ``RefusedError`` with ``kb_missing``, ``kb_key``, or ``unchecked`` as above; ``MissingExtraError``.
        """
        found, binding = _mine(opened), opened.key_binding
        if binding is None or found.presentation is None or binding.nonce is None:
            raise RefusedError(ReasonCode.KB_MISSING, "vp", "not a presentation")
        if opened.holder_key is None or own_did(opened.holder_key)[0] != found.holder:
            raise RefusedError(ReasonCode.KB_KEY, "vp.holder", "the holder is not the subject")
        options = {
            "proofPurpose": "authentication",
            "verificationMethod": own_did(opened.holder_key)[1],
            "challenge": nonce_text(binding.nonce),
            "domain": binding.audience,
        }
        if not self._proved("verify_presentation", found.presentation, options):
            raise RefusedError(ReasonCode.KB_KEY, "vp.proof", "the proof does not verify")

    def present(
        self,
        opened: Opened,
        paths: Collection[ClaimPath],
        signer: Signer,
        *,
        audience: str,
        nonce: bytes | None,
        issued_at: int,
    ) -> bytes:
        """A presentation of everything, as ``W3cJwt`` has it. Raises ``ValueError``, ``SigningError``."""
        found = _mine(opened)
        if opened.key_binding is not None or opened.holder_key is None or signer.public_key != opened.holder_key:
            raise ValueError("only a credential as issued can be presented, and only by its holder key")
        if nonce is None or not audience:
            raise ValueError("a presentation names an audience and a nonce")
        require_all(opened.claims, paths)
        did, method = own_did(signer.public_key)
        document = {
            "@context": [V1_CONTEXT, suite_context(signer.public_key)],
            "type": ["VerifiablePresentation"],
            "holder": did,
            "verifiableCredential": parse_json(found.document, "", max_bytes=MAX_TOKEN),
        }
        options = _options(signer.public_key, "authentication", method, created=issued_at)
        options |= {"challenge": nonce_text(nonce), "domain": audience}
        return self._signed("issue_presentation", dump_json(document), options, signer)

    def _no(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError("didkit signs by itself: this format cannot be prepared for a signature made elsewhere")

    prepare = prepare_presentation = _no

    def _signed(self, call: str, document: bytes, options: dict[str, Any], signer: Signer) -> bytes:
        if not isinstance(signer, SoftwareSigner):
            raise ValueError("didkit needs the private key itself: only a software key signs this format")  # noqa: TRY004 - it is the key that does not fit
        try:
            answer = self._didkit.call(call, document, dump_json(options), dump_json(_private_jwk(signer)))
        except NoAnswerError:
            answer = None
        if answer is None:
            raise SigningError("didkit did not sign")
        try:
            open_ldp(answer)
        except MalformedError as error:
            raise ValueError(f"not a document that could be read again: {error}") from error
        return answer

    def _proved(self, call: str, document: bytes, options: dict[str, str]) -> bool:
        """Whether didkit found the one proof good, and nothing to say against it."""
        try:
            answer = self._didkit.call(call, document, dump_json(options))
        except NoAnswerError as error:
            raise RefusedError(ReasonCode.UNCHECKED, "proof", str(error)) from None
        return answer is not None and parse_json(answer, "didkit", max_bytes=MAX_TOKEN) == _PROVED


def _options(key: PublicKey, purpose: str, method: str, *, created: int) -> dict[str, Any]:
    suite = {"type": SUITE_OF[key.alg], "proofPurpose": purpose}
    return {**suite, "verificationMethod": method, "created": stamp(created)}


def _private_jwk(signer: SoftwareSigner) -> dict[str, str]:
    public = signer.public_key.to_jwk()
    if signer.public_key.alg == "EdDSA":
        secret = signer.crypto.private_bytes_raw()
    else:
        secret = signer.crypto.private_numbers().private_value.to_bytes(32, "big")
    return {**public, "d": b64u_encode(secret)}


def _mine(opened: Opened) -> LdpOpened:
    if not isinstance(opened, LdpOpened):
        raise TypeError("this was not opened by LdpVc")
    return opened
