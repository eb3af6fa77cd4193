"""Asks gates: Prometheus, a page, a program. Every question has an end, and no answer holds a secret."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request

from skylift.drivers.outside import TIMEOUT_S, Unsaid, bare_environment, opener, secret_in
from skylift.model.gate import Answer, GateEntry, GateKind, Verdict, judged

_MOST_BYTES = 1_000_000
_GOOD_STATUS = range(200, 300)


def ask(gate: GateEntry) -> Answer:
    """What the gate says now; anything that goes wrong on the way says nothing."""
    try:
        match gate.kind:
            case GateKind.PROMETHEUS:
                return _prometheus(gate)
            case GateKind.HTTP:
                status, _ = _get(gate, gate.url)
                verdict = Verdict.GOOD if status in _GOOD_STATUS else Verdict.BAD
                return Answer(verdict, f"status {status}")
            case GateKind.COMMAND:
                return _command(gate)
    except Unsaid as nothing:
        return Answer(Verdict.INCONCLUSIVE, str(nothing))


def _prometheus(gate: GateEntry) -> Answer:
    status, body = _get(gate, f"{gate.url.rstrip('/')}/api/v1/query?query={quote(gate.query, safe='')}")
    if status not in _GOOD_STATUS:
        raise Unsaid(f"Prometheus answers with status {status}")
    try:
        found = json.loads(body)["data"]
        result = (
            [found["result"]] if found["resultType"] == "scalar" else [s["value"] for s in found["result"]]
        )
        figures = [float(value) for _, value in result]
    except (ValueError, KeyError, TypeError):
        raise Unsaid("the answer is none that Prometheus gives to a query of the moment") from None
    if len(figures) != 1:
        raise Unsaid(f"the query has {len(figures)} figures, and must have one")
    return Answer(judged(figures[0], good=gate.good, bad=gate.bad), f"{figures[0]:g}")


def _get(gate: GateEntry, url: str) -> tuple[int, bytes]:
    try:
        request = Request(url)  # noqa: S310 - the record takes http and https alone
        if gate.token is not None:
            request.add_header("Authorization", f"Bearer {secret_in(Path(gate.token))}")
        with opener().open(request, timeout=TIMEOUT_S) as response:
            return response.status, response.read(_MOST_BYTES)
    except HTTPError as error:
        return error.code, b""
    except (URLError, OSError, ValueError) as error:
        # Not the error's own words: they might quote the request.
        raise Unsaid(f"no answer ({type(error).__name__})") from None


def _command(gate: GateEntry) -> Answer:
    try:
        ended = subprocess.run(
            gate.argv,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=bare_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unsaid(f"it did not end in {TIMEOUT_S} s") from None
    except OSError as error:
        raise Unsaid(f"it could not be started: {(error.strerror or '').lower()}") from None
    verdict = {0: Verdict.GOOD, 1: Verdict.BAD}.get(ended.returncode, Verdict.INCONCLUSIVE)
    return Answer(verdict, f"code {ended.returncode}")
