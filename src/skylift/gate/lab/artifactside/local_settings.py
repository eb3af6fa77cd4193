"""The dashboard's settings: what its artifact knows, then what its host says."""

from pathlib import Path

STATIC_ROOT = str(Path(__file__).resolve().parents[5] / "static")
COMPRESS_OFFLINE = True
# While the artifact is built there is no host that could say its own.
SECRET_KEY = "of no session"  # noqa: S105
# Nor is there memcached: a part of the pages that is kept there would be left out, and nobody told.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

_told = Path("/etc/horizon/local_settings.py")
if _told.exists():
    exec(compile(_told.read_text(), str(_told), "exec"))  # noqa: S102 - the host's own configuration
