"""The engine: one session between this client and a broker. No I/O and no clock.

It puts together the outbox (what is to be sent), the inbox (what has come) and the transmit buffer. A driver (`link`)
reads for it and writes for it; a face (`client`, `aio`, `umqtt`) is what the program calls. The seams:

- Acknowledging. The face's `deliver(message)` gets each message. During that call it may `confirm` it: then it is
  acknowledged. Or it may `hold` it, and `settle` it later; or `abandon` it, if it cannot. With neither, the broker will
  send it again. Whatever is confirmed behind a message that is held waits for that one [MQTT-4.6.0-2, 4.6.0-3].
- Reading. While a face sets `paused`, nothing more is read, and no message delivered.
- Waking. `push` is called when there is something to write. A face that has somebody to wake sets its own.
- The journal. A store is told before something changes, and may refuse by an OSError; see `store.Store`.
- Every entry marks the engine busy. What a soft interrupt asks of a busy engine is put off until the call that it
  interrupted has ended.
"""

from micropython import const

from . import packets
from .inbox import Identifiers, Inbox, Received
from .outbox import Outbox, Request
from .packets import Broken
from .transmit import TransmitBuffer

_CONNACK = const(0x20)
_PUBLISH = const(0x30)
_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)
_SUBACK = const(0x90)
_UNSUBACK = const(0xB0)
_PINGREQ = const(0xC0)
_PINGRESP = const(0xD0)
_DISCONNECT = const(0xE0)

_TOPIC = const(3)
_FAILURE = const(-1)
_INCOMPLETE = const(-11)
_TOO_LARGE = const(-3)
_MALFORMED = const(-4)
_REFUSED = const(128)
_EIGHT = const(8)  # filters in a SUBSCRIBE that renews: some brokers refuse more


class Session:
    """The engine of one client. deliver: the face's function of a message from the broker."""

    def __init__(self, deliver):
        self.inbox = Inbox()
        self.transmit = TransmitBuffer()
        self.outbox = Outbox(self.transmit, self)
        self.deliver = deliver
        self.relief = None  # to be called before a message is refused, with the engine busy: it may write
        self.push = None  # to be called when there is something to write, by a call that may be inside a handler
        self.paused = False  # a face's: nothing more is read from this connection for now
        self.config = None  # the options of `connect`
        self.open = False  # from CONNACK to `disconnect`
        self.sending = False  # from CONNACK to DISCONNECT, which leaves behind what was accepted before
        self.present = False  # session present, of the last CONNACK
        self.ponged = True  # PINGRESP has come
        self.due = []  # calls to make, oldest first: an Entry, or a tuple of a function and its arguments
        self.busy = False  # a call is at work inside
        self.later = []  # what calls have put off: functions, which return True for "not yet", and their arguments
        self.idle = True  # there is no connection, and none is on the way
        self.onconnect = self.onlost = self.ondelivery = None  # the program's handlers
        self.dropped = 0
        self.trouble = None  # the newest, for `lasterror`: what `errors` makes words of
        self.raised = 0  # messages that wait for redelivery because a handler raised
        self.subscriptions = {}  # filter: (QoS, callback) of what the broker has granted
        self._inbound = Identifiers()
        self.held = []  # messages to acknowledge in this order; for others to look at
        self._topic = "/"  # the last topic sent to, and its bytes
        self._topicdata = b"/"

    # -- calls from outside: each may interrupt another

    def engaged(self):
        """Whether a call is at work, so that another one has to be put off: appended to `later`."""
        return self.busy or len(self.later) > 0

    def leave(self):
        """The end of what set `busy`: do what was put off meanwhile."""
        self.busy = False
        if self.later:
            self.catch_up()

    def catch_up(self):
        """Do what was put off, and end with the engine free."""
        later = self.later
        while later:
            # An interrupt may come behind any jump. Then it finds the engine busy, or it does all this itself.
            self.busy = True
            try:
                while later:
                    if later[0][0](*later[0][1:]):
                        return
                    later.pop(0)
            finally:
                self.busy = False
        if self.push is not None:
            self.push()

    def submit(self, entry):
        """Queue a message; how it ends is told to its callback."""
        if self.busy or self.later:
            return self._put_off(entry)
        self.busy = True
        try:
            self.accept(entry)
        finally:
            self.leave()

    def _put_off(self, entry):
        self.later.append((self.accept, entry))
        entry.put_off()

    def accept(self, entry):
        """Do what `submit` does, for a caller that has marked the engine busy."""
        if self.idle and (self.outbox.journal is None or not entry.qos):
            code = _INCOMPLETE  # an interrupt has disconnected
        else:
            code = self.outbox.accept(entry)
        if code:
            entry.refused(code)
            self.ended(entry)

    def request(self, request):
        """Queue a SUBSCRIBE or UNSUBSCRIBE; return 0, or the code that says why not: then it is not told."""
        code = self.outbox.refusal(not self.open, len(self.later))
        if code:
            return code
        if self.engaged():
            self.later.append((self._request, request))
        else:
            self.busy = True
            try:
                self._request(request)
            finally:
                self.leave()
        return 0

    def _request(self, request):
        if self.idle:
            request.refused(_INCOMPLETE)
            return self.ended(request)
        self.outbox.request(request)
        self.inbox.longest = max(self.inbox.longest, len(request.filters) + 2)
        if not request.asked:
            # What was ended does not come back.
            for topicfilter in request.filters:
                self.subscriptions.pop(topicfilter, None)

    def cancel(self, entry):
        """Give a message up; False: it is finished, or leaving, or the broker has it."""
        if not self.outbox.cancel(entry):
            return False
        if self.engaged():
            self.later.append((self.outbox.give_up, entry))
            entry.unwanted = True
        else:
            self.busy = True
            try:
                self.outbox.give_up(entry)
            finally:
                self.leave()
        return True

    def pending(self):
        """The number of messages accepted and not finished."""
        count = self.outbox.count
        for call in self.later:
            if call[0] == self.accept:
                count += 1
            elif call[0] == self.outbox.give_up and not call[1].finished():
                count -= 1
        return count

    def unfinished(self):
        """Return these messages, oldest first."""
        found = self.outbox.unfinished() + [call[1] for call in self.later if call[0] == self.accept]
        return [entry for entry in found if not entry.unwanted]

    def settle(self, message):
        """Acknowledge a message that was held, as soon as those before it are; nothing if its connection has ended."""
        message.settled = True
        if not self.busy:
            self.busy = True
            try:
                self.answer()
            except Broken:
                pass  # a store cannot keep it, so the connection will end: the driver's next round meets it again
            finally:
                self.leave()

    def abandon(self, message):
        """Do not acknowledge a message that was held: the broker will send it again. It holds up no other one."""
        if message in self.held:
            self.held.remove(message)
            self.raised += 1

    # -- what the outbox calls

    def relieve(self):
        """The queue is full: write what can leave."""
        if self.relief is not None and self.open:
            self.relief()

    def ended(self, entry):
        """Have an entry's end told; a failure that nobody waits for shows in `dropped` and `lasterror`."""
        if entry.callback is not None or entry.qos and not entry.result and self.ondelivery is not None:
            self.due.append(entry)
        elif entry.result and not entry.filters:
            self.dropped += 1
            self.note("message", entry.result)

    def overflowed(self, entry):
        """A message was given up for a newer one: it counts in `dropped`, with a callback too."""
        self.dropped += entry.callback is not None

    def topic(self, topic):
        """Return a topic name as bytes-like; raises ValueError or TypeError for what is none."""
        known = self._topicdata  # before the comparison: an interrupt behind it may change both
        if topic == self._topic:
            return known  # most messages have the topic of the one before
        data = packets.field("topic", topic, _TOPIC)
        if isinstance(data, bytes):
            self._topic = topic
            self._topicdata = data
        return data

    def note(self, *trouble):
        """Keep what `lasterror` shall tell."""
        self.trouble = trouble

    def tell(self):
        """Make the calls that are due, of a client that has never connected; return whether there were any."""
        count = len(self.due)
        for _ in range(count):
            call = self.due.pop(0)
            if type(call) is tuple:
                call[0](*call[1:])
            else:
                call.tell()
        return count > 0

    # -- one connection

    def begin(self):
        """Return the inbox's generator for a new connection, with CONNECT on its way."""
        config = self.config
        inbox = self.inbox
        inbox.maxmessage = config.maxmessage
        inbox.skip = config.skip
        self.transmit.put(config.packet)
        return inbox.packets()

    def stop(self):
        """Take no more packets, and accept nothing more for this connection."""
        self.open = self.sending = self.paused = False
        self.held.clear()

    def closed(self, requests, qos0, messages):
        """The connection has ended; see `Outbox.closed`."""
        self.stop()
        self.ponged = True
        self.raised = 0
        self.outbox.closed(requests, qos0, messages)

    def flush(self, write):
        """Write what may leave to `write(buf, offset, length)` until it takes no more; return whether any has left."""
        did = False
        transmit = self.transmit
        outbox = self.outbox
        while True:
            if transmit.end:
                if not transmit.send(write):
                    return did
                did = True
                if transmit.end or outbox.leaving:
                    outbox.written()
                outbox.whole = outbox.sent
                if transmit.end:
                    return did
            if not self.sending or outbox.scan == len(outbox.entries) or not outbox.fill():
                return did

    def unwritten(self):
        """Whether there is anything that may leave now."""
        return self.transmit.end or self.sending and not self.outbox.idle()

    # -- what has come

    def control(self, event):
        """Act on an event of the inbox that is an int. Raises Broken where the connection has to end."""
        first = event >> 16
        pid = event & 0xFFFF
        if first == _CONNACK:
            return self._connack(pid >> 8, pid & 0xFF)
        if not self.open:
            raise Broken(_MALFORMED, "early", first)
        if first == _PINGRESP:
            self.ponged = True
        elif first >> 4 == 3:
            self.dropped += 1
            self._acknowledge_next(first >> 1 & 3, pid)
        elif not pid:
            raise Broken(_MALFORMED, "identifier", first)
        elif first == _PUBREL:
            self._released(pid)
        elif first == _SUBACK or first == _UNSUBACK:
            self._answered(first, pid)
        else:
            self.outbox.acknowledged(first, pid)

    def arrived(self, message):
        """Return whether a message of QoS 2 is to be delivered: it is not a repeated one [MQTT-4.3.3-2]."""
        if message.pid not in self._inbound:
            return True
        self._acknowledge_next(2, message.pid)
        return False

    def unanswered(self, message):
        """Whether a message was neither confirmed nor is held: the broker will send it again."""
        return message.pid > 0 and message not in self.held

    def confirm(self, message):
        """Acknowledge a message that is being delivered, behind those that are held."""
        if self.held:
            self.hold(message)
            message.settled = True
        elif message.qos == 1:
            # Written in one step: it needs no protection against calls that interrupt it.
            self.transmit.short(_PUBACK, message.pid)
            message.pid = 0
        elif message.pid:
            self.busy = True
            try:
                self._acknowledge(2, message.pid)
                message.pid = 0
            finally:
                self.leave()

    def hold(self, message):
        """Keep a message that is being delivered for `settle`."""
        if message.pid:
            self.held.append(message)

    def answer(self):
        """Acknowledge what is settled, as far as there is room; return whether there was any."""
        held = self.held
        did = False
        while held and held[0].settled and self.transmit.room():
            self._acknowledge(held[0].qos, held[0].pid)
            held.pop(0)
            did = True
        return did

    def _acknowledge_next(self, qos, pid):
        # Acknowledges what is not delivered, behind the messages that are held.
        if self.held and pid:
            message = Received()
            message.qos = qos
            message.pid = pid
            message.settled = True
            self.held.append(message)
        else:
            self._acknowledge(qos, pid)

    def _acknowledge(self, qos, pid):
        if qos == 1:
            self.transmit.short(_PUBACK, pid)
        elif qos:
            self.record(pid)
            self.transmit.short(_PUBREC, pid)

    def record(self, pid):
        """Know a message of QoS 2 from now on: it is not delivered again. Broken if there is no way to keep that."""
        if pid in self._inbound:
            return
        try:
            self._inbound.add(pid)
        except MemoryError:
            raise Broken(_TOO_LARGE, "inbound")
        if self.outbox.journal is not None:
            self.outbox.journal.received(pid)

    def _released(self, pid):
        # An unknown one is answered, too: PUBCOMP was lost.
        if pid in self._inbound:
            if self.outbox.journal is not None:
                self.outbox.journal.forget(pid)
            self._inbound.discard(pid)
        self.transmit.short(_PUBCOMP, pid)

    def _answered(self, first, pid):
        # Takes SUBACK or UNSUBACK.
        request = self.outbox.answered(first, pid)
        if request is None:
            return
        if request.asked:
            codes = self.inbox.codes
            if len(codes) != len(request.filters):
                raise Broken(_MALFORMED, "body", first, len(codes) + 2)
            for code in codes:
                if code > 2 and code != _REFUSED:
                    raise Broken(_MALFORMED, "code", first, code)
            self._grant(request, codes)
        self.outbox.finish(request, 0)

    def _grant(self, request, codes):
        # Keeps what the broker has granted, so that it can be asked for again.
        request.granted = list(codes) if request.many else codes[0]
        for i, topicfilter in enumerate(request.filters):
            if codes[i] == _REFUSED:
                fn = self.subscriptions.pop(topicfilter, (0, None))[1] if request.renewal else None
                if fn is not None:
                    self.due.append((fn, 0, _REFUSED))
                if request.renewal:
                    self.note("refused", topicfilter)
            elif not request.renewal and not self.outbox.ends(topicfilter):
                self.subscriptions[topicfilter] = request.asked[i], request.callback

    def _connack(self, flags, code):
        if self.open:
            raise Broken(_MALFORMED, "second")
        if code:
            if code > 5:
                raise Broken(_MALFORMED, "code", _CONNACK, code)
            raise Broken(code, "connack", code)
        if flags > 1:
            raise Broken(_MALFORMED, "code", _CONNACK, flags)
        # After a clean CONNECT there is no session, whatever CONNACK says [MQTT-3.2.2-1].
        present = bool(flags) and not self.config.cleansession
        if not present:
            self.session_lost()
            if self.config.max:
                self._renew()
        if self.onconnect is not None:
            self.due.append((self.onconnect, 0))
        self.present = present
        self.open = self.sending = True

    def session_lost(self):
        """The broker has no session: forget what belonged to it."""
        if self.outbox.journal is not None and self._inbound:
            self.outbox.journal.forget(0)
        self._inbound.clear()
        self.outbox.session_lost()

    def _renew(self):
        # All subscriptions again, behind what an earlier connection has left unfinished.
        filters = list(self.subscriptions)
        at = self.outbox.unsent()
        while filters:
            some = filters[:_EIGHT]
            filters = filters[_EIGHT:]
            request = Request(some, ([self.subscriptions[name][0] for name in some],))
            request.renewal = True
            if self.outbox.request(request, at):
                break  # no identifier is free: 65,535 messages wait
            at += 1
