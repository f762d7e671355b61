"""Both services keep to their OpenAPI documents, and answer whatever comes with anything but a server error.

Schemathesis makes up requests from the document: ones that fit it and ones that do not. The seed is fixed, so that a
failure can be looked at again.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    not_a_server_error,
    unsupported_method,
)
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.services.town import ADMIN, API_KEY, Town

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]


def patient(examples):
    return settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=examples,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def failures_of(app, *, document, headers, examples, tag=None):
    """What is wrong, by operation: none (with ``tag``) is left out, and none hides another."""
    schema = schemathesis.openapi.from_asgi(document, app)
    if tag is not None:
        schema = schema.include(tag=tag)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert operations
    wrong = {}
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @patient(examples)
            @given(case=operation.as_strategy(generation_mode=mode))
            def fits(case):
                case.call_and_validate(headers=headers, checks=CHECKS)

            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    fits()
            except Unsatisfiable:
                pass  # nothing can be wrong about a request without parameters and body
            except (FailureGroup, Exception) as error:  # noqa: BLE001 - every kind of finding is told
                parts = error.exceptions if isinstance(error, FailureGroup) else (error,)
                wrong[f"{operation.label} {mode.value}"] = [f"{type(one).__name__}: {one}"[:400] for one in parts]
    return wrong


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(
        folder, clock=now, database=lambda name: f"sqlite:///{folder / name}.db", anonymous_pre_authorized=True
    ) as opened:
        yield opened


@pytest.mark.parametrize(("token", "examples"), [(ADMIN, 6), (None, 2)], ids=["operator", "stranger"])
def test_the_issuer_keeps_to_its_document(town, token, examples):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    found = failures_of(town.issuer_app, document="/garam/openapi.json", headers=headers, examples=examples)
    assert found == {}


@pytest.mark.parametrize(("key", "examples"), [(API_KEY, 8), (None, 2)], ids=["caller", "stranger"])
def test_the_verifier_keeps_to_its_document(town, key, examples):
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    found = failures_of(town.verifier_app, document="/openapi.json", headers=headers, examples=examples)
    assert found == {}


def test_the_issuer_keeps_to_its_document_where_cards_log_in(tmp_path):
    now = lambda: datetime.now(UTC)  # noqa: E731 - a clock
    with Town(tmp_path, clock=now, database=lambda name: f"sqlite:///{tmp_path / name}.db", id_login=True) as town:
        document = "/garam/openapi.json"
        found = failures_of(town.issuer_app, document=document, headers={}, examples=10, tag="login by card")
    assert found == {}
