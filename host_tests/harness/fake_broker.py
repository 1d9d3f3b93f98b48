"""A scripted broker for what a good broker never does: real loopback sockets, one script per connection.

    def script(conn):
        conn.accept()                       # reads CONNECT, answers CONNACK
        conn.send(wire.publish("t", b"x"))
        assert conn.read("PUBACK").pid == 1
    port = fake_broker(script).port

A script runs in a thread; an exception in it resets the connection and fails the test.
"""

from __future__ import annotations

import functools
import socket
import struct
import threading
import time
import traceback

from harness import wire
from harness.net import HOST
from harness.process import LIMIT
from harness.runtimes import SECOND


class Closed(Exception):
    """The client closed the connection where the script expected a packet."""


class Connection:
    """The broker's end of one connection."""

    def __init__(self, sock: socket.socket, log, released: threading.Event):
        self.sock = sock
        self.buffer = bytearray()  # received and not read yet
        self.log = log
        self.released = released
        self.connect: wire.Packet | None = None  # the CONNECT packet
        self.ended = False  # by us
        sock.settimeout(LIMIT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # reading

    def read_packet(self) -> wire.Packet:
        """The next packet; raises Closed at the end of the stream, TimeoutError after the time limit."""
        while not (size := wire.whole(self.buffer)):
            data = self.sock.recv(65536)
            if not data:
                raise Closed(f"the client closed, with {self.buffer[:100]!r} unread")
            self.buffer += data
        packet = wire.decode(bytes(self.buffer[:size]))
        del self.buffer[:size]
        self.log(f"<- {packet}")
        if SECOND and packet.name == "DISCONNECT":
            # As a server does that has no more to say [MQTT-3.14.4-2]: the second edition waits for that.
            self.sock.shutdown(socket.SHUT_WR)
        return packet

    def read(self, name: str) -> wire.Packet:
        """The next packet, which must be a `name`."""
        packet = self.read_packet()
        assert packet.name == name, f"expected {name}, got {packet}"
        return packet

    def silent_for(self, seconds: float) -> bool:
        """True if the client sends nothing for so long."""
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(65536)
            self.buffer += data
            return False
        except TimeoutError:
            return not self.buffer
        finally:
            self.sock.settimeout(LIMIT)

    def wait_closed(self) -> bytes:
        """Read until the client closes or resets (second edition: sends DISCONNECT, too); the bytes that came."""
        try:
            while not (SECOND and self.buffer.endswith(b"\xe0\0")) and (data := self.sock.recv(65536)):
                self.buffer += data
        except ConnectionError:
            self.log("<- reset")
        rest = bytes(self.buffer)
        self.buffer.clear()
        self.log(f"<- closed after {rest[:40]!r}")
        return rest

    def hold(self) -> None:
        """Read nothing (the client's send buffer fills up) until the test calls `release`."""
        assert self.released.wait(LIMIT), "never released"

    # writing

    def accept(self, code: int = 0, present: int = 0) -> wire.Packet:
        """Read CONNECT and answer it; the CONNECT packet."""
        self.connect = self.read("CONNECT")
        self.send(wire.connack(code, present))
        return self.connect

    def send(self, data: bytes) -> None:
        self._log_sent(data)
        self.sock.sendall(data)

    def _log_sent(self, data: bytes, how: str = "") -> None:
        self.log(f"-> {data[:60].hex()}{'…' if len(data) > 60 else ''} ({len(data)} bytes{how})")

    def send_split(self, data: bytes, size: int = 1, pause: float = 0.0) -> None:
        """Send in pieces of `size` bytes, each a segment of its own, `pause` seconds apart."""
        self._log_sent(data, f", {size} at a time")
        for start in range(0, len(data), size):
            self.sock.sendall(data[start : start + size])
            if pause:
                self.pause(pause)

    def pause(self, seconds: float) -> None:
        """Time that must pass because it is what the script is about, and nothing can be waited for."""
        threading.Event().wait(seconds)

    # ending

    def close(self) -> None:
        """End our side of the stream; what the client still sends is read and thrown away, so no reset follows."""
        if not self.ended:
            self.ended = True
            self.log("-> end of stream")
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                return  # the client has reset it
            self.wait_closed()

    def reset(self) -> None:
        """Reset the connection (RST instead of FIN)."""
        self.ended = True
        self.log("-> reset")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class FakeBroker:
    """Runs `scripts[i]` for the i-th connection; more connections than scripts are an error."""

    def __init__(self, *scripts, receive_buffer: int | None = None):
        self.scripts = scripts
        self.errors: list[str] = []
        self.log_lines: list[str] = []
        self.started = time.monotonic()
        self.released = threading.Event()
        self.threads: list[threading.Thread] = []
        self.connections: list[Connection] = []
        self.listener = socket.socket()
        if receive_buffer:  # inherited by accepted sockets: a client that sends much is soon stopped
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind((HOST, 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        self.url = f"tcp://{HOST}:{self.port}"
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _address = self.listener.accept()
            except OSError:
                return  # closed: the test is over
            number = len(self.connections)
            if number == len(self.scripts):
                self.errors.append(f"a connection too many: there are {number} scripts")
                sock.close()
                continue
            conn = Connection(sock, functools.partial(self._log, number), self.released)
            self.connections.append(conn)
            thread = threading.Thread(target=self._run, args=(self.scripts[number], conn), daemon=True)
            thread.start()
            self.threads.append(thread)  # `join` may be called at any time

    def _log(self, number: int, text: str) -> None:
        self.log_lines.append(f"{time.monotonic() - self.started:8.3f} connection {number} {text}")

    def _run(self, script, conn: Connection) -> None:
        try:
            script(conn)
            conn.close()
        except Exception:
            self.errors.append(traceback.format_exc())
            conn.log("script failed")
            if not conn.ended:
                conn.reset()
        finally:
            conn.sock.close()

    def join(self) -> None:
        """Wait until every script has run and ended; raise what went wrong in one."""
        deadline = time.monotonic() + LIMIT
        while len(self.threads) < len(self.scripts) and not self.errors and time.monotonic() < deadline:
            self.acceptor.join(0.01)
        for thread in list(self.threads):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.errors.append("a script is still running")
        if len(self.threads) < len(self.scripts):
            self.errors.append(f"only {len(self.threads)} of {len(self.scripts)} expected connections were made")
        self.check()

    def check(self) -> None:
        assert not self.errors, "in the fake broker:\n" + "\n".join(self.errors)

    def release(self) -> None:
        """Let the scripts that `hold` go on."""
        self.released.set()

    def close(self) -> None:
        self.release()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(LIMIT)
        for conn in self.connections:
            try:
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already
        for thread in self.threads:
            thread.join(LIMIT)

    def transcript(self) -> str:
        return "\n".join((f"fake broker on port {self.port}", *self.log_lines[-200:], *self.errors))
