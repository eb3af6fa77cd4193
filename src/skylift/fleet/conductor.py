"""The conductor of a fleet's run: what is seen and the plan give what is asked for next; pure.

It believes what it sees and nothing else. What it asked for and does not see yet may still begin, so for
``Pace.settle_s`` it counts as begun, and is not asked for again. What no longer fits the plan waits for the
next one, which is made from what is seen then. A host that the run closed is worked on or given back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from skylift.fleet.course import Course, course
from skylift.fleet.elsewhere import Elsewhere
from skylift.fleet.fleet import Fleet, Host, InstanceId, Rule
from skylift.fleet.plan import Move, Turn
from skylift.fleet.replan import replan
from skylift.fleet.settling import Settling
from skylift.fleet.sight import Action, Close, HostSeen, Migrate, Open, Sight, Stage, Work, visible
from skylift.fleet.standing import Caps, Standing
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName, Seconds


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the conductor waits, and when it tries no more."""

    settle_s: Seconds = Seconds(60)
    """How long what was asked for, or scheduled before its host was closed, may take to be seen."""
    again_s: Seconds = Seconds(600)
    """The least between two plans while anything goes on; what deviates meanwhile is planned together."""
    late: int = 6
    """How many times longer than the policy says a host may be worked on before it is taken for dead."""
    tries: int = 5
    """How often a migration is begun before its host is given up."""
    orders: int = 16
    """Orders that each plan tries at most."""


class Conductor:
    """One run over a fleet. ``fleet`` describes the hosts; what is on them is seen."""

    standing: ClassVar[type[Standing]] = Standing
    """What says what there is room for."""

    def __init__(
        self, fleet: Fleet, policy: FleetPolicy, pace: Pace, asked: Iterable[tuple[Migrate, int]] = ()
    ) -> None:
        """``asked`` are migrations that a process asked for which is gone, and when: they may still begin."""
        self._fleet, self.policy, self._pace = fleet, policy, pace
        self._caps = Caps(fleet, policy)
        self.course: Course | None = None
        self.plans = 0
        self._planned = 0
        self._deviates = False
        self._stuck = False
        """Whether the last plan was made while nothing was under way, and came to nothing yet."""
        self._asked: dict[str, tuple[Action, int]] = {}
        """What was asked for and is not seen yet, by the host or instance it is about, and when."""
        self._since: dict[HostName, tuple[Stage, int]] = {}
        """Since when a host of the run's is seen at its stage."""
        self._tries: defaultdict[tuple[InstanceId, HostName], list[HostName]] = defaultdict(list)
        """Per instance and the host it was on, the hosts that it was to go to, time after time."""
        for call, moment in asked:
            self._asked[_about(call)] = call, moment
            self._tries[call.instance, call.source].append(call.target)
        self._returned: set[HostName] = set()
        """Hosts that were given back because a plan that was made on the way had no place for them."""
        self._elsewhere = Elsewhere(fleet)
        self.begins = True
        """Whether any more hosts are begun; those that were are gone on with in any case."""
        self.fits: Callable[[Seconds], bool] = _always
        """Whether a host that takes so long, from its closing until it is back, may be begun now."""
        self._held_back = False
        """Whether one was not begun for that reason at the last look."""
        self.settling: Settling | None = None
        """Where instances shall be when every host is through; none if they stay where they were moved."""
        self.settles = True
        """Whether that may begin, or go on."""
        self.given_up: dict[HostName, str] = {}
        """Hosts that the run could not finish, and why."""
        self.over = False
        """Whether nothing is left that could be done, or, if no host is begun, that goes on."""

    def next(self, sight: Sight) -> tuple[Action, ...]:
        """What to ask for now."""
        self._notice(sight)
        calls = [action for action, _ in self._asked.values()]
        standing = self.standing(self._fleet, self.policy, self._caps, sight=sight, calls=calls)
        working = any(
            seen.work is Stage.UNDER_WAY and name not in self.given_up for name, seen in sight.hosts.items()
        )
        fresh = sight.moment - self._pace.settle_s * 1000
        settling = any(stage is Stage.DUE and began > fresh for stage, began in self._since.values())
        rests = not (standing.coming or self._asked or working or settling)
        again = sight.moment >= self._planned + self._pace.again_s * 1000
        if self.course is None or (self._deviates and (rests or again)):
            self.course = self._planned_again(sight, standing)
            self._stuck = rests
        actions: list[Action] = []
        for action in self._actions(sight, self.course, standing):
            self._asked[_about(action)] = action, sight.moment
            standing.count(action)
            actions.append(action)
            if self.settling and isinstance(action, Migrate):
                self.settling.was_moved(action)
        rests = rests and not actions
        self._stuck &= not actions
        left = [
            h for h in self.course.turns if sight.hosts[h].work is not Stage.DONE and h not in self.given_up
        ]
        waits = not self.begins or self._held_back
        later = waits or any(w.opens * 1000 > sight.moment for w in self.policy.windows)
        if rests and left and not later:
            self._deviates = True
            for host in left if self._stuck else ():
                self.give_up(host, "it could neither be emptied nor planned in another way")
        self.over = rests and not self._deviates and (not left or waits)
        through = not (
            left or actions or working or settling or self._deviates or _holds(sight, self.given_up)
        )
        if self.settling and self.settles and self.begins and through:
            actions += self.settling.next(sight, standing, rests=rests)
            self._asked.update((_about(action), (action, sight.moment)) for action in actions)
            self.over = self.over and self.settling.over
        return tuple(actions)

    def take_back(self, host: HostName) -> None:
        """Go on with a host that was set aside, or given up, as if nothing had been tried there."""
        if self.given_up.pop(host, None) is not None:
            self._deviates = True
            self._since.pop(host, None)
            for tried in [where for where in self._tries if where[1] == host]:
                del self._tries[tried]

    def left(self, sight: Sight) -> dict[HostName, str]:
        """Hosts that are not done, each with the reason; one without, which is still to be done, has none."""
        if self.course is None:
            return {}
        plan = self.course.plan
        because = {of.host: "; ".join(f"{v.instance}: {v.reason}" for v in of.because) for of in plan.held}
        because |= dict.fromkeys(plan.stranded, "no way was found to empty it")
        because |= {name: "it is down" for name, seen in sight.hosts.items() if not seen.up}
        because |= self.given_up
        refused = "; ".join(proof.sentence for proof in plan.refused)
        if refused:
            because = {
                n: f"its pool is refused: {refused}" for n in sight.hosts if n not in self.course.turns
            } | because
        undone = (n for n, seen in sight.hosts.items() if seen.work is not Stage.DONE)
        return {name: because[name] for name in undone if name in because}

    def _notice(self, sight: Sight) -> None:
        """What was asked for and is seen has begun; what is not seen after its time has not."""
        settled = sight.moment - self._pace.settle_s * 1000
        self._asked = {
            about: (action, asked)
            for about, (action, asked) in self._asked.items()
            if asked > settled and not visible(action, sight)
        }
        since = {}
        for name, seen in sight.hosts.items():
            if not seen.ours:
                continue
            stage, began = self._since.get(name, (seen.work, sight.moment))
            since[name] = (seen.work, began if stage is seen.work else sight.moment)
            if seen.work is Stage.UNDER_WAY:
                if sight.moment - since[name][1] > self.policy.host_s * 1000 * self._pace.late:
                    self.give_up(name, "it did not come back from the work on it, and is still closed")
            elif not seen.up:
                self.give_up(name, "it is down")
        self._since = since

    def give_up(self, host: HostName, why: str) -> None:
        """Do no more with a host; one that is being emptied is given back, one that is worked on is held."""
        if host not in self.given_up:
            self.given_up[host] = why
            self._deviates = True

    def _planned_again(self, sight: Sight, standing: Standing) -> Course:
        """The plan for what is left, from what is seen; what was begun and must be ended with it goes on."""
        kept = (
            []
            if self.course is None
            else list(_kept(self._fleet, self.given_up, sight=sight, plan=self.course, standing=standing))
        )
        going = {i: move.target for i, move in standing.coming.items() if i in sight.moving}
        going |= {move.instance: move.target for move in kept}
        going = {i: target for i, target in going.items() if sight.hosts[target].up}
        instances = tuple(
            replace(i, host=going[i.id]) if i.id in going else i
            for on in sight.on.values()
            for i in on.values()
        )
        hosts = {}
        for name, of in self._fleet.hosts.items():
            since = self._since[name][1] if name in self._since else sight.moment
            back = max(1, self.policy.host_s - (sight.moment - since) // 1000)
            fit = name not in self.given_up
            hosts[name] = _host_now(of, sight.hosts[name], fit=fit, back=Seconds(back))
        now = replace(self._fleet, hosts=hosts, instances=instances)
        _, plan = replan(now, self.policy, moment_ms=sight.moment, orders=self._pace.orders)
        self._planned, self._deviates = sight.moment, False
        self.plans += 1
        return course(plan, kept)

    def _actions(self, sight: Sight, plan: Course, standing: Standing) -> Iterator[Action]:
        for host in self._since:
            if host not in self._asked:
                yield from self._go_on(host, sight, plan, standing)
        self._held_back = False
        for turn in plan.plan.turns if self.begins else ():
            host = turn.host
            seen = sight.hosts[host]
            if seen.ours or seen.work is not Stage.DUE or host in self._asked or host in self.given_up:
                continue
            if not seen.up:
                self.give_up(host, "it is down")
            elif not self._may_begin(turn, sight, plan, standing):
                continue
            elif self.fits(turn.lasts_s):
                yield Close(host)
            else:
                self._held_back = True

    def _go_on(self, host: HostName, sight: Sight, plan: Course, standing: Standing) -> Iterator[Action]:
        """With a host that the run has closed: empty it, work on it, give it back."""
        seen = sight.hosts[host]
        if seen.work is Stage.UNDER_WAY:
            return
        if seen.work is Stage.DONE or host in self.given_up:
            yield Open(host)
        elif host not in plan.turns:
            # Open again, it may take what others must get rid of: that is worth another plan, once.
            self._deviates |= host not in self._returned
            self._returned.add(host)
            yield Open(host)
        elif self._is_empty(host, sight, plan, standing):
            yield Work(host)
        else:
            yield from self._emptied(host, sight, plan, standing)

    def _is_empty(self, host: HostName, sight: Sight, plan: Course, standing: Standing) -> bool:
        """Whether nothing is left that must go, or could yet appear: it may have been scheduled before."""
        settled = sight.moment - self._since[host][1] >= self._pace.settle_s * 1000
        return settled and sight.on[host].keys() <= plan.stays and not standing.arriving[host]

    def _emptied(self, host: HostName, sight: Sight, plan: Course, standing: Standing) -> Iterator[Action]:
        moves = plan.off.get(host, {})
        for instance in sight.on[host]:
            if instance in standing.coming or instance in plan.stays:
                continue
            if instance not in moves:
                self._deviates = True
                continue
            move, tried = moves[instance], self._tries[instance, host]
            if move.target in tried:
                move = self._elsewhere.instead(move, tried, sight=sight, plan=plan, standing=standing)
            target = sight.hosts[move.target]
            back = move.target not in plan.needs.get(host, ()) or target.work is Stage.DONE
            if not target.up or target.ours or target.closed or not back:
                self._deviates |= not target.up
            elif len(tried) >= self._pace.tries:
                self.give_up(host, f"{instance} could not be moved off it in {self._pace.tries} tries")
                return
            elif standing.lanes_free(move):
                if standing.has_room(move):
                    tried.append(move.target)
                    yield Migrate(instance, host, move.target, move.way)
                else:
                    self._deviates = True

    def _may_begin(self, turn: Turn, sight: Sight, plan: Course, standing: Standing) -> bool:
        """Whether a host may be closed now: by its place in the order, and by limits and windows."""
        host = turn.host
        if not standing.may_be_out(host) or standing.arriving[host]:
            return False
        for other in plan.needs.get(host, ()):
            if (
                sight.hosts[other].work is not Stage.DONE
                or not sight.hosts[other].up
                or sight.hosts[other].ours
            ):
                self._deviates |= not sight.hosts[other].up and sight.hosts[other].work is not Stage.UNDER_WAY
                return False
        if any(move.instance in sight.on[move.source] for move in plan.awaits.get(host, ())):
            return False
        if not sight.on[host].keys() <= plan.off.get(host, {}).keys() | plan.stays:
            self._deviates = True
            return False
        return _is_in_time((self._fleet, self.policy), self.given_up, turn, sight=sight, plan=plan)


def _always(_takes: Seconds) -> bool:
    return True


def _host_now(host: Host, seen: HostSeen, *, fit: bool, back: Seconds) -> Host:
    """A host as a plan that is made now takes it; one that is worked on is ``back`` in so many seconds."""
    working = seen.work is Stage.UNDER_WAY
    return replace(
        host,
        up=fit and (seen.up or working),
        closed=seen.closed,
        done=seen.work is Stage.DONE,
        begun=seen.ours and seen.work is Stage.DUE,
        out_s=back if working else Seconds(0),
    )


def _holds(sight: Sight, given_up: Container[HostName]) -> bool:
    """Whether the run still has a host of its own, but one that is held for an operator."""
    return any(
        seen.ours and not (name in given_up and seen.work is Stage.UNDER_WAY)
        for name, seen in sight.hosts.items()
    )


def _about(action: Action) -> str:
    return action.instance if isinstance(action, Migrate) else action.host


def _kept(
    fleet: Fleet, given_up: Container[HostName], *, sight: Sight, plan: Course, standing: Standing
) -> Iterator[Move]:
    """Moves of affinity groups that are halfway: the others must follow to the same host."""
    for host, moves in plan.off.items():
        on = sight.on[host]
        for move in moves.values():
            if move.instance not in on or move.instance in sight.moving or host in given_up:
                continue
            group = on[move.instance].group
            if group and fleet.groups[group].rule is Rule.TOGETHER and sight.hosts[move.target].up:
                there = (*sight.on[move.target].values(), *standing.arriving[move.target])
                fits = move.instance in standing.coming or standing.has_room(move)
                if fits and any(i.group == group for i in there):
                    yield move


def _is_in_time(
    of: tuple[Fleet, FleetPolicy], given_up: Container[HostName], turn: Turn, *, sight: Sight, plan: Course
) -> bool:
    """Whether canaries and the zones before its own are through, and it would be back in its window."""
    fleet, policy = of
    hosts = fleet.hosts
    if policy.first or policy.zones_in_turn:
        for other in plan.plan.turns:
            before = other.back <= turn.closed and sight.hosts[other.host].work is not Stage.DONE
            zone = policy.zones_in_turn and hosts[other.host].zone != hosts[turn.host].zone
            if before and other.host not in given_up and (zone or other.host in policy.first):
                return False
    back = sight.moment + turn.back - turn.closed
    return not policy.windows or any(
        w.opens * 1000 <= sight.moment and back <= w.closes * 1000 for w in policy.windows
    )
