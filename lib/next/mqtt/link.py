"""What drives a client's engine over a network: attempts, timers, keep alive, reconnecting. Loaded by `connect`.

The only module with a clock. One round (`_round`) makes the calls that are due, gets on with connecting, writes, reads,
and has the face called for what has come. A time-out is looked at only after a round in which nothing could be done:
what a slow program has not read yet is no silence of the server.
"""

import errno
import random
import select
import time
from time import ticks_add, ticks_diff, ticks_ms

from micropython import const

from .packets import Broken
from .transport import Transport

_IDLE = const(0)
_WAITING = const(1)  # for the time or the network to try again
_ACTIVE = const(2)  # from name look-up on
_CLOSING = const(3)  # sending what was accepted, then DISCONNECT
_DRAINING = const(4)  # DISCONNECT has left; input is thrown away until the broker closes

_STABLE_MS = const(30000)
_ROOM = const(1008)  # of the transmit buffer, see there
_SLOW_MS = const(50)  # of handlers, until what is due is sent
_DRAIN_MS = const(1000)
_LINK_MS = const(200)  # how often `linkup` is asked while nothing else happens
_FOREVER_MS = const(0x1FFFFFFF)  # ticks_diff is not valid beyond this

_MALFORMED = const(-4)
_PUBLISH = const(0x30)
_PINGREQ = const(0xC0)
_DISCONNECT = const(0xE0)

# What a transport raises; a certificate that fails the verification is a ValueError.
_FAILURES = (OSError, ValueError, MemoryError)


class FastPath:
    """Sends messages of QoS 0 on one connection, in fewer steps than the queue, and with the same result.

    An object of its own, and not a closure: MicroPython takes a closure's variables from the heap at each call.
    """

    def __init__(self, link, session, write):
        self._link = link
        self._session = session
        self._transmit = session.transmit
        self._outbox = session.outbox
        self._write = write
        # Most messages have the topic of the one before.
        self._topic = "/"
        self._data = b"/"

    def publish0(self, topic, message, head):
        """Send a message (bytes-like) at once, without allocating; False: it has to queue. head: its first byte."""
        session = self._session
        transmit = self._transmit
        outbox = self._outbox
        if session.busy:
            return False
        # Before anything is read: an interrupt may come behind each `if`.
        session.busy = True
        try:
            if (
                transmit.end
                or session.later
                or self._link.calling
                or not session.open
                or outbox.scan != len(outbox.entries)
            ):
                return False
            if topic != self._topic:
                self._data = session.topic(topic)
                self._topic = topic if isinstance(self._data, bytes) else None
            topic = self._data
            transmit.publish(head, topic, message)
            if transmit.body is None:
                head = transmit.end
                transmit.start = self._write(transmit.buf, 0, head) or 0
                if transmit.start == head:
                    transmit.start = transmit.end = 0
            else:
                transmit.send(self._write)
            self._link.wrote(topic, message)
        except (OSError, ValueError):
            # What is in the buffer is still there, so the next round meets the failure again. If nothing is, `message`
            # is a memoryview of items that are no bytes, which the queue has the words for.
            if not transmit.end:
                return False
            self._link.adopt(topic, message)
        finally:
            session.leave()
        return True


class Link:
    """The connections of one client, one after the other."""

    def __init__(self, session, make):
        self._session = session
        self._make = make  # makes a message of a topic, a payload and a QoS
        session.relief = self._write
        session.push = self.push
        self._state = _IDLE
        self.transport = None
        self._step = self._throw = None  # send to the generator of the connection
        self.publish0 = None  # of the connection, see `FastPath`; not there before it can be written to
        self.inside = False  # of `poll`
        self.calling = False  # the program's handlers, which send when they have ended
        self._since = 0  # ticks: when this phase began
        self._next = 0  # ticks: when the next attempt is due
        self._sentat = self._receivedat = self._pinged = 0  # ticks
        self._deadline = 0  # ticks: when the timers have to be looked at
        self._delay = 0  # ms, the limit of the next wait
        self._turn = 0  # index of the server to try
        self._dry = False  # whether the last read has taken all there was
        self._silent = True  # whether the last read has found nothing: only then a time-out is one
        self._down = False  # whether `linkup` has said that there is no network
        self._opened = False  # whether CONNACK has come
        self._stable = False  # whether the connection has lasted _STABLE_MS
        self._goodbyes = []  # callbacks of `disconnect`
        self._parting = None  # what the session still has to give up, see `Session.closed`
        self._following = False  # a `connect` waits for the old connection's end

    # -- looking

    def active(self):
        """Whether it is connected or on the way there."""
        return _IDLE < self._state < _CLOSING or self._following

    def busy(self):
        """Whether polling may still do something."""
        return self._state or self._session.due or self._parting

    def left(self):
        """Return how many ms are left until the timers have to be looked at."""
        return max(0, ticks_diff(self._deadline, ticks_ms())) if self._state else _FOREVER_MS

    def engaged(self):
        """Whether a call or a handler of this client is running: then it is not polled."""
        return self.inside or self._session.busy

    # -- what the program asks for

    def connect(self, config):
        """Start to connect as `config` says, see `options`; what is called until then waits as well."""
        session = self._session
        self._following = True
        session.later.append((self._connect, config))
        if not session.busy:
            session.catch_up()

    def _connect(self, config):
        if self._state or self._parting is not None:
            return True  # not before the old connection has ended
        self._following = False
        self._session.config = self._session.outbox.config = config
        self._session.idle = False
        self._delay = config.min
        self._turn = 0
        self._down = False
        self._await(0)

    def _await(self, ms):
        # The next attempt begins in `ms`.
        self._since = self._deadline = ticks_ms()
        self._next = ticks_add(self._since, ms)
        self._state = _WAITING

    def disconnect(self, callback):
        """End the connection, the attempt or the waiting."""
        session = self._session
        self._following = False
        if session.engaged():
            session.later.append((self._disconnect, callback))
        else:
            session.busy = True
            try:
                self._disconnect(callback)
            finally:
                session.leave()

    def _disconnect(self, callback):
        session = self._session
        if callback is not None:
            self._goodbyes.append(callback)
        if self._state == _ACTIVE and session.open:
            session.stop()
            session.sending = True  # what was accepted until now
            self._state = _CLOSING
            self._since = self._deadline = ticks_ms()
            if not self.inside:
                self._write()
        elif self._state < _CLOSING:
            self._end()

    def wrote(self, topic, message):
        """Note that a message of QoS 0 was sent, as far as the network took it."""
        self._sentat = ticks_ms()
        if self._session.transmit.end:
            self.adopt(topic, message)

    def adopt(self, topic, message):
        """Queue a message of QoS 0, alone in the transmit buffer, of which the network has not taken all."""
        self._deadline = ticks_ms()
        transmit = self._session.transmit
        try:
            entry = self._make(topic, message, 0)
            entry.retain = transmit.buf[0] & 1
            self._session.outbox.adopt(entry)
            transmit.keep(entry.message)
        except MemoryError:
            if transmit.untouched():
                transmit.clear()
                raise
            # It leaves all the same, and nobody can be told.

    def sendsync(self, send, message, timeout):
        """Have a message sent by `send(message, callback)`, and poll until it is finished; see `Message.sendsync`."""
        results = []
        send(message, results.append)
        start = ticks_ms()
        left = limit = _FOREVER_MS if timeout is None else int(timeout * 1000)
        # A client that is disconnected and has told so will do no more.
        while not results and left > 0 and self.busy():
            self.poll(left)
            if timeout is not None:
                left = limit - ticks_diff(ticks_ms(), start)
        return results[0] if results else -11

    def send(self, entry):
        """Queue a message, and write it if it can leave at once; how it ends is told to its callback."""
        session = self._session
        if session.busy or session.later:
            return session.submit(entry)  # which puts it off
        session.busy = True
        try:
            session.accept(entry)
            if session.open and not self.calling:
                self._write()
        finally:
            session.busy = False
            if session.later:
                session.catch_up()

    def push(self):
        """Send what was just queued, unless handlers run: what they send leaves together."""
        if not self.calling:
            self.relieve()

    def relieve(self):
        """Write what can leave."""
        session = self._session
        if session.open and not session.busy:
            session.busy = True
            try:
                self._write()
            finally:
                session.leave()

    def _write(self):
        # No handler may be called from here. The bytes are still there, so the next round meets a failure again.
        try:
            if self._session.flush(self.transport.write):
                self._sentat = ticks_ms()
            if self._session.transmit.end:
                self._deadline = ticks_ms()  # there is a time-out for what is waiting
            if self._state == _CLOSING:
                self._part()
        except _FAILURES:
            self._dry = False

    # -- polling

    def poll(self, timeout_ms):
        """See `Client.poll`."""
        if self.inside or self._session.busy:
            return False
        self.inside = True
        try:
            return self._poll(timeout_ms)
        finally:
            self.inside = self.calling = self._session.busy = False

    def _poll(self, timeout_ms):
        now = ticks_ms()
        end = ticks_add(now, timeout_ms)
        session = self._session
        if self._dry and timeout_ms and self._quiet():
            # The last read has taken all there was: waiting first saves one.
            now = self._wait(end, now)
        while True:
            did = self._tell(now) if session.due else False
            step = self._step
            if step is not None:
                event = step(now)
                while event is not True and event is not False:
                    if event is None:
                        self._tell(now)
                    else:
                        self.calling = True
                        session.deliver(event)
                        self.calling = False
                    # A handler may have ended the connection.
                    event = step(now) if self._step is step else True
                did = did or event
            elif self._state > _WAITING or self._parting is not None:
                self._mend()
            if session.due:
                did = self._tell(now)
            if self._state and ticks_diff(self._deadline, now) <= 0:
                did = self._look(now) or did
            if did or not timeout_ms:
                return did
            now = ticks_ms()
            if ticks_diff(end, now) <= 0:
                return False
            now = self._wait(end, now)

    def _quiet(self):
        # Whether there is nothing to do before something comes.
        session = self._session
        outbox = session.outbox
        return session.open and not session.due and not session.transmit.end and outbox.scan == len(outbox.entries)

    def _wait(self, end, now):
        # Waits for the network or the next deadline, until `end` at most; returns the time. What interrupts the waiting
        # may send at once: the engine is not busy.
        ms = ticks_diff(end, now)
        if self._state:
            ms = min(ms, ticks_diff(self._deadline, now))
        if ms > 0:
            if self.transport:
                self.transport.wait(ms, self.wants() if self._session.transmit.end else 0)
            else:
                time.sleep_ms(ms)
        return ticks_ms()

    def wants(self):
        """What to wait for: 0 for something to read, 2 to be able to write, 1 for both."""
        transmit = self._session.transmit
        if not transmit.end:
            return 0
        # What is not going to be read must not wake it.
        return 1 if transmit.room() and self._state != _CLOSING else 2

    def _mend(self):
        # An exception that was none of the connection's has ended it, or there was no memory to tell of its end.
        self._session.busy = True
        try:
            if self._parting is not None:
                self._give_up()
            else:
                self._fail(-1, ("interrupted",))
        finally:
            self._session.leave()

    # -- what the program is told

    def _tell(self, began):
        # Makes the calls that are due; returns True. `began`: ticks, when handlers began to run.
        session = self._session
        due = session.due
        count = len(due)
        self.calling = True
        while count and due:
            call = due[0]
            if type(call) is tuple:
                due.pop(0)
                count -= 1
                call[0](*call[1:])
            elif call.callback is not None and call.qos and not call.result and session.ondelivery is not None:
                call.tell()  # and next the one below
            else:
                due.pop(0)
                count -= 1
                if call.callback is not None:
                    call.tell()
                elif session.ondelivery is not None:
                    session.ondelivery(call)
            if ticks_diff(ticks_ms(), began) >= _SLOW_MS:
                break
        self.calling = False
        return True

    # -- bytes

    def _connection(self, transport):  # noqa: PLR0915 - the one loop of a connection, for the same reason
        # The generator of one connection. Sent the time, it does one round of what there is to do, and yields whether
        # that was anything; or, before, a message to deliver, or None for calls that are due. All it needs is in local
        # variables, and what it fails with ends here: no handler is called from inside.
        session = self._session
        transmit, outbox, inbox = session.transmit, session.outbox, session.inbox
        due, held = session.due, session.held
        kind, integer, ms = type, int, ticks_ms  # locals, as these are needed for each message
        try:
            now = yield
            session.busy = True
            while not transport.step():
                # An interrupt may have ended the attempt.
                session.leave()
                if self.transport is not transport:
                    break
                now = yield False
                session.busy = True
            receive = None
            if self.transport is transport:
                self.publish0 = FastPath(self, session, transport.write).publish0
                receive = session.begin().send
            more = opened = short = False
            # An interrupt may have ended the connection.
            while self.transport is transport:
                # -- write
                did = False
                if held:
                    did = session.answer()
                if transmit.end or session.sending and outbox.scan != len(outbox.entries):
                    did = self._flush() or did
                # -- read
                n = 0
                if self._state != _ACTIVE:
                    did = self._part() or did
                    if self.transport is not transport:
                        break
                elif not more and transmit.end <= _ROOM and not session.paused:
                    space = inbox.space
                    n = self._read(transport, space)
                    # Whether there is no more to read. Above a TLS stream there may be.
                    short = n and n < len(space) and not transport.tls
                # -- take what has come
                if n or more and self._state == _ACTIVE and transmit.end <= _ROOM and not session.paused:
                    while self._state == _ACTIVE and transmit.end <= _ROOM:
                        event = receive(n)
                        more = event is not None
                        if not more:
                            break
                        did = True
                        n = 0
                        if kind(event) is integer:
                            session.control(event)
                            event = None
                            if not due:
                                continue
                        elif not session.open:
                            raise Broken(_MALFORMED, "early", _PUBLISH)
                        elif event.qos == 2 and not session.arrived(event):
                            continue
                        session.busy = False
                        if session.later:
                            session.catch_up()
                        began = yield event
                        session.busy = True
                        if event is not None and event.qos == 1 and session.unanswered(event):
                            session.raised += 1
                        if ms() - now >= _SLOW_MS or began != now or session.paused:
                            break  # handlers are slow, or one has raised in an earlier `poll`
                    self._dry = short and did and not more
                    if session.open and not opened:
                        opened = True
                        self._deadline = now  # the deadlines are others now
                    if held:
                        session.answer()
                    if transmit.end or session.sending and outbox.scan != len(outbox.entries):
                        self._flush()
                    did = True
                session.busy = False
                if session.later:
                    session.catch_up()
                now = yield did
                session.busy = True
        except GeneratorExit:
            return  # ended from outside, and forgotten
        except Broken as e:
            self._fail(e.args[0], e.args[1:])
        except _FAILURES as e:
            self._fail(-1, ("failed", e))
        finally:
            if self.transport is transport:
                self._step = self._throw = None  # something else has interrupted it, such as Ctrl-C
        session.leave()
        yield True

    def fail(self, error):
        """End the connection, if there is one, for a Broken that has come up outside `poll`."""
        if self._throw is not None:
            self._throw(error)

    def _flush(self):
        if self._session.flush(self.transport.write):
            self._sentat = ticks_ms()
            return True
        self._deadline = ticks_ms()  # there is a time-out for what is waiting
        return False

    def _read(self, transport, space):
        # Reads; returns how many bytes.
        if space is None or transport.tls and not transport.secured:
            return 0
        n = len(space)
        if self._dry:
            # MicroPython asks again until it has all that is wanted or would block, so only what is sure to come.
            n = 4 * self._session.outbox.sent or n
        got = transport.readinto(space, n)
        if not got:
            if got == 0:
                raise OSError(errno.ECONNRESET)
            self._dry = not transport.tls
            self._silent = True
            return 0
        self._silent = self._dry = False
        self._receivedat = ticks_ms()
        return got

    # -- ends

    def _part(self):
        # Sends what was accepted before `disconnect`, then DISCONNECT, and closes when the broker has.
        session = self._session
        transmit = session.transmit
        if self._state == _CLOSING:
            if session.unwritten():
                self._flush()
            if session.unwritten() or not transmit.room():
                return False
            transmit.short(_DISCONNECT, None)
            self._state = _DRAINING
            self._since = self._deadline = ticks_ms()
        if transmit.waiting():
            self._flush()
        # Closing with unread input would reset the connection, and DISCONNECT might be lost.
        try:
            n = self.transport.readable() and self.transport.readinto(session.inbox.scratch, len(session.inbox.scratch))
        except OSError:
            n = 0
        if n == 0:
            self._end()
        return n is not None

    def _end(self):
        # The end that the program asked for. What is not finished is kept if the session is.
        config = self._session.config
        gone = config.cleansession and self._session.outbox.journal is None
        self._drop(_IDLE, (True, gone, gone))

    def _fail(self, code, why):
        # The attempt or the connection has failed: tells so, and plans the next.
        if self._state == _IDLE:
            return  # it has ended already, but there was no memory to tell
        if self._state > _ACTIVE:
            return self._end()
        session = self._session
        fn = session.onlost
        if not session.open:
            fn = session.onconnect
            code = max(code, -1)
        session.note(*why)
        again = session.config.max
        # First what there may be no memory for: then the next round fails in the same way, and tells.
        if fn is not None:
            session.due.append((fn, code))
        if not again:
            return self._drop(_IDLE, (True, True, False))
        if code > 0 and code != 3:
            self._delay = again
        wait = self._delay * random.getrandbits(10) >> 10
        self._delay = min(self._delay * 2, again)
        self._drop(_WAITING, (False, False, False))
        self._await(wait)

    def _drop(self, state, parting):
        if self.transport:
            self.transport.close()
        self.transport = self._step = self._throw = self.publish0 = None
        self._opened = False
        self._state = state
        self._session.idle = not state
        self._parting = parting
        self._give_up()

    def _give_up(self):
        # Where there is no memory for all that this has to tell, the next round gets on with it.
        session = self._session
        session.closed(*self._parting)
        while self._goodbyes:
            session.due.append((self._goodbyes[0],))
            self._goodbyes.pop(0)
        self._parting = None

    # -- timers

    def _before(self, left):
        # Keeps the shortest time to a deadline; returns whether this one has passed: then the next round looks again.
        self._soonest = max(0, min(left, self._soonest))
        return left <= 0

    def _look(self, now):
        # Looks at the timers.
        self._session.busy = True
        try:
            return self._timers(now)
        except _FAILURES as e:
            if self.calling:
                raise
            self._fail(-1, ("failed", e))
            return True
        finally:
            self._session.leave()

    def _timers(self, now):
        # Acts on what is due, and sets the next deadline; returns whether there was anything. No time-out is told
        # unless the last read has found nothing.
        config = self._session.config
        self._soonest = _FOREVER_MS
        up = True
        if config.linkup:
            self._soonest = _LINK_MS
            self._deadline = ticks_add(now, _LINK_MS)  # where it raises, it is not asked again at once
            self.calling = True
            up = config.linkup()
            self.calling = False
        acted = True
        if self._state >= _CLOSING:
            acted = self._closing(now)
        elif not self._state:
            return False  # an interrupt has ended it
        elif self._state == _WAITING:
            acted = self._redo(now, up)
        elif self._session.open and not up:
            self._fail(-1, ("nolink",))
        elif self._session.open:
            acted = self._alive(now)
        elif self._before(config.timeout - ticks_diff(now, self._since)) and self._silent:
            tls = self.transport.tls and self.transport.connected and not self.transport.secured
            self._fail(-1, ("nohandshake" if tls else "timeout",))
        elif self.transport.others() and self._share(now, config.timeout):
            self.transport.skip()
        else:
            acted = False
        self._deadline = ticks_add(now, self._soonest)
        return acted

    def _share(self, now, timeout):
        # Whether the address that is being tried has had its share of the time-out.
        gone = ticks_diff(now, self._since)
        tried, others = self.transport.tried, self.transport.others()
        return self._before(timeout * tried // (tried + others) - gone)

    def _closing(self, now):
        limit = _DRAIN_MS if self._state == _DRAINING else self._session.config.timeout
        if self._before(limit - ticks_diff(now, self._since)):
            self._end()
            return True
        return False

    def _redo(self, now, up):
        # Begins the next attempt when it is time, or when the network has come back.
        config = self._session.config
        if not up:
            self._down = True
            if config.max or not self._before(config.timeout - ticks_diff(now, self._since)):
                return False
            self._fail(-1, ("nolink",))
        elif self._down or self._before(ticks_diff(self._next, now)):
            self._down = False
            self._since = now
            self._soonest = 0
            servers = config.servers
            self._turn %= len(servers)
            self.transport = Transport(servers[self._turn])
            self._silent = True
            connection = self._connection(self.transport)
            next(connection)
            self._step = connection.send
            self._throw = connection.throw
            self._turn += 1
            self._state = _ACTIVE
        else:
            return False
        return True

    def _alive(self, now):
        # The deadlines of an open connection: a stalled write, keep alive [MQTT-3.1.2-23].
        session = self._session
        config = session.config
        if not self._opened:
            # CONNACK has come.
            self._opened = True
            self._stable = False
            self._since = now
        if not self._stable and self._before(_STABLE_MS - ticks_diff(now, self._since)):
            # The next wait is short again, and begins with the server that works.
            self._stable = True
            self._delay = config.min
            self._turn -= 1
        if session.transmit.waiting():
            if self._before(config.timeout - ticks_diff(now, self._sentat)):
                self._fail(-1, ("stalled",))
                return True
            return False
        # What is paused cannot see PINGRESP, but goes on asking, so that the server hears of it.
        if not session.ponged and not session.paused:
            since = self._pinged
            if session.inbox.partial and ticks_diff(self._receivedat, since) > 0:
                since = self._receivedat  # a packet that is still arriving is a sign of life
            if self._before(min(config.keepalive, config.timeout) - ticks_diff(now, since)) and self._silent:
                self._fail(-1, ("noping",))
                return True
        elif config.keepalive:
            quiet = ticks_diff(now, self._sentat)
            if not session.paused:
                quiet = max(quiet, ticks_diff(now, self._receivedat))
            if self._before(config.keepalive - quiet):
                self._ping(now)
                return True
        return False

    def _ping(self, now):
        session = self._session
        if session.transmit.room():
            session.ponged = False
            session.transmit.short(_PINGREQ, None)
            self._pinged = now
            self._soonest = min(session.config.keepalive, session.config.timeout)
            self._flush()


def run(clients):
    """See `mqtt.run`."""
    for client in clients:
        client.poll()  # one that has never connected may have something to tell
    while True:
        links = [client.link for client in clients if client.link and client.link.busy()]
        if not links or True in [link.engaged() for link in links]:
            return
        if len(links) == 1:
            # One client is polled without allocating.
            while links[0].busy() and not links[0].engaged():
                links[0].poll(_FOREVER_MS if len(clients) == 1 else 1000)
        elif not sum([link.poll(0) for link in links]):
            poller = select.poll()
            # TLS streams last: the Unix port crashes where a set grows behind one.
            for tls in (False, True):
                for link in links:
                    if link.transport:
                        link.transport.register(poller, tls, link.wants())
            poller.poll(min([link.left() for link in links]))
