"""The lease in a PostgreSQL database: one process at a time works on a cloud, and the server's clock judges.

Each holder gets a number, one more than the one before. Every write of a holder looks at that number in its
own transaction, so whoever was taken over writes nothing. What it does to hosts no database can bar: that
is held back by this machine's clock, as soon as the lease may have ended (``Token.look``).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from skylift.drivers.postgres import Connection, Database
from skylift.engine.problems import Holder, Pulse, RunHeld
from skylift.engine.store_problems import LeaseLost, LeaseUnsure, StoreRefuses, StoreUnreachable, goes_on
from skylift.model import codec
from skylift.model.problem import Problem

LASTS_S = 15.0
"""How long a lease lasts that nobody renews: after so long the work of a dead holder is taken over."""
_RENEWALS = 3
"""In the time that a lease lasts: one or two may be lost without harm."""
_LEAVING_S = 1.0
"""For what a process that leaves had begun a moment before."""
_MARGIN = 0.2
"""Of that time; before its end nothing more is begun, for what was begun reaches its host a little later."""


class Token:
    """What this process has of one cloud's lease; nothing until it is held."""

    def __init__(self, cloud: str, ends: Callable[[Problem], None] = goes_on) -> None:
        self.cloud = cloud
        self._ends = ends
        self.epoch: int | None = None
        self._sure_until = 0.0
        self._taken_by: str | None = None

    def require(self, connection: Connection) -> None:
        """See that no other process has taken the cloud over; until the transaction ends, none can.

        No effect while this process does not hold it: an operator's word needs no lease.

        Raises:
            LeaseLost: another has.
        """
        if self.epoch is None:
            return
        row = connection.execute(
            "SELECT epoch, holder FROM skylift.lease WHERE cloud = %s FOR SHARE", (self.cloud,)
        ).fetchone()
        if row is None or row[0] != self.epoch:
            raise self.lose(str(_holder(row[1])) if row else "another process")

    def look(self) -> None:
        """See, without asking the store, that no other process can have taken the cloud over by now.

        Raises:
            LeaseLost: another has.
            LeaseUnsure: another may have.
        """
        if self.epoch is None:
            return
        if self._taken_by is not None:
            raise LeaseLost(self._taken_by)
        if _since_boot() > self._sure_until:
            raise LeaseUnsure

    def begin(self, epoch: int, sure_until: float) -> None:
        """The cloud is held from now on, and sure to be for so long."""
        self._taken_by, self._sure_until, self.epoch = None, sure_until, epoch

    def renew(self, sure_until: float) -> None:
        """It is sure to be held for longer."""
        self._sure_until = sure_until

    def stop(self) -> int | None:
        """Let nothing more be done: the number of what was held, if anything was.

        That another takes it then is what is wanted, so nobody is told.
        """
        self._sure_until, self._ends = 0.0, goes_on
        return self.epoch

    def end(self) -> None:
        """The cloud is not held any more."""
        self.epoch = None

    def lose(self, by: str) -> LeaseLost:
        """Another process holds it: the problem to be raised."""
        self._taken_by = by
        problem = LeaseLost(by)
        self._ends(problem)
        return problem


def _since_boot() -> float:
    """Seconds, those in which the machine was suspended among them; nobody can set this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class PostgresLease:
    """The lease on the cloud of ``token``; one that nobody renews ends after ``lasts_s``."""

    def __init__(self, database: Database, token: Token, *, lasts_s: float = LASTS_S) -> None:
        self._database = database
        self._token = token
        self._lasts_s = lasts_s

    @contextmanager
    def hold(self, holder: Holder) -> Iterator[None]:
        """Hold the cloud for as long as the block runs, however long that is.

        If the process dies, or stands still for longer than a lease lasts, anybody else may take it.

        Raises:
            RunHeld: another process holds it; the problem names it.
        """
        token, asked = self._token, _since_boot()
        with self._database.transaction() as connection:
            row = connection.execute(
                "INSERT INTO skylift.lease AS held"
                " VALUES (%s, 1, %s, clock_timestamp() + %s * interval '1 s')"
                " ON CONFLICT (cloud) DO UPDATE SET epoch = held.epoch + 1, holder = excluded.holder,"
                " until = excluded.until WHERE held.until <= clock_timestamp() RETURNING epoch",
                (token.cloud, codec.canonical(codec.encode(holder)), self._lasts_s),
            ).fetchone()
        if row is None:
            raise RunHeld(self.holder())
        epoch, over = int(row[0]), threading.Event()
        token.begin(epoch, asked + self._lasts_s * (1 - _MARGIN))
        own = Database(self._database.reference)
        keeper = threading.Thread(target=_keep, args=(own, token, self._lasts_s, over), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()
            token.end()
            # Out of reach it ends by itself.
            with suppress(StoreUnreachable, StoreRefuses):
                _end_lease(self._database, token.cloud, epoch)

    def holder(self) -> Holder | None:
        """Who holds the cloud right now; none if nobody does."""
        if not self._database.has_tables():
            return None
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT holder FROM skylift.lease WHERE cloud = %s AND until > clock_timestamp()",
                (self._token.cloud,),
            ).fetchone()
        return _holder(row[0]) if row else None

    def pulse(self) -> Pulse | None:
        """How the lease stands right now; none if nobody holds it."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT epoch, extract(epoch FROM until - clock_timestamp())::float8 FROM skylift.lease"
                " WHERE cloud = %s AND until > clock_timestamp()",
                (self._token.cloud,),
            ).fetchone()
        return Pulse(int(row[0]), float(row[1])) if row else None

    def look(self) -> None:
        """See that what is done to the cloud now is still this process's to do; as ``Token.look``."""
        self._token.look()

    def leave(self) -> None:
        """Touch nothing more, and let others take the cloud in a moment; whoever calls this ends now.

        No effect if it is not held. Connects anew, for another thread may be in the middle of something.
        """
        if (epoch := self._token.stop()) is not None:
            _end_lease(Database(self._database.reference), self._token.cloud, epoch, in_s=_LEAVING_S)


def _end_lease(database: Database, cloud: str, epoch: int, *, in_s: float = 0) -> None:
    """Let others take the cloud in so many seconds, and nobody renew it or write by this number any more.

    No effect if another has taken it.
    """
    with database.transaction() as connection:
        connection.execute(
            "UPDATE skylift.lease SET epoch = epoch + 1, until = clock_timestamp() + %s * interval '1 s'"
            " WHERE cloud = %s AND epoch = %s",
            (in_s, cloud, epoch),
        )


def _keep(database: Database, token: Token, lasts_s: float, over: threading.Event) -> None:
    """Renew until the block is over, or the cloud is another's."""
    every = lasts_s / _RENEWALS
    wait = every
    while not over.wait(wait):
        asked = _since_boot()
        try:
            with database.transaction() as connection:
                kept = connection.execute(
                    "UPDATE skylift.lease SET until = clock_timestamp() + %s * interval '1 s'"
                    " WHERE cloud = %s AND epoch = %s",
                    (lasts_s, token.cloud, token.epoch),
                ).rowcount
        except (StoreUnreachable, StoreRefuses):
            # Nothing new is begun once it may have ended; until then, and after, the store is asked again.
            wait = every / 4
            continue
        wait = every
        if kept != 1:
            token.lose("another process")
            break
        token.renew(asked + lasts_s * (1 - _MARGIN))
    database.close()


def _holder(told: bytes) -> Holder | None:
    try:
        return codec.decode(Holder, json.loads(told))
    except (codec.Malformed, ValueError):
        return None
