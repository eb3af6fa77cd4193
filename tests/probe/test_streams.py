"""Every kind of failure is counted, and nothing but failures."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from tests.probe.watching import stays_silent

from skylift.model.sample import CONNECTION, CONTENT, OK, STATUS, TIME_LIMIT_S, TIMEOUT, Sample, read_samples
from skylift.probe.access import Access
from skylift.probe.exchange import Unanswered
from skylift.probe.folder import Folder
from skylift.probe.streams import default_rates
from skylift.probe.watch import Limits, Watch
from skylift.testing.api_standin import ApiStandIn, Exchange, Fault

DEFAULT_RATES = default_rates({"keystone", "glance", "placement"})
ALL = dict.fromkeys(DEFAULT_RATES, 4.0)
ONE_ROUND = 0.3
PATIENCE_S = 60
FIRST_OF_EACH = {
    "image-list",
    "image-token",
    "provider-create",
    "provider-list",
    "token-issue",
    "token-validate",
}


def access(apis: ApiStandIn) -> Access:
    return Access(f"{apis.url}/identity", "admin", "right", "admin")


def recorded(folder: Folder) -> list[Sample]:
    return list(read_samples(folder.samples.read_text().splitlines(keepends=True)))


def watched(
    apis: ApiStandIn,
    where: Path,
    rates: dict[str, float],
    *,
    seconds: float = ONE_ROUND,
    answer_s: float = TIME_LIMIT_S,
) -> list[Sample]:
    """What the streams record in ``seconds``; the first token was had before the fault began."""
    folder = Folder.of("run-1", where / "state", where / "run")
    limits = Limits(seconds=seconds, in_flight=16, answer_s=answer_s)
    Watch(folder, access(apis), rates, limits).run()
    return recorded(folder)


def only(path: str, fault: Fault) -> Fault:
    """``fault`` for requests whose path holds ``path``, but for the very first token."""
    return lambda ex: path in ex.path and len(ex.server.asked) > 1 and fault(ex)


def refuses(ex: Exchange) -> bool:
    ex.answer(503, {"error": "no backend"})
    return True


def cuts(ex: Exchange) -> bool:
    ex.send_response(200)
    ex.send_header("Content-Length", "100000")
    ex.end_headers()
    ex.wfile.write(b"only this")
    return True


def hangs(_ex: Exchange) -> bool:
    time.sleep(0.6)
    return False


def hangs_up(ex: Exchange) -> bool:
    ex.close_connection = True
    return True


def lies(ex: Exchange) -> bool:
    status = {"POST": 201, "PUT": 204, "DELETE": 204}.get(ex.command, 200)
    ex.answer(200 if "placement" in ex.path and ex.command == "POST" else status, {"something": "else"})
    return True


def test_whole_apis_give_only_good_answers(apis: ApiStandIn, tmp_path: Path) -> None:
    seen = watched(apis, tmp_path, ALL, seconds=0.6)

    assert {sample.outcome for sample in seen} == {OK}
    assert {sample.api for sample in seen} == {"keystone", "glance", "placement"}
    assert {sample.stream for sample in seen} >= {
        "token-issue",
        "token-validate",
        "image-list",
        "image-create",
        "image-upload",
        "image-download",
        "image-delete",
        "provider-list",
        "provider-create",
        "provider-find",
        "provider-delete",
    }


def test_cycles_leave_nothing_behind(apis: ApiStandIn, tmp_path: Path) -> None:
    watched(apis, tmp_path, ALL, seconds=0.6)

    assert apis.images == {}
    assert apis.providers == {}


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [(refuses, {STATUS}), (cuts, {CONNECTION}), (hangs_up, {CONNECTION}), (lies, {CONTENT})],
)
def test_failing_apis_are_seen_by_each_stream(
    apis: ApiStandIn, tmp_path: Path, fault: Fault, outcomes: set[str]
) -> None:
    apis.fault = only("/", fault)

    seen = watched(apis, tmp_path, ALL)

    assert {sample.good for sample in seen} == {False}
    assert {sample.outcome for sample in seen} == outcomes
    assert {sample.stream for sample in seen} == FIRST_OF_EACH


def test_a_conflict_or_an_absence_out_of_place_is_a_failure(apis: ApiStandIn, tmp_path: Path) -> None:
    def conflicts(ex: Exchange) -> bool:
        if ex.command != "DELETE":
            return False
        ex.answer(404 if "image" in ex.path else 409)
        return True

    apis.fault = conflicts
    seen = watched(apis, tmp_path, {"image-cycle": 4.0, "provider-cycle": 4.0})

    assert {(s.stream, s.status) for s in seen if not s.good} == {
        ("image-delete", 404),
        ("provider-delete", 409),
    }


def test_another_image_than_the_one_uploaded_is_a_failure(apis: ApiStandIn, tmp_path: Path) -> None:
    def swaps(ex: Exchange) -> bool:
        if ex.command != "GET" or not ex.path.endswith("/file"):
            return False
        ex.answer(200, b"x" * 65536)
        return True

    apis.fault = swaps
    seen = watched(apis, tmp_path, {"image-cycle": 4.0})

    failed = [sample for sample in seen if not sample.good]
    assert {(s.stream, s.outcome) for s in failed} == {("image-download", CONTENT)}


def test_an_answer_that_does_not_come_is_a_timeout(apis: ApiStandIn, tmp_path: Path) -> None:
    apis.fault = only("/image", stays_silent)

    seen = watched(apis, tmp_path, {"image-list": 8.0}, answer_s=0.3)

    assert {sample.outcome for sample in seen} == {TIMEOUT}
    assert all(sample.latency_ms > 290 for sample in seen)


def test_a_server_that_trickles_meets_the_same_limit(apis: ApiStandIn, tmp_path: Path) -> None:
    def trickles(ex: Exchange) -> bool:
        ex.send_response(200)
        ex.send_header("Content-Length", "1000000")
        ex.end_headers()
        while True:  # until the client has gone, which ends the exchange
            ex.wfile.write(b" ")
            time.sleep(0.05)

    apis.fault = only("/image", trickles)

    seen = watched(apis, tmp_path, {"image-list": 4.0}, answer_s=0.3)

    assert {sample.outcome for sample in seen} == {TIMEOUT}


def test_slow_answers_change_neither_when_requests_are_made_nor_how_many(
    apis: ApiStandIn, tmp_path: Path
) -> None:
    """No coordinated omission: 16 requests in 0.8 s, though each takes 0.6 s."""
    apis.fault = only("/image", hangs)

    seen = watched(apis, tmp_path, {"image-list": 20.0}, seconds=0.8)

    due = sorted(sample.scheduled for sample in seen)
    gaps = [later - earlier for earlier, later in pairwise(due)]
    assert len(seen) in {16, 17}
    assert all(abs(gap - 0.05) < 0.002 for gap in gaps)


def test_a_request_that_had_to_wait_for_a_free_hand_is_slow_not_absent(
    apis: ApiStandIn, tmp_path: Path
) -> None:
    apis.fault = only("/image", hangs)
    folder = Folder.of("run-1", tmp_path / "state", tmp_path / "run")

    Watch(folder, access(apis), {"image-list": 10.0}, Limits(seconds=0.35, in_flight=1)).run()

    latencies = sorted(sample.latency_ms for sample in recorded(folder))
    assert len(latencies) == 4
    assert latencies[0] > 590
    assert latencies[-1] > 1500


def test_an_api_that_answers_nobody_takes_no_hands_from_the_others(apis: ApiStandIn, tmp_path: Path) -> None:
    """Glance answers only once placement was asked all that is due of it: with shared hands, never."""
    all_asked, due = threading.Event(), 6

    def last(ex: Exchange) -> bool:
        if sum("resource_providers" in path for _, path in ex.server.asked) >= due:
            all_asked.set()
        return "/image" in ex.path and not all_asked.wait(PATIENCE_S)

    apis.fault = last

    rates = {"image-list": 40.0, "provider-list": 10.0}
    seen = watched(apis, tmp_path, rates, seconds=0.6, answer_s=PATIENCE_S)

    assert {sample.outcome for sample in seen if sample.api == "placement"} == {OK}
    assert all_asked.is_set()


def test_a_patient_users_late_answer_is_slow_and_no_failure() -> None:
    late = Sample(1.0, 12_000.0, "server-list", "nova", OK, 200)

    assert (late.good, late.slow) == (True, True)
    assert not late._replace(latency_ms=9_000.0).slow
    assert not late._replace(outcome=TIMEOUT).slow


def test_requests_end_at_the_hard_bound(apis: ApiStandIn, tmp_path: Path) -> None:
    """Soon after it, for what was due while the program was held up is asked all the same."""
    folder = Folder.of("run-1", tmp_path / "state", tmp_path / "run")

    Watch(folder, access(apis), {"image-list": 20.0}, Limits(seconds=3600, requests=10)).run()

    assert 10 <= len(recorded(folder)) < 1000


def test_the_tally_goes_on_after_the_vantage_host_was_restarted(apis: ApiStandIn, tmp_path: Path) -> None:
    """It was away for an hour, in which nobody asked: that is no gap."""
    first = watched(apis, tmp_path, {"image-list": 10.0})
    before = [sample._replace(scheduled=sample.scheduled - 3600) for sample in first]
    cut = "1700000000.000\t12.0\timage-li"
    (tmp_path / "state/run-1/samples.tsv").write_text("".join(s.line() for s in before) + cut)

    both = watched(apis, tmp_path, {"image-list": 10.0})

    tally = json.loads((tmp_path / "state/run-1/tally.json").read_text())
    assert len(both) > len(first)
    assert tally["requests"] == len(both)
    assert tally["longest_gap_s"]["glance"] < 1800


def test_streams_keep_their_share_of_the_default_rates(apis: ApiStandIn, tmp_path: Path) -> None:
    seen = Counter(s.api for s in watched(apis, tmp_path, dict(DEFAULT_RATES), seconds=2.0))

    assert all(seen[api] >= 6 for api in ("keystone", "glance", "placement"))


def test_before_there_is_a_first_token_each_try_counts(apis: ApiStandIn, tmp_path: Path) -> None:
    """Probes that are started in an outage see it."""
    apis.fault = refuses

    seen = watched(apis, tmp_path, ALL, seconds=1.5)

    assert apis.asked
    assert [(s.stream, s.outcome, s.status) for s in seen] == [("token-issue", STATUS, 503)] * len(apis.asked)


def test_credentials_that_are_refused_are_no_outage(apis: ApiStandIn, tmp_path: Path) -> None:
    apis.users["admin"]["password"] = "another"

    with pytest.raises(Unanswered):
        watched(apis, tmp_path, ALL)


def test_waiting_for_the_last_answers_is_no_gap(apis: ApiStandIn, tmp_path: Path) -> None:
    """Two APIs: while the slow one's last answer is awaited, nobody asks the other."""

    def hangs_long(ex: Exchange) -> bool:
        time.sleep(3.5 if "/image" in ex.path else 0)
        return False

    apis.fault = hangs_long
    watched(apis, tmp_path, {"image-list": 10.0, "provider-list": 10.0})

    tally = json.loads((tmp_path / "state/run-1/tally.json").read_text())
    assert tally["longest_gap_s"]["placement"] < 3.0
