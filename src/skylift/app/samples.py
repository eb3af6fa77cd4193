"""What a run's probes leave behind: samples on the vantage host, and witnesses in the cloud."""

from __future__ import annotations

from skylift.actions.prove import CreateWitnesses
from skylift.app.runs import RunFolder
from skylift.app.site import Site
from skylift.planning.plan import Plan


def witness_label(plan: Plan) -> str:
    """The name that a plan's witnesses bear; empty if it makes none."""
    return next((s.action.label for s in plan.steps if isinstance(s.action, CreateWitnesses)), "")


def fetch_samples(site: Site, folder: RunFolder) -> None:
    """Bring what the probes of a run wrote and is not here yet; whole lines only."""
    folder.samples.touch(mode=0o600)
    with folder.samples.open("ab") as file:
        while piece := site.ports.vantage.samples(str(folder.id), offset=file.tell()):
            file.write(piece)
