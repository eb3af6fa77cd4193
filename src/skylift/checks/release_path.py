"""Is the goal one supported hop away from what runs?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.ids import ComponentName
from skylift.model.release import Release, hops


def _ask(question: Question) -> Iterator[Complaint]:
    goal, known = question.goal.to, question.catalog.releases
    if goal not in known:
        yield blocks(
            f"{goal} is not a release Skylift knows: it knows {listed(known)}",
            "name one of these: skylift check --to RELEASE",
        )
        return
    running = {name: question.running(name) for name in question.record.components}
    for component, releases in running.items():
        if not releases:
            entries = question.record.components[component].services.values()
            misnamed = any(question.is_nowhere(service) for service in entries)
            yield blocks(
                f"the release of {component} is not known: none of its hosts runs an artifact of the record",
                "correct the names of its units in the record first: see the check named units"
                if misnamed
                else "declare what runs under 'artifacts:' in the record, with its path: skylift inspect",
            )
        for release, hosts in releases.items():
            yield from _one(component, release, goal, listed(hosts))
    everywhere = {release for releases in running.values() for release in releases}
    if everywhere == {goal}:
        yield warns(f"every service runs {goal} already: only schema and verification can be left to do")


def _one(component: ComponentName, release: Release, goal: Release, hosts: str) -> Iterator[Complaint]:
    if release > goal:
        yield blocks(
            f"{component} on {hosts} runs {release}, which is newer than {goal}: a way back is no upgrade",
            f"name a later release: skylift check --to {release.following}",
        )
    elif release != goal and not release.may_hop_to(goal):
        path = hops(release, goal)
        yield blocks(
            f"{component} on {hosts} cannot go from {release} to {goal} at once: the supported path is "
            + " -> ".join(str(stop) for stop in (release, *path)),
            f"go one hop at a time, first: skylift check --to {path[0]}",
        )


RELEASE_PATH = Check(
    "release-path",
    "the goal is one supported hop from the release that runs",
    _ask,
    needs=("unit",),
    rows=(8, 21, 91),
)
