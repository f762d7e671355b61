"""A registry behind an HTTP interface, and one in the agency's own Python."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from issuer.sources import open_source
from vcred.catalog import Catalog
from vcred.errors import Offline, RecordError, SettingsError, TransportError
from vcred.outgoing import Answer
from vcred.testing.contracts import check_record_source

AT = datetime(2026, 9, 26, 3, tzinfo=UTC)
CATALOG = Catalog.builtin()
MAPPED = """
format = 1
source = "http"
[request]
header = "Authorization"
secret_file = "{secret}"
[types."nhis.eligibility_history"]
url = "https://registry.example/v1/{{subject}}/cover?day={{day}}"
at = "/data"
[types."nhis.eligibility_history".claims]
name = "/person/name"
rrn = "/person/rrn"
document = {{ issueNo = "/no", issuingAuthority = {{ value = "국민건강보험공단 (가상)" }} }}
[types."nhis.eligibility_history".rows.rows]
at = "/periods"
claims = {{ kind = "/kind", workplace = "/workplace/name", acquiredOn = "/from", lostOn = "/to" }}
[types."resident.household"]
url = "https://registry.example/v1/{{subject}}/household"
whole = "/record"
"""
COVER = {
    "data": {
        "person": {"name": "김가람", "rrn": "8005151990120"},
        "no": 9900,
        "periods": [
            {"kind": "employee", "workplace": {"name": "별빛상사 (가상)"}, "from": "20190101", "to": None},
            {"kind": "regional_head", "from": "2012-03-02", "to": "2018-12-31"},
        ],
    }
}


class Registry:
    """An ``Http`` whose other end is here: one subject, ``key/17``."""

    def __init__(self, status=200, body=None, content_type="application/json; charset=utf-8"):
        self.status, self.body, self.type, self.asked = status, body, content_type, []

    def send(self, method, url, *, headers=None, body=None, limit=0):
        self.asked.append((method, url, headers))
        if self.status is None:
            raise Offline("registry.example: cannot be reached")
        found = self.body
        if found is None and "/key%2F17/" in url:
            found = COVER if "cover" in url else {"record": _plain(CATALOG["resident.household"].sample)}
        if found is None:
            return Answer(status=404, headers={}, body=b"")
        raw = found if isinstance(found, bytes) else json.dumps(found).encode()
        return Answer(status=self.status, headers={"content-type": self.type}, body=raw)


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


@pytest.fixture
def mapping(tmp_path):
    secret, file = tmp_path / "secret", tmp_path / "m.toml"
    secret.write_text("Bearer of-this-test\n")
    file.write_text(MAPPED.format(secret=secret), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("code", ["nhis.eligibility_history", "resident.household"])
def test_it_keeps_the_contract(mapping, code):
    http = Registry()
    check_record_source(open_source(mapping, catalog=CATALOG, http=http), code, "key/17", AT)
    assert {headers["Authorization"] for _, _, headers in http.asked} == {"Bearer of-this-test"}


def test_members_become_claims(mapping):
    record = open_source(mapping, catalog=CATALOG, http=Registry()).fetch("nhis.eligibility_history", "key/17", at=AT)
    assert record["rrn"] == "800515-1990120"
    assert record["document"]["issueNo"] == "9900"
    assert [row["acquiredOn"] for row in record["rows"]] == ["2019-01-01", "2012-03-02"]
    assert record["rows"][1]["workplace"] is None


@pytest.mark.parametrize("subject", ["../admin", "a?b=c", "a#b", "a b", "%2e%2e", "김"])
def test_a_subject_stays_inside_its_part_of_the_address(mapping, subject):
    http = Registry()
    with pytest.raises(RecordError):
        open_source(mapping, catalog=CATALOG, http=http).fetch("nhis.eligibility_history", subject, at=AT)
    ((_, url, _),) = http.asked
    path = url.removeprefix("https://registry.example/v1/").removesuffix("/cover?day=2026-09-26")
    assert not set(path) & set("/?# ")
    assert path.isascii()


@pytest.mark.parametrize("subject", [".", "..", "", "x" * 300])
def test_what_cannot_be_a_part_of_an_address_is_not_asked_for(mapping, subject):
    http = Registry()
    with pytest.raises(RecordError):
        open_source(mapping, catalog=CATALOG, http=http).fetch("nhis.eligibility_history", subject, at=AT)
    assert not http.asked


@pytest.mark.parametrize(
    ("registry", "said"),
    [
        (Registry(status=500, body={}), "status 500"),
        (Registry(status=302, body={}), "status 302"),
        (Registry(status=401, body={}), "refuses us"),
        (Registry(body=b"<html>", content_type="text/html"), "not answer in JSON"),
        (Registry(body=b'{"a":1,"a":2}'), "duplicate_key"),
        (Registry(body=b"[" * 100), "cannot be read"),
        (Registry(status=None), "cannot be reached"),
    ],
)
def test_a_registry_that_fails_is_not_one_that_knows_nobody(mapping, registry, said):
    with pytest.raises(TransportError, match=said) as failed:
        open_source(mapping, catalog=CATALOG, http=registry).fetch("nhis.eligibility_history", "key/17", at=AT)
    assert "key/17" not in str(failed.value)


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": []}, {"data": "x"}, []])
def test_an_answer_without_the_subject_is_no_record(mapping, body):
    with pytest.raises(RecordError):
        open_source(mapping, catalog=CATALOG, http=Registry(body=body)).fetch(
            "nhis.eligibility_history", "key/17", at=AT
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('secret_file = "', 'secret_file = "/nowhere'),
        ('header = "Authorization"', ""),
        ('name = "/person/name"', 'name = "person"'),
        ('name = "/person/name"', 'name = { sql = "x" }'),
        ('at = "/data"', 'at = "data"'),
        ('source = "http"', 'source = "http"\n[database]\nurl = "x"'),
    ],
)
def test_a_mapping_that_is_wrong_is_refused(tmp_path, mapping, old, new):
    from pathlib import Path

    text = Path(mapping).read_text(encoding="utf-8")
    assert old in text
    Path(mapping).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SettingsError):
        open_source(mapping, catalog=CATALOG, http=Registry())


def test_a_callable_of_the_agencys_own(tmp_path, monkeypatch):
    (tmp_path / "our_registry.py").write_text(
        "class Ours:\n    def fetch(self, code, subject, *, at):\n        return {}\n\nopened = Ours\nnothing = dict\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert open_source("python:our_registry:opened", catalog=CATALOG, http=Registry()).fetch("a", "b", at=AT) == {}
    for wrong in ("our_registry", "our_registry:missing", "our_registr:opened", "our_registry:nothing", "a:b; x"):
        with pytest.raises(SettingsError):
            open_source(f"python:{wrong}", catalog=CATALOG, http=Registry())
