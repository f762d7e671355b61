"""Contract checks for things people plug in: call one from a test of your own implementation."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from vcred.catalog import Catalog
from vcred.catalog.age import KST, kst_date
from vcred.errors import RecordError
from vcred.testing.credential_store import check_credential_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from issuer import RecordSource
    from vcred.catalog import CertificateType

__all__ = ["check_credential_store", "check_record_source"]

_NOBODY = "no such subject \u2603"
_NOTHING = "no.such_type"


def check_record_source(source: RecordSource, code: str, subject: str, at: datetime) -> None:
    """Check that ``source`` keeps the contract of ``issuer.RecordSource``, for one type and a subject who has it.

    1. the record certifies, in every variant and with every value of every option of the type;
    2. it depends on the day of ``at`` in Korea only, so that an unchanged registry gives an equal record;
    3. an unknown subject and an unknown type are a ``RecordError`` that does not repeat what was asked for.

    Raises ``AssertionError`` saying what is broken, or the ``RecordError`` itself for a record of the wrong shape.
    """
    kind = Catalog.builtin()[code]
    record = source.fetch(code, subject, at=at)
    variants: list[str | None] = [one.id for one in kind.variants]
    for variant in variants or [None]:
        for options in _choices(kind, variant):
            kind.issue(record, variant=variant, options=options, issued_on=kst_date(at))
    evening = at.astimezone(KST).replace(hour=23, minute=59)
    for other in (at, evening, evening - timedelta(hours=23)):
        if source.fetch(code, subject, at=other) != record:
            raise AssertionError(f"{code}: the record differs within one day in Korea")
    _refuses(source, code, _NOBODY, at)
    _refuses(source, _NOTHING, subject, at)


def _choices(kind: CertificateType, variant: str | None) -> list[Mapping[str, object]]:
    """The defaults, then each value of each option that the variant has, one at a time."""
    found: list[Mapping[str, object]] = [{}]
    for option in kind.options:
        if option.variants and variant not in option.variants:
            continue
        if option.kind == "yes_no":
            found += [{option.id: value} for value in (True, False)]
        else:
            ids = [one.id.replace(":N", f":{one.low}") for one in option.values]
            found += [{option.id: [one] if option.kind == "set" else one} for one in ids]
    return found


def _refuses(source: RecordSource, code: str, subject: str, at: datetime) -> None:
    try:
        source.fetch(code, subject, at=at)
    except RecordError as error:
        if subject in str(error):
            raise AssertionError("a RecordError repeats the subject it was asked for") from error
        return
    raise AssertionError("an unknown subject or type has a record")
