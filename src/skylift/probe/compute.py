"""What users ask of nova: servers listed and shown, and servers made, followed to their end, and removed."""

from __future__ import annotations

import time
import uuid

from skylift.model.sample import DONE, LOST
from skylift.probe.access import NOVA
from skylift.probe.choice import Choice, Look, choose
from skylift.probe.exchange import Answer
from skylift.probe.session import Call, Session, State, Work, has, lists, part

_ABSENT = 404


def server_list(session: Session, due: float) -> None:
    """List servers."""
    request = session.request("GET", NOVA, "/servers?limit=20")
    session.attempt(Call("server-list", NOVA, request, (200,), lists("servers")), due)


def server_cycle(session: Session, due: float) -> None:
    """Make a server, follow it until it is active, show it, delete it, follow it until it is gone.

    It is deleted whatever became of it: what is lost takes no room from what comes after.
    """
    known = "server" in session.found
    choice = _chosen(session)
    if choice is None:
        return
    declared = {"server": choice.server(f"{session.born}-{uuid.uuid4().hex}")}
    create = session.request("POST", NOVA, "/servers", declared)
    made = session.attempt(Call("server-create", NOVA, create, (202,), _no_id), due if known else None)
    if made is None:
        return
    server = str(part(made, "server", "id"))
    if session.follow(_boot(session, server), time.monotonic()):
        show = session.request("GET", NOVA, f"/servers/{server}")
        session.attempt(Call("server-show", NOVA, show, (200,), has("id", server, within="server")), None)
    delete = session.request("DELETE", NOVA, f"/servers/{server}")
    if session.attempt(Call("server-delete", NOVA, delete, (204,)), None):
        session.follow(_removal(session, server), time.monotonic())


def looked_up(session: Session, stream: str) -> Look:
    """What APIs list, asked for as samples of ``stream``."""

    def look(api: str, path: str, key: str) -> list[dict[str, object]] | None:
        call = Call(stream, api, session.request("GET", api, path), (200,), lists(key))
        answer = session.attempt(call, None)
        return None if answer is None else list(answer.json()[key])

    return look


def _chosen(session: Session) -> Choice | None:
    """What servers are made of; none if the cloud has nothing for that, or that is not known yet."""
    if "server" not in session.found:
        look = looked_up(session, "server-choice")
        found = choose(look, session.urls, session.held.project_id, session.wanted)
        if found is None:
            return None
        session.found["server"] = found
    found = session.found["server"]
    return found[0] if found else None


def _boot(session: Session, server: str) -> Work:
    return Work("server-boot", NOVA, f"server {server}", _look(session, server), _active)


def _removal(session: Session, server: str) -> Work:
    return Work("server-removal", NOVA, f"server {server}", _look(session, server), _gone)


def _look(session: Session, server: str) -> Call:
    request = session.request("GET", NOVA, f"/servers/{server}")
    return Call("server-follow", NOVA, request, (200, _ABSENT), _no_status)


def _active(answer: Answer) -> State:
    if answer.status == _ABSENT:
        return State(LOST, "it was gone before it was active")
    status = str(part(answer, "server", "status"))
    if status == "ERROR":
        return State(LOST, f"it ended in ERROR: {part(answer, 'server', 'fault', 'message')}")
    return State(DONE) if status == "ACTIVE" else State("", f"it was still {status}")


def _gone(answer: Answer) -> State:
    status = part(answer, "server", "status")
    over = answer.status == _ABSENT or status == "DELETED"
    return State(DONE) if over else State("", f"it was not gone, but {status}")


def _no_id(answer: Answer) -> str:
    return "" if part(answer, "server", "id") else "the answer has no server's id"


def _no_status(answer: Answer) -> str:
    known = answer.status == _ABSENT or part(answer, "server", "status")
    return "" if known else "the answer has no server's status"
