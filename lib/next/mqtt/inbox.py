"""The inbox: bytes from the network to packets. No I/O, no clock, and no word about what a packet leads to.

A driver reads into `space` and sends the number of bytes to the generator that `packets` returns; it answers with one
event at a time, and wants 0 for the next one, until it answers None: more bytes are needed. An event is

- a `Received`: a PUBLISH;
- an int: first byte << 16 | packet identifier of any other packet, 0 for PINGRESP. For CONNACK the lower 16 bits are
  its two bytes. The codes of SUBACK are in `codes`. With the first byte of a PUBLISH it is one that was skipped,
  because it is larger than `maxmessage` or than free memory.

The generator raises Broken where the peer breaks the protocol, and is finished then: a connection has a generator of
its own. What allocates memory stands in a `try` inside it, since any exception that leaves it would finish it.
"""

from micropython import const

from . import packets
from .packets import Broken

_SIZE = const(512)  # bytes of the receive buffer

_CONNACK = const(0x20)
_PUBACK = const(0x40)
_SUBACK = const(0x90)
_PINGRESP = const(0xD0)
_ACKNOWLEDGEMENTS = b"\x40\x50\x62\x70\xb0"  # of 2 bytes: PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK
_TOPIC = const(3)
_TOO_LARGE = const(-3)
_MALFORMED = const(-4)

_FEW = const(64)  # identifiers in a list; with more of them a bitmap takes their place


class Received:
    """A message from the broker: `topic` (str), `message` (bytes), `qos`, `retain`, `dup` (ints)."""

    # Only what differs from these takes room in a message. `topic` and `message` are set by who makes it: a method for
    # that would cost a call for each message.
    qos = retain = dup = 0
    pid = 0  # packet identifier
    known = False  # of QoS 2: it is recorded, see `Session.record`; for faces
    settled = False  # it was held, and is to be acknowledged as soon as those before it are
    session = None  # that waits for `ack`
    shared = False  # several consumers of `mqtt.aio` want it

    def ack(self):
        """Acknowledge a message of QoS 1 that a handler with `ack=False` was given; else this does nothing."""
        if self.session is not None:
            self.session.settle(self)
            self.session.push()


class _Received1(Received):
    # QoS is stored on the class: one attribute less for each received message, 16 bytes.
    qos = 1


class Identifiers:
    """Packet identifiers of QoS 2 messages between PUBLISH and PUBREL: at most 8 KiB, however many a server opens.

    Not a set: MicroPython's is corrupt after a growth for which there was no memory.
    """

    def __init__(self):
        self._few = []
        self._bitmap = None

    def __bool__(self):
        return self._bitmap is not None or len(self._few) > 0

    def __contains__(self, pid):
        if self._bitmap is not None:
            return self._bitmap[pid >> 3] >> (pid & 7) & 1
        return pid in self._few

    def add(self, pid):
        """Add an identifier. MemoryError changes nothing."""
        if self._bitmap is None and len(self._few) >= _FEW:
            bitmap = bytearray(8192)
            for known in self._few:
                bitmap[known >> 3] |= 1 << (known & 7)
            self._bitmap = bitmap
            self._few = []
        if self._bitmap is not None:
            self._bitmap[pid >> 3] |= 1 << (pid & 7)
        elif pid not in self._few:
            self._few.append(pid)

    def discard(self, pid):
        """Remove an identifier, if it is there."""
        if self._bitmap is not None:
            self._bitmap[pid >> 3] &= ~(1 << (pid & 7))
        elif pid in self._few:
            self._few.remove(pid)

    def clear(self):
        """Remove all."""
        self.__init__()


class Inbox:
    """The receive buffer of one client, and what a connection's `packets` are held against."""

    def __init__(self):
        # First of all: later there may be no free block of that size.
        self._buffer = bytearray(_SIZE)
        self._view = memoryview(self._buffer)
        self.scratch = self._view  # for a driver that throws away what it reads
        self.space = self._view  # where to read next; None: there is no memory for it now
        self.partial = False  # whether a packet has begun to arrive
        self.maxmessage = 0  # bytes of a PUBLISH's body
        self.skip = False  # PUBLISHes that are larger, instead of ending the connection
        self.longest = 10  # bytes of the SUBACK to the longest SUBSCRIBE that was sent; at least for eight filters
        self.codes = None  # of the last SUBACK

    def packets(self):
        """Return the generator of a new connection, which wants the number of bytes that were read into `space`."""
        self.space = self._view
        generator = self._packets()
        next(generator)
        return generator

    def _packets(self):  # noqa: PLR0915 - the one loop that receives: its state is its local variables
        home, homeview = self._buffer, self._view
        buf, view = home, homeview
        at = end = 0  # buf[at:end] is what has come and was not taken
        maxmessage = self.maxmessage
        topic = "/"  # of the last PUBLISH
        again = b"\0\1/"  # as a field of a PUBLISH, the last topic that came twice in a row
        againtopic = topic
        while True:
            # -- a fixed header: 2 bytes at least
            body = at + 2
            if body <= end:
                length = buf[at + 1]
                if length > 127:
                    length, body = _length(buf, at + 1, end)
            if body > end:
                if at == end:
                    # All was taken: most often so.
                    at = end = 0
                    self.space = view
                    self.partial = False
                else:
                    end = self._makeroom(buf, view, at, end)
                    at = 0
                    self.partial = True
                end += yield
                continue
            first = buf[at]
            stop = body + length
            kind = first >> 4
            if kind != 3:
                if first != _PUBACK or length != 2:
                    self._check(first, length)
            elif first != 0x30:
                if first & 6 == 6 or first & 14 == 8:
                    raise Broken(_MALFORMED, "qos", first)
            if length > maxmessage and kind == 3:
                at, end = yield from self._oversize(first, body, end, length)
                continue
            if stop > end:
                # -- the rest of the packet, in a buffer of its own if it needs one
                self.partial = True
                if stop - at > len(buf):
                    size = stop - at
                    try:
                        big = bytearray(size)
                        bigview = memoryview(big)
                        bigview[: end - at] = view[at:end]
                        self.space = bigview[end - at :]
                    except MemoryError:
                        big = bigview = self.space = None
                        if kind != 3:
                            raise
                        at, end = yield from self._oversize(first, body, end, length)
                        continue
                    end -= at
                    while end < size:
                        end += yield
                        if end < size:
                            self.space = bigview[end:]
                    buf, view, big, bigview = big, bigview, None, None
                    body -= at
                    stop -= at
                    at = 0
                else:
                    end = self._makeroom(buf, view, at, end)
                    at = 0
                    end += yield
                    continue
            # -- the packet is there
            pid = 0
            if kind == 3:
                # -- topic and identifier
                if buf.startswith(again, body) and body + len(again) + (2 if first & 6 else 0) <= stop:
                    at = body + len(again)
                    topic = againtopic
                    new = False
                else:
                    at = _topic_end(buf, body, stop, first)
                    new = True
                if first & 6:
                    if at + 2 > stop:
                        raise Broken(_MALFORMED, "body", first, length)
                    pid = buf[at] << 8 | buf[at + 1]
                    if not pid:
                        raise Broken(_MALFORMED, "identifier", first)
                # -- the message
                try:
                    if new:
                        name = _topic(view[body + 2 : at], first)
                        if name == topic:
                            # The second time in a row: it pays to know it by its bytes from now on.
                            again = bytes(view[body:at])
                            againtopic = topic
                        topic = name
                    if first & 6:
                        at += 2
                    event = _Received1() if first & 2 else Received()
                    event.topic = topic
                    event.message = bytes(view[at:stop])
                    if first & 15:
                        if first & 4:
                            event.qos = 2
                        if first & 1:
                            event.retain = 1
                        if first & 8:
                            event.dup = 1
                        if pid:
                            event.pid = pid
                except MemoryError:
                    if not self.skip:
                        raise Broken(_TOO_LARGE, "oversize", length)
                    event = first << 16 | pid
            else:
                if first == _SUBACK:
                    self.codes = bytes(view[body + 2 : stop])
                event = first << 16 | (buf[body] << 8 | buf[body + 1] if length else 0)
            at = stop
            if buf is not home:
                buf, view = home, homeview
                at = end = 0
                self.space = view
            yield event
            event = None

    def _makeroom(self, buf, view, at, end):
        # Moves what has come of a packet to the beginning of the buffer, and sets `space` behind it.
        left = end - at
        if at:
            for i in range(left):
                buf[i] = buf[at + i]
        try:
            self.space = view[left:] if left else view
        except MemoryError:
            self.space = None
        return left

    def _check(self, first, length):
        # Raises Broken for a packet that is not PUBLISH and that no server sends, or not with that length.
        if first == _SUBACK:
            good = 2 < length <= self.longest
        elif first == _PINGRESP:
            good = not length
        elif first == _CONNACK or first in _ACKNOWLEDGEMENTS:
            good = length == 2
        else:
            raise Broken(_MALFORMED, "type", first)
        if not good:
            raise Broken(_MALFORMED, "body", first, length)

    def _oversize(self, first, at, end, length):
        # Skips a PUBLISH whose body begins at `at`, in pieces as large as the buffer; yields an event for it.
        if not self.skip:
            raise Broken(_TOO_LARGE, "oversize", length)
        left = length
        size = pid = 0
        for part in range(4):
            # The length of the topic, the topic, the identifier, the payload.
            n = (2, size, 2 if first & 6 else 0, left)[part]
            if n > left:
                raise Broken(_MALFORMED, "body", first, length)
            left -= n
            value = 0
            while n:
                if at == end:
                    self.partial = True
                    self.space = self._view
                    at = 0
                    end = yield
                elif part & 1:
                    step = min(n, end - at)
                    at += step
                    n -= step
                else:
                    value = value << 8 | self._buffer[at]
                    at += 1
                    n -= 1
            if part == 0:
                size = value
            elif part == 2:
                pid = value
                if first & 6 and not pid:
                    raise Broken(_MALFORMED, "identifier", first)
        yield first << 16 | pid
        return at, end


def _length(buf, at, end):
    # Returns a remaining length [MQTT-2.2.3] and the index after it, which is past `end` where bytes are missing.
    length = shift = 0
    while at < end:
        length |= (buf[at] & 0x7F) << shift
        at += 1
        if buf[at - 1] < 0x80:
            return length, at
        shift += 7
        if shift > 21:
            raise Broken(_MALFORMED, "length")
    return 0, end + 1


def _topic_end(buf, body, stop, first):
    # Returns the index after the topic of a PUBLISH, whose body is buf[body:stop].
    at = body + 2
    if at <= stop:
        at += buf[body] << 8 | buf[body + 1]
    if at > stop:
        raise Broken(_MALFORMED, "body", first, stop - body)
    return at


def _topic(name, first):
    try:
        packets.field("topic", name, _TOPIC)
    except ValueError as e:
        raise Broken(_MALFORMED, "topic", first, e)
    return str(name, "utf-8")
