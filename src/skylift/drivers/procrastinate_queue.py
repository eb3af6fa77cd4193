"""The queue of a store, by Procrastinate: any number of workers share the driving of runs.

It holds hints alone, so that none of its weak places matters: what a dead worker had in hand is struck out
and never done again by the queue, for the journals tell what is to be done; and as jobs have no locks,
none can be blocked by one, and no search among many that are blocked is slow. Each version of Procrastinate
has tables of its own, in a schema of its own: nothing in them is worth migrating.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version

import procrastinate
import psycopg
from procrastinate import exceptions
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager
from psycopg import sql

from skylift.drivers.postgres import Database
from skylift.engine.store_problems import StoreRefuses, StoreUnreachable
from skylift.model.ids import RunId

LOOKS = "* * * * * */2"
"""When every cloud is looked at: every 2 s."""
_BEATS_S = 5
_DEAD_S = 15
"""A worker that was silent for so long is dead; three beats, for one may be lost."""
_POLL_S = 1
_ALONE = 0x5B_17F8
"""Of the advisory lock under which tables are made."""


class ProcrastinateQueue:
    """The queue in the database that ``reference`` names.

    Raises:
        StoreReference: the reference cannot be used.
    """

    def __init__(self, reference: str) -> None:
        database = Database(reference)
        self._where = database.where
        self._schema = "skylift_queue_" + version("procrastinate").replace(".", "_")
        self.conninfo = database.conninfo_in(self._schema)
        # A worker's connector is asynchronous, and cannot be used by jobs, which run in threads.
        self._out = procrastinate.App(
            connector=procrastinate.SyncPsycopgConnector(conninfo=self.conninfo, min_size=1, max_size=2)
        )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The queue can be waked for as long as the block runs."""
        with self._out.open():
            yield

    def wake(self, cloud: str, run: RunId) -> None:
        """As the queue of every store.

        Raises:
            StoreUnreachable: it is gone.
        """
        task = self._out.configure_task("drive", queue=cloud, queueing_lock=f"{cloud}/{run}")
        try:
            with suppress(exceptions.AlreadyEnqueued):
                task.defer(cloud=cloud, run=run)
        except exceptions.ConnectorException as gone:
            raise StoreUnreachable(self._where, _why(gone)) from None

    def serve(
        self,
        clouds: tuple[str, ...],
        look: Callable[[str], None],
        drive: Callable[[str, RunId], None],
    ) -> None:
        """As the queue of every store; to be called in the main thread, and once."""
        try:
            self._make_tables()
            while self._taken_for_dead(clouds, look, drive):
                pass  # serve on, as a worker that has just come
        except (exceptions.ConnectorException, psycopg.OperationalError) as gone:
            raise StoreUnreachable(self._where, _why(gone)) from None
        except psycopg.Error as refused:
            raise StoreRefuses(self._where, _why(refused)) from None
        # A worker that lost its connection returns as if all were well.
        raise StoreUnreachable(self._where, "the connection was lost")

    def _taken_for_dead(
        self,
        clouds: tuple[str, ...],
        look: Callable[[str], None],
        drive: Callable[[str, RunId], None],
    ) -> bool:
        """Serve until that ends; whether it did because others had struck this worker out.

        They do so when one of them starts and this one has been silent: it stood still, or the machine has
        much to do. What it drives meanwhile is its own, for the lease says so and no queue.
        """
        try:
            with self.opened(), self._worker(clouds, look, drive).open() as worker:
                worker.run_worker(
                    queues=list(clouds),
                    concurrency=2 * len(clouds),  # for a drive and a look of each
                    fetch_job_polling_interval=_POLL_S,
                    update_heartbeat_interval=_BEATS_S,
                    stalled_worker_timeout=_DEAD_S,
                    delete_jobs="always",
                    install_signal_handlers=False,
                )
        except exceptions.ConnectorException as gone:
            if not isinstance(gone.__cause__, psycopg.errors.ForeignKeyViolation):
                raise
            return True
        return False

    def _worker(
        self,
        clouds: tuple[str, ...],
        look: Callable[[str], None],
        drive: Callable[[str, RunId], None],
    ) -> procrastinate.App:
        app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(conninfo=self.conninfo, min_size=1, max_size=4)
        )

        # Not a coroutine: it would stop the worker's heart for as long as it drives.
        @app.task(name="drive")
        def driven(cloud: str, run: str) -> None:
            drive(cloud, RunId(run))

        @app.task(name="look")
        async def looked(timestamp: int, cloud: str) -> None:
            del timestamp
            await self._strike_out(app)
            await asyncio.to_thread(look, cloud)

        for cloud in clouds:
            app.periodic(
                cron=LOOKS,
                periodic_id=cloud,
                queue=cloud,
                queueing_lock=f"look/{cloud}",
                task_kwargs={"cloud": cloud},
            )(looked)
        return app

    @staticmethod
    async def _strike_out(app: procrastinate.App) -> None:
        """What dead workers had in hand; another look may be faster."""
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_DEAD_S):
            with suppress(exceptions.ConnectorException):
                await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)

    def _make_tables(self) -> None:
        with psycopg.connect(self.conninfo) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ALONE,))
            if connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone() == (None,):
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
                connection.execute(SchemaManager.get_schema())


def _why(error: Exception) -> str:
    """The first line of what PostgreSQL said, which Procrastinate keeps as a cause."""
    told = str(error.__cause__ or error).strip().splitlines()
    return told[0] if told else "it gave no reason"
