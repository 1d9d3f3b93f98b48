"""The outbox: what the program wants sent, from acceptance to the end of its handshake. No I/O, no clock.

One queue for all: `entries`, in the order of acceptance. Those before `sent` have left on this connection, those from
there on wait. A message of QoS 1 or 2 may have to wait for the window (`maxinflight`); what else waits behind it then
overtakes it, since only messages of QoS 1 and 2 have a window. Who calls: `session`.

The life of an outgoing message or request [MQTT-4.3.1-1, 4.3.2-1, 4.3.3-1]. Read: in this state, when this comes,
it is in that state. `_NEXT` holds the arrows that have an acknowledgement on them.

    QUEUED --sent--> LEAVING ------written---> DONE                                 QoS 0
    QUEUED --sent--> WAIT_PUBACK --PUBACK----> DONE                                 QoS 1
    QUEUED --sent--> WAIT_PUBREC --PUBREC----> WAIT_PUBCOMP --PUBCOMP--> DONE       QoS 2
    QUEUED --sent--> WAIT_SUBACK --SUBACK----> DONE                                 SUBSCRIBE
    QUEUED --sent--> WAIT_UNSUBACK --UNSUBACK--> DONE                               UNSUBSCRIBE

A connection that ends moves nothing but LEAVING: what was sent stays in its state and is sent again on the next one, a
PUBLISH with DUP [MQTT-4.4.0-1, 3.3.1-1].
"""

from micropython import const

from . import packets
from .packets import Broken, bad

_QUEUED = const(0)
_LEAVING = const(1)
_WAIT_PUBACK = const(2)
_WAIT_PUBREC = const(3)
_WAIT_PUBCOMP = const(4)
_WAIT_SUBACK = const(5)
_WAIT_UNSUBACK = const(6)
_DONE = const(7)

_PUBLISH = const(0x30)
_DUP = const(8)  # [MQTT-3.3.1-1]
_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)
_SUBSCRIBE = const(0x82)
_SUBACK = const(0x90)
_UNSUBSCRIBE = const(0xA2)
_UNSUBACK = const(0xB0)

# state << 8 | first byte of an acknowledgement: the next state. What is not here breaks the protocol.
_NEXT = {
    _WAIT_PUBACK << 8 | _PUBACK: _DONE,
    _WAIT_PUBREC << 8 | _PUBREC: _WAIT_PUBCOMP,
    # PUBREC again, because PUBREL was lost with a connection: PUBREL again.
    _WAIT_PUBCOMP << 8 | _PUBREC: _WAIT_PUBCOMP,
    _WAIT_PUBCOMP << 8 | _PUBCOMP: _DONE,
    # RabbitMQ grants QoS 1 at most and answers QoS 2 so; the message is not going to be answered otherwise.
    _WAIT_PUBREC << 8 | _PUBACK: _DONE,
    _WAIT_SUBACK << 8 | _SUBACK: _DONE,
    _WAIT_UNSUBACK << 8 | _UNSUBACK: _DONE,
}

_FILTER = const(2)
_LARGE = const(268000000)  # bytes, of a message that may not fit a packet
_IDENTIFIERS = const(65535)
_FAILURE = const(-1)
_PERSISTENCE_ERROR = const(-2)
_MALFORMED = const(-4)
_NO_MORE_MSGIDS = const(-10)
_INCOMPLETE = const(-11)
_FULL = const(-12)


def _qos(value):
    if value not in (0, 1, 2):
        raise bad("qos", value, "is not 0, 1 or 2")
    return int(value)


class Entry:
    """What the outbox keeps: a message, with `topic` (str or bytes), `message` (bytes), `qos`, `retain` (ints).

    `data` is its topic as bytes, `size` its bytes. `owner.topic(name)` checks a topic and encodes it; a Session does.
    Attributes of the class are defaults: an entry holds only what differs, since each takes room.
    """

    state = _DONE
    qos = 0
    size = 0
    pid = 0  # packet identifier; 0: it has none, or not yet
    retain = 0
    dup = 0  # it may have been sent before this program began to run: a store's
    filters = None  # of a request
    cancelled = False  # the program has given it up; its identifier may still be in use
    unwanted = False  # given up by a call that interrupted another one, which has to take it out
    callback = None
    result = 0  # for the callback, once it is DONE

    def __init__(self, owner, topic, message, qos):
        if type(message) is not bytes:
            message = packets.fixed("message", message)
        if type(qos) is not int or not 0 <= qos <= 2:
            qos = _qos(qos)
        data = owner.topic(topic)
        self.data = data if type(data) is bytes else bytes(data)
        self.topic = topic if isinstance(topic, str) else self.data
        self.message = message
        self.qos = qos
        self.size = len(data) + len(message)
        if self.size > _LARGE:
            packets.framed(self.size + 4)
        self.owner = owner

    def finished(self):
        """Whether it is not in the outbox, or no longer."""
        return self.state == _DONE

    def renew(self):
        """Get ready to be sent once more: nothing of the last time counts."""
        if self.result or self.dup or self.cancelled or self.unwanted:
            self.result = self.dup = 0
            self.cancelled = self.unwanted = False

    def put_off(self):
        """It has been handed over, and will be accepted or refused when the call that this one interrupts has ended."""
        self.state = _QUEUED

    def refused(self, code):
        """The outbox has not accepted it."""
        self.state = _DONE
        self.result = code

    def tell(self):
        """Call the callback with the result."""
        callback = self.callback
        self.callback = None
        if callback is not None:
            callback(self.result)


class Request(Entry):
    """A SUBSCRIBE, with a list `asked` of the QoS for each of `filters` (bytes), or an UNSUBSCRIBE, without (None).

    topics: one filter or a list. qos: None for UNSUBSCRIBE, else a tuple of one int for all, or of a list of ints.
    """

    granted = None  # what SUBACK says: a QoS or 128, a list if a list was asked for
    renewal = False  # of subscriptions that the broker has lost

    def __init__(self, topics, qos, callback=None):
        self.many = isinstance(topics, (list, tuple))
        filters = [bytes(packets.field("topics", t, _FILTER)) for t in (topics if self.many else (topics,))]
        if not filters:
            raise bad("topics", topics, "is empty")
        if qos:
            qos = qos[0] if isinstance(qos[0], (list, tuple)) else qos * len(filters)
            if len(qos) != len(filters):
                raise bad("qos", qos, "is not as long as topics")
            qos = [_qos(q) for q in qos]
        self.filters = filters
        self.asked = qos
        self.callback = callback

    def packet(self):
        """Return the packet."""
        first = _SUBSCRIBE if self.asked else _UNSUBSCRIBE
        return packets.packet(first, (self.pid >> 8, self.pid & 0xFF), self.filters, self.asked)

    def tell(self):
        """Call the callback with the result, and with what was granted."""
        callback = self.callback
        self.callback = None
        if callback is not None:
            if self.asked:
                callback(self.result, self.granted)
            else:
                callback(self.result)


class Outbox:
    """The queue of one client.

    transmit: its TransmitBuffer. session: told of endings, by `ended(entry)`. journal: a store's, or None, see `store`.
    """

    def __init__(self, transmit, session):
        self._transmit = transmit
        self._session = session
        self.config = None  # the options of `connect`
        self.journal = None
        self.entries = []
        self.sent = 0  # entries before this one have left on this connection
        self.scan = 0  # entries from `sent` to this one wait for the window; from here on any may leave
        self._inflight = 0  # messages of QoS 1 and 2 sent on this connection whose handshake goes on
        self._requests = 0  # how many entries are requests
        self._victims = None  # what to give up for the message that is being accepted
        self._bytes = 0  # size of all messages
        self.count = 0  # messages accepted and not finished
        self.whole = 0  # entries before this one have left the transmit buffer as well
        self.leaving = []  # entries of QoS 0 that are in the transmit buffer
        self._identifiers = {}  # packet identifier: entry
        self.last = 0  # the last identifier that was given
        self.current = None  # the entry that is just being encoded

    # -- looking

    def unfinished(self):
        """Return the messages that `pending` counts, oldest first."""
        return [entry for entry in self.entries if not entry.filters and not entry.cancelled]

    def idle(self):
        """Whether nothing waits that could leave now: a message of QoS 0 may go at once."""
        return self.scan == len(self.entries)

    def find(self, pid):
        """Return the entry with this packet identifier, or None."""
        return self._identifiers.get(pid)

    # -- accepting

    def accept(self, entry):
        """Queue a message; return 0, or the code that says why not. Nothing is given up unless that makes room."""
        config = self.config
        if self.count and (self.count >= config.maxqueued or entry.size + self._bytes > config.maxqueuedbytes):
            if not self._find_room(entry.size):
                return _FULL
        if entry.qos:
            code = self._identify(entry)
            if code:
                return code
        entry.state = _QUEUED
        try:
            self.entries.append(entry)
        except MemoryError:
            self._disown(entry)
            raise
        self.count += 1
        self._bytes += entry.size
        if self._victims:
            self._overflow()
        return 0

    def _over(self, size, count):
        # Whether a message of `size` bytes besides `count` others is over the limits.
        config = self.config
        return count >= config.maxqueued or count and size + self._bytes > config.maxqueuedbytes

    def _find_room(self, size):
        # Writes what can leave, and if that is not enough, notes what to give up with overflow "dropold": the oldest
        # that has not left, QoS 0 before the others. Returns whether there is room then.
        self._session.relieve()
        self._victims = []
        count = self.count
        for qos0 in (True, False) if self.config.dropold else ():
            for entry in self.entries[self.sent :]:
                if not entry.filters and entry.state == _QUEUED and (not entry.qos) is qos0 and self._over(size, count):
                    self._victims.append(entry)
                    size -= entry.size
                    count -= 1
        return not self._over(size, count)

    def _overflow(self):
        while self._victims:
            victim = self._victims.pop(0)
            self._session.overflowed(victim)
            self.finish(victim, _FULL)

    def _disown(self, entry):
        # Undoes what `_identify` has done.
        entry.state = _DONE
        if entry.pid:
            del self._identifiers[entry.pid]
            if self.journal is not None:
                self.journal.remove(entry.pid)
            entry.pid = 0

    def _identify(self, entry):
        # Gives the message an identifier, and has the journal keep it; returns 0 or the code that says why not.
        pid = self.last + 1
        if pid > _IDENTIFIERS or pid in self._identifiers:
            pid = self._free()
            if not pid:
                return _NO_MORE_MSGIDS
        self._identifiers[pid] = entry
        if self.journal is not None and not self.journal.put(pid, entry):
            del self._identifiers[pid]
            return _PERSISTENCE_ERROR
        entry.pid = self.last = pid
        return 0

    def _free(self):
        # The next packet identifier that is not in use [MQTT-2.3.1-2]; 0: all are.
        pid = self.last % _IDENTIFIERS + 1
        if pid in self._identifiers:
            if len(self._identifiers) >= _IDENTIFIERS:
                return 0
            while pid in self._identifiers:
                pid = pid % _IDENTIFIERS + 1
        return pid

    def refusal(self, offline, more):
        """Return 0 if a request can be queued, behind so many more calls, else the code that says why not.

        offline: it would wait for a connection, and counts as a message does.
        """
        if len(self._identifiers) + more >= _IDENTIFIERS:
            return _NO_MORE_MSGIDS
        return _FULL if offline and self.count + self._requests + more >= self.config.maxqueued else 0

    def request(self, entry, at=None):
        """Queue a SUBSCRIBE or UNSUBSCRIBE, at an index if one is given; return 0 or -10."""
        pid = self._free()
        if not pid:
            return _NO_MORE_MSGIDS
        self.entries.insert(len(self.entries) if at is None else at, entry)
        self._requests += 1
        self._identifiers[pid] = entry
        entry.pid = self.last = pid
        entry.state = _QUEUED
        return 0

    def unsent(self):
        """Return the index of the first entry that has never been sent."""
        at = 0
        while at < len(self.entries) and self.entries[at].state != _QUEUED:
            at += 1
        return at

    def ends(self, topicfilter):
        """Whether an UNSUBSCRIBE of this filter waits or is on its way."""
        for entry in self.entries:
            if entry.filters and not entry.asked and topicfilter in entry.filters:
                return True
        return False

    def restore(self, entry, released):
        """Queue what a journal has kept. released: PUBREC has come, so that only PUBREL is due."""
        entry.dup = 1
        entry.state = _WAIT_PUBCOMP if released else _QUEUED
        self.entries.append(entry)
        self.count += 1
        self._bytes += entry.size
        self._identifiers[entry.pid] = entry

    # -- sending

    def fill(self):
        """Move what may leave now to the transmit buffer, in order; return whether there was any."""
        filled = False
        entries = self.entries
        while self.scan < len(entries):
            entry = self.current = entries[self.scan]
            if entry.unwanted or entry.qos and self._inflight >= self.config.maxinflight:
                self.scan += 1
            elif self._encode(entry) if entry.qos and entry.state == _QUEUED else self._encode_other(entry):
                filled = True
                if self.scan > self.sent:
                    self._overtake(entry)
                self.scan += 1
                self.sent += 1
            elif entry.state != _DONE:
                break
        self.current = None
        return filled

    def _encode(self, entry):
        # Writes a message of QoS 1 or 2 to the transmit buffer; False: there is no room for it now, or no memory ever.
        head = entry.pid << 8 | _PUBLISH | entry.qos << 1 | entry.retain
        if entry.dup:
            head |= _DUP
        done = self._transmit.publish(head, entry.data, entry.message)
        if not done:
            if done is None:
                self.finish(entry, _FULL)  # the others shall go on
            return False
        self._inflight += 1
        entry.state = _WAIT_PUBACK if entry.qos == 1 else _WAIT_PUBREC
        return True

    def _encode_other(self, entry):
        # As `_encode`, for requests, messages of QoS 0, and what is sent again [MQTT-4.4.0-1].
        state = entry.state
        if entry.filters:
            entry.state = _WAIT_SUBACK if entry.asked else _WAIT_UNSUBACK
            if self._transmit.put(entry.packet()):
                return True
            entry.state = state
            return False
        if not entry.qos:
            return self._encode0(entry)
        if state == _WAIT_PUBCOMP:
            if not self._transmit.room():
                return False
            self._transmit.short(_PUBREL, entry.pid)
            self._inflight += 1
            return True
        entry.dup = 1
        if self._encode(entry):
            return True
        if entry.state != _DONE:
            entry.state = state
        return False

    def _encode0(self, entry):
        entry.begin = self._transmit.end
        entry.end = 0
        self.leaving.append(entry)
        done = self._transmit.publish(_PUBLISH | entry.retain, entry.data, entry.message)
        if done:
            entry.end = self._transmit.end
            entry.state = _LEAVING
            return True
        self.leaving.pop()
        if done is None:
            self.finish(entry, _FULL)
        return False

    def _overtake(self, entry):
        # Moves an entry before those that wait for the window.
        i = self.scan
        while i > self.sent:
            self.entries[i] = self.entries[i - 1]
            i -= 1
        self.entries[i] = entry

    def written(self):
        """Finish the messages of QoS 0 that have left the transmit buffer. For after each `send` of that."""
        transmit = self._transmit
        while self.leaving:
            end = self.leaving[0].end
            if transmit.end and transmit.start < end or transmit.body is not None and transmit.split == end:
                break
            self.finish(self.leaving[0], 0)
            self.leaving.pop(0)

    def adopt(self, entry):
        """Take over a message of QoS 0 that is in the transmit buffer already, alone, and has not left whole."""
        self.leaving.append(entry)
        self.entries.insert(self.sent, entry)
        self.count += 1
        self._bytes += entry.size
        self.sent += 1
        self.scan += 1
        entry.state = _LEAVING
        entry.begin = 0
        entry.end = self._transmit.end

    # -- ending

    def acknowledged(self, first, pid):
        """Take PUBACK, PUBREC or PUBCOMP, answer PUBREC. One for an identifier that is not in use is ignored.

        Broken for one that may not come now.
        """
        entry = self._identifiers.get(pid)
        if entry is None or entry.state == _QUEUED:
            return
        if entry.state << 8 | first not in _NEXT:
            raise Broken(_MALFORMED, "unexpected", first, pid)
        if first == _PUBREC:
            if entry.state == _WAIT_PUBREC and self.journal is not None:
                self.journal.release(pid)
            entry.state = _WAIT_PUBCOMP
            self._transmit.short(_PUBREL, pid)
        else:
            if first == _PUBACK and entry.qos == 2:
                self._session.note("downgraded", entry.topic)
            self.finish(entry, 0)

    def answered(self, first, pid):
        """Return the entry that an acknowledgement is for, None if the identifier is not in use, or Broken."""
        entry = self._identifiers.get(pid)
        if entry is None or entry.state == _QUEUED:
            return None
        if entry.state << 8 | first not in _NEXT:
            raise Broken(_MALFORMED, "unexpected", first, pid)
        return entry

    def cancel(self, entry):
        """Give a message up; False: it is finished, leaving, or the broker has it. See `Message.cancelsend`."""
        if entry.cancelled or entry.unwanted or entry is self.current:
            return False
        if entry.state == _QUEUED:
            return True
        if entry.state not in (_WAIT_PUBACK, _WAIT_PUBREC):
            return False
        return not self._transmit.waiting() or not self.whole <= self.entries.index(entry) < self.sent

    def give_up(self, entry):
        """Finish a message for which `cancel` was True. Its identifier stays in use while the broker may hold it."""
        if entry.state == _QUEUED:
            self.finish(entry, _INCOMPLETE)
        elif entry.state != _DONE:
            if self.journal is not None:
                self.journal.remove(entry.pid)
            entry.result = _INCOMPLETE
            self._session.ended(entry)
            self._bytes -= entry.size
            self.count -= 1
            entry.cancelled = True
            self._drop(entry)

    def finish(self, entry, result):
        """An entry has come to its end: take it off, and have it told."""
        if not entry.cancelled:
            if self.journal is not None and entry.qos:
                self.journal.remove(entry.pid)
            if result:
                entry.result = result
            # Memory first: nothing has changed if there is none to tell it.
            self._session.ended(entry)
            if entry.filters:
                self._requests -= 1
            else:
                self._bytes -= entry.size
                self.count -= 1
            self._drop(entry)
        entry.state = _DONE
        if entry.unwanted:
            entry.result = _INCOMPLETE  # as the call that interrupted this one has promised
        if entry.pid:
            self._identifiers.pop(entry.pid, None)

    def _drop(self, entry):
        # Takes an entry out of the queue.
        i = 0
        entries = self.entries
        if entries[0] is not entry:
            i = entries.index(entry)
        entries.pop(i)
        if i < self.whole:
            self.whole -= 1
        if i < self.scan:
            self.scan -= 1
        if i < self.sent:
            self.sent -= 1
            if entry.qos:
                self._inflight -= 1
                self.scan = self.sent  # the window has opened

    def closed(self, requests, qos0, messages):
        """The connection has ended. What it takes along (-11): requests, messages of QoS 0, all messages (bools).

        A message of QoS 0 that was partly written is lost (-1). Call it again after a MemoryError.
        """
        transmit = self._transmit
        while self.leaving:
            entry = self.leaving[0]
            if transmit.start > entry.begin:
                self.finish(entry, _FAILURE)
            else:
                entry.state = _QUEUED
            self.leaving.pop(0)
        transmit.clear()
        self.sent = self.scan = self._inflight = self.whole = 0
        for entry in list(self.entries):
            if requests or entry.renewal if entry.filters else messages or qos0 and not entry.qos:
                self.finish(entry, _INCOMPLETE)

    def session_lost(self):
        """The broker has no session: identifiers of messages that were given up are free again [MQTT-2.3.1-4]."""
        for pid in list(self._identifiers):
            if self._identifiers[pid].cancelled:
                del self._identifiers[pid]
