"""Where the runs of a cloud are kept, if not beside its record: a URL that holds no secret."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})


def why_not(reference: str) -> str | None:
    """What is wrong with a reference; none if it names a PostgreSQL database and holds no secret."""
    try:
        url = urlsplit(reference)
        # PostgreSQL reads what a browser would take for a fragment.
        options = parse_qs(f"{url.query}&{url.fragment.lstrip('?')}", keep_blank_values=True)
        held = url.password is not None or _SECRETS & options.keys()
    except ValueError:
        return "it is no URL"
    if url.scheme not in {"postgresql", "postgres"}:
        return "it does not begin with postgresql://"
    if held:
        return "it has a password in it, which everybody on this machine can read"
    if not url.path.strip("/"):
        return "it names no database"
    return None


def told(reference: str) -> str:
    """The reference as it is shown: without its options."""
    return reference.partition("?")[0]
