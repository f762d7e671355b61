"""A card in ISO's words reads back as it was signed, whatever the register has; any other element is refused."""

from __future__ import annotations

from base64 import b64encode
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from vcred.catalog import Catalog
from vcred.errors import MalformedError
from vcred.formats._cbor import Tagged
from vcred.formats._mdoc_spelling import Spelling
from vcred.formats._mdoc_tree import identifier_of

KIND = Catalog.builtin()["id.resident_mobile"]
SPELLING = Spelling(KIND)
NAMED = [spec for spec in KIND.walk() if spec.mdoc is not None]
DATES = st.dates(date(1850, 1, 1), date(2100, 12, 31)).map(date.isoformat)
PARTLY = st.one_of(DATES, DATES.map(lambda day: day[:8] + "00"), DATES.map(lambda day: day[:5] + "00-00"))
PICTURES = st.binary(max_size=40).map(lambda raw: b64encode(b"\xff\xd8\xff" + raw).decode())
VALUES = {
    "string": st.text(min_size=1, max_size=20),
    "address": st.text(min_size=1, max_size=20),
    "boolean": st.booleans(),
    "date": DATES,
    "birthdate": PARTLY,
    "country": st.sampled_from(["KOR", "USA"]),
    "code": st.sampled_from(["male", "female"]),
    "image": st.one_of(
        PICTURES.map("data:image/jpeg;base64,{}".format),
        PICTURES.map("data:image/png;base64,{}".format),
        st.text(max_size=8).map("data:image/jpeg;base64,{}".format),
    ),
}
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.text(max_size=12),
    st.binary(max_size=12),
    st.builds(Tagged, st.sampled_from([0, 1004]), st.one_of(DATES, st.text(max_size=12), st.integers())),
    st.dictionaries(
        st.sampled_from(["birth_date", "approximate_mask", "more"]),
        st.one_of(st.sampled_from(["00001111", "00000011", "1"]), DATES.map(lambda day: Tagged(1004, day))),
    ),
)


@given(data=st.data(), spec=st.sampled_from(NAMED))
def test_what_is_written_reads_back(data, spec):
    identifier = identifier_of(spec.path)
    value = data.draw(st.one_of(st.none(), VALUES[spec.type]))
    assert SPELLING.read(*SPELLING.place(identifier, value)) == (identifier, value)


@given(spec=st.sampled_from(NAMED), value=ANYTHING)
def test_what_is_read_is_what_would_be_written(spec, value):
    """So no two elements read as the same claim, and nothing is read that another format could not say."""
    element = (spec.mdoc.namespace, spec.mdoc.name)
    try:
        identifier, read = SPELLING.read(*element, value)
    except MalformedError:
        return
    assert SPELLING.place(identifier, read) == (*element, value) or (
        isinstance(value, dict) and SPELLING.place(identifier, read)[:2] == element
    )
