"""What must hold of Neutron's agents once a run over network hosts is over, whichever way it ended."""

from __future__ import annotations

from collections.abc import Container, Iterator

from skylift.verifier.fleet.seen import Violation
from skylift.verifier.network.seen import AgentSeen, NetworkSeen


def ends_well(
    before: NetworkSeen, after: NetworkSeen, run: str, may_be_closed: Container[str]
) -> Iterator[Violation]:
    """Nothing of the run's is left closed, descriptions are back, and nothing is without an agent.

    ``may_be_closed`` are the hosts that the run leaves closed on purpose.
    """
    for agent in after.agents.values():
        was = before.agents.get(agent.id)
        if was is not None and not (agent.closed_for == run and agent.host in may_be_closed):
            yield from _is_given_back(was, agent, run)
    for of in after.things.values():
        before_it = before.things.get(of.id)
        if before_it is None or not before_it.on:
            continue
        if not of.on:
            yield Violation("astray", f"{of.name} is on no agent any more")
        elif before_it.served and not (of.served or of.quiet):
            yield Violation("missed", f"{of.name} was up, and is up nowhere any more")


def _is_given_back(was: AgentSeen, agent: AgentSeen, run: str) -> Iterator[Violation]:
    told = f"the {agent.kind} on {agent.host}"
    if not agent.open and agent.closed_for == run:
        yield Violation("closed", f"{told} is left closed for {run}")
    elif was.open and not agent.open:
        yield Violation("closed", f"{told} is left closed, and does not say for whom")
    elif agent.open and not was.open and not was.closed_for:
        yield Violation("not ours", f"{told} is open, and somebody else had closed it")
    elif agent.description not in {was.description, was.own_words}:
        yield Violation("description", f"{told} had the description {was.own_words!r}, and has another")
