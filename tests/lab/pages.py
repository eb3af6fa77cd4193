"""What a reader of a page of the documentation types."""

from __future__ import annotations

import re


def commands(page: str) -> list[str]:
    """The lines with a prompt in the page's ``console`` blocks, in their order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line[:2] == "$ "]


def marked(page: str, name: str) -> str:
    """What stands between a page's comments ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``."""
    return page.partition(f"<!-- {name}:begin -->")[2].partition(f"<!-- {name}:end -->")[0]
