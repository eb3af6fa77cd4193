"""Windows by the clock on the wall, held against a plain reading of that clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skylift.model.ids import Epoch
from skylift.model.window import DAYS, Calendar, Freeze, Window

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
CHANGES = (
    datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=UTC),
)


def at(text: str, zone: str = "Europe/Berlin") -> Epoch:
    return Epoch(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def calendar(*windows: str, freezes: tuple[str, ...] = (), zone: str = "Europe/Berlin") -> Calendar:
    return Calendar(ZoneInfo(zone), tuple(map(Window.parse, windows)), tuple(map(Freeze.parse, freezes)))


def first(found: Calendar, now: Epoch) -> tuple[str, str]:
    """The first time it is open from ``now`` on, as the clock on the wall shows it."""
    span = found.spans(now)[0]
    opens, closes = (datetime.fromtimestamp(m, found.zone) for m in (span.opens, span.closes))
    return f"{opens:%a %m-%d %H:%M}", f"{closes:%a %m-%d %H:%M}"


@pytest.mark.parametrize(
    ("now", "windows", "freezes", "expected"),
    [
        ("2026-12-03T12:00", ("sat 01:00-05:00",), (), ("Sat 12-05 01:00", "Sat 12-05 05:00")),
        ("2026-12-05T02:00", ("sat 01:00-05:00",), (), ("Sat 12-05 01:00", "Sat 12-05 05:00")),
        ("2026-12-05T05:00", ("sat 01:00-05:00",), (), ("Sat 12-12 01:00", "Sat 12-12 05:00")),
        ("2026-12-05T00:30", ("fri 22:00-04:00",), (), ("Fri 12-04 22:00", "Sat 12-05 04:00")),
        (
            "2026-12-03T12:00",
            ("thu 20:00-24:00", "fri 00:00-02:00"),
            (),
            ("Thu 12-03 20:00", "Fri 12-04 02:00"),
        ),
        (
            "2026-12-18T12:00",
            ("sat 01:00-05:00",),
            ("2026-12-19/2027-01-08",),
            ("Sat 01-09 01:00", "Sat 01-09 05:00"),
        ),
        ("2026-12-18T12:00", ("fri 22:00-04:00",), ("2026-12-19",), ("Fri 12-18 22:00", "Sat 12-19 00:00")),
        ("2026-12-18T12:00", ("fri 22:00-04:00",), ("2026-12-18",), ("Sat 12-19 00:00", "Sat 12-19 04:00")),
        ("2026-03-29T00:00", ("sun 01:00-05:00",), (), ("Sun 03-29 01:00", "Sun 03-29 05:00")),
    ],
)
def test_the_next_window_is_the_one_that_people_would_say(
    now: str, windows: tuple[str, ...], freezes: tuple[str, ...], expected: tuple[str, str]
) -> None:
    assert first(calendar(*windows, freezes=freezes), at(now)) == expected


def test_a_night_in_which_the_clocks_change_has_an_hour_less_or_no_hour_more() -> None:
    found = calendar("sun 01:00-05:00")

    spring, autumn = (
        found.spans(at(day))[0].lasts_s / 3600 for day in ("2026-03-29T00:00", "2026-10-25T00:00")
    )

    assert (spring, autumn) == (3, 5)


def test_a_window_that_begins_or_ends_in_the_hour_that_comes_twice_is_the_shorter_one() -> None:
    begins, ends = calendar("sun 02:30-04:00"), calendar("sun 01:00-02:30")

    assert begins.spans(at("2026-10-25T00:00"))[0].lasts_s == 1.5 * 3600
    assert ends.spans(at("2026-10-25T00:00"))[0].lasts_s == 1.5 * 3600


def test_without_windows_it_is_open_but_for_freezes() -> None:
    assert first(calendar(freezes=("2026-12-05",)), at("2026-12-05T12:00"))[0] == "Sun 12-06 00:00"


@pytest.mark.parametrize(
    "text",
    ["sat 25:00-26:00", "sat 24:00-25:00", "sat 01:60-02:00", "someday 01:00-02:00", "sat 0100-0200", "sat"],
)
def test_what_is_no_window_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Window.parse(text)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-12-20/2026-12-19", "tomorrow"])
def test_what_is_no_freeze_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Freeze.parse(text)


hours = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    day = st.sampled_from((*DAYS, "daily"))
    windows = draw(
        st.lists(st.builds(lambda d, a, b: f"{d} {a}-{b}", day, hours, hours), min_size=1, max_size=4)
    )
    frozen = draw(st.lists(st.integers(0, 12), max_size=2))
    start = draw(st.sampled_from(CHANGES)).date() - timedelta(days=5)
    freezes = [f"{start + timedelta(days=n)}/{start + timedelta(days=n + 1)}" for n in frozen]
    return calendar(*windows, freezes=tuple(freezes), zone=draw(st.sampled_from(ZONES)))


def says_open(found: Calendar, moment: datetime) -> bool:
    """Whether the clock on the wall is within a window of this day or of the day before, and no freeze."""
    wall = moment.astimezone(found.zone)
    minutes = wall.hour * 60 + wall.minute
    yesterday: date = wall.date() - timedelta(days=1)
    if any(freeze.first <= wall.date() <= freeze.last for freeze in found.freezes):
        return False
    return any(
        (wall.weekday() in w.days and w.begins_min <= minutes < w.begins_min + w.lasts_min)
        or (yesterday.weekday() in w.days and minutes + 1440 < w.begins_min + w.lasts_min)
        for w in found.windows
    )


@settings(max_examples=150, print_blob=True)
@given(found=calendars(), around=st.sampled_from(CHANGES), quarters=st.integers(-500, 500))
def test_it_is_never_open_when_the_clock_on_the_wall_says_that_it_is_not(
    found: Calendar, around: datetime, quarters: int
) -> None:
    """In all zones, about the nights in which the clocks change; and on all other days it is open."""
    moment = around + timedelta(minutes=15 * quarters)
    now = Epoch(moment.timestamp())

    spans = found.spans(now)

    is_open = bool(spans) and spans[0].opens <= now
    assert not is_open or says_open(found, moment)
    same = {(moment + timedelta(hours=h)).astimezone(found.zone).utcoffset() for h in (-49, 49)}
    assert len(same) > 1 or is_open == says_open(found, moment)
    assert all(a.closes < b.opens for a, b in pairwise(spans))
    assert all(span.opens < span.closes for span in spans)
