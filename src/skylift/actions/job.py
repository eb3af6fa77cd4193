"""What actions that run one long command share: its job decides, for a job is never started twice."""

from __future__ import annotations

from skylift.actions.action import Done, Pending, Progress
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.ports import Ended, NoJob, Ports, Running


class JobFailed(Refused):
    """A long command ended with a code that means failure."""

    code = "job.failed"
    job_ended = True

    def __init__(self, what: str, host: HostName, ended: Ended, *others: Remedy) -> None:
        said = ended.tail.strip().splitlines()
        super().__init__(
            f"could not {what}: the command on {host} ended with {ended.code}"
            + (f" and said: {said[-1][:300]}" if said else ""),
            Remedy(
                Fix.REPAIR,
                f"read all it said: skylift ssh {host} 'tail -n 50 /var/lib/skylift/jobs/*/output'",
            ),
            Remedy(Fix.RETRY, "repair the cause, then: skylift retry"),
            *others,
        )


def observe_job(ports: Ports, host: HostName, what: str, *others: Remedy) -> Progress:
    """Done if this step's job ended with 0, pending while it runs or before it was started.

    ``others`` are ways out of a failure beside repair and retry.

    Raises:
        JobFailed: it ended with anything else.
    """
    match ports.jobs.state(host):
        case NoJob():
            return Pending(f"about to {what}")
        case Running(last_line):
            return Pending(last_line or what)
        case Ended(0, _):
            return Done()
        case Ended() as ended:
            raise JobFailed(what, host, ended, *others)
