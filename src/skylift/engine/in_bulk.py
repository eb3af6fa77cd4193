"""Many values made at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def in_bulk() -> Iterator[None]:
    """Look for no garbage in rings meanwhile.

    Values have none, and each look goes through all that were made so far: a fifth of the CPU that a long
    journal takes to be read and folded.
    """
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()
