"""MQTT 3.1.1 control packets: fields to bytes, and the rules for text and topics.

No I/O, no clock. Statement numbers are those of the OASIS standard of 29 October 2014.
"""

import sys

from micropython import const

_MAX_LENGTH = const(268435455)
_BYTES = (bytes, bytearray, memoryview)

_FILTER = const(2)
_TOPIC = const(3)


class MQTTError(Exception):
    """A call that the client's state does not allow, or a failed operation; `code` (int) is a result code of `mqtt`."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Broken(Exception):
    """The connection has to end. The arguments (ints): its result, a reason, the packet's first byte, a number."""


def borrow(name):
    """Return the module mqtt.<name>, imported for one call: on a board its memory is free again afterwards."""
    path = "mqtt." + name
    package = __import__(path)
    module = getattr(package, name)
    delattr(package, name)
    sys.modules.pop(path, None)
    return module


def bad(name, value, why, kind=ValueError):
    """Return an exception of class `kind` that names the argument and its value, but never shows a password."""
    if isinstance(value, memoryview):
        value = bytes(value)
    shown = "(hidden)" if name == "password" else repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return kind("%s: %s %s" % (name, shown, why))


def payload(name, value):
    """Return `value`, a str, bytes, bytearray or memoryview of bytes, as bytes-like; raises TypeError or ValueError."""
    if isinstance(value, _BYTES):
        return value
    if not isinstance(value, str):
        raise bad(name, value, "is neither str nor bytes", TypeError)
    return _encode(name, value)


def _encode(name, value):
    try:
        return value.encode()
    except UnicodeError:
        pass
    raise bad(name, value, "is not well-formed")


def field(name, value, rule):
    """Return `value`, a str or bytes-like, as the bytes-like of a field that keeps the rule; errors name the argument.

    The rules, each with those before it: 0, at most 65,535 bytes; 1, well-formed UTF-8 without U+0000 [MQTT-1.5.3-1,
    1.5.3-2]; 2, a filter: not empty, wildcards only where they may be [MQTT-4.7.1-2, 4.7.1-3, 4.7.3-1]; 3, a topic
    name: not empty, no wildcards [MQTT-3.3.2-2]. A topic name in ASCII bytes is checked without allocating.
    """
    data = payload(name, value)
    why = None
    if len(data) > 65535:
        why = "is longer than 65535 bytes"
    elif not rule:
        return data
    elif not len(data):
        if rule >= _FILTER:
            why = "is empty"
    elif not min(data) or max(data) > 127 and not _wellformed(data):
        why = "is not well-formed"
    elif rule >= _FILTER and _wild(data, rule):
        why = "has a wildcard" if rule == _TOPIC else "has a misplaced wildcard"
    if why:
        raise bad(name, value, why)
    return data


def _wild(data, rule):
    # Whether there is a wildcard where none may be.
    if rule == _TOPIC:
        for byte in data:
            if byte == 0x23 or byte == 0x2B:
                return True
        return False
    levels = bytes(data).split(b"/")
    if levels[-1] == b"#":
        levels.pop()
    return True in [b"#" in level or b"+" in level and len(level) > 1 for level in levels]


def _wellformed(data):
    # MicroPython decodes surrogates, over-long forms and values past U+10FFFF without a word.
    try:
        for char in str(data, "utf-8"):
            n = ord(char)
            if 0xD800 <= n < 0xE000 or n > 0x10FFFF or len(chr(n).encode()) < len(char.encode()):
                return False
    except UnicodeError:
        return False
    return True


def matches(topicfilter, topic):
    """Whether the filter (str) matches the topic (str); a leading wildcard does not match `$…` [MQTT-4.7.2-1]."""
    if topic[0] == "$" and topicfilter[0] in "#+":
        return False
    levels = topic.split("/")
    for level in topicfilter.split("/"):
        if level == "#":
            return True
        if not levels or level not in ("+", levels.pop(0)):
            return False
    return not levels


def framed(length):
    """The bytes of a packet whose body has `length` bytes; ValueError over the protocol's limit [MQTT-2.2.3]."""
    if length > _MAX_LENGTH:
        raise bad("message", length, "bytes do not fit a packet")
    return length + 2 + (length > 127) + (length > 16383) + (length > 2097151)


def header(buf, at, first, length):
    """Write a fixed header into buf[at:], return the index after it; it takes 2 to 5 bytes."""
    buf[at] = first
    while length > 127:
        at += 1
        buf[at] = length & 0x7F | 0x80
        length >>= 7
    buf[at + 1] = length
    return at + 2


def string(buf, at, data):
    """Write `data` (bytes-like) behind its length into buf[at:], return the index after it [MQTT-1.5.3]."""
    buf[at] = len(data) >> 8
    buf[at + 1] = len(data) & 0xFF
    at += 2
    end = at + len(data)
    buf[at:end] = data
    return end


def publish(buf, at, head, topic, message):
    """Write a PUBLISH into buf[at:], return the index after it. `topic` and `message` are bytes-like.

    head: the first byte, and 256 times the packet identifier of a QoS that has one.
    """
    end = len(topic) + len(message) + (4 if head > 0xFF else 2)
    if end > 127:
        at = header(buf, at, head & 0xFF, end)
    else:
        buf[at] = head & 0xFF
        buf[at + 1] = end
        at += 2
    end += at
    at = string(buf, at, topic)
    if head > 0xFF:
        buf[at] = head >> 16
        buf[at + 1] = head >> 8 & 0xFF
        at += 2
    buf[at:end] = message
    return end


def packet(first, head, filters, qos):
    """Return a packet: `head`, then each filter or other field with its length, then its QoS if `qos` is a list."""
    body = bytearray(head)
    for i, data in enumerate(filters):
        body.append(len(data) >> 8)
        body.append(len(data) & 0xFF)
        body.extend(data)
        if qos:
            body.append(qos[i])
    buf = bytearray(framed(len(body)))
    buf[header(buf, 0, first, len(body)) :] = body
    return buf
