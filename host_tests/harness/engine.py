"""Drives the engine of lib/mqtt (packets, session) in pytest's own process: no sockets, no clock."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

from hypothesis import HealthCheck, Phase, settings

from harness import wire

ROOT = Path(__file__).resolve().parents[2]
MOST = 1 << 40
# What `closed` gives up: nothing (the client reconnects), requests, messages of QoS 0 as well, all.
KEEP, REQUESTS, QOS0, ALL = range(4)

# The same examples in every run; how long one takes tells of the machine only.
settings.register_profile(
    "engine",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("engine")

# Of the shim, this process needs `micropython` alone: pytest and paho keep the real `socket`.
if "micropython" not in sys.modules:
    spec = importlib.util.spec_from_file_location("micropython", ROOT / "host_tests/shim/micropython.py")
    sys.modules["micropython"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["micropython"])
    sys.path.insert(0, str(ROOT / "lib"))

from mqtt import options, packets, session  # noqa: E402
from mqtt.client import Client, Message  # noqa: E402

__all__ = ["Client", "Engine", "Message", "Out", "config", "options", "packets", "session"]


def config(**more):
    """What `connect` would make of these options."""
    return options.parse("tcp://127.0.0.1", "c", None, more)


def short(packet: wire.Packet) -> str:
    """A packet in a few words: `PUBLISH2 topic 7 dup`, `PUBREL 7`, `SUBSCRIBE 1 a:0 b:2`."""
    words = [packet.name]
    if packet.name == "PUBLISH":
        words = [f"PUBLISH{packet.qos}", packet.topic]
    if getattr(packet, "pid", None):
        words.append(str(packet.pid))
    words += [flag for flag in ("dup", "retain") if getattr(packet, flag, 0)]
    words += [f if isinstance(f, str) else "{}:{}".format(*f) for f in getattr(packet, "filters", ())]
    return " ".join(words)


class Out:
    """The way to the network: takes `room` more bytes, `most` in one write, then it would block."""

    def __init__(self):
        self.room = self.most = MOST
        self.data = bytearray()  # what has left and was not looked at yet
        self.refused = b""
        self.writes = 0

    def write(self, buf, at, n):
        assert n > 0 and 0 <= at <= at + n <= len(buf), "an empty write, or one outside of the buffer"
        offered = bytes(memoryview(buf)[at : at + n])
        assert offered.startswith(self.refused), "after None, TLS wants the same bytes again"
        self.writes += 1
        n = min(n, self.room, self.most)
        self.refused = b"" if n else offered
        self.room -= n
        self.data += offered[:n]
        return n or None


class Engine:
    """A session with the options of `connect`, and a record of all that comes out of it."""

    def __init__(self, **more):
        self.messages = []  # delivered: (topic, message, qos, retain, dup)
        self.done = []  # what callbacks were called with: (topic or filters, result...)
        self.handler = None  # gets each message after it was noted
        self.session = session.Session(self._deliver)
        self.session.config = config(**more)
        self.out = Out()

    def _deliver(self, m):
        self.messages.append((m.topic, m.message, m.qos, m.retain, m.dup))
        if self.handler:
            self.handler(m)

    # -- connections

    def begin(self):
        """A new connection, with CONNECT on its way."""
        self.out = Out()
        self.session.closed(0)  # as the link does with each attempt
        self.session.put(self.session.config.packet)

    def connect(self, present=0):
        """A new connection up to CONNACK, and what is sent right after that."""
        self.begin()
        self.flush()
        assert self.sent() == ["CONNECT"], "nothing but CONNECT leaves before CONNACK"
        self.feed(wire.connack(0, present))
        return self

    def lose(self, what=KEEP):
        """The connection ends, and `what` goes with it."""
        self.session.closed(what)
        self.session.calls()

    # -- sending

    def note(self, name):
        return lambda *result: self.done.append((name, *result))

    def offer(self, topic, message=b"", qos=0, retain=0, callback=True):
        """Queue a message as `Client` does; the result code."""
        entry = Message(SimpleNamespace(_session=self.session), topic, message, qos)
        entry.retain = retain
        code = self.session.accept(entry)
        if not code and callback:
            entry.callback = self.note(topic)
        return code

    def send(self, *args, **kwargs):
        """Queue a message and write what can leave; the entry."""
        assert self.offer(*args, **kwargs) == 0
        entry = self.session.entries[-1]
        self.flush()
        return entry

    def publish(self, topic, message=b"", retain=0):
        """QoS 0 without a callback, as `Client.publish`: at once where there is room, else queued."""
        if not self.session.publish0(self.session.field(topic), message, retain):
            assert self.offer(topic, message, 0, retain, callback=False) == 0

    def ask(self, filters, qos=None):
        """SUBSCRIBE, or UNSUBSCRIBE without `qos`; `filters` is one or a list, `qos` accordingly."""
        many = isinstance(filters, list)
        names = [f.encode() for f in (filters if many else [filters])]
        code = self.session.request(
            names, qos if many or qos is None else [qos], self.note(" ".join(filters) if many else filters), many
        )
        self.flush()
        return code

    def flush(self):
        self.session.flush(self.out)

    def sent(self):
        """The packets that have left whole since the last call, in short."""
        return [short(p) for p in self.sent_packets()]

    def sent_packets(self):
        found = []
        while size := wire.whole(self.out.data):
            found.append(wire.decode(bytes(self.out.data[:size])))
            del self.out.data[:size]
        return found

    # -- receiving

    def feed(self, data, step=MOST):
        """Have the engine take bytes, `step` at a time, as a driver does; how many it took."""
        at = 0
        while at < len(data):
            space = self.session.space()
            n = min(len(space), step, len(data) - at) if space else 0
            if n:
                space[:n] = data[at : at + n]
            did = self.session.process(n)
            at += n
            self.flush()
            if not n and not did and not self.session.space():
                break
        while self.session.process(0):
            self.flush()
        self.flush()
        return at

    def fails(self, data, step=MOST):
        """The arguments of the `Broken` that ends the connection, or None."""
        try:
            self.feed(data, step)
        except packets.Broken as e:
            return e.args
        return None
