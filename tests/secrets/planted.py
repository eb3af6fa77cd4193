"""Canaries: secrets that are planted where secrets are, each once, so that one that turns up tells whence."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass
class Planted:
    """All that were planted, by where."""

    where: dict[str, str] = field(default_factory=dict)

    def canary(self, place: str) -> str:
        """A new one, such as a password may be; its own for each place."""
        found = "c4n4ry" + hashlib.sha256(place.encode()).hexdigest()[:18]
        self.where[found] = place
        return found

    def told(self, *texts: object) -> list[str]:
        """The places whose canaries stand in what was said or written."""
        said = "\n".join(
            text.decode(errors="replace") if isinstance(text, bytes) else str(text) for text in texts
        )
        return [place for canary, place in self.where.items() if canary in said]


FORMS = (
    "Could not parse SQLAlchemy URL from string 'mysql+pymysql://nova:{}@10.77.0.10/nova'",
    "connection = mysql+pymysql://nova:{}@10.77.0.10:3306/nova_api?charset=utf8",
    "transport_url=rabbit://openstack:{}@ctl1:5672,openstack:{}@ctl2:5672//",
    "memcached://cache:{}@ctl1:11211 refused the connection",
    'cannot reach "postgresql://heat:{}@db/heat": timeout',
    "password = {}",
    "admin_password: {}",
    "{{'auth': {{'password': '{}'}}}}",
    '{{"identity": {{"password": {{"user": {{"password": "{}"}}}}}}}}',
    "metadata_proxy_shared_secret={}",
    "secret_key: '{}'",
    "keystone rejected: X-Auth-Token: {}",
    "X-Service-Token={}; path=/",
    "Authorization: Bearer {}",
    "authorization: basic {}",
    "nova-manage --os-password {} --os-username nova",
    "glance --os-token={} image list",
    "--password '{}' was not accepted",
    "-----BEGIN OPENSSH PRIVATE KEY----- {}",
    "-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----",
    "passphrase: {}",
    "api_key={}",
    "access_key = {}",
    "credential {{'secret': '{}'}}",
    "token gAAAAABm{}{} has expired",
)
"""What programs of OpenStack, its libraries and its proxies say when they fail, with a secret in it."""


def said(form: str, canary: str) -> str:
    """A form with its secret, as often as it has it."""
    return form.format(*(canary for _ in range(form.count("{}"))))
