"""A proxy between clients and a real broker that cuts a connection after any byte, in either direction.

    with Proxy(broker.port) as proxy:
        lane = proxy.lane(Cut("up", 17, "rst"))     # the first connection is cut, later ones pass unharmed
        ... connect to lane.port ...
        lane.fired                                  # how many of its cuts were made

One thread serves all lanes. A cut comes when exactly so many bytes have been forwarded in its direction; whatever is on
its way in the other direction at that moment is lost, as on a real link.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from typing import NamedTuple

from harness import wire
from harness.net import HOST
from harness.process import LIMIT

UP, DOWN = "up", "down"
KINDS = ("fin", "rst", "silence")


class Cut(NamedTuple):
    """`direction`: "up" is from the client to the broker. `after`: bytes forwarded in it. `kind`: one of KINDS."""

    direction: str
    after: int
    kind: str


def packet_ends(stream: bytes) -> list[int]:
    """Where the MQTT packets of a recorded direction end."""
    ends = [0]
    while size := wire.whole(stream[ends[-1] :]):
        ends.append(ends[-1] + size)
    return ends[1:]


def record_ends(stream: bytes) -> list[int]:
    """Where the TLS records of a recorded direction end [RFC 8446, 5.1]."""
    ends = [0]
    while len(stream) >= ends[-1] + 5:
        ends.append(ends[-1] + 5 + int.from_bytes(stream[ends[-1] + 3 : ends[-1] + 5], "big"))
    return ends[1:]


def reset(sock: socket.socket) -> None:
    """Close with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Lane:
    """A port of the proxy. `streams`: what was forwarded on each connection, {"up": bytes, "down": bytes}."""

    def __init__(self, cuts):
        self.cuts = cuts
        self.fired = 0
        self.streams: list[dict[str, bytearray]] = []
        self.listener = socket.socket()
        self.listener.bind((HOST, 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        self.url = f"tcp://{HOST}:{self.port}"


class Pair:
    """The two sockets of one connection. `forget(sock)` is called before one is closed, or has no more to say."""

    def __init__(self, lane: Lane, client: socket.socket, broker: socket.socket, forget):
        number = len(lane.streams)
        self.lane = lane
        self.cut = lane.cuts[number] if number < len(lane.cuts) else None
        self.stream = {UP: bytearray(), DOWN: bytearray()}
        lane.streams.append(self.stream)
        self.ways = {client: (UP, broker), broker: (DOWN, client)}
        self.open = {client, broker}  # those not at their end of stream
        self.over = False  # cut: what still comes is thrown away
        self.forget = forget

    def forward(self, sock: socket.socket) -> None:
        """Pass on what has come, up to the cut."""
        try:
            data = sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.ended(sock)
        elif not self.over:
            way, other = self.ways[sock]
            done = self.stream[way]
            if self.cut and self.cut.direction == way:
                data = data[: self.cut.after - len(done)]
            done += data
            try:
                other.sendall(data)
            except OSError:
                pass  # closed already: its end of stream comes by itself
            self.cut_when_due()

    def cut_when_due(self) -> None:
        if not self.cut or len(self.stream[self.cut.direction]) < self.cut.after:
            return
        self.over = True
        self.lane.fired += 1
        if self.cut.kind == "rst":
            for sock in self.open:
                self.forget(sock)
            for sock in self.ways:
                reset(sock)
        elif self.cut.kind == "fin":
            for sock in self.ways:
                finish(sock)

    def ended(self, sock: socket.socket) -> None:
        """The end of one stream; after a cut, the other side is not told."""
        self.open.discard(sock)
        self.forget(sock)
        if self.over:
            sock.close()
        else:
            finish(self.ways[sock][1])
            if not self.open:
                for each in self.ways:
                    each.close()


def finish(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # closed or reset by the peer


class Proxy:
    """Forwards to the port `target`; its lanes are closed with it."""

    def __init__(self, target: int):
        self.target = target
        self.selector = selectors.DefaultSelector()
        self.stopping, self.stop = socket.socketpair()
        self.selector.register(self.stopping, selectors.EVENT_READ)
        self.listeners: dict[socket.socket, Lane] = {}
        self.pairs: dict[socket.socket, Pair] = {}
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def lane(self, *cuts: Cut | None) -> Lane:
        """A new port. `cuts[i]` is for its i-th connection; None, and those beyond, are not cut."""
        lane = Lane(cuts)
        self.listeners[lane.listener] = lane
        self.selector.register(lane.listener, selectors.EVENT_READ)
        return lane

    def _serve(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.stopping:
                    return
                if key.fileobj in self.listeners:
                    self._accept(key.fileobj)
                elif pair := self.pairs.get(key.fileobj):  # None: forgotten by an event just before this one
                    pair.forward(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        try:
            broker = socket.create_connection((HOST, self.target), LIMIT)
        except ConnectionError:
            return reset(client)  # the broker is away
        pair = Pair(self.listeners[listener], client, broker, self._forget)
        for sock in pair.ways:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs[sock] = pair
            self.selector.register(sock, selectors.EVENT_READ)
        pair.cut_when_due()
        return None

    def _forget(self, sock: socket.socket) -> None:
        self.selector.unregister(sock)
        del self.pairs[sock]

    def close(self) -> None:
        self.stop.close()
        self.thread.join(LIMIT)
        for sock in (*self.listeners, *self.pairs, self.stopping):
            sock.close()
        self.selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc) -> None:
        self.close()
