"""A whole record in a file, with the files that it names."""

# ruff: noqa: E501 - a component reads best on a line

from __future__ import annotations

from pathlib import Path

import pytest

WHOLE = """\
skylift: 1
name: lab
ssh: {user: root, key: id_ed25519, known_hosts: known_hosts, proxy_command: "nsenter --net=/run/netns/x socat - TCP:%h:%p"}
hosts:
  ctl1: {address: 10.77.0.11, roles: [controller], zone: az1}
  ctl2: {address: 10.77.0.12, roles: [controller], zone: az2}
  ctl3: {address: 10.77.0.13, roles: [controller], zone: az3}
  client: {address: 10.77.0.20, roles: [vantage]}
artifacts:
  openstack-2023.1:
    release: "2023.1"
    digest: "sha256:DIGEST"
    source: "http://10.77.0.1:8099/2023.1-abc.tar.zst"
    path: /opt/openstack/artifacts/2023.1-abc
components:
  keystone:
    artifact: openstack-2023.1
    user: keystone
    database: keystone
    services:
      keystone:
        role: controller
        unit: keystone-api.service
        link: /opt/openstack/current/keystone
        port: 5000
        pool: keystone
  glance: {artifact: openstack-2023.1, user: glance, database: glance, services: {glance-api: {role: controller, unit: glance-api.service, link: /opt/openstack/current/glance, port: 9292, pool: glance}}}
balancer: {kind: haproxy, role: controller, socket: /run/haproxy/admin.sock, vip: 10.77.0.10}
database: {kind: galera, role: controller, size: 3, backups: /var/backups/skylift}
vantage: {host: client, clouds_yaml: clouds.yaml, cloud: lab}
policy:
  batch: 1
""".replace("DIGEST", "a" * 64)

PINNED = "".join(f"10.77.0.{n} ssh-ed25519 AAAA\n" for n in (11, 12, 13, 20))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A whole record with the files it names, as a customer's folder has them."""
    _write(tmp_path / "id_ed25519", "key", mode=0o600)
    _write(tmp_path / "known_hosts", PINNED, mode=0o644)
    _write(tmp_path / "clouds.yaml", "clouds: {lab: {auth: {}}}\n", mode=0o600)
    _write(tmp_path / "cloud.yaml", WHOLE, mode=0o644)
    return tmp_path / "cloud.yaml"


def _write(file: Path, text: str, *, mode: int) -> None:
    file.write_text(text)
    file.chmod(mode)
