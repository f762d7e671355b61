"""When a busy server is asked again, and when it is not."""

from __future__ import annotations

import pytest

from vcred.outgoing import LONGEST_WAIT, Answer, patiently


def answer(status: int, **headers: str) -> Answer:
    return Answer(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=b"")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": " 0 "}, 0),
        ({"retry_after": "9" * 5000}, 86_400),
        ({"retry_after": "Sun, 22 Nov 2026 10:00:09 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 9),
        ({"retry_after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0),
        ({"retry_after": "Sun, 22 Nov 2026 10:00:09 GMT"}, None),
        ({"retry_after": "Sun, 22 Nov 2026 10:00:09", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, None),
        *(
            ({"retry_after": odd}, None)
            for odd in ("", "-3", "1.5", "soon", "٣", "0x10", "Sun, 99 Nov 2026 99:00:00 GMT")
        ),
        *(
            ({"retry_after": odd, "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, None)
            for odd in (
                "Sun, 22 Nov 99999999999999999999 10:00:00 GMT",
                "Sun, 22 Nov 2026 99999999999:00:00 GMT",
                "Sun, 22 Nov 2026 10:00:00 +99999999999999999999",
                "Sun, 22 Nov 2026 10:00:00 -9999",
            )
        ),
        ({"retry_after": "Sun, 22 Nov 2026 10:00:09 GMT", "date": "Sun, 22 Nov " + "9" * 30 + " 10:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_moment_of_the_servers_clock(headers: dict[str, str], seconds: int | None) -> None:
    assert answer(503, **headers).retry_after == seconds


@pytest.mark.parametrize(
    ("answers", "status", "pauses"),
    [
        ([answer(429, retry_after="3"), answer(200)], 200, [3.0]),
        ([answer(503, retry_after="0"), answer(503, retry_after="5"), answer(204)], 204, [1.0, 5.0]),
        ([answer(503, retry_after="2")] * 9, 503, [2.0, 2.0]),
        ([answer(503, retry_after=str(LONGEST_WAIT)), answer(200)], 200, [float(LONGEST_WAIT)]),
        ([answer(429, retry_after=str(LONGEST_WAIT + 1))], 429, []),
        ([answer(503)], 503, []),
        ([answer(500, retry_after="1")], 500, []),
        ([answer(200, retry_after="1")], 200, []),
    ],
)
def test_a_busy_server_is_asked_again_within_bounds(answers: list[Answer], status: int, pauses: list[float]) -> None:
    left = list(answers)
    waited: list[float] = []
    assert patiently(lambda: left.pop(0), waited.append).status == status
    assert waited == pauses
