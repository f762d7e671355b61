"""From a token to certificates in the wallet: keys, proofs, requests, deferred answers, notifications.

Every request is on disk before it is sent, with its keys, so that an answer that was lost can be asked for again by the
same request. What comes is checked like any other delivery before a byte of it is kept; that it was kept, and that the
issuer is to be told, is one transaction.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from vcred.errors import NotFound, RefusedError, TransportError
from vcred.formats._jwe import decrypt
from vcred.formats._wire import dump_json, epoch
from vcred.keys import SoftwareSigner
from vcred.oid4vci import CredentialResponse, build_proof, decode_credential
from vcred.reasons import ReasonCode
from wallet._records import CERTIFICATES, COPIES, copy_ids, new_id
from wallet.client._calls import JSON, JWT
from wallet.client._refusal import ServerError, during
from wallet.client._session import ASK, DEFERRED, KEPT, TELL, Session
from wallet.receive import check_credentials, keep, keep_besides
from wallet.store import Delete

if TYPE_CHECKING:
    from vcred.oid4vci import CredentialConfiguration
    from vcred.outgoing import Answer
    from wallet.client._calls import Calls
    from wallet.client._discovery import IssuerFacts
    from wallet.client._session import Want
    from wallet.client.attester import WalletAttester
    from wallet.store import Change
    from wallet.wallet import Wallet

__all__ = ["Collector", "can_prove", "spread"]

_MAX_ANSWER: Final = 4 * 1024 * 1024
_ACCEPTED: Final = "credential_accepted"
_FAILED: Final = "credential_failure"


def can_prove(configuration: CredentialConfiguration, attester: WalletAttester | None) -> bool:
    """Whether this wallet has a proof that the issuer takes for it."""
    return _proof_type(configuration, attester) is not None


def spread(session: Session) -> None:
    """Give every credential that the token is for its own want and keys, on disk (OpenID4VCI 1.0 section 6.2)."""
    identifiers = session.record.tokens.get("identifiers", {})
    wants: list[Want] = []
    for want in session.wants:
        names = identifiers.get(want.configuration, [None]) if want.identifier is None else [want.identifier]
        wants.append(replace(want, identifier=names[0]))
        wants += [replace(want, identifier=name, keys=new_keys(want.copies)) for name in names[1:]]
    if wants != session.wants:
        session.wants = wants
        session.update()


def new_keys(count: int) -> list[bytes]:
    """Holder keys as they are stored."""
    return [SoftwareSigner.generate().to_der() for _ in range(count)]


class Collector:
    """One session with an issuer, as far as it goes now."""

    def __init__(
        self,
        wallet: Wallet,
        session: Session,
        facts: IssuerFacts,
        calls: Calls,
        attester: WalletAttester | None,
    ) -> None:
        self._wallet = wallet
        self._session = session
        self._metadata = facts.metadata
        self._authority = facts.authority
        self._calls = calls
        self._attester = attester

    def step(self, index: int) -> str | None:
        """Bring one want as far as it goes; the certificate's id when it is there.

        Raises ``ServerError`` when the issuer refuses for good (the want is forgotten then), ``RefusedError`` for
        credentials that do not check out, other ``TransportError`` when it may be tried again.
        """
        want = self._session.wants[index]
        if want.phase == ASK:
            want = self._ask(index)
        elif want.phase == DEFERRED and want.ready_at <= epoch(self._calls.clock()):
            want = self._ask_again(index)
        if want.phase == TELL:
            want = self._tell(index)
        return want.certificate

    def _ask(self, index: int) -> Want:
        want = self._session.wants[index]
        if want.body is None:
            want = self._prepare(index)
        try:
            answer = self._post(self._metadata.credential_endpoint, want)
        except ServerError as error:
            if error.error != "invalid_nonce" or self._metadata.nonce_endpoint is None:
                raise
            answer = self._post(self._metadata.credential_endpoint, self._prepare(index))
        return self._received(index, self._response(answer, self._session.wants[index]))

    def _ask_again(self, index: int) -> Want:
        want = self._session.wants[index]
        if self._metadata.deferred_endpoint is None:
            raise RefusedError(ReasonCode.FORMAT, "metadata.deferred_credential_endpoint", "missing")
        body: dict[str, Any] = {"transaction_id": want.transaction}
        opener = self._encryption(body)
        want = self._session.change(index, body=dump_json(body), opener=opener)
        answer = self._post(self._metadata.deferred_endpoint, want)
        found = self._response(answer, want)
        if found.transaction_id not in (None, want.transaction):
            raise RefusedError(ReasonCode.FORMAT, "response.transaction_id", "not the one that was asked for")
        return self._received(index, found)

    def _prepare(self, index: int) -> Want:
        """Write the request for a credential, and the key that its answer is opened with."""
        want = self._session.wants[index]
        configuration = self._metadata.configurations.get(want.configuration)
        if configuration is None or configuration.format != want.format:
            raise RefusedError(ReasonCode.FORMAT, "metadata", "the issuer does not issue this any more")
        nonce = None
        if self._metadata.nonce_endpoint is not None:
            with during("credential"):
                nonce = self._calls.nonce(self._metadata.nonce_endpoint)
        body: dict[str, Any] = (
            {"credential_configuration_id": want.configuration}
            if want.identifier is None
            else {"credential_identifier": want.identifier}
        )
        body["proofs"] = self._proofs(configuration, want, nonce)
        opener = self._encryption(body)
        return self._session.change(index, body=dump_json(body), opener=opener)

    def _proofs(self, configuration: CredentialConfiguration, want: Want, nonce: str | None) -> dict[str, list[str]]:
        signers, at = want.signers(), self._calls.clock()
        keys = [signer.public_key for signer in signers]
        kind = _proof_type(configuration, self._attester)
        if kind is None:
            raise RefusedError(ReasonCode.FORMAT, "metadata.proof_types_supported", "none that this wallet has")
        attested = None
        if kind == "attestation" or configuration.key_attestation_required:
            assert self._attester is not None
            attested = self._attester.attest_keys(keys, nonce=nonce, at=at)
        if kind == "attestation":
            assert attested is not None
            return {"attestation": [attested]}
        return {
            "jwt": [
                build_proof(
                    signer,
                    audience=self._metadata.issuer,
                    nonce=nonce,
                    at=at,
                    client_id=self._session.record.client_id,
                    key_attestation=attested,
                )
                # One proof with the attestation of all keys proves them all (appendix F.1).
                for signer in (signers if attested is None else signers[:1])
            ]
        }

    def _encryption(self, body: dict[str, Any]) -> bytes | None:
        """Ask in ``body`` for an encrypted answer, where the issuer can give one; the key to open it."""
        offered, sealing = self._metadata.response_encryption, self._metadata.request_encryption
        if not offered or sealing is None:
            if self._metadata.response_encryption_required:
                # Section 8.2: whoever wants an encrypted answer encrypts the request, or its key could be exchanged.
                raise RefusedError(ReasonCode.ALG, "metadata.credential_request_encryption", "missing")
            return None
        opener = SoftwareSigner.generate()
        jwk = {**opener.public_key.to_jwk(), "use": "enc", "alg": "ECDH-ES", "kid": secrets.token_urlsafe(8)}
        body["credential_response_encryption"] = {"jwk": jwk, "enc": offered[0]}
        return opener.to_der()

    def _post(self, url: str, want: Want) -> Answer:
        assert want.body is not None
        sealing = self._metadata.request_encryption
        token = self._session.record.tokens["access"]
        accept = JSON if want.opener is None else JWT
        with during("deferred" if want.phase == DEFERRED else "credential"):
            if sealing is not None and (sealing.required or want.opener is not None):
                return self._calls.protected(url, token, sealing.seal(want.body), type=JWT, accept=accept)
            return self._calls.protected(url, token, want.body, type=JSON, accept=accept)

    def _response(self, answer: Answer, want: Want) -> CredentialResponse:
        body = answer.body
        if want.opener is not None:
            key = SoftwareSigner.from_der(want.opener).crypto
            body = decrypt(body, key, path="response", max_plaintext=_MAX_ANSWER).plaintext
        return CredentialResponse.parse(body)

    def _received(self, index: int, response: CredentialResponse) -> Want:
        now = epoch(self._calls.clock())
        if response.transaction_id is not None:
            assert response.interval is not None
            return self._session.change(
                index,
                phase=DEFERRED,
                transaction=response.transaction_id,
                ready_at=now + response.interval,
                body=None,
                opener=None,
            )
        want = self._session.wants[index]
        told = response.notification_id is not None and self._metadata.notification_endpoint is not None
        ended: dict[str, Any] = {"notification": response.notification_id, "phase": TELL if told else KEPT}
        ended |= {"body": None, "opener": None, "transaction": None, "replaces": None}
        try:
            certificate, changes = self._checked(want, response)
        except RefusedError:
            # The keys stay with nobody: nothing that came for them will be kept.
            self._session.change(index, event=_FAILED, keys=[], **ended)
            if told:
                self._tell(index)
            raise
        # The keys are with the copies now.
        return self._session.change(index, changes, event=_ACCEPTED, keys=[], certificate=certificate, **ended)

    def _checked(self, want: Want, response: CredentialResponse) -> tuple[str, list[Change]]:
        wallet, at = self._wallet, self._calls.clock()
        raws = [
            (want.format, decode_credential(want.format, one, f"credentials[{number}]"))
            for number, one in enumerate(response.credentials)
        ]
        keys = {signer.public_key: signer for signer in want.signers()}
        given = check_credentials(raws, keys, wallet.formats, wallet.trust, code=want.code, at=at)
        if self._authority is not None and given[0].issuer != self._authority.id:
            raise RefusedError(ReasonCode.ISSUER, "credentials", "not by the authority that offered it")
        for other in self._session.wants:
            if other.certificate in (None, want.replaces) or other.code != want.code:
                continue
            try:
                more = keep_besides(wallet.store, str(other.certificate), given, wallet.formats)
            except NotFound:
                continue
            if more is not None:
                return str(other.certificate), more
        certificate = new_id()
        changes = keep(certificate, given, code=want.code, credential_id="", at=at)
        return certificate, [*changes, *self._replaced(want)]

    def _replaced(self, want: Want) -> list[Change]:
        """The end of the certificate that a fresh one takes the place of, if it is still there."""
        store = self._wallet.store
        if want.replaces is None or want.replaces not in store.ids(CERTIFICATES):
            return []
        copies = [Delete(table=COPIES, record=one) for one in copy_ids(store, want.replaces)]
        return [*copies, Delete(table=CERTIFICATES, record=want.replaces)]

    def _tell(self, index: int) -> Want:
        """Tell the issuer how it ended. That it knows is a courtesy: what it says to it changes nothing here."""
        want = self._session.wants[index]
        endpoint = self._metadata.notification_endpoint
        if endpoint is not None:
            body = dump_json({"notification_id": want.notification, "event": want.event})
            token = self._session.record.tokens["access"]
            try:
                self._calls.protected(endpoint, token, body, type=JSON, accept=JSON)
            except (ServerError, RefusedError):
                pass  # it does not want to know, or says yes in another content type
            except TransportError:
                return want
        return self._session.change(index, phase=KEPT, notification=None)


def _proof_type(configuration: CredentialConfiguration, attester: WalletAttester | None) -> str | None:
    for kind in ("jwt", "attestation"):
        offered = configuration.proof_types.get(kind)
        algs = None if offered is None else offered.get("proof_signing_alg_values_supported", ["ES256"])
        if not isinstance(algs, list) or "ES256" not in algs:
            continue
        if attester is not None or (kind == "jwt" and not configuration.key_attestation_required):
            return kind
    return None
