"""A fleet from what Nova and Placement answer: pure, so that whoever asks them stays thin.

Sources: Nova's API reference (servers in detail from microversion 2.96, so that flavors and pinned zones
are in them; services; aggregates; server groups, whose members alone tell who is in one) and Placement's
(resource providers, inventories, traits). What neither tells stays unknown: models of CPU, NUMA cells of
hosts, memory in use, and rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from skylift.fleet.fleet import (
    Aggregate,
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
from skylift.model.ids import HostName
from skylift.model.marks import passes
from skylift.ports.compute import ComputeSeen, Document

_STATES = {state.value: state for state in State if state is not State.BUSY}


def fleet_from(seen: ComputeSeen, *, shared_storage: bool) -> Fleet:
    """The fleet in these answers; an instance without a host (shelved, or never started) is not in it.

    Nor are servers of ours that go by themselves: nobody moves them, and they take no room for long.

    ``shared_storage`` says whether disks that are no volumes are on storage that all hosts share, which no
    API tells.
    """
    hosts = dict(_hosts(seen))
    group_of = groups_of(seen.groups)
    # What is on a host that Placement does not know (an ironic node, say) is nobody's to move.
    there = [server for server in seen.servers if server.get("OS-EXT-SRV-ATTR:host") in hosts]
    kept = [server for server in there if not passing(server)]
    return Fleet(
        hosts,
        {flavor_name(server): flavor_of(server, seen.aggregates) for server in kept},
        tuple(instance_of(server, group_of, shared_storage=shared_storage) for server in kept),
        groups_in(seen.groups),
        {of["name"]: Aggregate(isolated=_is_isolated(of)) for of in seen.aggregates},
    )


def passing(server: Document) -> bool:
    """Whether a server is one of ours that goes by itself."""
    return bool(server.get("ours")) and passes(str(server.get("name", "")))


def groups_in(groups: Iterable[Document]) -> dict[GroupName, Group]:
    """Every group, with its rule."""
    return {GroupName(group["id"]): Group(_rule(group)) for group in groups}


def groups_of(groups: Iterable[Document]) -> dict[str, GroupName]:
    """By instance the group that it is in, which Nova lets be at most one."""
    return {member: GroupName(group["id"]) for group in groups for member in group["members"]}


def _hosts(seen: ComputeSeen) -> Iterator[tuple[HostName, Host]]:
    providers = {provider["name"]: provider["uuid"] for provider in seen.providers}
    # A provider may have the full name of a host whose service reports by the short one.
    short = {name.partition(".")[0]: uuid for name, uuid in providers.items()}
    for service in seen.services:
        name = service["host"]
        uuid = providers.get(name) or short.get(name.partition(".")[0])
        if service["binary"] != "nova-compute" or uuid is None:
            continue
        held = seen.inventories.get(uuid, {})
        yield (
            HostName(name),
            Host(
                vcpus=_capacity(held, "VCPU") + _capacity(held, "PCPU"),
                ram_mib=_capacity(held, "MEMORY_MB"),
                disk_gib=_capacity(held, "DISK_GB"),
                zone=service["zone"],
                aggregates=tuple(of["name"] for of in seen.aggregates if name in of["hosts"]),
                # Nova marks a closed host's provider, too; that says nothing of what the host can do.
                traits=frozenset(seen.traits.get(uuid, ())) - {"COMPUTE_STATUS_DISABLED"},
                up=service["state"] == "up",
                closed=service["status"] == "disabled",
            ),
        )


def _capacity(inventories: Mapping[str, Document], name: str) -> int:
    """Placement's own rule: what is there, less what is reserved, times the ratio."""
    of = inventories.get(name)
    return int((of["total"] - of["reserved"]) * of["allocation_ratio"]) if of else 0


def _from_volume(server: Document) -> bool:
    return not server.get("image")


def flavor_name(server: Document) -> FlavorName:
    """An instance on a volume takes less of its host's disk, so its flavor is another one."""
    name = server["flavor"]["original_name"]
    return FlavorName(f"{name} on a volume" if _from_volume(server) else name)


def flavor_of(server: Document, aggregates: Iterable[Document]) -> Flavor:
    """What an instance takes, by the flavor as it was when its owner chose it."""
    flavor, specs = server["flavor"], server["flavor"].get("extra_specs", {})
    disk = flavor.get("ephemeral", 0) + -(-int(flavor.get("swap") or 0) // 1024)
    traits = {key[len("trait:") :]: value for key, value in specs.items() if key.startswith("trait:")}
    dedicated = specs.get("hw:cpu_policy") == "dedicated"
    return Flavor(
        vcpus=flavor["vcpus"],
        ram_mib=flavor["ram"],
        disk_gib=disk + (0 if _from_volume(server) else flavor["disk"]),
        traits=frozenset(name for name, value in traits.items() if value == "required"),
        without=frozenset(name for name, value in traits.items() if value == "forbidden"),
        aggregate=next((of["name"] for of in aggregates if _asks_for(specs, of)), ""),
        devices=dict(_devices(specs.get("pci_passthrough:alias", ""))),
        cells=int(specs.get("hw:numa_nodes", 1)) if dedicated else 0,
    )


def _asks_for(specs: Mapping[str, str], aggregate: Document) -> bool:
    prefix = "aggregate_instance_extra_specs:"
    asked = {key[len(prefix) :]: value for key, value in specs.items() if key.startswith(prefix)}
    return bool(asked) and asked.items() <= aggregate.get("metadata", {}).items()


def _is_isolated(aggregate: Document) -> bool:
    """By Nova's isolated aggregates: a required trait in the metadata keeps others out."""
    metadata = aggregate.get("metadata", {})
    return any(key.startswith("trait:") and value == "required" for key, value in metadata.items())


def _devices(aliases: str) -> Iterator[tuple[str, int]]:
    for alias in filter(None, aliases.split(",")):
        name, _, count = alias.strip().partition(":")
        yield name, int(count or 1)


def _rule(group: Document) -> Rule:
    """Source: compute API, server groups, from microversion 2.64: one policy, no list."""
    return Rule(group["policy"])


def instance_of(server: Document, group_of: Mapping[str, GroupName], *, shared_storage: bool) -> Instance:
    """An instance that has a host."""
    metadata, specs = server.get("metadata", {}), server["flavor"].get("extra_specs", {})
    tags = dict(tag.partition("=")[::2] for tag in server.get("tags", ()))
    busy = server.get("OS-EXT-STS:task_state") is not None
    # Where Nova does not say whether a zone was asked for, the one it is in is kept.
    asked = server.get("pinned_availability_zone", server.get("OS-EXT-AZ:availability_zone"))
    return Instance(
        id=InstanceId(server["id"]),
        host=HostName(server["OS-EXT-SRV-ATTR:host"]),
        flavor=flavor_name(server),
        project=server["tenant_id"],
        state=State.BUSY if busy else _STATES.get(server["OS-EXT-STS:vm_state"], State.BUSY),
        group=group_of.get(server["id"], GroupName("")),
        zone=asked or "",
        disk_copied=not _from_volume(server) and not shared_storage,
        vtpm="hw:tpm_version" in specs,
        wish=tags.get("maintenance") or metadata.get("maintenance", ""),
        notice_h=_hours(metadata.get("maintenance_notice_h", "0")),
    )


def _hours(told: str) -> int:
    """What an owner wrote into the metadata; nothing that can be read asks for no notice."""
    return int(told) if told.isdecimal() else 0
