"""Servers that speak TLS: mosquitto with TLS listeners, and a scripted broker for what mosquitto never does."""

from __future__ import annotations

import select
import socket
import ssl
from pathlib import Path

from harness.broker import Mosquitto
from harness.certificates import Authority, Certificates, Identity
from harness.fake_broker import Connection, FakeBroker
from harness.net import HOST
from harness.process import LIMIT


class TlsMosquitto(Mosquitto):
    """`url(kind)`: "ecdsa", "rsa" and "chained" by the server's certificate; "mutual" wants a client certificate."""

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

    def tls_url(self, kind: str, scheme: str = "ssl", host: str = HOST) -> str:
        return f"{scheme}://{host}:{self.ports[1 + self.KINDS.index(kind)]}"


class TlsBroker(FakeBroker):
    """A scripted broker behind a real TLS server: a script runs when the handshake is through, and talks in clear.

    `names`: the server names that clients asked for. `refusals`: how handshakes failed, as the server sees it.
    """

    def __init__(self, *scripts, identity: Identity, client_ca: Authority | None = None, **options):
        self.names: list[str | None] = []
        self.refusals: list[str] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.path)
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        if client_ca:
            self.context.load_verify_locations(client_ca.pem_path)
            self.context.verify_mode = ssl.CERT_REQUIRED
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


def take(conn: Connection) -> None:
    """A script for clients that must not come so far: a proof that they said nothing, or of what they said."""
    data = conn.wait_closed()
    assert not data, f"the client sent {data!r}"


def relay(port: int, size: int, pauses: dict[int, float], most: int | None = None):
    """A script that passes on what client and server at `port` say, the server's in pieces of `size` bytes.

    `pauses`: seconds to wait before the piece of that number; `most`: pieces until it passes on no more.
    """

    def script(conn: Connection) -> None:
        with socket.create_connection((HOST, port), LIMIT) as server:
            count = 0
            while most is None or count < most:
                ready, _, _ = select.select([conn.sock, server], [], [], LIMIT)
                if conn.sock in ready:
                    data = conn.sock.recv(65536)
                    if not data:
                        return
                    server.sendall(data)
                if server in ready:
                    conn.pause(pauses.get(count, 0))
                    data = server.recv(size)
                    if not data:
                        return
                    conn.sock.sendall(data)
                    count += 1
            conn.wait_closed()

    return script
