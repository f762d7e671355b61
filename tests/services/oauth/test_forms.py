"""Forms: whatever is sent ends in parameters or in an error object, and never in anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.server.configurations import Configuration
from issuer.server.forms import AuthorizationRequest, TokenRequest, form_of, read_parameters, wish_of
from vcred.serving import ProtocolError


class Offered(dict):
    """``Configurations`` of one configuration."""

    def of_scope(self, scope):
        return next((one for one in self.values() if one.scope == scope), None)


OFFERED = Offered({"a.b/dc+sd-jwt": Configuration("a.b/dc+sd-jwt", "a.b", "dc+sd-jwt")})
ISSUER = "https://issuer.example"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def outcome(work, *arguments, **named):
    """What it returns, or the error it answers."""
    try:
        return work(*arguments, **named)
    except ProtocolError as error:
        return error


@given(st.binary(max_size=200))
def test_any_body_is_parameters_or_an_error(raw):
    found = outcome(read_parameters, raw)
    if isinstance(found, ProtocolError):
        assert found.error == "invalid_request"
    else:
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in found.items())


@given(st.dictionaries(st.sampled_from([*TokenRequest.model_fields, *AuthorizationRequest.model_fields]), st.text()))
def test_any_parameters_are_a_form_or_an_error(parameters):
    for model in (TokenRequest, AuthorizationRequest):
        found = outcome(form_of, model, parameters)
        assert isinstance(found, model) or (found.error == "invalid_request" and found.description.isascii())


@given(st.text(max_size=40), JSON.map(json.dumps) | st.text(max_size=60))
def test_any_details_are_a_wish_or_an_error(scope, details):
    found = outcome(wish_of, scope, details, OFFERED, issuer=ISSUER)
    if isinstance(found, ProtocolError):
        assert found.error == "invalid_authorization_details"
    else:
        assert found is None or set(found.configurations) <= set(OFFERED)


def test_a_scope_is_heard_among_others_and_one_parameter_is_one():
    assert wish_of("openid a.b.dc+sd-jwt  x", None, OFFERED, issuer=ISSUER).configurations == ("a.b/dc+sd-jwt",)
    assert wish_of("a.b/dc+sd-jwt", None, OFFERED, issuer=ISSUER) is None
    assert read_parameters(b"scope=a.b.dc%2Bsd-jwt&empty=&tx_code=") == {"scope": "a.b.dc+sd-jwt", "tx_code": ""}
    with pytest.raises(ProtocolError, match="twice"):
        read_parameters(b"code=a&code=a")
    with pytest.raises(ProtocolError):
        read_parameters("&".join(f"p{number}=1" for number in range(65)).encode())


def test_names_and_not_values_are_in_errors():
    with pytest.raises(ProtocolError) as refused:
        form_of(TokenRequest, {"grant_type": "x", "code": "secret" * 1000})
    assert refused.value.description == "code is empty or too long"
    with pytest.raises(ProtocolError, match="grant_type is missing"):
        form_of(TokenRequest, {})
    with pytest.raises(ProtocolError, match="pre-authorized_code is empty or too long"):
        form_of(TokenRequest, {"grant_type": "x", "pre-authorized_code": "y" * 3000})
