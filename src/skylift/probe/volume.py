"""What users ask of cinder: volumes listed, and volumes made, attached, detached and removed."""

from __future__ import annotations

import time

from skylift.model.sample import DONE
from skylift.probe.access import CINDER, NOVA
from skylift.probe.kinds import VOLUME, becomes, gone
from skylift.probe.session import Call, Session, lists, part

SIZE_GIB = 1


def volume_list(session: Session, due: float) -> None:
    """List volumes."""
    request = session.request("GET", CINDER, "/volumes?limit=20")
    session.attempt(Call("volume-list", CINDER, request, (200,), lists("volumes")), due)


def volume_cycle(session: Session, due: float) -> None:
    """Make a volume, attach it to the witnesses' server where there is one, detach it, delete it.

    Each is followed to its end. A volume of which it is not known that it is free cannot be deleted
    either: it is swept up when the probes end.
    """
    declared = {"volume": {"size": SIZE_GIB, "name": session.fresh_name()}}
    create = session.request("POST", CINDER, "/volumes", declared)
    made = session.attempt(Call("volume-create", CINDER, create, (202,), VOLUME.made), due)
    if made is None:
        return
    volume = str(part(made, "volume", "id"))
    creation = VOLUME.work(session, "volume-creation", volume, becomes("available"))
    ended = session.follow(creation, time.monotonic())
    servers = [guest.server for guest in session.guests()][:1] if ended == DONE else []
    if not ended or not all(_attached_and_detached(session, volume, server) for server in servers):
        return
    delete = VOLUME.request(session, "DELETE", volume)
    if session.attempt(Call("volume-delete", CINDER, delete, (202,)), None):
        session.follow(VOLUME.work(session, "volume-removal", volume, gone), time.monotonic())


def _attached_and_detached(session: Session, volume: str, server: str) -> bool:
    """Whether the volume is known to be free again."""
    path = f"/servers/{server}/os-volume_attachments"
    attach = session.request("POST", NOVA, path, {"volumeAttachment": {"volumeId": volume}})
    if session.attempt(Call("volume-attach", NOVA, attach, (200,)), None) is None:
        return False
    work = VOLUME.work(session, "volume-attachment", volume, becomes("in-use"))
    if session.follow(work, time.monotonic()) != DONE:
        return False
    detach = session.request("DELETE", NOVA, f"{path}/{volume}")
    if session.attempt(Call("volume-detach", NOVA, detach, (202,)), None) is None:
        return False
    work = VOLUME.work(session, "volume-detachment", volume, becomes("available"))
    return session.follow(work, time.monotonic()) == DONE
