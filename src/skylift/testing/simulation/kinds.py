"""What may go wrong in a simulated run, by kind."""

from __future__ import annotations

from enum import Enum

from skylift.planning.plan import Stage

STAGES = tuple(stage for stage in Stage if stage is not Stage.DATA_PLANE)
"""Those of upgrades."""


class FaultKind(Enum):
    """One kind of fault. Its value is how the table names it."""

    KILL_BEFORE_EFFECT = "killed before an effect"
    """The process dies just before it asks for a change."""
    KILL_AFTER_EFFECT = "killed after an effect"
    """It dies when the change was made, and knows nothing of it."""
    KILL_IN_FLIGHT = "killed with a command in flight"
    """It dies, and what it asked for happens seconds later all the same."""
    KILL_AT_A_LOOK = "killed at a look"
    KILL_BEFORE_APPEND = "killed before an append"
    KILL_AFTER_APPEND = "killed after an append"
    TORN_APPEND = "power cut in an append"
    """Part of the journal's last transaction is on disk. SQLite's own file, cut at a byte by chance."""
    JOURNAL_DISK_FULL = "journal's disk is full"
    LOST_ANSWER = "answer lost"
    """The change was made, and the connection broke before that was said."""
    LOST_COMMAND = "command lost"
    """The connection broke before the change was made."""
    DELIVERED_TWICE = "command delivered twice"
    DELIVERED_LATE = "job's command again later"
    """A job's start comes once more, up to a minute later."""
    SLOW_COMMAND = "command on its way for long"
    """Up to half a minute pass before it takes effect."""
    SLOW_ANSWER = "answer on its way for long"
    JOB_BEYOND_DEADLINE = "job beyond its deadline"
    STOP_HANGS = "stop beyond its deadline"
    JOB_FAILS_ONCE = "job fails once"
    JOB_FAILS_ALWAYS = "job fails until repaired"
    HOST_DISK_FULL = "host's disk is full"
    HOST_CUT_OFF = "host cut off"
    """From us; users reach it."""
    HOST_SILENT = "host cut off beyond all patience"
    HOST_REBOOTS = "host reboots"
    HOST_LOSES_POWER = "host loses power"
    """It is back only after minutes."""
    BALANCER_CUT_OFF = "balancers cut off"
    BALANCER_RESTARTS = "balancer restarts"
    """It forgets what it was told."""
    DATABASE_CUT_OFF = "database cut off"
    BROKER_CUT_OFF = "broker cut off"
    """While the plan is made, or its facts are looked at again."""
    VANTAGE_CUT_OFF = "vantage host cut off"
    PROBES_END = "probes end"
    WITNESS_HURT = "witness is changed"
    SERVICE_DIES = "service dies"
    NEW_SERVICE_DIES = "service dies after its start"
    SERVICE_CANNOT_START = "service cannot start"
    """On the new artifact, until it is repaired."""
    SLOW_WARM_UP = "service slow to warm up"
    REPORTS_STOP = "service does not report"
    WORK_STUCK = "work in hand is stuck"
    CLOCK_FORWARD = "our clock jumps forward"
    CLOCK_BACK = "our clock jumps back"
    DRIFT = "cloud changes before apply"
    SECOND_APPLY = "second operator resumes"
    """While a process works on the run."""
    WORD_RACES = "word said during an append"
    PAUSE = "operator pauses"
    ABORT = "operator gives up"
    ABORT_AND_LEAVE = "operator gives up and leaves it"
    SKIP = "operator skips a step"
    POSTPONE = "operator postpones a step"
    RETRY = "operator retries at a wrong moment"
    APPROVE = "operator approves at a wrong moment"

    @property
    def word(self) -> str:
        """How an operator names it on the command line."""
        return self.name.lower().replace("_", "-")
