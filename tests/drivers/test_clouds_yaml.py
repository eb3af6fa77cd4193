"""Credentials are read where they are used, in every form clouds.yaml allows, and never shown."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from skylift.drivers.clouds_yaml import CredentialsRefused, credentials
from skylift.model.ids import HostName
from skylift.model.record import VantageEntry
from skylift.probe.access import Access

SECRET = "planted-secret"
WHOLE = f"""
clouds:
  lab:
    auth:
      auth_url: http://10.77.0.10:5000
      username: admin
      password: {SECRET}
      project_name: admin
      user_domain_name: Users
      project_domain_id: default
    region_name: RegionOne
    interface: internal
    cacert: ca.pem
"""


def entry(tmp_path: Path, text: str) -> VantageEntry:
    file = tmp_path / "clouds.yaml"
    file.write_text(text, encoding="utf-8")
    return VantageEntry(HostName("client"), PurePosixPath(file), "lab")


def test_every_field_reaches_the_agent(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("a certificate", encoding="ascii")

    access = Access(**credentials(entry(tmp_path, WHOLE)))

    assert access == Access(
        auth_url="http://10.77.0.10:5000",
        username="admin",
        password=SECRET,
        project="admin",
        user_domain={"name": "Users"},
        project_domain={"id": "default"},
        region="RegionOne",
        interface="internal",
        ca_pem="a certificate",
    )
    assert access.identity_url == "http://10.77.0.10:5000/v3"


def test_domain_region_and_interface_may_be_left_out(tmp_path: Path) -> None:
    text = "\n".join(
        line for line in WHOLE.splitlines() if not any(w in line for w in ("_domain", "reg", "int", "cac"))
    )

    access = Access(**credentials(entry(tmp_path, text)))

    assert (access.user_domain, access.region, access.interface) == ({"id": "default"}, "", "public")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("clouds: {}", "'lab'"),
        (WHOLE.replace("password:", "passcode:"), "'password'"),
        (WHOLE.replace("lab:", "lab: ["), "not a clouds.yaml"),
        (f"- {SECRET}", "not a clouds.yaml"),
        (WHOLE, "ca.pem"),
    ],
)
def test_what_cannot_be_used_is_refused_without_a_secret_in_the_words(
    tmp_path: Path, text: str, why: str
) -> None:
    """Row 170."""
    with pytest.raises(CredentialsRefused, match=why) as caught:
        credentials(entry(tmp_path, text))

    assert SECRET not in str(caught.value)
    assert all(SECRET not in remedy.how for remedy in caught.value.remedies)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = VantageEntry(HostName("client"), PurePosixPath(tmp_path / "none.yaml"), "lab")

    with pytest.raises(CredentialsRefused, match=r"none\.yaml"):
        credentials(absent)


def test_credentials_have_no_readable_form(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()

    assert SECRET not in repr(Access(**credentials(entry(tmp_path, WHOLE))))
