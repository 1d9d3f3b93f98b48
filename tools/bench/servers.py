"""What the clients talk to: mosquitto, a server that sends as fast as a client reads, and a line with a delay."""

import asyncio
import contextlib
import functools
import socket
import threading
from pathlib import Path

import trustme
from harness import wire
from harness.broker import UNLIMITED, Mosquitto
from harness.certificates import der
from harness.net import HOST

PAYLOAD = b"a message that has 32 bytes....."
TOPICS = (b"bench/topic/0016", b"bench/topic/0017")
TRIGGER = "go"
MOST = 65535  # messages in a burst
DELAY = 0.025  # seconds each way


class Broker:
    """A private mosquitto with a plain and a TLS listener."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        server = authority.issue_cert(HOST)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.ca_pem = str(folder / "ca.pem")
        self.ca = str(folder / "ca.der")
        Path(self.ca).write_bytes(der(authority.cert_pem.bytes()))
        key = folder / "server.pem"
        server.private_key_and_cert_chain_pem.write_to_path(str(key))
        self.mosquitto = Mosquitto(folder, UNLIMITED, listeners=[[f"certfile {key}", f"keyfile {key}"]])
        self.port, self.tls_port = self.mosquitto.ports

    def drained(self, clientid: str) -> None:
        """Wait until mosquitto has read all that the client, which has ended, had to say."""
        lines = self.mosquitto.child.lines

        def gone():
            return any(f"Client {clientid} " in line and " connected" not in line for line in lines)

        self.mosquitto.child.wait_until(gone, f"end of {clientid} in the broker's log")

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        self.mosquitto.__exit__(*exc)


class Burst:
    """Accepts a client's subscription and, at each message to TRIGGER, sends as many messages as that says.

    They are encoded beforehand and leave in large pieces, so that the client is what takes time. `topics`: the messages
    have these, one after the other.
    """

    def __init__(self, topics=TOPICS[:1]):
        self.topics = topics
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the end: the listener is closed
            while True:
                conn = self.listener.accept()[0]
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        with conn, contextlib.suppress(ConnectionError):
            qos, data = 0, b""
            while got := conn.recv(65536):
                data += got
                while size := wire.whole(data):
                    packet, data = wire.decode(data[:size]), data[size:]
                    if packet.name == "CONNECT":
                        conn.sendall(wire.connack())
                    elif packet.name == "SUBSCRIBE":
                        qos = packet.filters[0][1]
                        encoded(qos, self.topics)  # now, not while somebody takes the time
                        conn.sendall(wire.suback(packet.pid, qos))
                    elif packet.name == "PUBLISH" and packet.topic == TRIGGER:
                        self._burst(conn, int(packet.message), qos)

    def _burst(self, conn: socket.socket, count: int, qos: int) -> None:
        data = encoded(qos, self.topics)
        burst = memoryview(data)[: len(data) // MOST * count]
        sender = threading.Thread(target=send, args=(conn, burst), daemon=True)
        sender.start()
        left = 4 * count if qos else 0  # bytes of PUBACK
        while left:
            got = len(conn.recv(min(left, 65536)))
            left -= got or left  # none at all: the client is gone
        sender.join()

    def __enter__(self):
        return self

    def __exit__(self, *_exc) -> None:
        self.listener.close()


@functools.cache
def encoded(qos: int, topics) -> bytes:
    """As many messages as a burst may have, all of one size."""
    return b"".join(wire.publish(topics[n % len(topics)], PAYLOAD, qos, n + 1) for n in range(MOST))


def send(conn: socket.socket, data: memoryview) -> None:
    with contextlib.suppress(OSError):  # the client has ended; whoever waits for its result is told
        conn.sendall(data)


class Delay:
    """A proxy that passes everything on to the port `target`, DELAY later, in both directions."""

    def __init__(self, target: int):
        self.target = target
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        server = self.loop.run_until_complete(asyncio.start_server(self._pair, HOST, 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def _pair(self, reader, writer) -> None:
        other_reader, other_writer = await asyncio.open_connection(HOST, self.target)
        await asyncio.gather(self._pass_on(reader, other_writer), self._pass_on(other_reader, writer))

    async def _pass_on(self, reader, writer) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.loop.call_later(DELAY, writer.write, data)
        self.loop.call_later(DELAY, writer.close)

    def __enter__(self):
        return self

    def __exit__(self, *_exc) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
