"""What users ask of neutron: networks listed, and ports made, shown and removed."""

from __future__ import annotations

from skylift.probe.access import NEUTRON
from skylift.probe.choice import network_for
from skylift.probe.compute import looked_up
from skylift.probe.exchange import Answer
from skylift.probe.session import Call, Session, has, lists, part


def network_list(session: Session, due: float) -> None:
    """List networks."""
    request = session.request("GET", NEUTRON, "/networks?limit=20")
    session.attempt(Call("network-list", NEUTRON, request, (200,), lists("networks")), due)


def port_cycle(session: Session, due: float) -> None:
    """Make a port on the network that servers are put on, show it, delete it; nothing if there is none."""
    known = session.found.get("network")
    network = known
    if network is None:
        look = looked_up(session, "port-choice")
        network = network_for(look, session.held.project_id, session.wanted.network)
        if network is None:
            return
        session.found["network"] = network
    if not network:
        return
    declared = {"port": {"network_id": network, "name": session.fresh_name()}}
    create = session.request("POST", NEUTRON, "/ports", declared)
    when = None if known is None else due
    made = session.attempt(Call("port-create", NEUTRON, create, (201,), _no_id), when)
    if made is None:
        session.found.pop("network", None)  # it may be gone, as what servers are made of may be
        return
    port = str(part(made, "port", "id"))
    show = session.request("GET", NEUTRON, f"/ports/{port}")
    session.attempt(Call("port-show", NEUTRON, show, (200,), has("id", port, within="port")), None)
    delete = session.request("DELETE", NEUTRON, f"/ports/{port}")
    session.attempt(Call("port-delete", NEUTRON, delete, (204,)), None)


def _no_id(answer: Answer) -> str:
    return "" if part(answer, "port", "id") else "the answer has no port's id"
