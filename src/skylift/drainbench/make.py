"""``python -m skylift.drainbench.make HOSTS PERCENT SEED``: one cloud of the bench as a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from skylift.drainbench.clouds import Cloud, generate
from skylift.fleet.document import document_of
from skylift.model.fleet_policy import FleetPolicy


def main(argv: Sequence[str]) -> int:
    """Print the file; the same three numbers give the same cloud."""
    hosts, percent, seed = map(int, argv)
    document = document_of(generate(Cloud(hosts, percent, seed)), FleetPolicy())
    print(json.dumps(document))  # noqa: T201 - the answer
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
