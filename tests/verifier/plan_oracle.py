"""What may go wrong with a plan: found by playing it on a tiny cloud.

A plan is wrong if some order that its edges allow does harm. Three kinds of luck find it: each step as
early as it can come, drained backends let back as late as possible, and everything once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.verifier.tiny_cloud import Document, Effect, Harm, Place, TinyCloud

_GROWS, _SHRINKS = ("expand", "migrate", "sync"), ("contract", "online-migrations")
_AFTER = {"keystone": (), "glance": ("keystone",), "placement": ("keystone", "glance")}
"""Per component, those that are new everywhere before it begins."""
_BACK_AFTER = {"keystone": ("glance", "placement"), "glance": ("placement",), "placement": ()}
"""On a way back, those that are old again everywhere before it begins."""


def _create_witnesses(cloud: TinyCloud, *_: Document) -> None:
    cloud.need("made" not in cloud.done, "made twice")
    cloud.done.add("made")


def _stage_artifact(cloud: TinyCloud, _: Document, action: Document) -> None:
    cloud.staged.add((action["artifact"]["path"], action["host"]))


def _check_readiness(cloud: TinyCloud, _: Document, action: Document) -> None:
    path = action["command"]["argv"][0].partition("/bin/")[0]
    cloud.need(path == cloud.target, "asks another artifact")
    cloud.need((path, action["host"]) in cloud.staged, "asks what is not there")
    cloud.asked.add(action["component"])


def _back_up_database(cloud: TinyCloud, _: Document, action: Document) -> None:
    cloud.dumps.append({key: action[key] for key in ("host", "folder", "database", "label")})


def _rehearse_restore(cloud: TinyCloud, _: Document, action: Document) -> None:
    database = action["backup"]["database"]
    cloud.need(action["backup"] in cloud.dumps, "rehearses what is not there")
    cloud.saved.add(database)


def _before_change(cloud: TinyCloud) -> None:
    changed = cloud.phases.keys() & cloud.changing
    cloud.need(cloud.back or changed <= cloud.asked, "something was changed before all were asked")


def _migrate_schema(cloud: TinyCloud, step: Document, action: Document) -> None:
    component, phase = action["component"], action["phase"]
    cloud.need(step["id"].startswith(f"{component}:"), "its name says something else")
    databases = {head["database"] for head in action["heads"]}
    cloud.need(databases <= cloud.databases[component], "another database")
    cloud.need(databases <= cloud.saved, "the database was not saved")
    cloud.need(action["command"]["argv"][0].startswith(f"{cloud.target}/"), "another artifact's command")
    _before_change(cloud)
    before = cloud.schemas.setdefault(component, [])
    cloud.need(phase not in before, "it ran before")
    wanted = cloud.phases[component]
    cloud.need(phase in wanted and before == list(wanted[: wanted.index(phase)]), "out of order")
    if phase in _SHRINKS:
        cloud.need(all(cloud.serves(place) for place in cloud.of(component)), "old code is left")
    if phase in _SHRINKS:
        cloud.need(action["destructive"], "it hides that there is no way back")
        cloud.need(step["stage"] == "converge", "in a stage with a way back")
        cloud.need(all(cloud.serves(place) for place in cloud.places), "others could still go back")
        cloud.need(cloud.looked and not cloud.unseen, "nobody looked at the witnesses when all was new")
    else:
        cloud.need(not action["destructive"], "it takes the way back")
    before.append(phase)


def _place(cloud: TinyCloud, step: Document, action: Document) -> Place:
    host = action.get("host") or action["server"]
    service = step["id"].partition(":")[0]
    cloud.need(step["id"].endswith(f"@{host}"), "its name says another host")
    for known, key in ((cloud.units, "unit"), (cloud.pools, "pool")):
        cloud.need(key not in action or known.get(action[key]) == service, f"another's {key}")
    cloud.need(action.get("service", service) == service, "another service")
    cloud.need((service, host) in cloud.places, "a place that is not there")
    cloud.need((action["kind"], (service, host)) not in cloud.turned, "a second time")
    cloud.turned.add((action["kind"], (service, host)))
    return service, host


def _drain_backend(cloud: TinyCloud, step: Document, action: Document) -> None:
    place = _place(cloud, step, action)
    component = cloud.owners[place[0]]
    cloud.need(step["impact"] == {"notice": "one backend fewer", "api": component}, "nobody is told")
    backends = {p for p in cloud.places if p[0] == place[0]}
    cloud.out[place] = "drained"
    out = [p for p in backends if cloud.out.get(p)]
    drained = [p for p in out if cloud.out[p] != "left out"]
    cloud.need(len(out) < len(backends), "no backend is left")
    cloud.need(len(drained) <= int(cloud.facts["policy batch"]), "too many are out")
    for earlier in (_BACK_AFTER if cloud.back else _AFTER)[component]:
        turns = (
            [p for p in cloud.of(earlier) if not cloud.whole_at_start(p)] if earlier in cloud.phases else []
        )
        cloud.need(all(cloud.serves(p) for p in turns), f"{earlier} is not turned over everywhere")


def _await_quiet(cloud: TinyCloud, step: Document, action: Document) -> None:
    place = _place(cloud, step, action)
    cloud.need(cloud.out.get(place) == "drained", "new requests still come")
    cloud.out[place] = "quiet"


def _stop_service(cloud: TinyCloud, step: Document, action: Document) -> None:
    place = _place(cloud, step, action)
    cloud.need(cloud.out.get(place) == "quiet", "requests are cut")
    cloud.need(cloud.unseen <= {cloud.owners[place[0]]}, "nobody looked what another component did")
    _before_change(cloud)
    hosts = {host for _, host in cloud.places}
    planned = {host for path, host in cloud.staged if path == cloud.target}
    needed = {host for _, host in cloud.old}
    cloud.need(needed & hosts <= planned, "a host may lack its artifact")
    cloud.runs[place] = ""


def _switch_artifact(cloud: TinyCloud, step: Document, action: Document) -> None:
    place = _place(cloud, step, action)
    cloud.need(cloud.runs[place] == "" and cloud.out.get(place), "under a running process")
    cloud.need(action["old"] == cloud.links[place], "its way back leads elsewhere")
    cloud.need(action["new"] == cloud.target, "another goal")
    cloud.links[place] = action["new"]


def _start_service(cloud: TinyCloud, step: Document, action: Document) -> None:
    place = _place(cloud, step, action)
    cloud.need(cloud.links[place] == cloud.target, "old code again")
    cloud.need(cloud.runs[place] == "", "twice")
    component = cloud.owners[place[0]]
    grown = [phase for phase in cloud.phases[component] if phase in _GROWS]
    cloud.need(cloud.schemas.get(component, [])[: len(grown)] == grown, "new code without its schema")
    cloud.runs[place] = cloud.links[place]


def _await_healthy(cloud: TinyCloud, step: Document, action: Document) -> None:
    place = _place(cloud, step, action)
    cloud.need(action["path"] == cloud.target, "content with old code")
    cloud.need(cloud.runs[place] == cloud.target, "it would wait for ever")


def _warm_up_backend(cloud: TinyCloud, step: Document, action: Document) -> None:
    place = _place(cloud, step, action)
    cloud.need(("await-healthy", place) in cloud.turned, "nothing answers yet")
    cloud.warm.add(place)


def _undrain_backend(cloud: TinyCloud, step: Document, action: Document) -> None:
    place = _place(cloud, step, action)
    cloud.need(place in cloud.warm or cloud.out.get(place) == "left out", "a cold backend gets requests")
    if ("stop-service", place) in cloud.turned:
        cloud.unseen.add(cloud.owners[place[0]])
    cloud.out.pop(place, None)


def _verify_component(cloud: TinyCloud, step: Document, action: Document) -> None:
    component = step["id"].partition(":")[0]
    cloud.need(action["component"] == component and action["path"] == cloud.target, "another's")
    looked = {(cloud.units[s["unit"]], host) for s in action["services"] for host in s["hosts"]}
    cloud.need(looked >= set(cloud.of(component)), "a host nobody looks at")
    cloud.need(action["heads"] == cloud.heads[component], "content with another schema")
    cloud.need(all(cloud.serves(place) for place in cloud.of(component)), "judged while it changes")
    done = tuple(cloud.schemas.get(component, ()))
    cloud.need(done == cloud.phases[component], "judged before its schema")
    cloud.done.add(f"verified {component}")


def _verify_witnesses(cloud: TinyCloud, *_: Document) -> None:
    cloud.looked += 1
    cloud.unseen.clear()


PLAYS: Mapping[str, Effect] = {
    "create-witnesses": _create_witnesses,
    "stage-artifact": _stage_artifact,
    "check-readiness": _check_readiness,
    "back-up-database": _back_up_database,
    "rehearse-restore": _rehearse_restore,
    "migrate-schema": _migrate_schema,
    "drain-backend": _drain_backend,
    "await-quiet": _await_quiet,
    "stop-service": _stop_service,
    "switch-artifact": _switch_artifact,
    "start-service": _start_service,
    "await-healthy": _await_healthy,
    "warm-up-backend": _warm_up_backend,
    "undrain-backend": _undrain_backend,
    "verify-component": _verify_component,
    "verify-witnesses": _verify_witnesses,
}


def harm(cloud: TinyCloud, plan: Document) -> str:
    """What may go wrong with a plan on a cloud; empty if nothing can."""
    try:
        _play_all(cloud, plan)
    except (Harm, KeyError, AttributeError) as seen:
        return str(seen) or "a step means nothing"
    return ""


def _play_all(cloud: TinyCloud, plan: Document) -> None:
    """Whole runs first, then what each step surely has behind it, and the step itself.

    Raises:
        Harm: some order does it.
    """
    steps = {step["id"]: step for step in plan["steps"]}
    before: dict[str, set[str]] = {name: set() for name in steps}
    for edge in plan["edges"]:
        before[edge["after"]].add(edge["before"])
    listed = [step["id"] for step in plan["steps"]]
    late = sorted(listed, key=lambda name: (":undrain" in name, ":drain" not in name))
    whole = _sorted(late, before)
    if len(whole) < len(steps) or len(listed) > len(steps):
        raise Harm("it can never end")
    early = _sorted([n for n in listed if not n.startswith("witnesses:look")], before, listed)
    for order in (whole, early):
        _play(cloud.again(), [steps[name] for name in order]).end()
    behind: dict[str, set[str]] = {}
    played: dict[str, TinyCloud] = {}
    for name in whole:
        behind[name] = set().union(*({first} | behind[first] for first in before[name]))
        order = [n for n in whole if n in behind[name]]
        # A step is begun with from the latest one behind it that has all others before it behind itself.
        begun = next((i for i in reversed(range(len(order))) if len(behind[order[i]]) == i), -1)
        start = cloud if begun < 0 else played[order[begun]]
        played[name] = _play(start.again(), [steps[n] for n in (*order[begun + 1 :], name)])
        if len(order) + 1 == len(steps):
            played[name].end()


def _play(cloud: TinyCloud, order: Iterable[Document]) -> TinyCloud:
    """The cloud after these steps."""
    for step in order:
        cloud.play(step, PLAYS[step["action"]["kind"]])
    return cloud


def _sorted(wished: list[str], before: Mapping[str, Iterable[str]], rest: Iterable[str] = ()) -> list[str]:
    """All steps in an order that the edges allow, each as early as the wish has it."""
    left, done, found = list(dict.fromkeys((*wished, *rest))), set[str](), list[str]()
    while left:
        free = next((name for name in left if set(before[name]) <= done), None)
        if free is None:
            return found
        left.remove(free)
        done.add(free)
        found.append(free)
    return found
