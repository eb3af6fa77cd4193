"""What is told of an answer that was not expected: one line, for an operator gets only the last."""

from __future__ import annotations

import pytest

from skylift.probe.access import unexpected
from skylift.probe.exchange import Answer, Request

ASKED = "GET http://10.0.0.1:5000/v3/endpoints answered 503"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html><body><h1>503 Service Unavailable</h1>\nNo server.\n</body></html>\n", ASKED),
        (b"", ASKED),
        (b'{"error":\n {"code": 503}}\n', ASKED + ': {"error": {"code": 503}}'),
    ],
)
def test_an_answer_that_was_not_expected_is_one_line_with_its_status(body: bytes, told: str) -> None:
    request = Request("GET", "http://10.0.0.1:5000/v3/endpoints", {})

    assert unexpected(request, Answer(503, {}, body)) == told
