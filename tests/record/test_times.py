"""Windows, freezes and time zones in a record."""

from __future__ import annotations

from pathlib import Path

import pytest

from skylift.app.record_file import RecordInvalid, load_record


def test_a_policy_may_say_when_steps_may_start(file: Path) -> None:
    file.write_text(
        file.read_text()
        + "  windows: [sat 01:00-05:00, daily 22:00-04:00]\n"
        + "  freezes: [2026-12-20/2027-01-06]\n"
        + "  time_zone: Europe/Berlin\n"
        + "  every: month\n"
    )

    policy = load_record(file).policy

    assert policy.windows == ("sat 01:00-05:00", "daily 22:00-04:00")
    assert policy.freezes == ("2026-12-20/2027-01-06",)
    assert (policy.time_zone, policy.every) == ("Europe/Berlin", "month")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("windows: [saturday 01:00-05:00]", "such as sat 01:00-05:00"),
        ("windows: [sat 25:00-26:00]", "sat 25:00-26:00 is no time there is"),
        ("freezes: [2026-02-30]", "2026-02-30 is no time there is"),
        ("freezes: [2026-12-20/2026-12-01]", "is no time there is"),
        ("every: fortnight", "write one of never"),
        ("time_zone: Europe/Atlantis", "Europe/Atlantis is no time there is"),
    ],
)
def test_a_time_that_there_is_not_is_a_mistake_at_its_line(file: Path, line: str, told: str) -> None:
    file.write_text(file.read_text() + f"  {line}\n")

    with pytest.raises(RecordInvalid, match=told):
        load_record(file)
