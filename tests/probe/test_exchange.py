"""One request on a connection of its own, over TLS too."""

from __future__ import annotations

import ssl
import subprocess
import time
from pathlib import Path

import pytest

from skylift.model.sample import CONNECTION
from skylift.probe.exchange import Request, Unanswered, exchange
from skylift.testing.api_standin import ApiStandIn


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for loopback that signs itself, with its key."""
    file, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *made, *named, "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return file


@pytest.fixture
def over_tls(apis: ApiStandIn, certificate: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    apis.socket = context.wrap_socket(apis.socket, server_side=True)
    return apis.url.replace("http:", "https:")


def in_a_while() -> float:
    return time.monotonic() + 60


def test_an_api_whose_certificate_is_trusted_is_asked(over_tls: str, certificate: Path) -> None:
    request = Request("GET", f"{over_tls}/image/v2/images", {})

    answer = exchange(request, in_a_while(), certificate.read_text())

    assert (answer.status, answer.json()) == (200, {"images": []})


def test_an_api_that_nobody_vouches_for_is_not_asked(over_tls: str) -> None:
    with pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED") as caught:
        exchange(Request("GET", f"{over_tls}/image/v2/images", {}), in_a_while())

    assert caught.value.outcome == CONNECTION


def test_each_request_has_a_connection_of_its_own(apis: ApiStandIn) -> None:
    for _ in range(3):
        exchange(Request("GET", f"{apis.url}/image/v2/images", {}), in_a_while())

    assert apis.connections == 3
