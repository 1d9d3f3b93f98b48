"""MQTT 3.1.1 control packets: fields to bytes, and the rules for text and topics.

No I/O, no clock. Section numbers are those of the OASIS standard of 29 October 2014.
"""

from micropython import const

CONNECT = const(0x10)
CONNACK = const(0x20)
PUBLISH = const(0x30)
PUBACK = const(0x40)
PUBREC = const(0x50)
PUBREL = const(0x62)
PUBCOMP = const(0x70)
SUBSCRIBE = const(0x82)
SUBACK = const(0x90)
UNSUBSCRIBE = const(0xA2)
UNSUBACK = const(0xB0)
PINGREQ = const(0xC0)
PINGRESP = const(0xD0)
DISCONNECT = const(0xE0)

_MAX_LENGTH = const(268435455)
_BYTES = (bytes, bytearray, memoryview)


class MQTTError(Exception):
    """A call that the client's state does not allow, or a failed operation; `code` (int) is one of the module's result codes."""

    def __init__(self, code, text=""):
        super().__init__(code, text)
        self.code = code


class Malformed(Exception):
    """What the peer sent breaks the protocol; the argument (str) says how."""


def bad(kind, name, value, why):
    """Return an exception of class `kind` that names the argument and its value, but never shows a password."""
    shown = "(hidden)" if name == "password" else repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return kind("%s: %s %s" % (name, shown, why))


def wellformed(text, at, end):
    """Whether text[at:end] is UTF-8 without surrogates, over-long forms and U+0000 [MQTT-1.5.3-1, 1.5.3-2]."""
    while at < end:
        lead = text[at]
        at += 1
        if lead < 0x80:
            if not lead:
                return False
            continue
        if lead < 0xC2 or lead > 0xF4:
            return False
        more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
        point = lead & (0x3F >> more)
        for _ in range(more):
            if at >= end or text[at] & 0xC0 != 0x80:
                return False
            point = point << 6 | text[at] & 0x3F
            at += 1
        if point < (0x80, 0x800, 0x10000)[more - 1] or 0xD800 <= point < 0xE000 or point > 0x10FFFF:
            return False
    return True


def binary(name, value):
    """Return `value` (str or bytes-like) as bytes or the bytes-like itself; TypeError for anything else."""
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeError:
            raise bad(ValueError, name, value, "is not well-formed text")
    if not isinstance(value, _BYTES):
        raise bad(TypeError, name, value, "is neither str nor bytes")
    return value


def string(name, value, limit=65535):
    """Return `value` as the bytes of an MQTT text or binary field of at most `limit` bytes."""
    field = binary(name, value)
    if len(field) > limit:
        raise bad(ValueError, name, value, "is longer than %d bytes" % limit)
    return field


def text(name, value):
    """Return `value` as the bytes of an MQTT UTF-8 string [MQTT-1.5.3]; ValueError or TypeError names the argument."""
    field = string(name, value)
    if not wellformed(field, 0, len(field)):
        raise bad(ValueError, name, value, "is not well-formed text")
    return field


def topicname(name, value):
    """Return `value` as the bytes of a topic to publish to: not empty, without wildcards [MQTT-3.3.2-2, 4.7.3-1]."""
    field = text(name, value)
    if not len(field):
        raise bad(ValueError, name, value, "is empty")
    for byte in field:
        if byte == 0x23 or byte == 0x2B:
            raise bad(ValueError, name, value, "has a wildcard")
    return field


def topicfilter(name, value):
    """Return `value` as the bytes of a topic filter with its wildcards in allowed places [MQTT-4.7.1-2, 4.7.1-3]."""
    field = bytes(text(name, value))
    levels = field.split(b"/")
    last = len(levels) - 1
    for i, level in enumerate(levels):
        if len(level) > 1 and (b"#" in level or b"+" in level) or level == b"#" and i < last:
            raise bad(ValueError, name, value, "has a wildcard in a wrong place")
    if not field:
        raise bad(ValueError, name, value, "is empty")
    return field


def matches(topicfilter, topic):
    """Whether the filter (str) matches the topic (str); a leading wildcard does not match `$…` [MQTT-4.7.2-1]."""
    if topic[0] == "$" and topicfilter[0] in "#+":
        return False
    levels = topic.split("/")
    wanted = topicfilter.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(levels) or level != "+" and level != levels[i]:
            return False
    return len(wanted) == len(levels)


def header(buf, at, first, length):
    """Write a fixed header into buf[at:], return the index after it; it takes 2 to 5 bytes."""
    buf[at] = first
    while length > 127:
        at += 1
        buf[at] = length & 0x7F | 0x80
        length >>= 7
    buf[at + 1] = length
    return at + 2


def headersize(length):
    """The bytes of a fixed header before `length` bytes of body; ValueError over the protocol's limit [MQTT-2.2.3]."""
    if length > _MAX_LENGTH:
        raise bad(ValueError, "message", length, "bytes do not fit a packet")
    return 2 + (length > 127) + (length > 16383) + (length > 2097151)


def publish(topic, message, qos, retain):
    """Return (packet, at): an encoded PUBLISH and the index of its packet identifier, left 0 (QoS 0: of the payload)."""
    length = 2 + len(topic) + len(message) + (2 if qos else 0)
    packet = bytearray(headersize(length) + length)
    at = publishhead(packet, 0, PUBLISH | qos << 1 | retain, length, topic)
    packet[len(packet) - len(message) :] = message
    return packet, at


def publishhead(buf, at, first, length, topic):
    """Write a PUBLISH up to the end of its topic into buf[at:], return the index after it."""
    at = header(buf, at, first, length)
    size = len(topic)
    buf[at] = size >> 8
    buf[at + 1] = size & 0xFF
    at += 2
    buf[at : at + size] = topic
    return at + size


def _field(body, field):
    body.append(len(field) >> 8)
    body.append(len(field) & 0xFF)
    body.extend(field)


def _packet(first, body):
    packet = bytearray(headersize(len(body)))
    header(packet, 0, first, len(body))
    packet.extend(body)
    return packet


def connect(clientid, keepalive, flags, fields):
    """Return a CONNECT; `flags` is its flags byte, `fields` will topic and message, username, password as far as set."""
    body = bytearray(b"\x00\x04MQTT\x04")
    body.append(flags)
    body.append(keepalive >> 8)
    body.append(keepalive & 0xFF)
    _field(body, clientid)
    for field in fields:
        _field(body, field)
    return _packet(CONNECT, body)


def request(pid, filters, qos=None):
    """Return a SUBSCRIBE for `filters` (bytes) with a list of as many `qos`, or an UNSUBSCRIBE where it is None."""
    body = bytearray((pid >> 8, pid & 0xFF))
    for i, topicfilter in enumerate(filters):
        _field(body, topicfilter)
        if qos:
            body.append(qos[i])
    return _packet(SUBSCRIBE if qos else UNSUBSCRIBE, body)
