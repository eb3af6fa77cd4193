"""Witnesses: made once, whatever cut the making short; hurt ones are told from unreachable ones."""

from __future__ import annotations

import itertools
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from skylift.probe import witness, witness_check
from skylift.probe.access import NOVA, Access
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.probe.folder import Folder
from skylift.testing.api_standin import ApiStandIn, Exchange, Fault

NAMES = ["user", "project", "image", "resource provider"]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.of("run-1", tmp_path / "state", tmp_path / "run")


def access(apis: ApiStandIn) -> Access:
    return Access(f"{apis.url}/identity", "admin", "right", "admin")


def fails_from(number: int) -> Fault:
    """Cut the connection of the request with this number and of all later ones."""
    count = itertools.count()
    return lambda _ex: next(count) >= number


def intact(folder: Folder, apis: ApiStandIn) -> dict[str, bool]:
    return {seen.name: seen.intact for seen in witness_check.verify(folder, access(apis))}


def test_witnesses_are_intact_right_after_they_were_made(apis: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(apis))

    assert intact(folder, apis) == dict.fromkeys(NAMES, True)


def test_making_cut_short_anywhere_and_made_again_makes_each_once(apis: ApiStandIn, tmp_path: Path) -> None:
    """Cut at the 1st, 2nd, 3rd… request, until none is left to cut."""
    for number in itertools.count():
        folder = Folder.of(f"run-{number}", tmp_path / "state", tmp_path / "run")
        apis.fault = fails_from(number)
        with suppress(Unanswered):
            witness.create(folder, access(apis))
        apis.fault = None
        if witness_check.verify(folder, access(apis)):
            assert number > 10
            break
        witness.create(folder, access(apis))
        assert intact(folder, apis) == dict.fromkeys(NAMES, True)
        witness.destroy(folder, access(apis))
        assert (set(apis.users), set(apis.projects), apis.images, apis.providers) == (
            {"admin"},
            {"admin"},
            {},
            {},
        )


def test_making_them_twice_changes_nothing(apis: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(apis))
    before = (dict(apis.users), dict(apis.images), dict(apis.providers))

    witness.create(folder, access(apis))

    assert (apis.users, apis.images, apis.providers) == before


def test_each_kind_of_harm_is_seen_in_its_witness_alone(apis: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(apis))

    image = next(iter(apis.content))
    first, *rest = apis.content[image]
    apis.content[image] = bytes((first ^ 1, *rest))
    assert [name for name, well in intact(folder, apis).items() if not well] == ["image"]

    next(iter(apis.inventories.values()))["VCPU"]["total"] = 8
    assert [n for n, well in intact(folder, apis).items() if not well] == ["image", "resource provider"]


def test_a_user_with_another_password_is_hurt_and_so_is_what_only_it_can_see(
    apis: ApiStandIn, folder: Folder
) -> None:
    witness.create(folder, access(apis))

    apis.users["skylift-witness-run-1"]["password"] = "another"

    assert intact(folder, apis) == {
        "user": False,
        "project": True,
        "image": False,
        "resource provider": True,
    }


def test_a_witness_that_is_gone_is_hurt(apis: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(apis))

    apis.providers.clear()

    assert intact(folder, apis)["resource provider"] is False


def test_an_api_that_cannot_answer_says_nothing_of_a_witness(apis: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(apis))

    def refuses(ex: Exchange) -> bool:
        if "/image" in ex.path:
            ex.answer(503)
        return "/image" in ex.path

    apis.fault = refuses
    with pytest.raises(Unanswered) as caught:
        witness_check.verify(folder, access(apis))
    assert caught.value.passing


def test_without_an_api_it_is_told_what_to_look_for(apis: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(apis))
    apis.fault = fails_from(0)

    seen = witness_check.verify_noapi(folder)

    assert [one.name for one in seen] == NAMES
    assert all(one.intact for one in seen)


def test_what_is_known_of_witnesses_is_its_owners_alone(apis: ApiStandIn, folder: Folder) -> None:
    """Row 170: the password of the witness user is in it."""
    witness.create(folder, access(apis))

    assert stat.S_IMODE(folder.witnesses.stat().st_mode) == 0o600


def test_removing_what_is_gone_has_no_effect(apis: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(apis))
    apis.images.clear()

    witness.destroy(folder, access(apis))
    witness.destroy(folder, access(apis))

    assert witness_check.verify(folder, access(apis)) == []


def test_an_upload_that_still_goes_on_is_waited_for(apis: ApiStandIn, folder: Folder) -> None:
    """A second upload would be refused with 409, as seen on a machine at load 50."""
    witness.create(folder, access(apis))
    image = next(iter(apis.images.values()))
    image["status"] = "saving"

    with pytest.raises(Unanswered, match="still being uploaded") as late:
        witness.create(folder, access(apis))

    assert late.value.passing


def test_an_api_that_the_cloud_does_not_have_is_named(apis: ApiStandIn) -> None:
    """``skylift plan --reboot`` in a cloud without Nova once said ``KeyError: 'nova'``."""
    with pytest.raises(Unanswered, match="the catalog of this cloud has no nova: it may not be installed"):
        Client(access(apis)).get(NOVA, "/servers")
