"""What users ask of nova: servers listed and shown, and servers made, followed to their end, and removed."""

from __future__ import annotations

import time

from skylift.model.sample import BOOT, BOOT_ASKED, DONE
from skylift.probe.access import NOVA
from skylift.probe.choice import Choice, Look, choose
from skylift.probe.kinds import SERVER, becomes, gone
from skylift.probe.session import Call, Session, has, lists, part


def server_list(session: Session, due: float) -> None:
    """List servers."""
    request = session.request("GET", NOVA, "/servers?limit=20")
    session.attempt(Call("server-list", NOVA, request, (200,), lists("servers")), due)


def server_show(session: Session, due: float) -> None:
    """Show the witnesses' server, where there is one."""
    for guest in session.guests():
        show = SERVER.request(session, "GET", guest.server)
        session.attempt(
            Call("server-show", NOVA, show, (200,), has("id", guest.server, within="server")), due
        )


def server_cycle(session: Session, due: float) -> None:
    """Make a server, follow it until it is active, show it, delete it, follow it until it is gone.

    It is deleted whatever became of it: what is lost takes no room from what comes after.
    """
    known = "server" in session.found
    choice = _chosen(session)
    if choice is None:
        return
    declared = {"server": choice.server(session.fresh_name())}
    create = session.request("POST", NOVA, "/servers", declared)
    made = session.attempt(Call(BOOT_ASKED, NOVA, create, (202,), SERVER.made), due if known else None)
    if made is None:
        # What it was to be made of may be gone (a restore loses a flavor): as users do, it is looked up anew.
        session.found.pop("server", None)
        return
    server = str(part(made, "server", "id"))
    boot = SERVER.work(session, BOOT, server, becomes("ACTIVE"))
    if session.follow(boot, time.monotonic()) == DONE:
        show = SERVER.request(session, "GET", server)
        session.attempt(Call("server-show", NOVA, show, (200,), has("id", server, within="server")), None)
    delete = SERVER.request(session, "DELETE", server)
    if session.attempt(Call("server-delete", NOVA, delete, (204,)), None):
        session.follow(SERVER.work(session, "server-removal", server, gone), time.monotonic())


def looked_up(session: Session, stream: str) -> Look:
    """What APIs list, asked for as samples of ``stream``."""

    def look(api: str, path: str, key: str) -> list[dict[str, object]] | None:
        call = Call(stream, api, session.request("GET", api, path), (200,), lists(key))
        answer = session.attempt(call, None)
        return None if answer is None else list(answer.json()[key])

    return look


def _chosen(session: Session) -> Choice | None:
    """What servers are made of; none if the cloud has nothing for that, or that is not known yet."""
    found: list[Choice] | None = session.found.get("server")
    if found is None:
        look = looked_up(session, "server-choice")
        found = choose(look, session.urls, session.held.project_id, session.wanted)
        if found is None:
            return None
        session.found["server"] = found
    return found[0] if found else None
