"""What ``vcred verifier verify`` prints of ages are the sentences of the result, whatever the outcome."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.desk import AT, DAY, Desk, asked
from vcred.cli.verifier import _print_result


@pytest.fixture(scope="module")
def desk():
    return Desk()


def printed(desk, lang, *, bundle=None, signer=None):
    verifier = desk.verifier(bundle)
    request = asked(verifier, policy="bank.credit-loan")
    shown = {
        "work-1": ("sd-cwt", desk.certificate("work.employment")),
        "income": ("sd-cwt", desk.certificate("tax.income", signer=signer)),
    }
    result = verifier.verify(desk.present(request, shown), request=request, at=AT)
    out = io.StringIO()
    _print_result(Console(file=out, width=200), result, desk.catalog, lang)
    return result, out.getvalue()


@pytest.mark.parametrize("lang", ["ko", "en"])
@pytest.mark.parametrize("case", ["accepted", "stale", "unseen", "forged"])
def test_every_sentence_is_printed_once(desk, lang, case):
    more = {
        "accepted": {},
        "stale": {"bundle": desk.bundle(status_at=AT - 8 * DAY)},
        "unseen": {"bundle": desk.bundle(with_status=False)},
        "forged": {"signer": desk.stranger},
    }[case]
    result, text = printed(desk, lang, **more)
    assert bool(result) is (case == "accepted")
    sentences = {one.text(lang) for one in result.freshness}
    assert [text.count(one) for one in sentences] == [1] * len(sentences)
    for one in result.freshness[1:]:
        assert one.short(lang) in text


def test_the_ages_of_other_commands_are_in_the_same_words():
    from datetime import timedelta

    from vcred.cli._show import age_text
    from vcred.freshness import age_text as words

    for hours in (0, 1, 30, 95, 96, 200):
        age = timedelta(hours=hours)
        assert age_text(age, "ko") == words(age, "ko")
    assert age_text(None, "en") == "unknown"
