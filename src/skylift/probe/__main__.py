"""The agent's command line, on the vantage host.

Credentials come on standard input, as JSON; answers go to standard output, as JSON. Exit codes: 0 done,
1 an API did not answer as it should (standard error says how), 2 wrong usage, 70 an error of our own,
75 try again later.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skylift.model.sample import TIME_LIMIT_S, TIMEOUT
from skylift.probe import agents, attached, fleet, intake, moves, sweep, witness, witness_check
from skylift.probe.access import VERSIONS, Access, endpoints, fresh_token
from skylift.probe.backend import ask_backend
from skylift.probe.choice import Wanted
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.probe.folder import RUNTIME, STATE, Folder, write_whole
from skylift.probe.streams import FULL_PACE, STREAMS
from skylift.probe.watch import STOPS, Limits, Watch

_FAILED, _USAGE, _BUG, _TRY_LATER = 1, 2, 70, 75
_ENDING = "deactivating"
_SLACK_S = 20
_LOOK_EVERY_S = 0.2
_ANSWER_S = 24.0
"""Whoever asks over SSH waits a little longer than this."""
_SWEEP_FIRST_S = 8.0
"""What is kept of that for sweeping up."""
_SWEEP_LAST_S = 300


def catalog(_folder: Folder | None, _options: argparse.Namespace) -> object:
    """The endpoints, with a fresh token."""
    return endpoints(fresh_token(_credentials()))


def ask(_folder: Folder | None, options: argparse.Namespace) -> object:
    """One backend, asked past the balancers; the complaint is empty if it answered well."""
    try:
        ask_backend(_credentials(), options.component, options.backend, options.path)
    except Unanswered as failure:
        return {"complaint": str(failure)}
    return {"complaint": ""}


def launch(folder: Folder, options: argparse.Namespace) -> object:
    """Start the probes as a transient unit, which outlives whoever asked; no effect if they run."""
    until = time.monotonic() + _ANSWER_S
    text = sys.stdin.read()
    if _state(folder) == _ENDING:
        _await_end(folder, until)
    if _state(folder) != "active":
        write_whole(folder.credentials, text)
        ending_s = int(options.patience) + _SLACK_S
        lasting = [f"--property=RuntimeMaxSec={int(options.seconds) + ending_s}"]
        lasting += [f"--property=TimeoutStopSec={ending_s}", f"--unit={folder.unit}"]
        words = [f"--seconds={options.seconds}", f"--requests={options.requests}", f"--rates={options.rates}"]
        words += [f"--image={options.image}", f"--network={options.network}"]
        words += [f"--pace={options.pace}", f"--patience={options.patience}"]
        words += [f"--witnesses={options.witnesses}"]
        _detach(folder, lasting, ["probe", *words])
    return {"unit": folder.unit}


def probe(folder: Folder, options: argparse.Namespace) -> object:
    """Run the request streams here, until SIGTERM or a limit; credentials are in the label's folder."""
    if folder.lock() is None:
        return {"already": True}
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    threading.excepthook = _end_loudly
    try:
        access = Access.read(folder.credentials.read_text())
        rates = json.loads(options.rates)
        if set(rates) - set(STREAMS):
            raise ValueError(f"there are no streams {sorted(set(rates) - set(STREAMS))}")
        limits = Limits(options.seconds, options.requests, pace=options.pace, answer_s=options.patience)
        theirs = options.witnesses and Folder.of(options.witnesses, options.state, options.runtime)
        Watch(folder, access, rates, limits, wanted=_wanted(options), witnesses=theirs or None).run()
    finally:
        folder.credentials.unlink()
    return {"already": False}


def stop(folder: Folder, _options: argparse.Namespace) -> object:
    """End the probes and remove what their cycles left behind; no effect if they do not run.

    What cannot be removed at once is gone on with in a unit of its own.

    Raises:
        Unanswered: they still wait for answers, as users would; ask again.
    """
    until, text = time.monotonic() + _ANSWER_S, sys.stdin.read()
    access = Access.read(text)
    subprocess.run(["systemctl", "stop", "--no-block", folder.unit], check=False, stderr=subprocess.DEVNULL)
    _await_end(folder, until - _SWEEP_FIRST_S)
    try:
        return {"swept": _swept(folder, access, until - time.monotonic())}
    except Unanswered as late:
        write_whole(folder.sweeper, text)
        _detach(folder, [f"--property=RuntimeMaxSec={_SWEEP_LAST_S + _SLACK_S}"], ["sweep"])
        return {"going on": str(late)}


def clear(folder: Folder, _options: argparse.Namespace) -> object:
    """Remove what the probes' cycles left behind, in the time that this may take."""
    try:
        access = Access.read(folder.sweeper.read_text())
    except FileNotFoundError:
        return {"already": True}
    folder.sweeper.unlink()
    return {"swept": _swept(folder, access, _SWEEP_LAST_S)}


def tally(folder: Folder, _options: argparse.Namespace) -> object:
    """The running count, and whether the probes are at work."""
    lock = folder.lock()
    if lock is not None:
        os.close(lock)
    count: Mapping[str, Any] = {"requests": 0, "failed": 0, "longest_gap_s": {}, "last_sample_at": None}
    if folder.tally.exists():
        count = json.loads(folder.tally.read_text())
    return {**count, "alive": lock is None}


def witnesses(folder: Folder, options: argparse.Namespace) -> object:
    """Make, look at or remove the witnesses of the label."""
    if options.verb == "verify-noapi":
        return [seen._asdict() for seen in witness_check.verify_noapi(folder)]
    access = _credentials()
    if options.verb == "verify":
        return [seen._asdict() for seen in witness_check.verify(folder, access)]
    # Whoever started one that is slow may have given it up and started another.
    if folder.lock() is None:
        raise Unanswered(TIMEOUT, "the witnesses are being changed already")
    until = time.monotonic() + _ANSWER_S
    if options.verb == "create":
        without = frozenset(options.without)
        witness.create(folder, access, _wanted(options), without=without, until=until)
    else:
        witness.destroy(folder, access, until=until)
    return {}


def change_intake(_folder: Folder | None, options: argparse.Namespace) -> object:
    """Close a service on one host to new work, or open it again."""
    service = intake.Named(options.kind, options.id, options.binary, options.host)
    if options.verb == "close":
        intake.close(_credentials(), service, options.reason)
    else:
        intake.open_again(_credentials(), service, tuple(options.mark))
    return {}


def look_at_fleet(_folder: Folder | None, options: argparse.Namespace) -> object:
    """Part of a list of hosts or instances, what changes of them, or the migrations of one instance."""
    client = _client(fleet.VERSIONS)
    if options.what == "changes":
        return fleet.changes(client, since=options.since)
    if options.what == "migrations":
        return fleet.migrations_of(client, options.instance)
    return fleet.part(client, options.what, after=options.after, since=options.since)._asdict()


def move(_folder: Folder | None, options: argparse.Namespace) -> object:
    """Move an instance, end that, or tell it something."""
    client = _client(moves.VERSIONS)
    if options.verb == "migrate":
        moves.migrate(client, options.instance, options.target, live=options.live == "yes")
    elif options.verb == "abort":
        moves.abort(client, options.instance, options.migration)
    else:
        moves.tell(client, options.instance, options.verb)
    return {}


def canary(_folder: Folder | None, options: argparse.Namespace) -> object:
    """Place a canary on a host, look at it, or remove it."""
    client = _client(moves.VERSIONS)
    if options.verb == "remove":
        moves.remove_canary(client, options.name)
        return {}
    place = options.verb == "place"
    return moves.canary(client, options.name, options.host, _wanted(options), make=place)


def network(_folder: Folder | None, options: argparse.Namespace) -> object:
    """Neutron's agents, what they carry, and who carries it."""
    client, kind, agent = _client(VERSIONS), options.kind, options.agent
    if options.verb == "agents":
        return agents.agents(client)
    if options.verb == "carried":
        return agents.carried(client, kind, agent, after=options.after)._asdict()
    if options.verb == "find":
        return agents.find(client, kind, options.name)
    if options.verb in {"assign", "release"}:
        {"assign": agents.assign, "release": agents.release}[options.verb](client, kind, agent, options.name)
    elif options.verb == "close":
        agents.close(client, agent, options.reason, options.keep)
    else:
        agents.open_again(client, agent, tuple(options.mark), options.keep)
    return {}


def volumes(_folder: Folder | None, options: argparse.Namespace) -> object:
    """The attached volumes of a host's back ends, or part of the list of instances that are shut off."""
    client = _client(VERSIONS)
    if options.verb == "attached":
        return attached.attached(client, options.host)
    return attached.stopped(client, options.after)._asdict()


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command and print its answer."""
    os.umask(0o077)
    options = _parser().parse_args(argv)
    verb: Callable[[Any, argparse.Namespace], object] = options.run
    try:
        folder = Folder.of(options.label, options.state, options.runtime) if options.label else None
        answer = verb(folder, options)
    except Unanswered as failure:
        sys.stderr.write(f"{failure}\n")
        return _TRY_LATER if failure.passing else _FAILED
    except (ValueError, OSError, subprocess.CalledProcessError) as failure:
        sys.stderr.write(f"{failure}\n")
        return _USAGE
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _swept(folder: Folder, access: Access, within_s: float) -> int:
    return sweep.sweep(access, f"skylift-probe-{folder.label}", within_s=within_s)


def _detach(folder: Folder, properties: list[str], words: list[str]) -> None:
    """Run this agent with ``words`` for the label, in a transient unit that outlives whoever asked."""
    command = ["systemd-run", "--quiet", "--collect", "--property=UMask=0077", *properties, "--"]
    command += [sys.executable, sys.argv[0], words[0], f"--label={folder.label}", *words[1:]]
    subprocess.run(command, check=True)


def _state(folder: Folder) -> str:
    """What systemd says of the unit of the probes: ``active``, ``deactivating``, or something else."""
    asked = ["systemctl", "is-active", folder.unit]
    return subprocess.run(asked, check=False, stdout=subprocess.PIPE, text=True).stdout.strip()


def _await_end(folder: Folder, until: float) -> None:
    while _state(folder) in {"active", _ENDING}:
        if time.monotonic() > until:
            raise Unanswered(TIMEOUT, "the probes are ending, and still wait for answers")
        threading.Event().wait(_LOOK_EVERY_S)


def _wanted(options: argparse.Namespace) -> Wanted:
    return Wanted(options.image, options.network)


def _client(versions: str) -> Client:
    return Client(_credentials(), time.monotonic() + _ANSWER_S, versions=versions)


def _credentials() -> Access:
    return Access.read(sys.stdin.read())


def _end_loudly(failure: threading.ExceptHookArgs) -> None:
    """A stream that dies of a bug would be missing from the samples, and look like good news."""
    threading.__excepthook__(failure)
    os._exit(_BUG)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="skylift-vantage", description=__doc__)
    parser.add_argument("--state", type=Path, default=STATE)
    parser.add_argument("--runtime", type=Path, default=RUNTIME)
    parser.set_defaults(label="")
    verbs = parser.add_subparsers(required=True)
    verbs.add_parser("catalog").set_defaults(run=catalog)
    asking = verbs.add_parser("ask")
    asking.set_defaults(run=ask)
    for word in ("component", "backend", "path"):
        asking.add_argument(word)
    changing = verbs.add_parser("intake")
    changing.set_defaults(run=change_intake)
    changing.add_argument("verb", choices=("close", "open"))
    for word in ("kind", "id", "binary", "host"):
        changing.add_argument(f"--{word}", required=True)
    changing.add_argument("--reason", default="")
    changing.add_argument("--mark", action="append", default=[])
    _fleet_verbs(verbs)
    runs: dict[str, Callable[[Folder, argparse.Namespace], object]] = {"launch": launch, "probe": probe}
    runs |= {"stop": stop, "sweep": clear, "tally": tally, "witness": witnesses}
    for name, run in runs.items():
        verb = verbs.add_parser(name)
        verb.set_defaults(run=run)
        verb.add_argument("--label", required=True)
        if name in {"launch", "probe"}:
            _bounds(verb)
        if name in {"launch", "probe", "witness"}:
            _choices(verb)
        if name == "witness":
            verb.add_argument("verb", choices=("create", "verify", "verify-noapi", "destroy"))
            verb.add_argument("--without", action="append", default=[], help="a kind that is not made")
    return parser


def _fleet_verbs(verbs: Any) -> None:
    looking = verbs.add_parser("fleet")
    looking.set_defaults(run=look_at_fleet)
    looking.add_argument("what", choices=(*fleet.WHAT, "changes", "migrations"))
    for word in ("after", "since", "instance"):
        looking.add_argument(f"--{word}", default="")
    moving = verbs.add_parser("move")
    moving.set_defaults(run=move)
    moving.add_argument("verb", choices=("migrate", "abort", *moves.WORDS))
    moving.add_argument("--instance", required=True)
    for word in ("target", "migration"):
        moving.add_argument(f"--{word}", default="")
    moving.add_argument("--live", choices=("yes", "no"), default="yes")
    carrying = verbs.add_parser("network")
    carrying.set_defaults(run=network)
    carrying.add_argument("verb", choices=("agents", "carried", "find", "assign", "release", "close", "open"))
    carrying.add_argument("--kind", choices=agents.KINDS, default=agents.L3)
    for word in ("agent", "name", "after", "reason", "keep"):
        carrying.add_argument(f"--{word}", default="")
    carrying.add_argument("--mark", action="append", default=[])
    serving = verbs.add_parser("volumes")
    serving.set_defaults(run=volumes)
    serving.add_argument("verb", choices=("attached", "stopped"))
    for word in ("host", "after"):
        serving.add_argument(f"--{word}", default="")
    trying = verbs.add_parser("canary")
    trying.set_defaults(run=canary)
    trying.add_argument("verb", choices=("place", "look", "remove"))
    trying.add_argument("--name", required=True)
    trying.add_argument("--host", default="")
    _choices(trying)


def _choices(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--image", default="", help="what servers boot: the first usable one if empty")
    verb.add_argument("--network", default="", help="what they are put on: likewise")


def _bounds(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--seconds", type=float, default=Limits().seconds)
    verb.add_argument("--requests", type=int, default=Limits().requests)
    verb.add_argument("--rates", default="{}", help="JSON: firings per second by stream")
    verb.add_argument("--pace", type=int, default=FULL_PACE, help="percent of the usual rates")
    verb.add_argument("--patience", type=float, default=TIME_LIMIT_S, help="seconds that users wait")
    verb.add_argument("--witnesses", default="", help="label of those whose guest is asked, too")


if __name__ == "__main__":
    sys.exit(main())
