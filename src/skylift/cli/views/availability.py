"""What users got, as a table."""

from __future__ import annotations

from skylift.cli.views.columns import columns
from skylift.model.availability import Availability
from skylift.model.sample import TIME_LIMIT_S

_FIRST = ("api", "requests", "failed")
_TIMES = (
    "p50",
    "p99 before",
    "p99 during",
    "slowest before",
    "slowest during",
)


def lines(seen: Availability) -> list[str]:
    """One row per API and guest, then what failed and when, what was slow, and each lost work.

    Nothing if nothing was measured.
    """
    if not seen.apis:
        return []
    rows = [
        (
            api.api,
            api.requests,
            api.failed,
            f"{api.gap.length_ms / 1000:.2f} s",
            (api.during if api.during.answers else api.baseline).p50,
            api.baseline.p99,
            api.during.p99,
            api.baseline.slowest,
            api.during.slowest,
        )
        for api in seen.apis
    ]
    attributed = [
        f"{count} of the failed requests to {api.api} fell into {step}"
        for api in seen.apis
        for step, count in api.failed_by_step.items()
    ]
    streams = [
        f"of the failed requests to {api.api}, of {stream}: {count}"
        for api in seen.apis
        for stream, count in api.failed_by_stream.items()
    ]
    slow = [
        f"answers of {api.api} that took longer than {TIME_LIMIT_S:.0f} s: {api.slow}"
        for api in seen.apis
        if api.slow
    ]
    works = [
        f"{api.lost} of {api.works} works that {api.api} accepted were lost" for api in seen.apis if api.works
    ]
    gap = "longest measured gap" if seen.unwatched else "longest gap"
    boots = [str(seen.boots)] if seen.boots.asked else []
    named = [f"lost by {sample.api}: {sample.stream}: {sample.detail}" for sample in seen.lost]
    lost = [*works, *boots, *named, *map(str, seen.guests)]
    return [*columns((*_FIRST, gap, *_TIMES), *rows), *streams, *attributed, *slow, *lost]
