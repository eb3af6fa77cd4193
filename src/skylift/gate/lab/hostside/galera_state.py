"""Answer a balancer whether the database member on this host may be used: runs on a controller.

200: a synced member. 404: a synced member that is about to stop (``/run/mysqld/leaving`` exists):
HAProxy sends nothing new and leaves what it has. 503: anything else. ``galera-notify`` writes the
state down when it changes, so that a question costs no query.
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

_RUN = Path("/run/mysqld")


def status(run: Path) -> int:
    """The HTTP status for what is written below ``run``."""
    try:
        os.kill(int((run / "mysqld.pid").read_text()), 0)
        synced = (run / "wsrep-state").read_text().strip() == "synced"
    except (OSError, ValueError):
        return 503
    if not synced:
        return 503
    return 404 if (run / "leaving").exists() else 200


class Answer(BaseHTTPRequestHandler):
    """One question, one status line."""

    timeout = 2

    def do_GET(self) -> None:
        """Any path will do."""
        self.send_response(status(_RUN))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: balancers ask every second."""


if __name__ == "__main__":
    HTTPServer((sys.argv[1], int(sys.argv[2])), Answer).serve_forever()
