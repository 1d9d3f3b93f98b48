"""MQTT 3.1.1 packets for the test side: an oracle written apart from lib/mqtt, which it never imports.

`encode` functions return bytes; `decode` takes one whole packet, checks it as a strict server or client would
and returns a `Packet`. Both directions are covered, so that a proxy can read along.
"""

from __future__ import annotations

import struct
from types import SimpleNamespace

NAMES = (
    "RESERVED0 CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP "
    "SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK PINGREQ PINGRESP DISCONNECT RESERVED15"
).split()
FIXED_FLAGS = {"PUBREL": 2, "SUBSCRIBE": 2, "UNSUBSCRIBE": 2}


class WireError(Exception):
    """The bytes are not a well-formed MQTT 3.1.1 packet."""


class Packet(SimpleNamespace):
    """A decoded packet: `name`, `flags`, `raw` and the fields of its type."""

    def __repr__(self) -> str:
        fields = {k: v for k, v in vars(self).items() if k not in ("name", "flags", "raw")}
        short = ", ".join(f"{k}={v if len(repr(v)) < 80 else repr(v)[:60] + '…'!r}" for k, v in fields.items())
        return f"{self.name}({short})"


# --- encoding ---------------------------------------------------------------------------------------------------


def length(n: int) -> bytes:
    """The remaining length, one to four bytes."""
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def packet(kind: str, body: bytes = b"", flags: int | None = None) -> bytes:
    """A packet of any kind around any body: malformed ones are made with this."""
    if flags is None:
        flags = FIXED_FLAGS.get(kind, 0)
    return bytes([NAMES.index(kind) << 4 | flags]) + length(len(body)) + body


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def connect(clientid="wire", *, clean=True, keepalive=60, username=None, password=None, will=None) -> bytes:
    """`will` is (topic, message, qos, retain)."""
    flags = clean << 1 | (password is not None) << 6 | (username is not None) << 7
    body = text(clientid)
    if will is not None:
        topic, message, qos, retain = will
        flags |= 4 | qos << 3 | retain << 5
        body += text(topic) + text(message)
    for value in (username, password):
        if value is not None:
            body += text(value)
    return packet("CONNECT", text("MQTT") + struct.pack("!BBH", 4, flags, keepalive) + body)


def connack(code: int = 0, present: int = 0) -> bytes:
    return packet("CONNACK", bytes([present, code]))


def publish(topic, message: bytes = b"", qos=0, pid=None, *, retain=0, dup=0) -> bytes:
    ident = struct.pack("!H", pid) if qos else b""
    return packet("PUBLISH", text(topic) + ident + message, dup << 3 | qos << 1 | retain)


def ack(kind: str, pid: int) -> bytes:
    """PUBACK, PUBREC, PUBREL, PUBCOMP or UNSUBACK."""
    return packet(kind, struct.pack("!H", pid))


def subscribe(pid: int, *filters: tuple[str, int]) -> bytes:
    return packet("SUBSCRIBE", struct.pack("!H", pid) + b"".join(text(f) + bytes([q]) for f, q in filters))


def suback(pid: int, *codes: int) -> bytes:
    return packet("SUBACK", struct.pack("!H", pid) + bytes(codes))


def unsubscribe(pid: int, *filters: str) -> bytes:
    return packet("UNSUBSCRIBE", struct.pack("!H", pid) + b"".join(map(text, filters)))


PINGREQ, PINGRESP, DISCONNECT = packet("PINGREQ"), packet("PINGRESP"), packet("DISCONNECT")


# --- decoding ---------------------------------------------------------------------------------------------------


def need(condition, what: str) -> None:
    if not condition:
        raise WireError(what)


class Body:
    """A packet's body, taken from the front."""

    def __init__(self, data: bytes):
        self.data = data

    def take(self, n: int) -> bytes:
        need(len(self.data) >= n, f"body ends {n - len(self.data)} bytes early")
        head, self.data = self.data[:n], self.data[n:]
        return head

    def int(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def binary(self) -> bytes:
        return self.take(self.int(2))

    def text(self) -> str:
        try:
            value = self.binary().decode()
        except UnicodeDecodeError as error:
            raise WireError(f"text is not UTF-8: {error}") from None
        need("\0" not in value, "text holds U+0000")
        return value

    def pid(self) -> int:
        value = self.int(2)
        need(value, "packet identifier 0")
        return value

    def rest(self) -> bytes:
        return self.take(len(self.data))


def whole(buffer) -> int:
    """The length of the packet that `buffer` begins with; 0 if it is not complete yet."""
    size = shift = 0
    for i in range(1, 5):
        if len(buffer) <= i:
            return 0
        size |= (buffer[i] & 0x7F) << shift
        shift += 7
        if not buffer[i] & 0x80:
            end = i + 1 + size
            return end if len(buffer) >= end else 0
    raise WireError("remaining length has more than four bytes")


def decode(raw: bytes) -> Packet:
    """One whole packet."""
    need(whole(raw) == len(raw), "not exactly one packet")
    name, flags = NAMES[raw[0] >> 4], raw[0] & 15
    need(not name.startswith("RESERVED"), f"packet type {raw[0] >> 4}")
    need(name == "PUBLISH" or flags == FIXED_FLAGS.get(name, 0), f"{name} with flags {flags}")
    size = 1
    while raw[size] & 0x80:
        size += 1
    body = Body(raw[size + 1 :])
    fields = DECODERS[name](body, flags)
    need(not body.data, f"{name} has {len(body.data)} bytes too many")
    return Packet(name=name, flags=flags, raw=raw, **fields)


def _connect(body: Body, _flags: int) -> dict:
    need(body.text() == "MQTT", "protocol name")
    need(body.int(1) == 4, "protocol level")
    flags, keepalive = body.int(1), body.int(2)
    need(not flags & 1, "CONNECT's reserved flag")
    need(flags & 4 or not flags & 0x38, "will flags without a will")
    need(flags & 0x18 != 0x18, "will QoS 3")
    need(flags & 0x80 or not flags & 0x40, "password without username")
    fields = {"clean": flags >> 1 & 1, "keepalive": keepalive, "clientid": body.text(), "will": None}
    if flags & 4:
        fields["will"] = (body.text(), body.binary(), flags >> 3 & 3, flags >> 5 & 1)
    fields["username"] = body.text() if flags & 0x80 else None
    fields["password"] = body.binary() if flags & 0x40 else None
    return fields


def _connack(body: Body, _flags: int) -> dict:
    present = body.int(1)
    need(present < 2, "CONNACK's reserved flags")
    return {"present": present, "code": body.int(1)}


def _publish(body: Body, flags: int) -> dict:
    qos = flags >> 1 & 3
    need(qos < 3, "QoS 3")
    need(qos or not flags & 8, "DUP on QoS 0")
    topic = body.text()
    need(topic and not set("#+") & set(topic), f"topic {topic!r}")
    pid = body.pid() if qos else None
    return {
        "dup": flags >> 3,
        "qos": qos,
        "retain": flags & 1,
        "topic": topic,
        "pid": pid,
        "message": body.rest(),
    }


def _pid(body: Body, _flags: int) -> dict:
    return {"pid": body.pid()}


def _subscribe(body: Body, _flags: int) -> dict:
    fields = {"pid": body.pid(), "filters": []}
    while body.data:
        name, qos = body.text(), body.int(1)
        need(name and qos < 3, f"filter {name!r} with QoS {qos}")
        fields["filters"].append((name, qos))
    need(fields["filters"], "SUBSCRIBE without a filter")
    return fields


def _suback(body: Body, _flags: int) -> dict:
    fields = {"pid": body.pid(), "codes": list(body.rest())}
    need(fields["codes"] and set(fields["codes"]) <= {0, 1, 2, 128}, f"SUBACK codes {fields['codes']}")
    return fields


def _unsubscribe(body: Body, _flags: int) -> dict:
    fields = {"pid": body.pid(), "filters": []}
    while body.data:
        fields["filters"].append(body.text())
    need(fields["filters"] and all(fields["filters"]), "UNSUBSCRIBE without a filter")
    return fields


def _empty(_body: Body, _flags: int) -> dict:
    return {}


DECODERS = {
    "CONNECT": _connect,
    "CONNACK": _connack,
    "PUBLISH": _publish,
    "PUBACK": _pid,
    "PUBREC": _pid,
    "PUBREL": _pid,
    "PUBCOMP": _pid,
    "SUBSCRIBE": _subscribe,
    "SUBACK": _suback,
    "UNSUBSCRIBE": _unsubscribe,
    "UNSUBACK": _pid,
    "PINGREQ": _empty,
    "PINGRESP": _empty,
    "DISCONNECT": _empty,
}
