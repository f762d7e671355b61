"""Online requests without a service: every format, every way, over every store, and what cannot be asked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.services.bank_kit import AT, POLICY, sign_by_hand, world
from vcred.errors import RefusedError
from vcred.oid4vp import (
    STATEMENT,
    ResponseMode,
    WalletError,
    build_answer,
    build_error,
    build_page_answer,
    parse_request,
    transaction_claims,
)
from vcred.oid4vp.transaction import BINDING_FORMATS
from vcred.presentation import PresentationRequest
from vcred.reasons import ReasonCode
from verifier import Assurance, MemoryRequestStore, SqliteRequestStore, Verifier
from verifier.online import read_request

FORMATS = ("dc+sd-jwt", "sd-cwt", "mso_mdoc", "vc+sd-jwt")
URI = "https://bank.example/answer"
ORIGIN = "https://bank.example"


@pytest.fixture(scope="module")
def town():
    return world("resident.personal", formats=FORMATS)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryRequestStore()
        return
    with SqliteRequestStore(tmp_path / "requests.db") as found:
        yield found


@pytest.fixture
def verifier(town, store):
    return Verifier(town.trust, town.identity, store)


def ask(verifier, town, mode=ResponseMode.DIRECT_POST_JWT, **more):
    place = {"origin": ORIGIN} if mode.browser else {"response_uri": URI}
    return verifier.online_request(town.policy(POLICY), mode=mode, at=AT, **(place | more))


@pytest.mark.parametrize("mode", list(ResponseMode))
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_every_way(verifier, town, form, mode):
    request = ask(verifier, town, mode, formats=[form])
    read = parse_request(request.raw, client_id=request.client_id, origin=ORIGIN if mode.browser else None)
    assert read == request
    made = sign_by_hand(town, read, format=form)
    sent = build_page_answer(made, read) if mode.browser else build_answer(made, read)
    got = verifier.read(sent, request=request, at=AT)
    result = verifier.verify(got, request=request, at=AT)
    assert result, result.reasons
    assert result.assurance is Assurance.CHALLENGED
    again = verifier.verify(got, request=request, at=AT)
    assert [one.code for one in again.reasons] == [ReasonCode.REPLAY]


def test_what_answers_one_way_answers_no_other(verifier, town):
    for form in ("dc+sd-jwt", "mso_mdoc"):
        posted, shown = (
            ask(verifier, town, mode, formats=[form]) for mode in (ResponseMode.DIRECT_POST, ResponseMode.DC_API)
        )
        for mine, other in ((posted, shown), (shown, posted)):
            moved = sign_by_hand(
                town,
                mine,
                format=form,
                audience=other.audience,
                transcript=other.online.transcript(other.client_id),
            )
            result = verifier.verify(moved, request=mine, at=AT)
            assert not result
            assert {one.code for one in result.reasons} <= {ReasonCode.AUD, ReasonCode.DEVICE_AUTH}


def test_an_answer_over_qr_is_none_online_and_the_reverse(town):
    over_qr = town.request(POLICY, formats=["mso_mdoc"])
    answer = town.present(over_qr)
    online = ask(town.verifier, town, ResponseMode.DIRECT_POST, formats=["mso_mdoc"])
    assert not town.verifier.verify(answer, request=online, at=AT)
    bare = sign_by_hand(town, online, format="mso_mdoc")
    assert not town.verifier.verify(bare, request=over_qr, at=AT)


def test_a_request_that_was_kept_is_read_as_it_was_made(verifier, town):
    for mode in ResponseMode:
        request = ask(verifier, town, mode)
        assert read_request(request.raw) == request
    over_qr = town.request(POLICY)
    assert read_request(over_qr.raw) == over_qr
    with pytest.raises(RefusedError):
        PresentationRequest.parse(ask(verifier, town).raw)


def test_only_the_store_that_has_the_key_reads_the_answer(verifier, town):
    request = ask(verifier, town)
    body = build_answer(sign_by_hand(town, request), request)
    stranger = Verifier(town.trust, town.identity)
    with pytest.raises(RefusedError) as caught:
        stranger.read(body, request=request, at=AT)
    assert caught.value.code is ReasonCode.REQUEST_EXPIRED
    with pytest.raises(RefusedError):
        verifier.read(body, request=request, at=AT + timedelta(seconds=121))
    assert verifier.read(build_error(request, "access_denied"), request=request, at=AT) == WalletError(
        error="access_denied"
    )


@pytest.mark.parametrize("form", BINDING_FORMATS)
def test_transaction_data_is_agreed_to_exactly(verifier, town, form):
    wish = [{"type": STATEMENT, "statement": "동의합니다."}, {"type": STATEMENT, "statement": "이것도."}]
    request = ask(verifier, town, ResponseMode.DIRECT_POST, transaction_data=wish, formats=[form])
    data = request.online.transaction_data
    all_of_it = transaction_claims(data)
    hashes = all_of_it["transaction_data_hashes"]
    for also in (
        {},
        transaction_claims(data[:1]),
        {"transaction_data_hashes": [*hashes, "A" * 43]},
        {"transaction_data_hashes": [hashes[0], hashes[0]]},
        {"transaction_data_hashes": hashes, "transaction_data_hashes_alg": "sha-512"},
    ):
        result = verifier.verify(sign_by_hand(town, request, also=also, format=form), request=request, at=AT)
        assert ReasonCode.TRANSACTION_DATA in [one.code for one in result.reasons], also
    request = ask(verifier, town, ResponseMode.DIRECT_POST, transaction_data=wish, formats=[form])
    claims = transaction_claims(request.online.transaction_data)
    result = verifier.verify(sign_by_hand(town, request, also=claims, format=form), request=request, at=AT)
    assert result
    assert result.check("transaction_data").clause.startswith("OpenID4VP")
    plain = ask(verifier, town, ResponseMode.DIRECT_POST, formats=[form])
    assert verifier.verify(sign_by_hand(town, plain, format=form), request=plain, at=AT)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"client_id": "x509_san_dns:evil.example"}, ValueError),
        ({"client_id": "x509_san_dns:bank.example", "response_uri": "https://other.example/a"}, RefusedError),
        ({"response_uri": "http://bank.example/a"}, RefusedError),
        ({"response_uri": None}, ValueError),
        ({"origin": ORIGIN}, ValueError),
        ({"lifetime": timedelta(seconds=121)}, ValueError),
        ({"formats": ["no-such"]}, ValueError),
        ({"transaction_data": [{"type": "urn:unknown"}]}, RefusedError),
        *(
            ({"transaction_data": [{"type": STATEMENT, "statement": "x"}], "formats": formats}, ValueError)
            for formats in (["mso_mdoc"], ["sd-cwt"], ["vc+jwt"], ["dc+sd-jwt", "mso_mdoc"])
        ),
    ],
)
def test_what_cannot_be_asked(verifier, town, more, error):
    with pytest.raises(error):
        ask(verifier, town, **more)


def test_somebody_else_s_request_is_not_verified(verifier, town):
    other = world()
    request = ask(Verifier(other.trust, other.identity), other)
    with pytest.raises(ValueError, match="another verifier"):
        verifier.verify(sign_by_hand(town, ask(verifier, town)), request=request, at=AT)
