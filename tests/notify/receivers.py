"""Those who are told: a web server and a mail server on this machine, with or without a certificate."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, in one file; it vouches for itself."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "t")]),
    )
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=36500))
    signed = built.add_extension(address, critical=False).sign(key, hashes.SHA256())
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return file


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Hook)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, self.headers.get("Authorization"), body))
        self.send_response(server.statuses.pop(0) if server.statuses else 200)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Tests are quiet."""


class Hook(ThreadingHTTPServer):
    """A web server that keeps what was posted; it answers 200 unless told otherwise."""

    def __init__(self, proof: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.got: list[tuple[str, str | None, bytes]] = []
        self.statuses: list[int] = []
        self.url = f"http{'s' if proof else ''}://127.0.0.1:{self.server_port}/hook"
        if proof:
            self.socket = _side(proof).wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_what: object) -> None:
        """A client that does not trust us hangs up."""


class _Post(socketserver.StreamRequestHandler):
    """RFC 5321, 3207 and 4954, as far as a client needs that sends one mail."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, PostOffice)
        self._say("220 ready")
        while words := self.rfile.readline().decode().strip():
            server.heard.append(words)
            verb = words.split(" ")[0].upper()
            if verb == "STARTTLS":
                self._say("220 go on")
                self.request = _side(server.proof).wrap_socket(self.request, server_side=True)
                self.setup()
            elif verb == "EHLO":
                self._say("250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN" if server.offers_tls else "250 here")
            elif verb == "DATA":
                self._say("354 go on")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                server.mails.append(b"".join(lines).decode())
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say({"AUTH": server.auth, "RCPT": server.rcpt}.get(verb, "250 ok"))

    def finish(self) -> None:
        """The server knows only the socket that there was before TLS."""
        super().finish()
        self.request.close()

    def _say(self, words: str) -> None:
        self.wfile.write(words.encode() + b"\r\n")


class PostOffice(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it took, and what it heard."""

    daemon_threads = True

    def __init__(self, proof: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.proof = proof
        self.offers_tls = True
        self.auth, self.rcpt = "235 welcome", "250 ok"
        self.heard: list[str] = []
        self.mails: list[str] = []
        self.port = self.server_address[1]

    def handle_error(self, *_what: object) -> None:
        """A client that does not trust us hangs up."""


def _side(proof: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(proof)
    return context


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve for as long as the block runs."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()
