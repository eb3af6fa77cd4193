"""A recovery procedure as Markdown: for whoever stands there at 3 a.m., perhaps with paper alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

from skylift.app.recovery import Kept, NoReturn, Reach, Recovery, StageTold, WayBack
from skylift.model.ids import ComponentName, StepId

_LOST = (
    "A restore stops its component as a whole.",
    "**What was written to the database since the backup is lost to users**; it is kept only in a dump made",
    "just before, beside the backup. What other components keep of things that are new since stays in their",
    "databases, and refers to what is gone.",
)

_BY_HAND = (
    "",
    "Of a component, and of all that goes back after it:",
    "",
    "1. Stop every service of it on every host first, see that none is left, and let nothing start one:",
    "   what writes meanwhile spoils what is restored.",
    "2. See that the backup is whole, by the command beside it below, and that its restore was tried: beside",
    "   it is a file of its name with `.rehearsed` behind, whose first line is that of its checksum.",
    "3. Dump what the database has now: what was written since the backup is lost with a restore.",
    "4. As root on the backup's host, with its database server synced: drop the database, create it with the",
    "   character set and collation in the second line of that file, and read the backup into it, which is a",
    "   dump that `zstd` compressed. Then let each table number on from where it was in the dump of step 3,",
    "   not from where it was in the backup: what still runs by a newer number would meet another of it.",
    "5. Lead the links of its services to the artifact that they ran then, on every host; undo what else the",
    "   stages below have changed of it; then start it and use its backends again, by the last section.",
    "",
)
"""As ``RESTORE`` of the database driver does it, in its order."""


def lines(of: Recovery) -> list[str]:
    """The document, in the order in which it is needed."""
    told = [
        f"# Recovery: {of.headline}",
        "",
        f"Made from the plan `{of.digest}`",
        "and its record, and from nothing else: it holds for every run of that plan, and has no secrets.",
        "Keep it where the machine that runs Skylift is not.",
        "What is said here without a run's name is said to the newest run.",
        *_first(of.reach, upgrades=not of.instead),
        *_elsewhere(of.reach),
        *_without_runs(of),
        *_stages(of),
        *_verbs(of),
        *_way_back(of),
        *_no_returns(of.no_returns),
        *_backups(of.backups),
        *_by_hand(of),
    ]
    # One empty line where two meet, and none at the end.
    return [line for line, then in pairwise([*told, ""]) if line or then]


def _first(reach: Reach, *, upgrades: bool) -> Iterator[str]:
    alone = "Nothing needs to be unlocked, and nothing new starts"
    yield from ("", "## First", "")
    if reach.store:
        yield "Where a worker runs (`skylift worker`), another machine goes on by itself in half a minute."
        alone = f"Where none does: {alone[0].lower()}{alone[1:]}"
    yield f"{alone} without a process of Skylift;"
    yield "what runs on hosts goes on to its end."
    yield "See how far the run is, what failed, and what it has taken:"
    yield from _block(["skylift status"])
    yield "Go on, here or on another machine; what is done is seen to be done:"
    yield from _block(["skylift resume"])
    if reach.automatic and upgrades:
        yield "The policy takes back a run that has to be, when that is said; to go on even so:"
        yield from _block(["skylift resume --forward"])


def _elsewhere(reach: Reach) -> Iterator[str]:
    yield from (
        "",
        "## From another machine",
        "",
        "It needs Skylift, the record (`cloud.yaml`), and the runs:",
    )
    if reach.store:
        yield f"they are in `{reach.store}`, which must be within reach."
        yield "Its password is in the `~/.pgpass` of whoever runs Skylift, or where `PGPASSFILE` says."
    else:
        yield "copy the folder `.skylift` that lies beside the record, **now, before the night**, and again"
        yield "as it goes on: what is without it stands in the next section. What was done since a copy is"
        yield "observed by `skylift resume`; a way back does not know of it."
        yield "Make sure that the first machine does not work on them any more."
    yield "What the record names must be there, too, and what its files name in turn, such as certificates:"
    yield ""
    yield from (f"- `{file}`" for file in reach.files)
    yield from (f"- the program `{program}`, with all that it needs" for program in reach.programs)
    if reach.sealed:
        yield "- the key of a signer, as `SKYLIFT_KEY`"
    yield from ("", "Then `skylift status` and `skylift resume`, as above.")
    yield "Where there is no Skylift at all, `skylift ssh HOST` stands for this, with the host's address:"
    yield from _block([reach.ssh])
    yield from ("| host | address |", "| --- | --- |")
    yield from (f"| {host} | {address} |" for host, address in reach.addresses.items())
    yield ""


def _without_runs(of: Recovery) -> Iterator[str]:
    """What is left if they are lost; of a restore by hand no more than what Skylift's own does."""
    yield from ("", "## If the runs are lost", "")
    if of.reach.store:
        yield "Have that database backed up by a way of its own."
    yield f"Then {of.lost}:"
    yield from _block([of.again])
    if of.back or of.backups:
        yield "**No command of Skylift leads back then**, by steps or by a backup: each needs the run."
    if kept := [each for each in of.backups if each.restored or each.rehearsed_by]:
        yield "What is left to go back by are these backups, by hand:"
        yield ""
        yield from (f"- {each.component}: `{each.backup}`, `{each.step}`" for each in kept)
        yield from _BY_HAND


def _stages(of: Recovery) -> Iterator[str]:
    yield from ("", "## What it changes, stage by stage")
    for stage in of.stages:
        yield from ("", f"### {stage.stage.value}", "")
        yield from (f"- {change}" for change in stage.changes)
        yield from ("", f"Users see: {'; '.join(stage.noticed) or 'nothing'}.")
        yield from _how_far(stage) if of.back else ()


def _how_far(stage: StageTold) -> Iterator[str]:
    if stage.closed:
        yield f"No step leads {_names(stage.closed)} back any more."
    if stage.ends:
        yield f"The way back by steps ends, one component after another, with {_steps(stage.ends)}."
    elif not stage.closed:
        yield "All that is changed can go back by steps."


def _verbs(of: Recovery) -> Iterator[str]:
    yield from ("", "## What may be said to its run", "")
    yield from (f"- {_coded(remedy.how)}" for remedy in of.verbs)


def _way_back(of: Recovery) -> Iterator[str]:
    if of.instead:
        yield from ("", "## Way back", "", f"Its run is not taken back itself: {_coded(of.instead)}.")
    if not of.back:
        return
    yield from ("", "## Way back by steps", "")
    yield "The run must be at rest (`skylift pause`). All of it, until the first point of no return begins:"
    yield from _block(["skylift rollback -o back.plan", "skylift apply back.plan"])
    yield "Or one component. Those after which it goes back, where they are new, are named with it, each by a"
    yield "`--component` of its own; whoever forgets one is refused, and told the command."
    yield from ("", "| component | until the first of these begins | goes back after | command |")
    yield "| --- | --- | --- | --- |"
    yield from (_row(way) for way in of.back)


def _row(way: WayBack) -> str:
    until = _steps(way.until) if way.until else "at any time"
    return f"| {way.component} | {until} | {_names(way.after) or 'no other'} | `{way.command}` |"


def _no_returns(every: Iterable[NoReturn]) -> Iterator[str]:
    for number, point in enumerate(every):
        if not number:
            yield from ("", "## Points of no return", "")
            yield from ("Once one of these has begun, only a backup leads back:", "")
        whose = f", for {_names(point.ends)}" if point.ends else ""
        yield f"- `{point.step}` ({point.title}){whose}: {point.because}"


def _backups(every: tuple[Kept, ...]) -> Iterator[str]:
    if not every:
        return
    yield from ("", "## Backups", "", "Each lies on the disk of its host; nothing of Skylift deletes it.")
    for kept in every:
        backup = kept.backup
        yield from ("", f"### {kept.component}: database {backup.database}, {kept.step}", "")
        yield f"- on {backup.host}: `{backup.file}`"
        yield f"- its checksum: `{backup.checksum}`"
        yield f"- {_made(kept)}"
        yield from _block([kept.look])
        if kept.restore:
            yield "To restore it, where no step leads back any more:"
            yield from _block([kept.restore, "skylift apply back.plan"])
    if any(kept.restore for kept in every):
        yield "As by steps, those after which a component goes back are named with it, where they are new."
        yield "To restore all that no step leads back any more, and take back the rest by steps:"
        yield from _block(["skylift rollback --restore -o back.plan", "skylift apply back.plan"])
        yield from _LOST


def _made(kept: Kept) -> str:
    if kept.restored:
        return f"made by the run that this plan takes back; `{kept.step}` restores it"
    if kept.rehearsed_by is None:
        return f"there once `{kept.step}` is done: what was written until just before the restore"
    return f"there once `{kept.step}` is done, and known to lead back once `{kept.rehearsed_by}` is"


def _by_hand(of: Recovery) -> Iterator[str]:
    if not of.taken and not of.lapses:
        return
    yield from (
        "",
        "## What it takes, and how to give that back by hand",
        "",
        "`skylift resume`, `skylift abort --reason WHY` and a way back give it back when it is due.",
        "By hand only if none of them can be had: a run that goes on later sees it given back.",
        "What the run has closed says so: the reason shown beside it begins with `closed by Skylift for`.",
        "What somebody else had closed before stays closed.",
    )
    volume = [c for held in of.taken for c in held.commands if c.endswith(" cinder-volume")]
    if any("@" not in command for command in volume):
        yield "A volume service is named as `openstack volume service list` has it, such as `vol1@lvm`."
    for whose, group in groupby(of.taken, key=lambda held: held.of):
        every = tuple(group)
        beside = dict.fromkeys(step for held in every for step in held.not_beside)
        yield from ("", f"### {whose}", "")
        if beside:
            yield f"Start nothing of it while one of these has begun and is not done: {_steps(beside)}."
        if links := [held.link for held in every if held.link]:
            yield "What is stopped as a whole is started only if these show the same artifact on every host:"
            yield from _block(links)
            yield "Then, of each place that was taken:"
        yield from _block(line for held in every for line in (f"# {held.what}", *held.commands))
    if of.lapses:
        yield from ("", f"{of.lapse_s} s after its process has died at the latest, this ends by itself:", "")
        yield from (f"- {what}" for what in of.lapses)


def _block(commands: Iterable[str]) -> Iterator[str]:
    yield from ("", "```", *commands, "```", "")


def _coded(sentence: str) -> str:
    """The same with its commands set off: each stands behind a colon, to the end of its part."""
    return "; ".join(
        f"{before}: `{behind}`" if behind.startswith("skylift ") else part
        for part in sentence.split("; ")
        for before, _, behind in [part.partition(": ")]
    )


def _steps(steps: Iterable[StepId]) -> str:
    return ", ".join(f"`{step}`" for step in steps)


def _names(components: Iterable[ComponentName]) -> str:
    return ", ".join(components)
