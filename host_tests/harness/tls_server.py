"""Servers that speak TLS: mosquitto with TLS listeners, and a scripted broker for what mosquitto never does."""

from __future__ import annotations

import select
import socket
import ssl
from pathlib import Path

from harness.broker import Mosquitto
from harness.certificates import Certificates, Identity
from harness.fake_broker import Connection, FakeBroker
from harness.net import HOST
from harness.process import LIMIT


class TlsMosquitto(Mosquitto):
    """Listeners by the server's certificate, "ecdsa", "rsa" and "chained"; "mutual" wants one of the client, too."""

    KINDS = ("ecdsa", "rsa", "chained", "mutual")

    def __init__(self, folder: Path, certificates: Certificates):
        both = self._both_authorities(folder, certificates)
        listeners = [
            self._listener(certificates.server),
            self._listener(certificates.rsa),
            self._listener(certificates.chained),
            [*self._listener(certificates.server), f"cafile {both}", "require_certificate true"],
        ]
        super().__init__(folder, listeners=listeners)

    @staticmethod
    def _both_authorities(folder: Path, certificates: Certificates) -> Path:
        path = folder / "clients-ca.pem"
        path.write_bytes(certificates.ca.pem + certificates.rsa_ca.pem)
        return path

    @staticmethod
    def _listener(identity: Identity) -> list[str]:
        return [f"certfile {identity.chain_path}", f"keyfile {identity.key_path}"]

    def tls_port(self, kind: str) -> int:
        return self.ports[1 + self.KINDS.index(kind)]

    def tls_url(self, kind: str, scheme: str = "ssl") -> str:
        return f"{scheme}://{HOST}:{self.tls_port(kind)}"


class TlsBroker(FakeBroker):
    """A scripted broker behind a real TLS server: a script runs when the handshake is through, and talks in clear.

    `names`: the server names that clients asked for. `refusals`: how handshakes failed, as the server sees it.
    """

    def __init__(self, *scripts, identity: Identity, modern=False, **options):
        """`modern`: it speaks TLS 1.3 alone."""
        self.names: list[str | None] = []
        self.refusals: list[str] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.path)
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        if modern:
            self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        super().__init__(*scripts, **options)
        self.url = f"ssl://{HOST}:{self.port}"

    def _run(self, script, conn: Connection) -> None:
        try:
            conn.sock = self.context.wrap_socket(conn.sock, server_side=True)
        except OSError as error:
            conn.log(f"no handshake: {error}")
            self.refusals.append(str(error))
            return
        conn.log("handshake done")
        super()._run(script, conn)


def take_nothing(conn: Connection) -> None:
    """A script for clients that must not come so far: it fails if they say anything."""
    data = conn.wait_closed()
    assert not data, f"the client sent {data!r}"


def relay(port: int, size: int, pauses: dict[int, float]):
    """A script for FakeBroker that passes on what is said between the client and the server at `port`.

    What the server says arrives in pieces of `size` bytes; `pauses`: seconds to wait before the piece of that number.
    """

    def script(conn: Connection) -> None:
        count = 0
        with socket.create_connection((HOST, port), LIMIT) as server:
            other = {conn.sock: server, server: conn.sock}
            while ready := select.select(list(other), [], [], LIMIT)[0]:
                for sock in ready:
                    if sock is server:
                        conn.pause(pauses.get(count, 0))
                        count += 1
                    data = sock.recv(size)
                    if not data:
                        return
                    other[sock].sendall(data)

    return script
