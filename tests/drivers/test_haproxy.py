"""What HAProxy 2.6 answered in the lab, cut to what is read: a drained server, and a drained one stopped."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from tests.drivers.loopback import HOST

from skylift.drivers.haproxy import BalancerSilent, HaproxyBalancer, parse_backends
from skylift.drivers.ssh import Ssh
from skylift.model.cloud import Backend, BackendState
from skylift.model.ids import HostName, PoolName

STATES = """\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port
3 keystone 1 ctl1 10.77.0.11 2 0 1 1 5000
3 keystone 2 ctl2 10.77.0.12 {operation} {admin} 1 1 5000
5 glance 1 ctl1 10.77.0.11 2 0 1 1 9292

"""
STATS = """\
# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,
keystone,ctl1,0,0,3,1,,13,5328,9283,,0,,0,0,0,0,UP,1,
keystone,ctl2,0,0,1,1,,13,5728,12569,,0,,0,0,0,0,DOWN,1,
glance,ctl1,0,0,0,1,,1,335,209,,0,,0,0,0,0,UP,1,

"""


def state(operation: int, admin: int) -> BackendState:
    text = STATES.format(operation=operation, admin=admin) + STATS
    return next(b.state for b in parse_backends(HOST, text) if b.server == "ctl2")


def test_every_server_of_every_pool_is_seen_with_its_sessions() -> None:
    seen = parse_backends(HOST, STATES.format(operation=2, admin=8) + STATS)

    assert seen == (
        Backend(HOST, PoolName("keystone"), HostName("ctl1"), BackendState.UP, 3),
        Backend(HOST, PoolName("keystone"), HostName("ctl2"), BackendState.DRAIN, 1),
        Backend(HOST, PoolName("glance"), HostName("ctl1"), BackendState.UP, 0),
    )


@pytest.mark.parametrize(
    ("operation", "admin", "seen"),
    [
        (2, 0x00, BackendState.UP),
        (1, 0x00, BackendState.UP),
        (0, 0x00, BackendState.DOWN),
        (3, 0x00, BackendState.DOWN),
        (2, 0x08, BackendState.DRAIN),
        (0, 0x01, BackendState.MAINT),
        (0, 0x20, BackendState.MAINT),
        (0, 0x09, BackendState.MAINT),
    ],
)
def test_an_operators_word_counts_before_health(operation: int, admin: int, seen: BackendState) -> None:
    assert state(operation, admin) is seen


def test_a_drained_server_that_was_stopped_is_still_drained() -> None:
    """Row 98. HAProxy's own status says DOWN, and would be taken for one that gets requests once it is up."""
    assert state(operation=0, admin=8) is BackendState.DRAIN


def test_a_balancer_without_servers_has_none() -> None:
    assert parse_backends(HOST, "1\n# be_id be_name\n\n# pxname,svname,scur,\n\n") == ()


def test_an_instance_that_does_not_answer_is_named(ssh: Ssh) -> None:
    balancer = HaproxyBalancer(ssh, [HOST], PurePosixPath("/does/not/exist.sock"))

    with pytest.raises(BalancerSilent, match=r"ctl1 \(.*No such file"):
        balancer.backends()
    with pytest.raises(BalancerSilent, match="ctl1"):
        balancer.backends(HOST)
    with pytest.raises(BalancerSilent, match="ctl1"):
        balancer.set_state(PoolName("keystone"), HostName("ctl2"), "drain")
