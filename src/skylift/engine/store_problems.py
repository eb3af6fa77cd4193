"""Problems of a store that several machines share, and of the lease in it."""

from __future__ import annotations

from skylift.model.problem import Fix, Problem, Refused, Remedy, Transient

_AGAIN = "then let the run go on, if no worker has done so: skylift resume"


class StoreUnreachable(Transient):
    """The store of the runs gives no answer."""

    code = "store.unreachable"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"could not reach the store {where}: {why}",
            Remedy(Fix.REPAIR, f"see whether it serves, and whether it can be reached: psql '{where}' -c ''"),
            Remedy(Fix.RETRY, _AGAIN),
        )


class StoreRefuses(Refused):
    """The store of the runs answers, and does not do what was asked."""

    code = "store.refuses"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"the store {where} did not take what was to be kept: {why}",
            Remedy(Fix.REPAIR, f"see whether its disk is full, and what the user may do: psql '{where}'"),
            Remedy(Fix.RETRY, _AGAIN),
        )


class StoreFormat(Refused):
    """Another version of Skylift made the tables of the store."""

    code = "store.format"

    def __init__(self, where: str, found: int, ours: int) -> None:
        who, how = (
            ("older", "install the Skylift that this cloud's other machines have, then: skylift status")
            if found > ours
            else (
                "newer",
                "end its runs with the Skylift that began them, or name another: skylift --store URL",
            )
        )
        super().__init__(
            f"cannot use the store {where}: its tables are of version {found}, and this Skylift, which is "
            f"{who}, has version {ours}",
            Remedy(Fix.REPAIR, how),
        )


class StoreReference(Refused):
    """The reference to a store cannot be used."""

    code = "store.reference"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"cannot use the reference to the store: {why}",
            Remedy(Fix.REPAIR, "name it so: skylift --store postgresql://USER@HOST/DATABASE"),
            Remedy(
                Fix.REPAIR,
                "keep the password in a line of ~/.pgpass, a file of mode 0600: "
                "HOST:PORT:DATABASE:USER:PASSWORD",
            ),
        )


class StoreExtra(Refused):
    """What talks to a store is not installed."""

    code = "store.extra"

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"cannot use a store here: {missing} is not installed",
            Remedy(Fix.REPAIR, "install Skylift with what a store needs: pip install 'skylift[store]'"),
        )


class LeaseLost(Refused):
    """Another process has taken this one's work over, so nothing of it is written any more."""

    code = "lease.lost"

    def __init__(self, by: str) -> None:
        super().__init__(
            f"could not go on with the run: this process was silent for too long, and {by} took it over",
            Remedy(Fix.REPAIR, "watch it there: skylift status"),
        )


class LeaseUnsure(Transient):
    """The store has not confirmed for too long that this process still holds the cloud."""

    code = "lease.unsure"

    def __init__(self) -> None:
        super().__init__(
            "could not touch the cloud: the store has not confirmed for too long that it is ours",
            Remedy(Fix.REPAIR, "see whether the store answers: skylift status"),
        )


def goes_on(_problem: Problem) -> None:
    """Whoever is no worker is told by the problem alone."""
