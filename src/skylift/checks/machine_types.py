"""Does every instance say which machine it is, whatever the next hypervisor's default will be?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks, warns
from skylift.model.cloud import Answer
from skylift.model.ids import ComponentName

_NONE_UNSET, _SOME_UNSET = 0, 3
"""Source: read: nova/cmd/manage.py, list_unset_machine_type, 2023.1 to 2026.1; 1 is an error of its own,
and 2 a cell that it does not find."""
_SHOWN = 5


def _ask(question: Question) -> Iterator[Complaint]:
    for name in question.record.components:
        if not question.catalog.components[name].commands.unset_machine_types:
            continue
        answer = question.cloud.machine_types.get(name)
        if answer is None:
            if not question.unread("machine-types", name):
                yield blocks(f"{name} was not asked for machine types", "ask it: skylift inspect")
        else:
            yield from _judged(question, name, answer)


def _judged(question: Question, name: ComponentName, answer: Answer) -> Iterator[Complaint]:
    if answer.code == _NONE_UNSET:
        return
    host = question.hosts_of(name)[0]
    if answer.code != _SOME_UNSET:
        told = " ".join(answer.text.split())[-200:] or "it printed nothing"
        yield blocks(
            f"{name} could not say which instances lack a machine type: it ended with {answer.code}: {told}",
            f"see why: skylift ssh {host} journalctl -n 50 --no-pager",
        )
        return
    lacking = answer.text.split()
    shown = ", ".join(lacking[:_SHOWN]) + (" …" if len(lacking) > _SHOWN else "")
    yield warns(
        f"{len(lacking)} instances have no machine type, so their next start may give them other hardware: "
        f"{shown}",
        "set it while it is stopped or shelved: nova-manage libvirt update_machine_type INSTANCE TYPE",
    )


MACHINE_TYPES = Check(
    "machine-types",
    "every instance says which type of machine it is",
    _ask,
    needs=("machine-types",),
)
