"""Guests are asked past every API: a lost ping is counted, and a count that goes back is told once."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from skylift.model.sample import OK, RESTARTED
from skylift.probe import guest_streams
from skylift.probe.access import Access, Token
from skylift.probe.exchange import Unanswered
from skylift.probe.guest import Guest, Guests, ping
from skylift.probe.session import Ear, Named, Session, State, Work
from skylift.testing.api_standin import ApiStandIn, Exchange

NOWHERE = "240.0.0.1"
"""Of a class that no network uses."""


def may_ping() -> bool:
    for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except PermissionError:
            continue
        return True
    return False


pinging = pytest.mark.skipif(not may_ping(), reason="the kernel lets only root ping here")


class Told:
    """What a session was told of guests, in the order it came."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    def __call__(self, what: Work | Named, _since: float, state: State) -> None:
        self.seen.append((what.stream, what.api, state.outcome))


class Listening:
    """A guest that answers on loopback, and counts what a test sets."""

    def __init__(self, apis: ApiStandIn) -> None:
        self.count: str | None = "1"
        self.address = f"127.0.0.1:{apis.server_port}"
        apis.fault = self._answer

    def _answer(self, ex: Exchange) -> bool:
        if ex.path == "/counter":
            ex.answer(200, f"{self.count}\n".encode()) if self.count else ex.answer(404)
        return ex.path == "/counter"


@pytest.fixture
def listening(apis: ApiStandIn) -> Listening:
    return Listening(apis)


def session(where: Path, told: Told) -> Session:
    catalog = tuple(
        {"type": kind, "endpoints": [{"interface": "public", "url": "http://127.0.0.1:1"}]}
        for kind in ("image", "placement", "compute")
    )
    guests = Guests(where / "witnesses.json", where / "guests.json")
    ear = Ear(lambda _call, _due: None, told, guests, threading.Event(), look_every_s=1.0, work_s=1.0)
    return Session(Access("http://127.0.0.1:1", "a", "b", "c"), Token("t", "u", "p", catalog), "run-1", ear)


def witness(where: Path, address: str) -> None:
    known = {"complete": True, "server": {"id": "s-1", "address": address}}
    (where / "witnesses.json").write_text(json.dumps(known))


@pinging
def test_this_machine_answers_its_own_ping() -> None:
    ping("127.0.0.1")


@pinging
def test_a_ping_to_nowhere_is_lost() -> None:
    with pytest.raises(Unanswered):
        ping(NOWHERE, limit_s=0.2)


@pinging
def test_a_guest_that_never_answered_is_nobodys_loss(tmp_path: Path) -> None:
    told = Told()
    witness(tmp_path, NOWHERE)

    guest_streams.guest_ping(session(tmp_path, told), time.monotonic())

    assert told.seen == []


@pinging
def test_a_guest_that_answered_once_counts_even_after_the_agent_was_killed(tmp_path: Path) -> None:
    told = Told()
    witness(tmp_path, NOWHERE)
    (tmp_path / "guests.json").write_text('{"s-1": -1}')

    guest_streams.guest_ping(session(tmp_path, told), time.monotonic())

    ((stream, api, outcome),) = told.seen
    assert (stream, api) == ("guest-ping", f"guest {NOWHERE}")
    assert outcome != OK


def test_a_count_that_grows_is_well(listening: Listening, tmp_path: Path) -> None:
    told = Told()
    witness(tmp_path, listening.address)
    asked = session(tmp_path, told)

    for count in ("7", "7", "9"):
        listening.count = count
        guest_streams.guest_counter(asked, time.monotonic())

    assert [outcome for _, _, outcome in told.seen] == [OK, OK, OK]


def test_a_guest_that_was_restarted_is_told_once(listening: Listening, tmp_path: Path) -> None:
    told = Told()
    witness(tmp_path, listening.address)
    asked = session(tmp_path, told)

    for count in ("70", "3", "4"):
        listening.count = count
        guest_streams.guest_counter(asked, time.monotonic())

    assert [outcome for _, _, outcome in told.seen] == [OK, RESTARTED, OK]


def test_a_restart_while_the_agent_was_dead_is_seen(listening: Listening, tmp_path: Path) -> None:
    told = Told()
    witness(tmp_path, listening.address)
    listening.count = "70"
    guest_streams.guest_counter(session(tmp_path, told), time.monotonic())

    listening.count = "3"
    guest_streams.guest_counter(session(tmp_path, told), time.monotonic())

    assert [outcome for _, _, outcome in told.seen] == [OK, RESTARTED]


def test_an_image_that_counts_nothing_is_not_asked_to(listening: Listening, tmp_path: Path) -> None:
    told = Told()
    witness(tmp_path, listening.address)
    listening.count = None

    guest_streams.guest_counter(session(tmp_path, told), time.monotonic())

    assert told.seen == []


def test_a_count_that_cannot_be_read_any_more_is_a_failure(
    apis: ApiStandIn, listening: Listening, tmp_path: Path
) -> None:
    told = Told()
    witness(tmp_path, listening.address)
    asked = session(tmp_path, told)
    guest_streams.guest_counter(asked, time.monotonic())
    listening.count = None

    guest_streams.guest_counter(asked, time.monotonic())
    apis.fault = lambda _ex: True
    guest_streams.guest_counter(asked, time.monotonic())

    assert [outcome != OK for _, _, outcome in told.seen] == [False, True, True]


def test_guests_of_witnesses_that_are_not_whole_yet_are_no_guests(tmp_path: Path) -> None:
    witness(tmp_path, NOWHERE)
    file = tmp_path / "witnesses.json"
    file.write_text(file.read_text().replace("true", "false"))

    assert Guests(file, tmp_path / "guests.json")() == ()


def test_where_no_witnesses_are_made_there_are_no_guests(tmp_path: Path) -> None:
    assert Guests(None, tmp_path / "guests.json")() == ()
    assert Guests(tmp_path / "witnesses.json", tmp_path / "guests.json")() == ()


def test_what_is_kept_is_the_highest_count(tmp_path: Path) -> None:
    guests = Guests(None, tmp_path / "guests.json")
    one = Guest("s-1", NOWHERE)

    guests.keep(one, 5)
    guests.keep(one, -1)

    assert guests.count(one) == 5
    assert guests.count(Guest("s-2", NOWHERE)) is None
