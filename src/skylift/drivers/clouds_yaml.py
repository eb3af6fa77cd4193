"""Credentials in ``clouds.yaml``, read when they are used and kept nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import VantageEntry


class CredentialsRefused(Refused):
    """The credentials that the record refers to cannot be used."""

    code = "vantage.credentials"

    def __init__(self, entry: VantageEntry, why: str) -> None:
        super().__init__(
            f"the credentials of cloud {entry.cloud} in {entry.clouds_yaml} could not be used: {why}",
            Remedy(
                Fix.REPAIR,
                f"see what the openstack client says: OS_CLIENT_CONFIG_FILE={entry.clouds_yaml} "
                f"openstack --os-cloud {entry.cloud} token issue -f value -c expires",
            ),
            Remedy(Fix.RETRY, "correct the file or vantage.cloud in the record, then run this again"),
        )


def credentials(entry: VantageEntry) -> dict[str, Any]:
    """What the vantage agent needs of ``entry.cloud``: the fields of its ``Access``.

    Source of the keys: openstacksdk, "Configuration files". Passwords only; a cloud that wants another
    way of authentication is refused.

    Raises:
        CredentialsRefused: the file cannot be read, lacks the cloud, or has no password for it.
    """
    try:
        cloud = YAML(typ="safe").load(Path(entry.clouds_yaml).read_text(encoding="utf-8"))["clouds"][
            entry.cloud
        ]
        auth = cloud["auth"]
        return {
            "auth_url": auth["auth_url"],
            "username": auth["username"],
            "password": auth["password"],
            "project": auth["project_name"],
            "user_domain": _domain(auth, "user_domain"),
            "project_domain": _domain(auth, "project_domain"),
            "region": str(cloud.get("region_name") or ""),
            "interface": str(cloud.get("interface") or "public"),
            "ca_pem": _certificates(cloud.get("cacert"), Path(entry.clouds_yaml).parent),
        }
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsRefused(entry, str(error)) from None
    except KeyError as error:
        raise CredentialsRefused(entry, f"there is no {error}") from None
    except (YAMLError, TypeError, ValueError, AttributeError):
        # Neither is quoted: what they say may hold a line of the file, and so the password.
        raise CredentialsRefused(entry, "it is not a clouds.yaml") from None


def _domain(auth: dict[str, Any], which: str) -> dict[str, str]:
    for key, form in ((f"{which}_id", "id"), (f"{which}_name", "name"), ("domain_id", "id")):
        if auth.get(key):
            return {form: str(auth[key])}
    return {"id": "default"}


def _certificates(file: object, folder: Path) -> str:
    return (folder / str(file)).read_text(encoding="ascii") if file else ""
