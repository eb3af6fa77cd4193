"""The generated pages about runs: their journals, what may be said to them, and the audit trail."""

from __future__ import annotations

from tools.told import members, paragraphs, shapes, table, texts_below

from skylift.app.audit import Deed, Head
from skylift.app.outbox import Settled
from skylift.drivers.notifier import FORMAT as NOTIFICATION_FORMAT
from skylift.engine.fold import Phase, Standing
from skylift.engine.journal import EVENTS, FORMAT
from skylift.engine.verbs import NOT_BEGUN, TABLE, Kind, Verb
from skylift.model.notification import Notification, Occasion


def page_of_the_journal() -> list[str]:
    """The events of a run."""
    lines = [
        "# The journal",
        "",
        "The only memory of a run: a SQLite file beside its plan, or rows of a PostgreSQL database.",
        f"Format {FORMAT}; a reader refuses any other.",
        "It is append-only; each row is chained to the one before by SHA-256, and sealed if there is a key.",
        "What the cloud can tell is not in it: it is observed again.",
        "An event about an effect is on disk before the effect.",
        "Times (`at_ms`) are milliseconds since 1970-01-01 UTC.",
    ]
    for kind, event in EVENTS.items():
        lines += ["", f"## {kind}", "", *paragraphs(event.__doc__), "", *shapes(event)]
    return lines


def page_of_the_audit_trail() -> list[str]:
    """The format of the audit trail."""
    return [
        "# The audit trail",
        "",
        "Every verb that may change something, in `.skylift/audit`: a SQLite file beside the runs.",
        "With a store that machines share it is there.",
        "It is append-only; each row is chained to the one before by SHA-256, and sealed if there is a key.",
        "A verb has two entries: one before it does anything, and one when it has ended.",
        "The name of a state (`skylift checkpoint`) is an entry, too, and is kept nowhere else.",
        "`skylift verify` judges it.",
        "",
        "## An entry",
        "",
        *paragraphs(Deed.__doc__),
        "",
        *shapes(Deed),
        "",
        "## A head",
        "",
        *paragraphs(Head.__doc__),
        "",
        *shapes(Head),
    ]


def page_of_notifications() -> list[str]:
    """What is told of a run, and the document that a webhook is sent and a program reads."""
    says = texts_below(Occasion)
    return [
        "# Notifications",
        "",
        "Those whom the record names under `notify` are told of a run, each of the events it wishes.",
        "A webhook is sent one JSON document by POST, and a program reads the same on its standard input.",
        f"`skylift` in it is the version of its format, {NOTIFICATION_FORMAT}.",
        "",
        "## The document",
        "",
        *paragraphs(Notification.__doc__),
        "",
        *shapes(Notification),
        "",
        "## Occasions",
        "",
        *table(("occasion", "when"), ((f"`{o.value}`", says[o.name]) for o in Occasion)),
        "",
        "## What is settled",
        "",
        "`.skylift/told` has a line of JSON for each notification that is settled.",
        "",
        *paragraphs(Settled.__doc__),
        "",
        *shapes(Settled),
    ]


def page_of_run_control() -> list[str]:
    """The one table of what may be said to a run, and when."""
    says = texts_below(Verb)
    standings = members(Standing)
    phases = (None, *members(Phase))
    kinds = members(Kind)
    of_steps = [verb for verb, rule in TABLE.items() if rule.phases is not None]
    return [
        "# What may be said to a run",
        "",
        "A verb is allowed or refused by how the run stands; one about a step by how that step stands, too.",
        "It may be said from any terminal of the machine that has the record, whoever runs the plan:",
        "it is one fact in the journal, and once the command returns it holds.",
        "What is refused changes nothing.",
        "",
        *table(("verb", "what it does"), ((f"`{verb.value}`", says[verb.name]) for verb in TABLE)),
        "",
        "## By how the run stands",
        "",
        *table(
            ("verb", *(standing.value for standing in standings)),
            ((f"`{v.value}`", *(_mark(s in r.standings) for s in standings)) for v, r in TABLE.items()),
        ),
        "",
        "## By how the step stands",
        "",
        *table(
            ("verb", *(phase.value if phase else NOT_BEGUN for phase in phases)),
            ((f"`{v.value}`", *(_mark(p in (TABLE[v].phases or ())) for p in phases)) for v in of_steps),
        ),
        "",
        "## By what the run is for",
        "",
        *table(
            ("verb", *(kind.value for kind in kinds)),
            ((f"`{v.value}`", *(_mark(k in r.kinds) for k in kinds)) for v, r in TABLE.items()),
        ),
        "",
        "`pause` of a run that is paused is not refused: it changes nothing, and says so.",
        "",
        "A step that has failed may have a command that still runs on its host, because it was late or the",
        "host fell silent: `skylift status` names it. Until it has ended, a run that is given up is not",
        "closed, and a run is not taken back.",
        "",
        "A step that takes something from users or gives it back (a backend out of its pool, a stopped",
        "service) cannot be skipped. One that has yet to give back what is taken cannot be postponed,",
        "either; once it has failed it can, so that it does not hold up the rest: `skylift status` goes on",
        "telling what is taken and why it failed. While a step is postponed, nothing begins to be taken",
        "that would wait for it to be given back.",
        "",
        "`abort --leave` closes a run whatever it holds, and whatever runs on its hosts; so there is no",
        "state without a way out.",
    ]


def _mark(holds: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if holds else "no"
