"""What all drivers share that speak with others than the cloud: no secret goes where it should not."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, build_opener

TIMEOUT_S = 8
"""For one question, or one message."""
_OTHERS = 0o077


class Unsaid(Exception):  # noqa: N818 - no error: what was to be asked or told was not, and why
    """It was not asked or told, and why, in words that hold no secret."""


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the token to wherever it leads."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def opener() -> OpenerDirector:
    """Opens URLs: certificates are verified, and no redirect is followed."""
    return build_opener(_NoRedirect, HTTPSHandler(context=ssl.create_default_context()))


def secret_in(path: Path) -> str:
    """What stands in a file that only its owner may read.

    Raises:
        Unsaid: others may read it, or nobody can.
    """
    try:
        if path.stat().st_mode & _OTHERS:
            raise Unsaid(f"others than its owner may read {path}")
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Unsaid(f"{path} cannot be read") from None


def bare_environment() -> dict[str, str]:
    """For programs of others: what is secret in our environment is none of their business."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
