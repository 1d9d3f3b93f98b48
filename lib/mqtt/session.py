"""The protocol engine: QoS 1 and 2 state, packet identifiers, queue and window, and the bytes of one connection.

No I/O and no clock: a driver reads into `space()` and calls `received(n)`, or hands `flush` something with a
`write(buf, offset, length)`. What outlives a connection and what belongs to one are set apart in `Session`.
"""

from micropython import const

from . import packets
from .packets import Malformed

_RX = const(1024)
_TX = const(1024)
# Kept free of messages: an acknowledgement for each packet received, PINGREQ and DISCONNECT always find room.
_RESERVE = const(16)

_CONNACK = const(0x20)
_PUBLISH = const(0x30)
_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)
_SUBACK = const(0x90)
_UNSUBACK = const(0xB0)
_PINGRESP = const(0xD0)

_NEW = const(0)  # of `awaits`: accepted, never begun

_INCOMPLETE = const(-11)
_FULL = const(-12)


class TooLarge(Exception):
    """An inbound message is over `maxmessage` or over free memory; the argument is its length in bytes."""


class Received:
    """A message from the broker: `topic` (str), `message` (bytes), `qos`, `retain`, `dup` (ints)."""

    # Only what differs from these takes room in a message.
    qos = retain = dup = 0

    def __init__(self, topic, message):
        self.topic = topic
        self.message = message


class _Request:
    # A SUBSCRIBE or UNSUBSCRIBE until its acknowledgement.
    def __init__(self, pid, filters, qos, callback, one):
        self.pid = pid
        self.awaits = _SUBACK if qos else _UNSUBACK
        self.filters = filters
        self.qos = qos
        self.callback = callback
        self.one = one
        self.packet = packets.request(pid, filters, qos)


class Session:
    """The engine of one client.

    owner: has `connack(code, present)`, `deliver(message)`, `restore(packet)` (a queue entry from a PUBLISH).
    A queue entry has `packet`, `pid`, `qos`, `size`, `callback` and `awaits`: 0 until it is sent, then the first byte
    of the acknowledgement that is due, which is the whole of its state [MQTT-4.3.2, 4.3.3].
    """

    def __init__(self, owner):
        self.owner = owner
        self.due = []  # calls to make, oldest first: (function, arguments…)
        self.ondelivery = None
        self.dropped = 0
        self.why = None  # of `lasterror`: an exception, or a code
        # What outlives a connection: entries in the order of acceptance, those sent on this connection first.
        self.entries = []
        self.bytes = 0
        self.requests = []
        self.subscriptions = {}
        self.inbound = set()  # packet identifiers of QoS 2 messages between PUBLISH and PUBREL
        self.lastid = 0
        self._inuse = {}
        self.config = None  # the options of api.md by their names; `max` is 0 without `reconnect`
        self._rx = None
        self.closed()

    # -- one connection

    def closed(self):
        # What belongs to a connection, as it is when there is none.
        self.open = False
        self._next = 0  # entries before this index were sent on this connection
        self._asked = 0  # likewise for requests
        self._head = self._tail = 0  # of what is waiting in the transmit buffer
        self._big = None  # a packet too large for that buffer, which goes before it
        self._bigat = 0
        self._single = None  # the QoS 0 entry that `_big` is
        self._count0 = self._bytes0 = 0  # QoS 0 messages in the transmit buffer
        self.stop()

    def stop(self):
        """Forget what was received and not taken yet."""
        self._at = self._end = self._left = 0
        self._body = None

    def leave(self):
        """Take nothing more in, and send nothing that is not on its way: DISCONNECT comes next."""
        self.stop()
        self._next = len(self.entries)
        self._asked = len(self.requests)

    def begin(self, connect):
        """Start a connection with this CONNECT packet."""
        if self._rx is None:
            self._rx = memoryview(bytearray(_RX))
            self._tx = bytearray(_TX)
            self._topic = ""
            self._topicbytes = bytearray()
            self._checked = b""
        self._put(connect)

    def ended(self, again):
        """The connection has ended; `again`: the client will connect again by itself.

        A QoS 0 message that was begun is lost (-1), one that was not waits or is given up (-11); QoS 1 and 2 stay.
        """
        unsent = self._unsent()
        single = self._single
        if single and self._bigat:
            self.finish(single, -1)
        self.closed()
        if again:
            for packet in reversed(unsent):
                entry = self.owner.restore(packet)
                self.entries.insert(self._firstnew(), entry)
                self.bytes += entry.size
        else:
            for _ in unsent:
                self.fail(None, _INCOMPLETE)
            self._giveup(False)

    def abandon(self):
        """Give up all that is not finished: callbacks get -11."""
        self._giveup(True)

    def _giveup(self, everything):
        requests = self.requests
        self.requests = []
        for r in requests:
            del self._inuse[r.pid]
            if r.callback:
                self.due.append((r.callback, _INCOMPLETE, None) if r.qos else (r.callback, _INCOMPLETE))
        for entry in self.entries[:]:
            if everything or not entry.qos:
                self.finish(entry, _INCOMPLETE)

    def _unsent(self):
        # The QoS 0 messages without a callback in the transmit buffer: those not begun; one that was begun fails.
        tx = self._tx if self._tail else b""
        found = []
        at = 0
        while at < self._tail:
            end = shift = 0
            body = at + 1
            while True:
                end |= (tx[body] & 0x7F) << shift
                body += 1
                if tx[body - 1] < 0x80:
                    break
                shift += 7
            end += body
            if tx[at] & 0xF6 == _PUBLISH and end > self._head:
                if at < self._head:
                    self.fail(None, -1)
                else:
                    found.append(tx[at:end])
            at = end
        return found

    # -- sending

    def pending(self):
        """The number of messages accepted and not finished (QoS 0: not yet sent)."""
        return len(self.entries) + self._count0

    def waiting(self):
        """Whether bytes are waiting for the network."""
        return self._tail > 0 or self._big is not None

    def publish0(self, topic, message, retain):
        """Encode a QoS 0 PUBLISH where it leaves next, without allocating; False: there is no room now, or it has to queue."""
        length = 2 + len(topic) + len(message)
        at = self._tail
        if (
            not self.open
            or self._big is not None
            or self._next < len(self.entries)
            or self._asked < len(self.requests)
            or at + length + 5 > _TX - _RESERVE
        ):
            return False
        if topic != self._checked:
            packets.topicname("topic", topic)
            if isinstance(topic, bytes):
                self._checked = topic
        at = packets.publishhead(self._tx, at, _PUBLISH | retain, length, topic)
        end = self._tail = at + len(message)
        self._tx[at:end] = message
        self._count0 += 1
        self._bytes0 += length - 2
        return True

    def accept(self, entry):
        """Queue an entry; return 0, or the code that says why not."""
        code = self.room(entry.size)
        if code:
            return code
        if entry.qos:
            pid = self._newid()
            if not pid:
                return -10
            entry.number(pid)
            self._inuse[pid] = entry
        self.entries.append(entry)
        self.bytes += entry.size
        return 0

    def room(self, size):
        """Make room for a message of `size` bytes (topic and payload) within the limits; return 0 or -12."""
        config = self.config
        count = self.pending()
        total = self.bytes + self._bytes0 + size
        if count < config.maxqueued and (not count or total <= config.maxqueuedbytes):
            return 0
        if not config.dropold:
            return _FULL
        # Oldest first, QoS 0 before the others; nothing is given up unless that makes enough room.
        old = [e for e in self.entries if e.awaits == _NEW and e is not self._single]
        old = [e for e in old if not e.qos] + [e for e in old if e.qos]
        for i, entry in enumerate(old):
            total -= entry.size
            count -= 1
            if count < config.maxqueued and (not count or total <= config.maxqueuedbytes):
                for entry in old[: i + 1]:
                    if entry.callback:
                        self.dropped += 1
                    self.finish(entry, _FULL)
                return 0
        return _FULL

    def request(self, filters, qos, callback, one):
        """Queue a SUBSCRIBE (`qos`: a list) or an UNSUBSCRIBE (None); return 0 or -10. `one`: the answer is no list."""
        pid = self._newid()
        if not pid:
            return -10
        r = self._inuse[pid] = _Request(pid, filters, qos, callback, one)
        self.requests.append(r)
        return 0

    def cancel(self, entry):
        """Give an entry up; False: it is finished, or the broker has it or is being sent it."""
        if entry not in self.entries or entry.awaits == _PUBCOMP or entry is self._single:
            return False
        self.finish(entry, _INCOMPLETE)
        return True

    def finish(self, entry, code):
        """An entry has come to its end: take it off, tell its callback."""
        i = self.entries.index(entry)
        self.entries.pop(i)
        if i < self._next:
            self._next -= 1
        self.bytes -= entry.size
        if entry.pid:
            del self._inuse[entry.pid]
        if code == 0 and entry.qos and self.ondelivery:
            self.due.append((self.ondelivery, entry))
        self.fail(entry.callback, code)

    def fail(self, callback, code):
        # Tells how a message ended. A failure nobody waits for shows in `dropped` and `lasterror`.
        if callback:
            self.due.append((callback, code))
        elif code:
            self.dropped += 1
            self.why = code

    def _newid(self):
        # The next free packet identifier [MQTT-2.3.1-2], 0: none.
        for _ in range(65535):
            self.lastid = self.lastid % 65535 + 1
            if self.lastid not in self._inuse:
                return self.lastid
        return 0

    def _firstnew(self):
        for i, entry in enumerate(self.entries):
            if entry.awaits == _NEW:
                return i
        return len(self.entries)

    def flush(self, out):
        """Write what is waiting to `out.write(buf, offset, length)` until it takes no more; return whether all has left."""
        while True:
            big = self._big
            if big is not None:
                n = out.write(big, self._bigat, len(big) - self._bigat)
                if n is None:
                    return False
                self._bigat += n
                if self._bigat == len(big):
                    self._big = None
                    self._bigat = 0
                    if self._single:
                        single, self._single = self._single, None
                        self.finish(single, 0)
            elif self._tail:
                n = out.write(self._tx, self._head, self._tail - self._head)
                if n is None:
                    return False
                self._head += n
                if self._head == self._tail:
                    self._head = self._tail = self._count0 = self._bytes0 = 0
            elif self._next < len(self.entries) or self._asked < len(self.requests):
                self.fill()
                if not self._tail and self._big is None:
                    return True
            else:
                return True

    def fill(self):
        """Move packets that may go now to where they leave from, those of an earlier connection first [MQTT-4.4.0-1]."""
        if not self.open or self._big is not None or not self._fillentries(True):
            return
        while self._asked < len(self.requests):
            if not self._put(self.requests[self._asked].packet):
                return
            self._asked += 1
        self._fillentries(False)

    def _fillentries(self, again):
        # Puts entries, in order, as far as there is room and window; True: all that it may were put.
        while self._next < len(self.entries):
            entry = self.entries[self._next]
            if entry.awaits == _NEW:
                if again or self._next >= self.config.maxinflight:
                    return True
                if not entry.qos:
                    if not self._tail:
                        self._single = entry
                        self._big = entry.packet
                    return False
            if entry.awaits == _PUBCOMP:
                if self._tail > _TX - _RESERVE:
                    return False
                self._answer(_PUBREL, entry.pid)
            else:
                if entry.awaits:
                    entry.packet[0] |= 8  # DUP [MQTT-3.3.1-1]
                if not self._put(entry.packet):
                    return False
                entry.awaits = _PUBACK if entry.qos == 1 else _PUBREC
            self._next += 1
            if self._big is not None:
                return False
        return True

    def _put(self, packet):
        # Copies a packet behind what is waiting, or makes it the one that goes next; False: no room now.
        end = self._tail + len(packet)
        if end <= _TX - _RESERVE:
            self._tx[self._tail : end] = packet
            self._tail = end
        elif self._tail:
            return False
        else:
            self._big = packet
        return True

    def _answer(self, first, pid):
        tx = self._tx
        at = self._tail
        tx[at] = first
        tx[at + 1] = 2
        tx[at + 2] = pid >> 8
        tx[at + 3] = pid & 0xFF
        self._tail = at + 4

    def signal(self, first):
        """Send PINGREQ or DISCONNECT behind what is on its way."""
        self._tx[self._tail] = first
        self._tx[self._tail + 1] = 0
        self._tail += 2

    # -- receiving

    def space(self):
        """The memoryview to read into next, or None while acknowledgements have to leave first."""
        if self._body is not None:
            return memoryview(self._body)[self._at :]
        if self._tail > _TX - _RESERVE:
            return None
        if self._end:
            return self._rx[self._end :]
        return self._rx

    def received(self, n):
        """Take `n` bytes that were read into `space()`."""
        if self._body is None:
            self._end += n
            return
        self._at += n

    def process(self):
        """Take the complete packets that were received; return whether there was one.

        Calls that are due are made between packets, so that a handler set by one sees the next.
        What handlers raise leaves here; call it again to go on.
        """
        did = False
        rx = self._rx
        if self._body is not None:
            if self._at < len(self._body):
                return False
            did = True
            body = self._body
            self.stop()
            self._take(self._first, memoryview(body), 0, len(body))
        while self._tail <= _TX - _RESERVE:
            at = self._at
            end = self._end
            if self._left:
                did = True
                if not self._discard(end - at):
                    break
            else:
                if end - at < 2:
                    break
                first = rx[at]
                length = rx[at + 1]
                body = at + 2
                if length > 127:
                    length, body = self._length(at + 1, end)
                    if length < 0:
                        break
                if not self.open and first != _CONNACK:
                    raise Malformed("the first packet is not CONNACK")
                if first >> 4 == 3 and length > self.config.maxmessage or body + length - at > _RX:
                    if not self._large(first, length, body, end):
                        break
                elif body + length > end:
                    break
                else:
                    did = True
                    self._at = body + length
                    self._take(first, rx, body, length)
            if self.due:
                self.calls()
        self._compact()
        return did

    def calls(self):
        """Make the calls that are due now; return whether there were any."""
        count = len(self.due)
        for _ in range(count):
            if self.due:
                call = self.due.pop(0)
                call[0](*call[1:])
        return count > 0

    def _compact(self):
        if self._body is not None or not self._at:
            return
        left = self._end - self._at
        if left:
            self._rx[:left] = self._rx[self._at : self._end]
        self._at = 0
        self._end = left

    def _length(self, at, end):
        # Decodes a remaining length [2.2.3]: (length, index after it), or (-1, 0) where bytes are missing.
        length = shift = 0
        while at < end:
            byte = self._rx[at]
            at += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                return length, at
            shift += 7
            if shift > 21:
                raise Malformed("a remaining length of more than four bytes")
        return -1, 0

    def _publish(self, first, buf, at, end):
        # Takes a PUBLISH whose variable header and payload are buf[at:end].
        qos = first >> 1 & 3
        start = at + 2
        stop = payload = start + (buf[at] << 8 | buf[at + 1]) if start <= end else end + 1
        if qos:
            payload += 2
        if payload > end:
            raise Malformed("a PUBLISH shorter than its topic")
        pid = 0
        if qos:
            pid = self._pid(buf, stop)
            if qos == 3:
                raise Malformed("QoS 3")
            if qos == 2 and pid in self.inbound:
                self._answer(_PUBREC, pid)
                return
        try:
            name = buf[start:stop]
            if name != self._topicbytes:
                self._newtopic(name)
            message = Received(self._topic, bytes(buf[payload:end]))
            if first & 0x0F:
                message.qos = qos
                message.retain = first & 1
                message.dup = first >> 3 & 1
        except MemoryError:
            if not self.config.skip:
                raise TooLarge(end - at)
            self._dropped(qos, pid)
            return
        if qos == 2:
            # Remembered and answered first: the handler has had it, whatever it does [MQTT-4.3.3-2].
            self.inbound.add(pid)
            self._answer(_PUBREC, pid)
        self.owner.deliver(message)
        if qos == 1 and self.open:
            self._answer(_PUBACK, pid)

    def _newtopic(self, name):
        # Checks and keeps the topic: most messages have that of the one before.
        self._topicbytes[:] = b""
        try:
            topic = str(name, "utf-8")
        except UnicodeError:
            topic = "\0"
        if len(topic) != len(name) and not packets.wellformed(name, 0, len(name)):
            topic = "\0"
        if "\0" in topic:
            raise Malformed("a topic that is not well-formed text")
        if not topic or "#" in topic or "+" in topic:
            raise Malformed("a topic that is empty or has a wildcard")
        self._topic = topic
        self._topicbytes[:] = name

    def _pid(self, buf, at):
        pid = buf[at] << 8 | buf[at + 1]
        if not pid:
            raise Malformed("packet identifier 0")
        return pid

    def _large(self, first, length, body, end):
        # Starts to take a packet that the receive buffer cannot hold or a message over the limit; False: bytes are missing.
        if first >> 4 != 3 and first != _SUBACK:
            raise Malformed("a packet of type %d with %d bytes" % (first >> 4, length))
        if end < body + 2:
            return False
        self._first = first
        if length <= self.config.maxmessage or first == _SUBACK:
            try:
                self._body = bytearray(length)
            except MemoryError:
                pass
            else:
                have = end - body
                self._body[:have] = self._rx[body:end]
                self._at = have
                return False
        if not self.config.skip:
            raise TooLarge(length)
        topic = 2 + (self._rx[body] << 8 | self._rx[body + 1])
        qos = first >> 1 & 3
        if topic + (2 if qos else 0) > length:
            raise Malformed("a PUBLISH shorter than its topic")
        self._at = body
        self._left = length
        # How many bytes are left where the packet identifier begins; it is gathered in passing.
        self._idleft = length - topic if qos else -1
        self._idnow = 0
        return True

    def _discard(self, n):
        # Skips up to `n` bytes of a message that is dropped; False: more must come.
        n = min(n, self._left)
        for left in (self._idleft, self._idleft - 1):
            i = self._left - left
            if 0 <= i < n:
                self._idnow = self._idnow << 8 | self._rx[self._at + i]
        self._at += n
        self._left -= n
        if self._left:
            return False
        self._dropped(self._first >> 1 & 3, self._idnow)
        return True

    def _dropped(self, qos, pid):
        # A message that is not delivered, acknowledged as its QoS asks.
        if qos and not pid:
            raise Malformed("packet identifier 0")
        if qos == 2:
            self._answer(_PUBREC, pid)
            if pid in self.inbound:
                return
            self.inbound.add(pid)
        elif qos:
            self._answer(_PUBACK, pid)
        self.dropped += 1

    def _take(self, first, buf, at, length):
        # Takes the packet whose body is buf[at : at + length].
        if first >> 4 == 3:
            return self._publish(first, buf, at, at + length)
        if first == _CONNACK:
            return self._connack(buf, at, length)
        if first == _SUBACK:
            return self._suback(buf, at, length)
        if first == _PINGRESP:
            if length:
                raise Malformed("a PINGRESP with a body")
            self.owner.pong()
            return
        if first not in (_PUBACK, _PUBREC, _PUBREL, _PUBCOMP, _UNSUBACK):
            raise Malformed("a packet of type %d with flags %d" % (first >> 4, first & 15))
        if length != 2:
            raise Malformed("a packet of type %d with %d bytes" % (first >> 4, length))
        pid = self._pid(buf, at)
        if first == _PUBREL:
            self.inbound.discard(pid)
            self._answer(_PUBCOMP, pid)
            return
        entry = self._inuse.get(pid)
        if entry is None:
            return
        if entry.awaits != first:
            if first == _PUBREC and entry.awaits == _PUBCOMP:
                self._answer(_PUBREL, pid)
        elif first == _PUBREC:
            entry.awaits = _PUBCOMP
            self._answer(_PUBREL, pid)
        elif first == _UNSUBACK:
            self._answered(entry, None)
        else:
            self.finish(entry, 0)

    def _connack(self, buf, at, length):
        if self.open:
            raise Malformed("a second CONNACK")
        if length != 2:
            raise Malformed("a CONNACK with %d bytes" % length)
        present = buf[at]
        code = buf[at + 1]
        if present > 1 or code > 5 or present and code:
            raise Malformed("a CONNACK with flags %d and code %d" % (present, code))
        self.open = not code
        if self.open:
            if not present:
                self.inbound.clear()
                if self.config.max:
                    self._resubscribe()
            self.fill()
        self.owner.connack(code, present)

    def _resubscribe(self):
        # The broker has no session: all subscriptions again, in one SUBSCRIBE before other requests.
        for r in self.requests[:]:
            if r.one is None:
                self.requests.remove(r)
                del self._inuse[r.pid]
        if self.subscriptions:
            filters = list(self.subscriptions)
            if not self.request(filters, [self.subscriptions[f] for f in filters], None, None):
                self.requests.insert(0, self.requests.pop())

    def _suback(self, buf, at, length):
        if length < 3:
            raise Malformed("a SUBACK with %d bytes" % length)
        pid = self._pid(buf, at)
        codes = list(buf[at + 2 : at + length])
        for code in codes:
            if code > 2 and code != 128:
                raise Malformed("a SUBACK with code %d" % code)
        r = self._inuse.get(pid)
        if r is None or r.awaits != _SUBACK:
            return
        if len(codes) != len(r.filters):
            raise Malformed("a SUBACK with %d codes for %d topics" % (len(codes), len(r.filters)))
        self._answered(r, codes)

    def _answered(self, r, codes):
        i = self.requests.index(r)
        if i < self._asked:
            self._asked -= 1
        self.requests.pop(i)
        del self._inuse[r.pid]
        for i, topicfilter in enumerate(r.filters):
            if codes and codes[i] < 128:
                self.subscriptions[topicfilter] = r.qos[i]
            else:
                self.subscriptions.pop(topicfilter, None)
        if r.callback:
            if r.qos:
                self.due.append((r.callback, 0, codes[0] if r.one else codes))
            else:
                self.due.append((r.callback, 0))
