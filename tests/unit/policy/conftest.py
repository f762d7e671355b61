"""Certificates made from the catalogue's samples, showing what is asked of them and nothing else."""

import copy
from datetime import UTC, date, datetime, timedelta

import pytest

from vcred.catalog import Catalog
from vcred.claims import SD, ClaimPath
from vcred.policy import PresentedCertificate
from verifier.policy import VerificationPolicy

AT = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)
ISSUED = date(2026, 8, 20)


def shown(tree, wanted, at=(), hidden=None):
    """The tree a verifier sees when ``wanted`` paths are disclosed, and per array how many elements are hidden."""
    hidden = {} if hidden is None else hidden

    def visible(path):
        return any(
            one.contains(path)
            or (len(path.parts) < len(one.parts) and ClaimPath(one.parts[: len(path.parts)]).contains(path))
            for one in wanted
        )

    if isinstance(tree, SD):
        tree = tree.value
    if isinstance(tree, dict):
        out = {}
        for name, value in tree.items():
            path = (*at, name)
            if not isinstance(value, SD) or visible(ClaimPath(path)):
                out[name] = shown(value, wanted, path, hidden)[0]
        return out, hidden
    if isinstance(tree, list):
        kept = []
        for index, value in enumerate(tree):
            if isinstance(value, SD) and not visible(ClaimPath((*at, index))):
                path = ClaimPath(at)
                hidden[path] = hidden.get(path, 0) + 1
            else:
                kept.append(shown(value, wanted, (*at, index), hidden)[0])
        return kept, hidden
    return tree, hidden


def changed(record, change):
    record = copy.deepcopy(dict(record))
    for name, value in (change or {}).items():
        *parents, last = name.split(".")
        node = record
        for parent in parents:
            node = node[int(parent)] if isinstance(node, list) else node[parent]
        node[int(last) if isinstance(node, list) else last] = value
    return record


@pytest.fixture(scope="session")
def catalog():
    return Catalog.builtin()


@pytest.fixture
def preset():
    return VerificationPolicy.preset


@pytest.fixture
def make(catalog):
    """``make(code, paths, change=..., variant=..., options=..., issued_on=...)``; paths as text or ``ClaimPath``."""

    def build(code, paths, *, change=None, variant=None, options=None, issued_on=ISSUED, issuer="https://a.example"):
        kind = catalog[code]
        record = changed(kind.sample, change)
        tree = kind.issue(record, variant=variant, options=options or {}, issued_on=issued_on)
        wanted = [ClaimPath.parse(one) if isinstance(one, str) else one for one in paths]
        claims, hidden = shown(tree, wanted)
        return PresentedCertificate(
            code=code,
            type=kind,
            claims=claims,
            hidden_elements=hidden,
            issuer=issuer,
            issued_on=issued_on,
            format="sd-cwt",
        )

    return build


@pytest.fixture
def answer(make):
    """``answer(policy, slot, code, without=(), also=(), ...)``: a certificate that shows what the slot asks for."""

    def build(policy, slot, code, *, without=(), also=(), **more):
        wanted = policy.slot(slot).acceptable(code)
        paths = [one for one in wanted.asked if str(one) not in without]
        return make(code, [*paths, *also], **more)

    return build


@pytest.fixture
def at():
    return AT


@pytest.fixture
def days():
    return lambda count: ISSUED - timedelta(days=count)
