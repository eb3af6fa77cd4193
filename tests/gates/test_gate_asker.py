"""What gates answer: three values, whatever goes wrong on the way, and never a secret."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.drivers.gate_asker import ask
from skylift.model.gate import Answer, GateEntry, GateKind, Verdict, judged

TOKEN = "planted-secret-token"
GOOD, BAD, UNSURE = Verdict.GOOD, Verdict.BAD, Verdict.INCONCLUSIVE


class Page(BaseHTTPRequestHandler):
    """A Prometheus and a page, whose answer a test sets on the server."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, StandIn)
        server.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(server.status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, *_words: object) -> None:
        """Tests are quiet."""


class StandIn(ThreadingHTTPServer):
    status = 200
    body = b"{}"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.seen: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def prometheus(server: StandIn, result: object, kind: str = "vector") -> GateEntry:
    server.body = json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()
    return GateEntry(GateKind.PROMETHEUS, server.url, "sum(rate(errors[1m]))", good="< 0.01", bad="> 0.05")


@pytest.mark.parametrize(
    ("result", "kind", "expected"),
    [
        ([{"metric": {}, "value": [1, "0.001"]}], "vector", Answer(GOOD, "0.001")),
        ([{"metric": {}, "value": [1, "0.06"]}], "vector", Answer(BAD, "0.06")),
        ([{"metric": {}, "value": [1, "0.03"]}], "vector", Answer(UNSURE, "0.03")),
        ([{"metric": {}, "value": [1, "NaN"]}], "vector", Answer(UNSURE, "nan")),
        ([1, "0"], "scalar", Answer(GOOD, "0")),
        ([], "vector", Answer(UNSURE, "the query has 0 figures, and must have one")),
        ([{"value": [1, "0"]}] * 2, "vector", Answer(UNSURE, "the query has 2 figures, and must have one")),
        ("nonsense", "vector", None),
        ([{"value": [1, "many"]}], "vector", None),
    ],
)
def test_a_query_has_one_figure_that_is_good_bad_or_neither(
    server: StandIn, result: object, kind: str, expected: Answer | None
) -> None:
    answer = ask(prometheus(server, result, kind))

    assert answer == expected or (expected is None and answer.verdict is UNSURE)
    assert server.seen == [("/api/v1/query?query=sum%28rate%28errors%5B1m%5D%29%29", None)]


@pytest.mark.parametrize("status", [400, 422, 503, 302])
def test_a_prometheus_that_does_not_answer_the_query_says_nothing(server: StandIn, status: int) -> None:
    gate = prometheus(server, [1, "0"], "scalar")
    server.status = status

    assert ask(gate) == Answer(UNSURE, f"Prometheus answers with status {status}")


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, GOOD), (204, GOOD), (302, BAD), (404, BAD), (503, BAD)]
)
def test_a_page_is_good_by_its_status(server: StandIn, status: int, verdict: Verdict) -> None:
    server.status = status

    assert ask(GateEntry(GateKind.HTTP, server.url)) == Answer(verdict, f"status {status}")


def test_a_page_that_cannot_be_reached_says_nothing() -> None:
    assert ask(GateEntry(GateKind.HTTP, "http://127.0.0.1:1/health")) == Answer(
        UNSURE, "no answer (URLError)"
    )


def program(words: str) -> GateEntry:
    return GateEntry(GateKind.COMMAND, argv=(sys.executable, "-c", words))


@pytest.mark.parametrize(("code", "verdict"), [(0, GOOD), (1, BAD), (2, UNSURE), (99, UNSURE)])
def test_a_program_says_it_by_its_code(code: int, verdict: Verdict) -> None:
    assert ask(program(f"raise SystemExit({code})")) == Answer(verdict, f"code {code}")


def test_a_program_that_is_not_there_says_nothing() -> None:
    gate = GateEntry(GateKind.COMMAND, argv=("/nowhere/at-all",))

    assert ask(gate) == Answer(UNSURE, "it could not be started: no such file or directory")


def test_a_program_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYLIFT_KEY", TOKEN)
    gate = program("import os; raise SystemExit(int('SKYLIFT_KEY' in os.environ))")

    assert ask(gate).verdict is GOOD


def test_a_token_is_read_when_it_is_used_goes_to_its_url_alone_and_is_told_to_nobody(
    server: StandIn, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text(TOKEN + "\n")
    gate = replace(prometheus(server, [1, "0"], "scalar"), token=PurePosixPath(file))
    good = ask(gate)
    server.status = 302
    redirected = ask(gate)
    file.chmod(0o644)
    refused = ask(gate)
    file.write_bytes(b"caf\xc3\xa9 " + TOKEN.encode())
    file.chmod(0o600)
    unreadable = ask(gate)

    assert [seen for _, seen in server.seen] == [f"Bearer {TOKEN}"] * 2
    assert good.verdict is GOOD
    for answer in (redirected, refused, unreadable):
        assert answer.verdict is UNSURE
        assert TOKEN not in answer.saw


bounds = st.builds(
    lambda sign, n: f"{sign} {n}", st.sampled_from(("<", "<=", ">", ">=", "==")), st.integers(-9, 9)
)


@given(figure=st.floats(-10, 10), good=bounds, bad=bounds)
def test_bad_wins_over_good_and_good_over_nothing(figure: float, good: str, bad: str) -> None:
    verdict = judged(figure, good=good, bad=bad)

    def holds(bound: str) -> bool:
        return bool(eval(f"{figure!r} {bound}"))  # noqa: S307 - the same bound, as Python reads it

    assert verdict is (BAD if holds(bad) else GOOD if holds(good) else UNSURE)
    assert judged(figure, good="", bad=bad) is (BAD if holds(bad) else GOOD)
    assert judged(float("nan"), good=good, bad=bad) is UNSURE
