"""What drives a client's engine over a network: attempts, timers, keep alive, reconnecting. Loaded by `connect`."""

import random
import select
import time

from micropython import const

from .packets import Broken, MQTTError, bad
from .transport import Transport

_IDLE = const(0)
_WAITING = const(1)  # for the time or the network to try again
_ACTIVE = const(2)  # from name look-up on
_CLOSING = const(3)  # until DISCONNECT has left

_STABLE_MS = const(30000)
_LINK_MS = const(200)  # how often `linkup` is asked while nothing else happens
_FOREVER_MS = const(0x1FFFFFFF)  # ticks_diff is not valid beyond this

# What an attempt or connection failed with, besides exceptions; `errors` has the words.
_TIMEOUT = const(-101)
_NOPING = const(-102)
_STALLED = const(-103)
_NOLINK = const(-104)
_NOHANDSHAKE = const(-105)

# What a transport raises; a certificate that fails the verification is a ValueError.
_FAILURES = (OSError, ValueError, MemoryError)


class Link:
    """The connections of one client, one after the other."""

    def __init__(self, session):
        self._session = session
        self._state = _IDLE
        self.transport = None
        self.inside = False  # of `poll`, where handlers run
        self.left = 0  # ms until something is due
        self._failed = None  # what the transport has just failed with; True: a write failed, the next poll tells
        self._since = self._at = 0  # ticks: when this phase began, when the next attempt is due
        self._sentat = self._receivedat = self._pinged = 0
        self._delay = 0  # ms, the limit of the next wait
        self._now = 0  # ticks of the last look at the timers
        self._short = False  # whether the last read got less than it might have
        self._drained = False  # whether all was taken as well, and nothing has happened since
        self._down = self._opened = self._stable = self._stalled = self._said = False
        self._goodbyes = []  # callbacks of `disconnect`
        self._lose = 0  # what the session still has to give up, see `Session.closed`

    def active(self):
        """Whether it is connected or on the way there."""
        return _IDLE < self._state < _CLOSING

    def busy(self):
        """Whether polling may still do something."""
        return self._state or self._session.due or self._lose

    def connect(self, config):
        """Start to connect as `config` says, see `options`."""
        if self._session.kept:
            self._session.identify(config.clientid)
        if self._state == _CLOSING:
            self._bye()
            self._end()
        self._session.config = config
        self._delay = config.min
        self._since = self._at = time.ticks_ms()
        self._down = False
        self._state = _WAITING

    def disconnect(self, callback):
        """End the connection, the attempt or the waiting."""
        if callback is not None:
            self._goodbyes.append(callback)
        if self._session.open:
            self._state = _CLOSING
            self._since = time.ticks_ms()
            self._session.stop()
            self._said = False
            if not self.inside:
                self._bye()
        elif self._state != _CLOSING:
            self._end()

    def push(self):
        """Send what was just queued, unless handlers run: what they send leaves together."""
        if self._session.open and not self.inside:
            self.write()

    def poll(self, timeout_ms):
        """See `Client.poll`."""
        if self.inside:
            return False
        start = time.ticks_ms()
        if self._drained:
            self._rest(timeout_ms, start)
        while not self._work():
            left = timeout_ms - time.ticks_diff(time.ticks_ms(), start)
            if left <= 0:
                return False
            self._watch(min(left, self.left))
        return True

    def _rest(self, ms, now):
        # A read would be in vain: waits first, where nothing else is to be done.
        ms = min(ms, self.left - time.ticks_diff(now, self._now))
        session = self._session
        if ms > 0 and session.open and not session.due and not session.waiting():
            # What was cancelled, a handler that raised or a failed write may have left something that can go now.
            if session.sent == len(session.entries) or not self.write():
                self._watch(ms)

    def _watch(self, ms):
        if self.transport:
            self.transport.wait(ms, self.wants())
        else:
            time.sleep_ms(ms)

    def wants(self):
        """What to wait for: 0 for something to read, 2 to be able to write, 1 for both."""
        session = self._session
        if not session.waiting():
            return 0
        # What is not going to be read must not wake it.
        return 1 if self._state != _CLOSING and session.put(b"") else 2

    def sendsync(self, message, timeout):
        """See `Message.sendsync`."""
        if self.inside:
            raise MQTTError(-1)
        limit = _FOREVER_MS
        if timeout is not None:
            if type(timeout) not in (int, float):
                raise bad("timeout", timeout, "is not a number", TypeError)
            limit = int(timeout * 1000)
        result = []
        message.sendasync(result.append)
        start = time.ticks_ms()
        left = limit
        # A client that is disconnected and has told so will do no more.
        while not result and left > 0 and self.busy():
            self.poll(left)
            if timeout is not None:
                left = limit - time.ticks_diff(time.ticks_ms(), start)
        return result[0] if result else -11

    def _work(self):
        self.inside = True
        try:
            return self._next()
        finally:
            self.inside = False

    def _next(self):
        # One round of everything; returns whether anything was done.
        self._drained = False
        did = self._session.calls()
        if self.transport:
            did = self._io() or did
        elif self._lose:
            self._forget()
        now = time.ticks_ms()
        # The deadlines can wait for a moment that has nothing better to do, but not for ever.
        if not did or now != self._now:
            self._now = now
            self.left = _FOREVER_MS
            if self._state:
                self._timers(now)
                did = did or not self._state  # it may be the end of all
        return self._session.calls() or did

    def __enter__(self):
        pass

    def __exit__(self, kind, e, _):
        # For `with self`: notes what the transport failed with. (`except … as` makes the frame of a function so large
        # that MicroPython takes it from the heap, at every call.)
        if isinstance(e, _FAILURES):
            self._failed = e
            return True

    def _io(self):
        # Moves bytes; returns whether anything was done.
        with self:
            did = self._left()
            n = self._fill()
        return self._fail(-1, self._failed) if self._failed else self._take(n) or did

    def _left(self):
        # Gets on with connecting, or writes what is left of the last time; returns whether bytes have left.
        transport = self.transport
        if not transport.ready:
            if not transport.step():
                return False
            self._session.put(self._session.config.packet)
        if not self._failed and not self._session.waiting():
            return False
        self._failed = None
        if not self._session.flush(transport):
            return False
        self._sentat = time.ticks_ms()
        return True

    def _fill(self):
        # Reads; returns how many bytes.
        transport = self.transport
        space = transport.ready > 1 and self._state != _CLOSING and self._session.space()
        if not space:
            return 0
        n = len(space)
        if self._short:
            # MicroPython asks again until it has all that is wanted or would block, so only what is sure to come.
            n = min(n, 4 * self._session.sent or n)
        n = transport.readinto(space, n)
        # Above a TLS stream there may be more.
        self._short = n < len(space) and not self._session.config.tls
        if n:
            self._receivedat = time.ticks_ms()
        return n

    def _take(self, n):
        # Takes `n` bytes that were read, and sends what that leads to.
        try:
            if self._session.process(n):
                n = n or 1
            elif n:
                self._short = False  # a packet has only begun
        except Broken:
            n = -1
        if n < 0:
            return self._fail(self._session.why.args[0], self._session.why)
        self._drained = self._short and not self._session.end
        if self._state == _CLOSING:
            self._bye()
        elif self._session.open:
            if not self._opened:
                self._opened = True
                self._stable = self._stalled = False
                self._since = time.ticks_ms()
                self._now = -1  # the deadlines are others now
            n = self.write() or n
        return n > 0

    def write(self):
        """Send what is waiting; return whether bytes have left, or failed to."""
        # No handler may be called from here, so the next poll shall meet the failure again.
        try:
            if not self._session.flush(self.transport):
                return False
            self._sentat = time.ticks_ms()
        except _FAILURES:
            self._failed = True
        return True

    def _bye(self):
        # Sends DISCONNECT behind what is on its way, and closes when it has left.
        if not self._said:
            self._said = True
            self._session.put(b"\xe0\0")
        self.write()
        if not self._session.waiting():
            self._end()

    def _before(self, left):
        # Keeps the shortest time to a deadline; returns whether this one has passed.
        self.left = max(0, min(left, self.left))
        return left <= 0

    def _timers(self, now):
        # Acts on what is due.
        config = self._session.config
        is_open = self._session.open
        over = time.ticks_diff(now, self._since) - config.timeout
        up = True
        if config.linkup:
            self.left = _LINK_MS
            up = config.linkup()
        if not up and (is_open or not config.max and over >= 0):
            self._fail(-1, _NOLINK)
        elif self._state == _WAITING:
            self._redo(now, up)
        elif is_open:
            self._alive(now)
        elif self._before(-over):
            self._fail(-1, _NOHANDSHAKE if config.tls and self.transport.ready == 1 else _TIMEOUT)

    def _redo(self, now, up):
        # Begins the next attempt when it is time, or when the network has come back.
        if not up:
            self._down = True
        elif self._down or self._before(time.ticks_diff(self._at, now)):
            self._down = False
            self.left = 0
            self._since = now
            self._session.closed(0)  # again, should there have been no memory for it
            self.transport = Transport(self._session.config)
            self._state = _ACTIVE

    def _alive(self, now):
        # The deadlines of an open connection: a stalled write, keep alive [MQTT-3.1.2-23].
        config = self._session.config
        session = self._session
        self._settle(now)
        if session.waiting():
            if not self._stalled:
                self._stalled = True
                self._sentat = now
            ms = config.timeout - time.ticks_diff(now, self._sentat)
            if self._before(ms):
                self._fail(-1, _STALLED)
            return
        self._stalled = False
        if not session.ponged:
            ms = min(config.keepalive, config.timeout)
            ms -= time.ticks_diff(now, self._pinged)
            if self._before(ms):
                self._fail(-1, _NOPING)
        elif config.keepalive:
            ms = max(time.ticks_diff(now, self._sentat), time.ticks_diff(now, self._receivedat))
            if self._before(config.keepalive - ms):
                self._pinged = now
                session.ponged = False
                session.put(b"\xc0\0")
                self.write()

    def _settle(self, now):
        # Notes when the connection has become a stable one: the next wait is short again.
        if self._opened and not self._stable and time.ticks_diff(now, self._since) >= _STABLE_MS:
            self._stable = True
            self._delay = self._session.config.min

    def _fail(self, code, why):
        # The attempt or the connection has failed: tells so, and plans the next.
        if self._state == _CLOSING:
            return self._end()
        session = self._session
        fn = session.onlost
        if session.open:
            self._settle(time.ticks_ms())
        else:
            fn = session.onconnect
            code = max(code, -1)
        again = self._session.config.max
        session.why = why
        # First what there may be no memory for: then the next poll fails in the same way, and tells.
        if fn is not None:
            session.due.append((fn, code))
        if again:
            if code > 0 and code != 3:
                self._delay = again
            self._at = time.ticks_add(time.ticks_ms(), self._delay * random.getrandbits(10) >> 10)
            self._delay = min(self._delay * 2, again)
        return self._drop(0 if again else 2, _WAITING if again else _IDLE)

    def _drop(self, lose, state):
        if self.transport:
            self.transport.close()
        self.transport = self._failed = None
        self._opened = False
        self._state = state
        self._lose = lose
        self._forget()
        return True

    def _forget(self):
        # Where there is no memory for all that this has to tell, the next poll gets on with it.
        self._session.closed(self._lose)
        while self._goodbyes:
            self._session.due.append((self._goodbyes[0],))
            self._goodbyes.pop(0)
        self._lose = 0

    def _end(self):
        # The end that the program asked for.
        return self._drop(3 if self._session.config.cleansession and not self._session.kept else 1, _IDLE)


def run(clients):
    """See `mqtt.run`."""
    while True:
        links = [c._link for c in clients if c._link and c._link.busy()]
        if not links:
            return
        if True in [link.inside for link in links]:
            raise MQTTError(-1)  # in a handler it would wait for itself
        if len(clients) == 1:
            # One client is polled without allocating.
            while links[0].busy():
                links[0].poll(_FOREVER_MS)
        elif not sum([link.poll(0) for link in links]):
            poller = select.poll()
            # TLS streams last: the Unix port crashes where a set grows behind one.
            for tls in (False, True):
                for link in links:
                    if link.transport:
                        link.transport.register(poller, tls, link.wants())
            poller.poll(min([link.left for link in links]))
