"""The protocol engine: queue, window, packet identifiers, QoS 1 and 2, and the bytes of one connection.

No I/O and no clock. A driver reads into `space()` and has `process(n)` take what it read; `flush` hands what is to be
sent to anything with `write(buf, offset, length)`.
"""

from micropython import const

from . import packets
from .packets import Broken, publish

_RX = const(512)
_TX = const(1024)
# The end of the transmit buffer is for an acknowledgement of each packet that is taken, PINGREQ and DISCONNECT.
_ROOM = const(1008)

_CONNACK = const(0x20)
_PUBLISH = const(0x30)
_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)
_SUBSCRIBE = const(0x82)
_SUBACK = const(0x90)
_UNSUBSCRIBE = const(0xA2)
_UNSUBACK = const(0xB0)
_PINGRESP = const(0xD0)

# Results of a broken connection.
_TOO_LARGE = const(-3)
_MALFORMED = const(-4)

# What can be malformed; `errors` has the words.
_LENGTH = const(0)
_FIRST = const(1)
_TYPE = const(2)
_BODY = const(3)
_PID = const(4)
_NAME = const(5)
_SECOND = const(6)
_CODE = const(7)

_IDS = const(65535)
_TOPIC = const(3)
_FAILURE = const(-1)
_NO_MORE_MSGIDS = const(-10)
_INCOMPLETE = const(-11)
_FULL = const(-12)


class Received:
    """A message from the broker: `topic` (str), `message` (bytes), `qos`, `retain`, `dup` (ints)."""

    # Only what differs from these takes room in a message. It may also stand in the queue, see `closed`.
    qos = retain = dup = pid = awaits = 0
    callback = None

    def __init__(self, topic, message):
        self.topic = topic
        self.message = message


class _Received1(Received):
    # With an attribute less of its own than it had otherwise.
    qos = 1


class _Request:
    # A SUBSCRIBE (qos: a list) or UNSUBSCRIBE (None) in the queue; `many`: the answer is a list.
    size = 0

    def __init__(self, filters, qos, callback, many):
        self.many = many
        self.filters = filters
        self.qos = qos
        self.callback = callback
        self.awaits = _SUBACK if qos else _UNSUBACK


class Session:
    """The engine of one client, in which `entries` is the queue of all that is not finished.

    A message in it has `topic`, `message`, `qos`, `retain`, `size` (bytes of topic and payload, never 0), `callback`,
    `pid` (0 with QoS 0) and `awaits`: 0 until it is first sent, then the first byte of the acknowledgement that is due,
    -1 out of the queue. That is its whole state [MQTT-4.3.2-1, 4.3.3-1]. A request has size 0.

    fn(message): takes a message that has come.
    """

    kept = False  # by a store, see there

    def __init__(self, fn):
        # The buffers first: later there may be no free block of that size.
        rx = bytearray(_RX)
        self._home = rx, memoryview(rx)  # the receive buffer; `_rx` is a larger one while that is needed
        self._tx = bytearray(_TX)
        self._deliver = fn
        self.config = None  # the options of `connect` by their names, see `options`
        self.due = []  # calls to make, oldest first: (function, arguments…)
        self.onconnect = self.onlost = self.ondelivery = None  # the program's handlers
        self.present = False  # of the last CONNACK
        self.dropped = 0
        self.why = None  # of `lasterror`
        self.entries = []
        self._asks = 0  # how many of them are requests
        self._bytes = 0  # size of them all
        self._ids = {}  # packet identifier: entry
        self._last = 0
        self._inbound = set()  # packet identifiers of QoS 2 messages between PUBLISH and PUBREL
        self._subs = {}
        self._redo = None  # the last request to subscribe again
        # The last topic sent to, if it was a str; the last one received; and the last one received twice in a row.
        self._good = self._heard = self._topic = "/"
        self._data = b"/"  # the bytes of the last topic sent to
        self._name = b"\0\1/"  # the field that `_topic` is
        self._reset()

    # -- one connection

    def _reset(self):
        # What belongs to a connection, as it is without one.
        self.stop()
        self._bye = False
        self.ponged = True  # PINGRESP has come; for the client to clear with PINGREQ
        self.sent = self._asked = 0  # entries before this index were sent on this connection; so many are requests
        self._edge = 0  # so many were in flight when the last connection ended
        self._tail = 0  # of what is waiting in the transmit buffer
        self._big = self._solo = None  # a packet too large for it, which goes first; the entry of QoS 0 that this is
        self._head = 0  # of the one of these that is being written
        self._count0 = self._bytes0 = 0  # messages of QoS 0 in the transmit buffer
        self._rx, self._view = self._home

    def stop(self):
        """Take no more packets, and send no more but what is on its way and DISCONNECT."""
        self._at = self._left = self.end = 0  # `end` of what was received; 0: all was taken
        self.open = False  # for what the program sends: from CONNACK to DISCONNECT
        self._bye = True

    def closed(self, lose):
        """The connection has ended. What is given up (-11) with it: 1, requests; 2, messages of QoS 0 too; 3, all.

        A message of QoS 0 that was begun is lost (-1).
        """
        self.stop()
        if self._big:
            if self._solo and self._head:
                self.finish(self._solo, _FAILURE, None)
            self._head = 0
        tx = self._tx
        at = 0
        while at < self._tail:
            length = self._length(tx, at + 1, self._tail)
            body = self._body
            end = body + length
            if tx[at] & 0xF6 == 0x30 and end > self._head:
                if lose < 2 and at >= self._head:
                    topic = body + 2 + (tx[body] << 8 | tx[body + 1])
                    entry = Received(bytes(tx[body + 2 : topic]), bytes(tx[topic:end]))
                    entry.retain = tx[at] & 1
                    entry.size = length - 2
                    self.entries.insert(self.sent, entry)
                    self._bytes += entry.size
                    self.sent += 1
                else:
                    self.ended(None, _FAILURE if at < self._head else _INCOMPLETE)
                self._head = end  # it is done, should there be no memory for the next
            at = end
        self._reset()
        at = 0
        while at < len(self.entries):
            entry = self.entries[at]
            if lose > (0 if not entry.size else 2 if entry.pid else 1):
                self.finish(entry, _INCOMPLETE, None)
                continue
            if entry.size and entry.awaits:
                # What was in flight goes first, also before requests [MQTT-4.4.0-1].
                self.entries.insert(self._edge, self.entries.pop(at))
                self._edge += 1
            at += 1

    # -- sending

    def pending(self):
        """The number of messages accepted and not finished (QoS 0: not yet sent)."""
        return len(self.entries) - self._asks + self._count0

    def waiting(self):
        """Whether bytes are waiting for the network."""
        return self._tail or self._big

    def publish0(self, topic, message, retain):
        """Encode a QoS 0 PUBLISH behind what leaves next, without allocating; False: no room, or it has to queue."""
        size = len(topic) + len(message)
        if not self.open or self._big or self.sent < len(self.entries) or self._tail + size + 7 > _ROOM:
            return False
        if (self._count0 or self.entries) and self.full(size, self.pending()):
            return False
        self._tail = publish(self._tx, self._tail, _PUBLISH | retain, topic, message)
        self._count0 += 1
        self._bytes0 += size
        return True

    def field(self, topic):
        """Return a topic name as bytes-like; raises ValueError or TypeError for what is none."""
        text = isinstance(topic, str)
        if topic == (self._good if text else self._data):
            return self._data  # most messages have the topic of the one before
        data = packets.field("topic", topic, _TOPIC)
        if isinstance(data, bytes):
            self._good = topic if text else None
            self._data = data
        return data

    def full(self, size, count):
        """Whether a message of `size` bytes besides `count` others goes over the limits."""
        config = self.config
        return count >= config.maxqueued or count and size + self._bytes + self._bytes0 > config.maxqueuedbytes

    def accept(self, entry):
        """Queue a message; return 0, or the code that says why not."""
        if self.full(entry.size, self.pending()) or entry.qos and len(self._ids) == _IDS:
            code = self._makeroom(entry)
            if code:
                return code
        entry.pid = 0
        if entry.qos:
            self._number(entry)
        entry.awaits = 0
        self.entries.append(entry)
        self._bytes += entry.size
        return 0

    def _makeroom(self, entry):
        # With overflow "dropold", gives up what has not been sent, oldest first, QoS 0 before the others, and none
        # unless that makes room; returns 0, or the code that says what there is no room for.
        old = []
        size = entry.size
        count = self.pending()
        for qos0 in (True, False) if self.config.dropold else ():
            for e in self.entries:
                if (not e.pid) is qos0 and not e.awaits and e is not self._solo and self.full(size, count):
                    old.append(e)
                    size -= e.size
                    count -= 1
        if self.full(size, count):
            return _FULL
        if entry.qos and len(self._ids) == _IDS and not (old and old[-1].pid):
            return _NO_MORE_MSGIDS
        for e in old:
            self.dropped += e.callback is not None
            self.finish(e, _FULL, None)
        return 0

    def request(self, filters, qos, callback, many):
        """Queue a SUBSCRIBE (`qos`: a list) or an UNSUBSCRIBE (None); return 0 or -10. `many`: the answer is a list."""
        if len(self._ids) == _IDS:
            return _NO_MORE_MSGIDS
        r = _Request(filters, qos, callback, many)
        self._number(r)
        self.entries.append(r)
        self._asks += 1
        return 0

    def cancel(self, entry):
        """Give a message up; False: it is finished, or the broker has it or is being sent it."""
        if entry.awaits < 0 or entry.awaits == _PUBCOMP or entry is self._solo:
            return False
        self.finish(entry, _INCOMPLETE, None)
        return True

    def finish(self, entry, code, qos):
        """An entry has come to its end: take it off, tell its callback; `qos`: what SUBACK granted."""
        # The call first: if there is no memory for it, nothing has happened yet.
        if entry.size:
            self.ended(entry.callback, code)
        elif entry.callback is not None:
            self.due.append((entry.callback, code, qos) if entry.qos else (entry.callback, code))
        entry.callback = None  # told, should what follows fail and be repeated
        i = self.entries.index(entry)
        self.entries.pop(i)
        if i < self.sent:
            self.sent -= 1
            self._asked -= not entry.size
        if entry.pid:
            del self._ids[entry.pid]
        entry.awaits = -1
        self._bytes -= entry.size
        if not entry.size:
            self._asks -= 1
        elif entry.pid and not code and self.ondelivery is not None:
            self.due.append((self.ondelivery, entry))

    def ended(self, callback, code):
        """Tell how a message ended; a failure nobody waits for shows in `dropped` and `lasterror`."""
        if callback is not None:
            self.due.append((callback, code))
        elif code:
            self.dropped += 1
            self.why = code

    def _number(self, entry):
        # Gives it the next free packet identifier [MQTT-2.3.1-2].
        pid = self._last % _IDS + 1
        while pid in self._ids:
            pid = pid % _IDS + 1
        self._last = entry.pid = pid
        self._ids[pid] = entry

    def flush(self, out):
        """Write what is waiting to `out.write(buf, offset, length)` until all has left or it returns None.

        Returns whether any has left.
        """
        sent = False
        while True:
            if self._big:
                n = self._write(out)
            elif self._tail:
                n = out.write(self._tx, self._head, self._tail - self._head)
                if n:
                    self._head += n
                    if self._head == self._tail:
                        self._head = self._tail = self._count0 = self._bytes0 = 0
            elif self.sent == len(self.entries) or not self._fill():
                return sent
            else:
                continue
            if not n:
                return sent
            sent = True

    def _write(self, out):
        # As `flush`, of the packet that goes first; returns how many bytes have left.
        size = len(self._big)
        # Nothing is left, if there was no memory to tell of it.
        if self._head < size:
            n = out.write(self._big, self._head, size - self._head) or 0
            self._head += n
            if self._head < size:
                return n
        if self._solo:
            self.finish(self._solo, 0, None)
            self._solo = None
        self._head = 0
        self._big = None
        return True

    def _fill(self):
        # Moves what may go now to where it leaves from, in order, so that what an earlier connection left unfinished
        # goes first [MQTT-4.4.0-1]; returns whether there was any.
        while self.open and self.sent < len(self.entries) and not self._big:
            entry = self.entries[self.sent]
            if entry.awaits == _PUBCOMP:
                if self._tail > _ROOM:
                    break
                self._ack(_PUBREL, entry.pid)
            elif not entry.size:
                first = _SUBSCRIBE if entry.qos else _UNSUBSCRIBE
                if not self.put(packets.packet(first, (entry.pid >> 8, entry.pid & 0xFF), entry.filters, entry.qos)):
                    break
                self._asked += 1
            elif (
                not entry.awaits and self.sent - self._asked >= self.config.maxinflight or not self._encode(entry)
            ):
                break
            self.sent += 1
        return self._tail or self._big

    def _encode(self, entry):
        # Encodes a message behind what is waiting, or as the packet that goes first; False: no room now.
        head = entry.pid << 8 | _PUBLISH | entry.qos << 1 | entry.retain
        if entry.awaits or entry.dup:
            head |= 8  # DUP [MQTT-3.3.1-1]
        if self._tail + entry.size + 9 > _ROOM or not entry.pid:
            if self._tail:
                return False
            self._big = bytearray(packets.framed(entry.size + (4 if entry.pid else 2)))
            publish(self._big, 0, head, self.field(entry.topic), entry.message)
            if not entry.pid:
                self._solo = entry
                return False
        else:
            self._tail = publish(self._tx, self._tail, head, self.field(entry.topic), entry.message)
        entry.awaits = _PUBACK if entry.qos == 1 else _PUBREC
        return True

    def put(self, packet):
        """Have a packet leave behind what is waiting; False: there is no room now. For two bytes there always is."""
        end = self._tail + len(packet)
        if end <= _ROOM or len(packet) == 2:
            self._tx[self._tail : end] = packet
            self._tail = end
        elif self._tail:
            return False
        else:
            self._big = packet
        return True

    def _ack(self, first, pid):
        tx = self._tx
        at = self._tail
        tx[at] = first
        tx[at + 1] = 2
        tx[at + 2] = pid >> 8
        tx[at + 3] = pid & 0xFF
        self._tail = at + 4

    # -- receiving

    def space(self):
        """The memoryview to read into next; None: no room until packets are taken and acknowledgements have left."""
        if self._tail > _ROOM or self.end == len(self._rx):
            return None
        return self._view[self.end :] if self.end else self._view

    def process(self, n):
        """Take the packets that are complete with the `n` bytes just read into `space()`; return whether there was one.

        Calls that are due are made between packets, so that a handler set by one sees the next. What handlers raise
        leaves from here: call it again to go on. Raises Broken where the connection has to end.
        """
        self.end += n
        did = self._packets()
        if self._at:
            # The beginning of a packet moves to that of the receive buffer.
            n = self.end - self._at
            if n:
                self._view[:n] = self._view[self._at : self.end]
            else:
                self._rx, self._view = self._home
            self._at = 0
            self.end = n
        return did

    def _packets(self):
        did = False
        try:
            while self._tail <= _ROOM and self._take():
                did = True
                if self.due:
                    self.calls()
        except MemoryError:
            # If it was not for a message, but after that, it is the program's.
            if self._at != self._begun or not self._drop():
                raise
            did = True
        return did

    def calls(self):
        """Make the calls that are due now; return whether there were any."""
        count = len(self.due)
        for _ in range(count):
            call = self.due[0]
            if len(call) == 2:
                self.due.pop(0)
                call[0](call[1])
            else:
                args = call[1:]
                self.due.pop(0)
                call[0](*args)
        return count > 0

    def lose(self, code, reason=0, first=0, number=0):
        """Raise Broken, and note it for `lasterror`."""
        self.why = Broken(code, reason, first, number)
        raise self.why

    def _take(self):
        # Takes one packet, or a part of one to skip; returns False if bytes are missing.
        self._begun = at = self._at
        if self._left:
            n = min(self._left, self.end - at)
            self._left -= n
            self._at += n
            return n
        if self.end - at < 2:
            return False
        first = self._rx[at]
        length = self._rx[at + 1]
        at += 2
        if length > 127:
            length = self._length(self._rx, at - 1, self.end)
            at = self._body
            if not at:
                return False
        if first >> 4 != 3 or not self.open or first & 6 == 6 or first & 14 == 8:
            self._check(first, length)
        if length > self.config.maxmessage:
            return self._skip(first, length, at)
        if at + length > self.end:
            return False if self._grow(at + length - self._at) else self._skip(first, length, at)
        if first >> 4 == 3:
            self._publish(first, at, at + length)
        else:
            # Where there is no memory for the answer, the next call takes the packet again.
            self._control(first, at, length)
            self._at = at + length
        return True

    def _check(self, first, length):
        # Raises Broken for a fixed header that may not come now, or with that length.
        if not self.open and first >> 4 != 2:
            self.lose(_MALFORMED, _FIRST, first)
        if first not in (_CONNACK, _PUBACK, _PUBREC, _PUBREL, _PUBCOMP, _SUBACK, _UNSUBACK, _PINGRESP):
            self.lose(_MALFORMED, _TYPE, first)
        if length < 3 if first == _SUBACK else length != (0 if first == _PINGRESP else 2):
            self.lose(_MALFORMED, _BODY, first, length)

    def _length(self, buf, at, end):
        # Returns a remaining length [2.2.3]; the index after it is `_body` then, 0 where bytes are missing.
        length = shift = 0
        while at < end:
            length |= (buf[at] & 0x7F) << shift
            at += 1
            if buf[at - 1] < 0x80:
                self._body = at
                return length
            shift += 7
            if shift > 21:
                self.lose(_MALFORMED, _LENGTH)
        self._body = 0
        return 0

    def _grow(self, size):
        # Makes the receive buffer hold a packet of `size` bytes; returns False if there is no memory for that.
        if size > len(self._rx):
            try:
                rx = bytearray(size)
                view = memoryview(rx)
            except MemoryError:
                return False
            left = self.end - self._at
            view[:left] = self._view[self._at : self.end]
            self._rx = rx
            self._view = view
            self._at = 0
            self.end = left
        return True

    def _publish(self, first, at, end):
        # Takes a PUBLISH whose body is rx[at:end].
        if self._rx.startswith(self._name, at) and at + len(self._name) + 1 < end:
            at += len(self._name)
            self._heard = self._topic
        else:
            at = self._rename(first, at, end)
        pid = 0
        if first & 6:
            pid = self._pid(first, at)
            at += 2
        message = bytes(self._view[at:end])
        message = (_Received1 if first & 2 else Received)(self._heard, message)
        if first & 4:
            message.qos = 2
        if first & 1:
            message.retain = 1
        if first & 8:
            message.dup = 1
        # QoS 2: remembered and answered before the handler has it, whatever that does [MQTT-4.3.3-2].
        if first & 4 and not self._took(2, pid):
            self._at = end
            return
        self._at = end
        self._deliver(message)
        if first & 2 and (self.open or self._bye):
            self._took(1, pid)

    def _rename(self, first, at, end):
        # Takes the topic of a PUBLISH; returns the index after it. An identifier that has to be there is there then.
        room = end - at - (4 if first & 6 else 2)
        size = self._rx[at] << 8 | self._rx[at + 1] if room >= 0 else 0
        if room < size:
            self.lose(_MALFORMED, _BODY, first, end - at)
        stop = at + 2 + size
        topic = self._view[at + 2 : stop]
        try:
            packets.field("topic", topic, _TOPIC)
        except ValueError as e:
            self.lose(_MALFORMED, _NAME, first, e)
        topic = str(topic, "utf-8")
        if topic != self._heard:
            self._heard = topic
        else:
            # It is the second time, so it pays to know it by its bytes from now on.
            self._name = bytes(self._view[at:stop])
            self._topic = self._heard
        return stop

    def _took(self, qos, pid):
        # Acknowledges a message; returns whether it was a new one [MQTT-4.3.2-2, 4.3.3-2].
        new = True
        if qos == 2:
            new = pid not in self._inbound
            self._inbound.add(pid)
            self._ack(_PUBREC, pid)
        elif qos:
            self._ack(_PUBACK, pid)
        return new

    def _pid(self, first, at):
        pid = self._rx[at] << 8 | self._rx[at + 1]
        if not pid:
            self.lose(_MALFORMED, _PID, first)
        return pid

    def _drop(self):
        # No memory: drops the message this was for; returns False if it was not for a message from the broker.
        at = self._at
        if self.end - at < 2 or self._rx[at] >> 4 != 3:
            return False
        return self._skip(self._rx[at], self._length(self._rx, at + 1, self.end), self._body)

    def _skip(self, first, length, at):
        # Drops a message that is too large, acknowledged as its QoS asks; returns False if bytes are missing for that.
        if first >> 4 != 3 or not self.config.skip:
            self.lose(_TOO_LARGE, 0, 0, length)
        rx = self._rx
        if self.end < at + 2:
            return False
        end = at + length
        qos = first >> 1 & 3
        at += 2 + (rx[at] << 8 | rx[at + 1])
        stop = at + 2 if qos else at
        if stop > end:
            self.lose(_MALFORMED, _BODY, first, length)
        if stop > self.end:
            if not self._grow(stop - self._at):
                self.lose(_TOO_LARGE, 0, 0, length)
            return False
        self.dropped += self._took(qos, self._pid(first, at) if qos else 0)
        self._left = end - stop
        self._at = stop
        return True

    def _control(self, first, at, length):
        # Takes a packet that is not PUBLISH, whose body is rx[at : at + length].
        if first == _PINGRESP:
            self.ponged = True
        elif first == _CONNACK:
            self._connack(self._rx[at], self._rx[at + 1])
        else:
            self._acknowledged(first, self._pid(first, at), at + 2, at + length)

    def _acknowledged(self, first, pid, at, end):
        # Takes an acknowledgement, or PUBREL.
        entry = self._ids.get(pid)
        if first == _PUBREL:
            self._inbound.discard(pid)
            self._ack(_PUBCOMP, pid)
        elif entry and first == _PUBREC:
            if entry.awaits == first or entry.awaits == _PUBCOMP:
                entry.awaits = _PUBCOMP
                self._ack(_PUBREL, pid)
        elif entry and entry.awaits == first:
            if not entry.size:
                at = self._granted(entry, at, end)
            self.finish(entry, 0, at)

    def _granted(self, request, at, end):
        # Takes what SUBACK or UNSUBACK says of a request; returns the granted QoS, a list if `many` were asked for.
        if not request.qos:
            for topicfilter in request.filters:
                self._subs.pop(topicfilter, None)
            return None
        codes = list(self._view[at:end])
        if len(codes) != len(request.filters):
            self.lose(_MALFORMED, _BODY, _SUBACK, end - at + 2)
        for i, code in enumerate(codes):
            if code < 3:
                self._subs[request.filters[i]] = request.qos[i]
            elif code != 128:
                self.lose(_MALFORMED, _CODE, _SUBACK, code)
        return codes if request.many else codes[0]

    def _connack(self, present, code):
        if self.open:
            self.lose(_MALFORMED, _SECOND)
        if present > 1 or code > 5 or present and code:
            self.lose(_MALFORMED, _CODE, _CONNACK, code)
        self.present = bool(present)
        if code:
            self.lose(code)
        if not present:
            # What the broker forgot with the session.
            self._inbound.clear()
            if self.config.max:
                self._renew()
        if self.onconnect is not None:
            self.due.append((self.onconnect, 0))
        self.open = True

    def _renew(self):
        # All subscriptions again, in one SUBSCRIBE, after what an earlier connection left unfinished.
        entries = self.entries
        if self._redo in entries:
            self.finish(self._redo, 0, None)
        if self._subs and not self.request(list(self._subs), list(self._subs.values()), None, True):
            self._redo = entries.pop()
            entries.insert(self._edge, self._redo)
