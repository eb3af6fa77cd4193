"""What is learnt from migrations that were seen: throughput by pair of hosts, writing by instance.

Pure: an estimator is a value, and what was seen gives a new one. It starts from a prior and forgets
slowly (an exponentially weighted mean of the logarithm, for what is off by a factor is off as much either
way); the spread is learnt the same way and gives the quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from skylift.fleet.fleet import FlavorName, InstanceId
from skylift.fleet.forecast import Forecast, Guest, Link, precopy
from skylift.model.ids import HostName

WEIGHT = 0.3
"""Of the newest sight; five sights then carry five sixths."""
Z90 = 1.2815515655446004
"""The standard normal's quantile at 0.9."""
_LEAST_MIB_S = 0.01
"""A guest that writes nothing still writes this, so that its logarithm exists."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """A positive quantity: the mean of its logarithm, and the variance around it."""

    log: float
    variance: float

    @property
    def likely(self) -> float:
        """The median."""
        return math.exp(self.log)

    def quantile(self, z: float) -> float:
        """The value that many standard deviations above the median, on the scale of the logarithm."""
        return math.exp(self.log + z * math.sqrt(self.variance))

    def seen(self, value: float) -> Learnt:
        """What is known after one more sight."""
        off = math.log(max(value, _LEAST_MIB_S)) - self.log
        return Learnt(self.log + WEIGHT * off, (1 - WEIGHT) * (self.variance + WEIGHT * off * off))


@dataclass(frozen=True, slots=True)
class Sight:
    """One migration that ended: what Nova's record of it and the hypervisor's figures say."""

    source: HostName
    target: HostName
    instance: InstanceId
    flavor: FlavorName
    sent_mib: float
    seconds: float
    dirty_mib_s: float


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A forecast with its spread: the median, and what nine of ten stay below."""

    p50: Forecast
    p90: Forecast


@dataclass(frozen=True, slots=True)
class Estimator:
    """What is known of this cloud's migrations.

    A pair of hosts that was never seen is taken for the cloud's mean; an instance for its flavor's, and a
    flavor for the cloud's.
    """

    throughput: Learnt
    dirty: Learnt
    pairs: Mapping[tuple[HostName, HostName], Learnt] = field(default_factory=dict)
    instances: Mapping[InstanceId, Learnt] = field(default_factory=dict)
    flavors: Mapping[FlavorName, Learnt] = field(default_factory=dict)

    def after(self, sight: Sight) -> Estimator:
        """What is known once one more migration was seen."""
        speed = sight.sent_mib / sight.seconds
        pair = (sight.source, sight.target)
        return replace(
            self,
            throughput=self.throughput.seen(speed),
            dirty=self.dirty.seen(sight.dirty_mib_s),
            pairs={**self.pairs, pair: self.pairs.get(pair, self.throughput).seen(speed)},
            flavors={
                **self.flavors,
                sight.flavor: self.flavors.get(sight.flavor, self.dirty).seen(sight.dirty_mib_s),
            },
            instances={
                **self.instances,
                sight.instance: self._dirty(sight.instance, sight.flavor).seen(sight.dirty_mib_s),
            },
        )

    def forecast(
        self, pair: tuple[HostName, HostName], instance: InstanceId, flavor: FlavorName, memory_mib: float
    ) -> Quantiles:
        """What is expected of one migration; p90 has a slow link and a busy guest at once."""
        speed = self.pairs.get(pair, self.throughput)
        dirty = self._dirty(instance, flavor)
        return Quantiles(
            precopy(Guest(memory_mib, dirty.likely), Link(speed.likely)),
            precopy(Guest(memory_mib, dirty.quantile(Z90)), Link(speed.quantile(-Z90))),
        )

    def _dirty(self, instance: InstanceId, flavor: FlavorName) -> Learnt:
        return self.instances.get(instance) or self.flavors.get(flavor) or self.dirty


def prior(mib_s: float, dirty_mib_s: float, *, off_by: float = 2.0) -> Estimator:
    """Before anything was seen: two rates, each as likely as not within this factor of the truth."""
    variance = (math.log(off_by) / 0.6744897501960817) ** 2
    return Estimator(
        Learnt(math.log(mib_s), variance), Learnt(math.log(max(dirty_mib_s, _LEAST_MIB_S)), variance)
    )
