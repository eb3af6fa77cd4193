"""What can be said of a document that cannot be judged at all."""

from __future__ import annotations


class Unreadable(ValueError):  # noqa: N818 - what was found, said to the operator
    """A document has not the form of what it should be; nothing more can be said of it."""
