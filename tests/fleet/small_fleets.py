"""Small fleets of every kind, for properties: few hosts, many rules."""

from __future__ import annotations

from hypothesis import strategies as st

from skylift.fleet.fleet import (
    Aggregate,
    Cell,
    Flavor,
    FlavorName,
    Fleet,
    Group,
    GroupName,
    Host,
    Instance,
    InstanceId,
    Rule,
    State,
)
from skylift.model.fleet_policy import Consent, FleetPolicy, Window
from skylift.model.ids import HostName, Seconds

GIB = 1024
FLAVORS = {
    FlavorName("tiny"): Flavor(1, 2 * GIB),
    FlavorName("small"): Flavor(2, 4 * GIB, disk_gib=10),
    FlavorName("large"): Flavor(8, 32 * GIB),
    FlavorName("own"): Flavor(2, 8 * GIB, aggregate="own"),
    FlavorName("fast"): Flavor(2, 8 * GIB, traits=frozenset({"FAST"})),
    FlavorName("gpu"): Flavor(4, 16 * GIB, devices={"gpu": 1}),
    FlavorName("pinned"): Flavor(4, 8 * GIB, cells=2),
}
AGGREGATES = {"own": Aggregate(isolated=True), "rack": Aggregate()}


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    """A host with room for a dozen instances, perhaps of a kind of its own."""
    return Host(
        vcpus=draw(st.sampled_from([48, 64])),
        ram_mib=draw(st.sampled_from([96, 128])) * GIB,
        disk_gib=200,
        zone=draw(st.sampled_from(["az1", "az1", "az2"])),
        aggregates=draw(st.sampled_from([(), (), ("rack",), ("own",)])),
        traits=draw(st.sampled_from([frozenset(), frozenset({"FAST"})])),
        cpus=draw(st.sampled_from([frozenset({"old", "new"}), frozenset({"old"})])),
        devices=draw(st.sampled_from([{}, {"gpu": 2}])),
        cells=(Cell(16, 32 * GIB), Cell(16, 32 * GIB)),
        up=draw(st.sampled_from([True] * 9 + [False])),
        closed=draw(st.sampled_from([False] * 9 + [True])),
        done=draw(st.sampled_from([False] * 5 + [True])),
    )


@st.composite
def fleets(draw: st.DrawFn, most: int = 10) -> Fleet:
    """A fleet in which every instance is where it may be."""
    names = [HostName(f"h{n}") for n in range(draw(st.integers(2, most)))]
    of = {name: draw(hosts()) for name in names}
    free = {name: [host.vcpus, host.ram_mib, host.disk_gib] for name, host in of.items()}
    devices = {name: dict(host.devices) for name, host in of.items()}
    groups = {GroupName(f"g{n}"): Group(draw(st.sampled_from(list(Rule)))) for n in range(3)}
    at: dict[GroupName, set[HostName]] = {name: set() for name in groups}
    pinned: set[HostName] = set()
    instances: list[Instance] = []
    for number in range(draw(st.integers(0, 6 * len(names)))):
        name, flavor = draw(st.sampled_from(names)), draw(st.sampled_from(sorted(FLAVORS)))
        wanted, host, group = (
            FLAVORS[flavor],
            of[name],
            draw(st.sampled_from([GroupName("")] * 4 + list(groups))),
        )
        takes = [wanted.vcpus, wanted.ram_mib, wanted.disk_gib]
        if any(f < t for f, t in zip(free[name], takes, strict=True)) or not _admits(host, wanted):
            continue
        if any(devices[name].get(alias, 0) < count for alias, count in wanted.devices.items()):
            continue
        if wanted.cells and name in pinned:
            continue
        if group and not _joins(groups[group].rule, at[group], name):
            continue
        if group:
            at[group].add(name)
        if wanted.cells:
            pinned.add(name)
        free[name] = [f - t for f, t in zip(free[name], takes, strict=True)]
        for alias, count in wanted.devices.items():
            devices[name][alias] -= count
        instances.append(draw(_instance(number, host=name, flavor=flavor, group=group)))
    return Fleet(of, FLAVORS, tuple(instances), groups, AGGREGATES)


def _admits(host: Host, flavor: Flavor) -> bool:
    isolated = "own" in host.aggregates
    return isolated == (flavor.aggregate == "own") and flavor.traits <= host.traits


def _joins(rule: Rule, at: set[HostName], host: HostName) -> bool:
    if rule is Rule.APART:
        return host not in at
    return rule is not Rule.TOGETHER or not at or host in at


@st.composite
def _instance(
    draw: st.DrawFn, number: int, *, host: HostName, flavor: FlavorName, group: GroupName
) -> Instance:
    return Instance(
        InstanceId(f"i{number}"),
        host,
        flavor,
        project=draw(st.sampled_from(["p1", "p2"])),
        state=draw(st.sampled_from([State.ACTIVE] * 12 + [State.STOPPED, State.SUSPENDED, State.ERROR])),
        group=group,
        cpu=draw(st.sampled_from(["", "old"])),
        used_mib=draw(st.sampled_from([0, 1024])),
        dirty_mib_s=draw(st.sampled_from([0, 50, 50, 50, 500, 1090, 2000])),
        vtpm=draw(st.sampled_from([False] * 15 + [True])),
        wish=draw(st.sampled_from([""] * 12 + ["live", "cold", "stop", "ask"])),
    )


@st.composite
def policies(draw: st.DrawFn) -> FleetPolicy:
    """A policy with any of its limits."""
    return FleetPolicy(
        host_s=Seconds(draw(st.sampled_from([1, 60, 1200]))),
        batch_percent=draw(st.sampled_from([5, 30])),
        batch_hosts=draw(st.sampled_from([0, 0, 1, 3])),
        twice_percent=draw(st.sampled_from([2, 100])),
        out_percent=draw(st.sampled_from([100, 100, 40, 10])),
        zone_percent=draw(st.sampled_from([100, 50])),
        aggregate_percent=draw(st.sampled_from([100, 30])),
        headroom_percent=draw(st.sampled_from([0, 0, 5])),
        leaving=draw(st.sampled_from([1, 1, 2])),
        arriving=draw(st.sampled_from([1, 1, 3])),
        migrations=draw(st.sampled_from([0, 0, 1, 4])),
        first=draw(st.sampled_from([(), (HostName("h0"),), (HostName("h1"), HostName("h0"))])),
        zones_in_turn=draw(st.booleans()),
        windows=draw(
            st.sampled_from(
                [(), (), (Window(Seconds(0), Seconds(2000)), Window(Seconds(3600), Seconds(9000)))]
            )
        ),
        only=draw(st.sampled_from([(), (), (HostName("h0"),)])),
        in_place=draw(st.sampled_from([False] * 7 + [True])),
        consent=Consent(cold=draw(st.booleans()), stop=draw(st.booleans()), post_copy=draw(st.booleans())),
    )
