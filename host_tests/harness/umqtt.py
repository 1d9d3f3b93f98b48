"""Runs programs of scenarios/umqtt_*.py with the real umqtt.simple and with ours, and compares.

The broker is scripted and notes what it is sent: `case` is {packet name: [answer, ...]} for the first, second… packet
of that name; after these, and for all others, it answers as a broker should. An answer is a function of the connection
and the packet; `send`, `hang_up`, `hang_up_if_silent` make them.
"""

from __future__ import annotations

import difflib
import zlib

from harness import wire
from harness.fake_broker import Closed, FakeBroker
from harness.process import LIMIT
from harness.runtimes import ROOT, Runtime
from tools import pypi

SIMPLE = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
ROBUST = "22a1b8c8e1128281efb13b3020927d07e33c5b747869da2cd77d37983a9ea002"
MOST = 16  # connections of one program


def usual(packet: wire.Packet) -> bytes:
    """What a broker answers."""
    if packet.name == "PUBLISH":
        return packet.qos and wire.ack("PUBACK" if packet.qos == 1 else "PUBREC", packet.pid) or b""
    if packet.name == "SUBSCRIBE":
        return wire.suback(packet.pid, *[qos for _filter, qos in packet.filters])
    if packet.name == "UNSUBSCRIBE":
        return wire.ack("UNSUBACK", packet.pid)
    if packet.name == "PUBREL":
        return wire.ack("PUBCOMP", packet.pid)
    return {"CONNECT": wire.connack(), "PINGREQ": wire.PINGRESP}.get(packet.name, b"")


def send(*parts):
    """Send at once: bytes, or functions of the packet such as `usual`."""

    def answer(conn, packet):
        data = b"".join(part(packet) if callable(part) else part for part in parts)
        if data:
            conn.send(data)

    return answer


def hang_up(*parts):
    """Send, and end the stream."""

    def answer(conn, packet):
        send(*parts)(conn, packet)
        conn.close()

    return answer


def reset(conn, _packet):
    """Reset the connection."""
    conn.reset()


def hang_up_if_silent(seconds, *parts):
    """Send, and end the stream if nothing more comes for so long."""

    def answer(conn, packet):
        send(*parts)(conn, packet)
        if conn.silent_for(seconds):
            conn.close()

    return answer


def shown(packet: wire.Packet) -> str:
    """In full, long messages by their digest."""
    fields = {name: value for name, value in vars(packet).items() if name not in ("name", "flags", "raw")}
    if len(fields.get("message", b"")) > 80:
        fields["message"] = f"{len(packet.message)} bytes, {zlib.crc32(packet.message):08x}"
    return f"{packet.name}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


class Recorder:
    """The broker's script; `seen` has a list of what came for each connection."""

    def __init__(self, case):
        self.answers = {name: list(answers) for name, answers in case.items()}
        self.seen: list[list[str]] = []

    def __call__(self, conn):
        lines: list[str] = []
        self.seen.append(lines)
        while True:
            try:
                packet = conn.read_packet()
                lines.append(shown(packet))
                answers = self.answers.get(packet.name)
                (answers.pop(0) if answers else send(usual))(conn, packet)
            except wire.WireError as error:
                lines.append(f"malformed: {error}")
                return
            except (Closed, OSError):
                return  # the client's end, or ours


def original() -> str:
    """The folder of umqtt.simple 1.3.4, the last that PyPI has."""
    return str(pypi.fetch("micropython-umqtt.simple", "1.3.4", SIMPLE))


def robust() -> str:
    """The folder of umqtt.robust 1.0, likewise."""
    return str(pypi.fetch("micropython-umqtt.robust", "1.0", ROBUST))


def trace(runtime: Runtime, library: str, program: str, case: dict) -> list[str]:
    """Run a program: a line for each call and what came of it, then a line for each packet."""
    recorder = Recorder(case)
    fake = FakeBroker(*[recorder] * MOST)
    try:
        events = runtime.run("umqtt_traced.run", library=library, program=program, port=fake.port)
        for thread in list(fake.threads):
            thread.join(LIMIT)
    finally:
        fake.close()
    fake.check()
    calls = [f"{name}: {', '.join(map(repr, values))}".removesuffix(": ") for name, *values in events]
    return [*calls, *[f"connection {i}: {line}" for i, lines in enumerate(recorder.seen) for line in lines]]


known: dict[str, list[str]] = {}  # traces with umqtt.simple, which only MicroPython runs, by program


def differences(micropython, runtime: Runtime, program: str, case: dict) -> list[str]:
    """How the two traces differ, ours on that runtime: "-" is umqtt.simple, "+" is ours. `micropython`: the fixture."""
    if program not in known:
        simple = micropython(lib=f"{ROOT / 'lib'}:{original()}")
        known[program] = trace(simple, "umqtt.simple", program, case)
    assert known[program], "it has done nothing"
    lines = difflib.unified_diff(known[program], trace(runtime, "mqtt.umqtt", program, case), lineterm="", n=0)
    return [f"{line[0]} {line[1:]}" for line in lines if line[:2] not in ("--", "++", "@@")]
