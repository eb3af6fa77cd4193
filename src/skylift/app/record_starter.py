"""The commented record that ``skylift init`` writes: whole, but for the values only its operator knows."""

from __future__ import annotations

_STARTER = """\
# The record of one cloud, for Skylift. Keep it in git: it holds no secret, only paths to them.
# Fill in every line that ends with '# fill in', then run: skylift inspect
# Paths of files on this machine are relative to this file's folder.
skylift: 1                      # version of this format
name:                           # fill in

# How every host is reached. Host keys are pinned: a host that is not in known_hosts is refused.
ssh:
  user: root
  key:                          # fill in
  known_hosts:                  # fill in
  # port: 22
  # proxy_command: "ssh -W %h:%p bastion"

# The hosts: an address, one or more roles, and a failure zone if there are zones.
# The first host of a role by name, its bootstrap host, does what must be done once.
hosts:
  ctl1:
    address:                    # fill in
    roles: [controller]
    zone: az1
  ctl2:
    address:                    # fill in
    roles: [controller]
    zone: az2
  ctl3:
    address:                    # fill in
    roles: [controller]
    zone: az3
  # Outside the control plane: users' requests are made and measured from here.
  client:
    address:                    # fill in
    roles: [vantage]

# Environments with the software of one release, as the hosts fetch them (tar, zstd) and where they lie.
# The digest is that of the artifact's MANIFEST.sha256: sha256sum MANIFEST.sha256
artifacts:
  openstack-2023.1:             # what runs now
    release: "2023.1"
    digest:                     # fill in
    source:                     # fill in
    path: /opt/openstack/artifacts/2023.1
  openstack-2024.1:             # where to go
    release: "2024.1"
    digest:                     # fill in
    source:                     # fill in
    path: /opt/openstack/artifacts/2024.1

# Each component: its artifact now; the user that its services, its commands and its database know; its
# database, or databases: {api: nova_api, cell0: nova_cell0, cell1: nova}; and its services: the role of their
# hosts, their systemd unit, the symbolic link through which the unit finds its artifact and, behind HAProxy,
# their port on the hosts and on the VIP and their pool. Where /etc/nova/nova.conf does not lead to a cell's
# database: config_files: {cell1: [/etc/nova/nova.conf, /etc/nova/nova-cell1.conf]}.
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
  glance:
    artifact: openstack-2023.1
    user: glance
    database: glance
    services:
      glance-api:
        role: controller
        unit: glance-api.service
        link: /opt/openstack/current/glance
        port: 9292
        pool: glance
  placement:
    artifact: openstack-2023.1
    user: placement
    database: placement
    services:
      placement-api:
        role: controller
        unit: placement-api.service
        link: /opt/openstack/current/placement
        port: 8778
        pool: placement

# HAProxy: the admin socket on each of its hosts, and the address that users reach.
balancer:
  kind: haproxy
  role: controller
  socket: /run/haproxy/admin.sock
  vip:                          # fill in
  # parking: /etc/haproxy/parked.map   # if they can hold requests: see docs/how-to/park-requests.md

# Galera: how many servers the cluster has, and a folder on the bootstrap host for dumps.
database:
  kind: galera
  role: controller
  size: 3
  backups: /var/backups/skylift

# RabbitMQ, where services get their work over it: how many nodes the cluster has.
# broker:
#   kind: rabbitmq
#   role: controller
#   size: 3

# Ceph, if it runs on hosts of this record: where its tool finds an administrator's keyring.
# storage:
#   kind: ceph
#   role: storage-admin

# An administrator's credentials, as openstackclient reads them; the file needs mode 0600.
vantage:
  host: client
  clouds_yaml:                  # fill in
  cloud:                        # fill in

# What others know of the cloud, asked before the first step and all the while: see docs/how-to/ask-gates.md
# gates:
#   errors:
#     kind: prometheus
#     url: http://prometheus:9090
#     query: sum(rate(haproxy_server_http_responses_total{code="5xx"}[1m]))
#     bad: "> 1"

# Who may seal plans and what is said to a run; with this, nothing else is trusted.
# signers:
#   rey: ssh-ed25519 AAAA...

# Where the runs are, if several machines share them: see docs/how-to/run-on-several-machines.md
# store: postgresql://skylift@db.example.org/skylift

# How compute hosts are emptied, rebooted and given a new hypervisor: see docs/how-to/reboot-a-fleet.md
# maintenance:
#   hypervisor: []              # a command, such as [apt-get, -y, install, qemu-system-x86]
#   shared_storage: false       # true if disks that are no volumes are on storage that all hosts share
#   cut_off: false              # true if guests may miss volumes while a host that serves them is down
#   canary: true                # a server of ours must boot on a host and answer before it counts as done
#   failures: 1                 # hosts that may fail; with one more no other begins
#   back: 1800                  # seconds until a rebooted host must be back
#   move: 1800                  # seconds until a migration is ended and tried again
#   limits:
#     host_s: 1200              # seconds that an empty host is worked on, for the plan's times
#     out_percent: 100          # of all hosts, how many may be out at once
#     first: []                 # hosts to begin with: the canaries

# What you allow. Each line shows what is used without it; remove '# ' to change it.
# policy:
#   batch: 1                    # backends of one API that may be out at once
#   at_once: 6                  # steps in flight at once
#   park_s: 20                  # seconds that requests may wait at the balancers
#   baseline: 30                # seconds that users' requests are measured before the first step
#   backup_max_age_h: 24        # a plan needs a backup no older than this
#   clock_skew_max_ms: 2000
#   disk_free_min_gib: 2        # on every host, after staging
#   online_batch: 1000          # rows that one batch of an online data migration moves
#   stale_after_h: 24           # a service that is silent for longer is taken for gone
#   plan_valid_h: 72            # a sealed plan may be applied for so long
#   windows: []                 # times of the week at which steps may start; at any time without it
#   freezes: []                 # days on which none starts, such as [2026-12-20/2027-01-06]
#   time_zone: UTC              # whose clock both go by
#   rollback: ask               # or automatic, which takes an upgrade back that costs users too much
#   every: never                # or week, month, quarter, half-year to be told when it is due again
#   approvals: []               # stages that wait for an approval of their own, such as control-plane
#   second_person: false        # whoever made a plan may not approve it
#   outages: []                 # components that may be stopped as a whole where they cannot be rolled
#   loss:                       # a run that loses more halts by itself
#     failed_requests: 5
#     gap: 5                    # seconds without a good answer from one API
#   timeouts:                   # seconds
#     drain: 120
#     idle: 1800
#     stop: 300
#     start: 180
#     command: 1800
#     stage: 1800
#     unreachable: 300
"""


def starter() -> str:
    """The text of a new ``cloud.yaml``: it loads as soon as every line marked ``# fill in`` is filled in."""
    return _STARTER
