"""What ping wrote is read as times without an answer; nothing heard is no short blackout."""

from __future__ import annotations

from tests.lab.pinged import Away, away, counts

SAID = """\
PING 10.78.11.1 (10.78.11.1) 56(84) bytes of data.
[1764000000.100000] 64 bytes from 10.78.11.1: icmp_seq=1 ttl=64 time=0.3 ms
[1764000000.300000] 64 bytes from 10.78.11.1: icmp_seq=2 ttl=64 time=0.3 ms
[1764000000.900000] 64 bytes from 10.78.11.1: icmp_seq=5 ttl=64 time=0.3 ms
"""


def test_a_gap_is_told_with_what_was_lost_in_it() -> None:
    found = away(SAID)

    assert (found.pings, found.lost, round(found.longest_s, 3)) == (5, 2, 0.6)


def test_each_long_time_without_an_answer_is_told() -> None:
    later = "[1764000004.400000] 64 bytes from 10.78.11.1: icmp_seq=20 ttl=64 time=0.3 ms\n"

    found = away(SAID + later)

    assert [round(gap, 1) for gap in found.gaps_s] == [3.5]
    assert found.lost == 16


def test_a_guest_that_never_answered_was_away_all_the_time() -> None:
    found = away("PING 10.78.11.1 (10.78.11.1) 56(84) bytes of data.\n")

    assert (found.pings, found.longest_s) == (0, float("inf"))


def test_a_guest_that_began_anew_counts_lower_than_before() -> None:
    found = counts("7\n10\ncurl: (28) Connection timed out after 2000 milliseconds\n13\n2\n5\n")

    assert found == (7, 10, 13, 2, 5)
    assert Away(5, 0, 0.2, found).anew == [(13, 2)]
    assert Away(5, 0, 0.2, counts("7\n7\n8")).anew == []
