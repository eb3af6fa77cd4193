"""Claims about where packages come from."""

from __future__ import annotations

from skylift.gate.lab.pypi import from_pip

_LISTING = """\
:env:.disable-pip-version-check='1'
global.cert='/etc/ssl/ours.crt'
global.extra-index-url='https://more.example/simple'
global.index-url='https://packages.example/simple'
"""


def test_uv_is_told_pips_index_and_certificates() -> None:
    assert from_pip(_LISTING) == {
        "UV_DEFAULT_INDEX": "https://packages.example/simple",
        "SSL_CERT_FILE": "/etc/ssl/ours.crt",
    }


def test_an_index_from_the_environment_counts_too() -> None:
    assert from_pip(":env:.index-url='https://other.example/'\n") == {
        "UV_DEFAULT_INDEX": "https://other.example/"
    }


def test_pip_without_settings_tells_nothing() -> None:
    assert from_pip("") == {}
