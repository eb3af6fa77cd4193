"""What a run's probes leave behind: samples on the vantage host, and witnesses in the cloud."""

from __future__ import annotations

from skylift.actions.prove import CreateWitnesses
from skylift.app.runs import RunFolder, on_disk
from skylift.app.site import Site
from skylift.planning.plan import Plan


def witness_label(plan: Plan) -> str:
    """The name that a plan's witnesses bear; empty if it makes none."""
    return next((s.action.label for s in plan.steps if isinstance(s.action, CreateWitnesses)), "")


def fetch_samples(site: Site, folder: RunFolder) -> None:
    """Bring what the probes of a run wrote and is not here yet; whole lines only.

    Raises:
        JournalUnwritable: the disk here does not take them.
    """
    with on_disk(folder.samples):
        folder.samples.touch(mode=0o600)
        here = folder.samples.stat().st_size
    while piece := site.ports.vantage.samples(str(folder.id), offset=here):
        with on_disk(folder.samples), folder.samples.open("ab") as file:
            file.write(piece)
        here += len(piece)


def fetched(folder: RunFolder) -> list[str]:
    """The lines that are here; none if none was ever fetched."""
    if not folder.samples.exists():
        return []
    return folder.samples.read_text(encoding="utf-8").splitlines(keepends=True)
