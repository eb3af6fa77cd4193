"""What users ask of heat: stacks listed, and stacks made, followed to their end, and removed."""

from __future__ import annotations

import time
from typing import Any

from skylift.probe.access import HEAT
from skylift.probe.kinds import STACK, becomes, gone
from skylift.probe.session import Call, Session, lists, part

_TEMPLATE = {
    "heat_template_version": "2016-10-14",
    "resources": {"kept": {"type": "OS::Heat::RandomString"}},
    "outputs": {"kept": {"value": {"get_attr": ["kept", "value"]}}},
}
"""A secret that heat itself makes and keeps, so that a stack needs no other service."""


def small_stack(name: str) -> dict[str, Any]:
    """The stack that is asked for."""
    return {"stack_name": name, "template": _TEMPLATE, "timeout_mins": 10}


def stack_list(session: Session, due: float) -> None:
    """List stacks."""
    request = session.request("GET", HEAT, "/stacks?limit=20")
    session.attempt(Call("stack-list", HEAT, request, (200,), lists("stacks")), due)


def stack_cycle(session: Session, due: float) -> None:
    """Make a small stack, follow it until it is complete, delete it, follow it until it is gone."""
    name = session.fresh_name()
    create = session.request("POST", HEAT, "/stacks", small_stack(name))
    made = session.attempt(Call("stack-create", HEAT, create, (201,), STACK.made), due)
    if made is None:
        return
    stack = f"{name}/{part(made, 'stack', 'id')}"
    session.follow(STACK.work(session, "stack-creation", stack, becomes("CREATE_COMPLETE")), time.monotonic())
    delete = STACK.request(session, "DELETE", stack)
    if session.attempt(Call("stack-delete", HEAT, delete, (204,)), None):
        session.follow(STACK.work(session, "stack-removal", stack, gone), time.monotonic())
