"""MQTT 3.1.1 control packets: fields to bytes, and the rules for text and topics.

No I/O, no clock, no state. Statement numbers are those of the OASIS standard of 29 October 2014.
"""

import sys

from micropython import const

_MAX_LENGTH = const(268435455)
_BYTES = (bytes, bytearray, memoryview)

# Rules for a field, see `field`.
_FILTER = const(2)
_TOPIC = const(3)

# What is the matter, in the `str` of MQTTError; the words of all other codes are in `errors`.
_WORDS = {
    -1: "not possible now",
    -3: "the client is not connected",
}


class MQTTError(Exception):
    """A call that the client's state does not allow, or a failed operation.

    code: int, a result code of `mqtt`; words: str, a sentence that fits the call.
    """

    def __init__(self, code, words=None):
        super().__init__("%d: %s" % (code, words or _WORDS.get(code) or borrow("errors").errorstring(code)))
        self.code = code


class Broken(Exception):
    """The connection has to end. The arguments: its result code, then what `errors` makes words of."""


def borrow(name):
    """Return the module mqtt.<name>, imported for one call: on a board its memory is free again afterwards.

    A module that the program has imported itself stays where it is.
    """
    path = "mqtt." + name
    package = sys.modules["mqtt"]
    kept = path in sys.modules
    __import__(path)
    module = sys.modules[path]
    if not kept:
        if hasattr(package, name):
            delattr(package, name)
        del sys.modules[path]
    return module


def configure(*args):
    """Return the Config of the arguments of `connect`, see `options.parse`.

    In a frame of its own, so that nothing left on the stack keeps that module in memory.
    """
    return borrow("options").parse(*args)


def bad(name, value, why, kind=ValueError):
    """Return an exception of class `kind` that names the argument and its value, but never shows a password."""
    if isinstance(value, memoryview):
        value = bytes(value)
    if name in ("password", "auth"):
        shown = "(hidden)"
    else:
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
    return kind("%s: %s %s" % (name, shown, why))


def payload(name, value):
    """Return `value` as bytes-like; raises TypeError or ValueError unless it is str, bytes, bytearray or memoryview."""
    if isinstance(value, _BYTES):
        if getattr(value, "itemsize", 1) != 1:
            raise bad(name, value, "is not a memoryview of bytes")
        return value
    if not isinstance(value, str):
        raise bad(name, value, "is neither str nor bytes", TypeError)
    try:
        return value.encode()
    except UnicodeError:
        pass  # CPython's surrogates; MicroPython has none in a str
    raise bad(name, value, "is not well-formed")


def fixed(name, value):
    """Return a payload as bytes: a copy of what the program may change, `value` itself if it is bytes."""
    if type(value) is bytes:
        return value
    value = payload(name, value)
    data = bytes(value)
    # Boards' memoryviews do not tell the size of their items.
    if len(data) != len(value):
        raise bad(name, value, "is not a memoryview of bytes")
    return data


def field(name, value, rule):
    """Return a field as bytes-like; raises TypeError or ValueError for what breaks the rule.

    rule: 0 for binary data, 1 for text [MQTT-1.5.3-1, 1.5.3-2], 2 for a topic filter [MQTT-4.7.1], 3 for a topic name
    [MQTT-3.3.2-2]. A name in ASCII bytes is checked without allocating.
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
    """Whether the filter (str) matches the topic (str); a leading wildcard does not match `$…` [MQTT-4.7.2-1].

    `$share/group/filter` matches what `filter` does.
    """
    if topicfilter.startswith("$share/"):
        topicfilter = topicfilter.split("/", 2)[-1]
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


def publish_head(buf, at, head, topic, message):
    """Write a PUBLISH up to its payload into buf[at:], return the index after it. `topic`, `message`: bytes-like.

    head: the first byte, and 256 times the packet identifier of a QoS that has one.
    """
    size = len(message) + len(topic) + (4 if head > 0xFF else 2)
    if size > 127:
        at = header(buf, at, head & 0xFF, size)
    else:
        buf[at] = head & 0xFF
        buf[at + 1] = size
        at += 2
    size = len(topic)
    buf[at] = size >> 8
    buf[at + 1] = size & 0xFF
    at += 2
    buf[at : at + size] = topic
    at += size
    if head > 0xFF:
        buf[at] = head >> 16
        buf[at + 1] = head >> 8 & 0xFF
        at += 2
    return at


def packet(first, head, fields, qos):
    """Return a packet: `head`, then each field with its length, then its QoS if `qos` is a list."""
    body = bytearray(head)
    for i, data in enumerate(fields):
        body.append(len(data) >> 8)
        body.append(len(data) & 0xFF)
        body.extend(data)
        if qos:
            body.append(qos[i])
    buf = bytearray(framed(len(body)))
    buf[header(buf, 0, first, len(body)) :] = body
    return buf
