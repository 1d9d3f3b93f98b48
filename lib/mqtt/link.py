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
        self._config = None
        self.transport = None
        self.inside = False  # of `poll`, where handlers run
        self.left = 0  # ms until something is due
        self._failed = None  # what a write failed with; the next poll tells
        self._since = self._at = 0  # ticks: when this phase began, when the next attempt is due
        self._sentat = self._receivedat = self._pinged = 0
        self._delay = 0  # ms, the limit of the next wait
        self._down = self._opened = self._stable = self._stalled = self._said = False
        self._goodbyes = []  # callbacks of `disconnect`

    def active(self):
        """Whether it is connected or on the way there."""
        return _IDLE < self._state < _CLOSING

    def busy(self):
        """Whether polling may still do something."""
        return self._state or self._session.due

    def connect(self, config):
        """Start to connect as `config` says, see `options`."""
        if self._session.kept:
            self._session.identify(config.clientid)
        if self._state == _CLOSING:
            self._leave()
            self._finish()
        self._config = self._session.config = config
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
                self._leave()
        elif self._state != _CLOSING:
            self._finish()

    def push(self):
        """Send what was just queued, unless handlers run: what they send leaves together."""
        if self._session.open and not self.inside:
            self._flush()

    def poll(self, timeout_ms):
        """See `Client.poll`."""
        if self.inside:
            return False
        start = time.ticks_ms()
        while not self._work():
            left = timeout_ms - time.ticks_diff(time.ticks_ms(), start)
            if left <= 0:
                return False
            left = min(left, self.left)
            if self.transport:
                self.transport.wait(left, self._session.waiting())
            else:
                time.sleep_ms(left)
        return True

    def sendsync(self, message, timeout):
        """See `Message.sendsync`."""
        if self.inside:
            raise MQTTError(-1)
        limit = _FOREVER_MS
        if timeout is not None:
            if type(timeout) not in (int, float):
                raise bad("timeout", timeout, "is not a number", TypeError)
            limit = int(timeout * 1000)
        start = time.ticks_ms()
        left = limit
        result = []
        message.sendasync(result.append)
        # A client that is disconnected and has told so will do no more.
        while not result and left > 0 and self.busy():
            self.poll(left)
            if timeout is not None:
                left = limit - time.ticks_diff(time.ticks_ms(), start)
        return result[0] if result else -11

    def _work(self):
        self.inside = True
        try:
            did = self._session.calls()
            if self.transport:
                did = self._io() or did
            self.left = _FOREVER_MS
            if self._state:
                self._timers(time.ticks_ms())
            return self._session.calls() or did
        finally:
            self.inside = False

    def _io(self):
        session = self._session
        transport = self.transport
        n = 0
        try:
            if self._failed:
                raise self._failed
            if not transport.ready:
                if not transport.step():
                    return False
                session.put(self._config.packet)
            elif transport.ready > 1 and self._state != _CLOSING:
                space = session.space()
                if space:
                    n = transport.readinto(space)
                    if n:
                        self._receivedat = time.ticks_ms()
        except _FAILURES as e:
            return self._fail(-1, e)
        try:
            # Bytes alone count, too: a TLS stream may hold more that waiting for the socket does not show.
            did = session.process(n) or n > 0
        except Broken as e:
            return self._fail(e.args[0], e)
        if self._state == _CLOSING:
            self._leave()
        elif self.transport:
            did = self._flush() or did
        return did

    def _flush(self):
        # Returns whether bytes left. A failure waits for the next poll: no handler may be called from here.
        transport = self.transport
        transport.sent = False
        try:
            self._session.flush(transport)
        except _FAILURES as e:
            self._failed = e
        if transport.sent:
            self._sentat = time.ticks_ms()
        return transport.sent

    def _leave(self):
        # Sends DISCONNECT behind what is on its way, and closes when it has left.
        if not self._said:
            self._said = True
            self._session.put(b"\xe0\0")
        self._flush()
        if self._failed or not self._session.waiting():
            self._finish()

    def _before(self, left):
        # Keeps the shortest time to a deadline; returns whether this one has passed.
        self.left = max(0, min(left, self.left))
        return left <= 0

    def _timers(self, now):
        # Acts on what is due.
        config = self._config
        state = self._state
        is_open = self._session.open
        over = time.ticks_diff(now, self._since) - config.timeout
        up = True
        if config.linkup:
            self.left = _LINK_MS
            up = config.linkup()
        if not up and (is_open or not config.max and over >= 0):
            self._fail(-1, _NOLINK)
        elif state == _WAITING:
            if not up:
                self._down = True
            elif self._down or self._before(time.ticks_diff(self._at, now)):
                self._down = False
                self.left = 0
                self._since = now
                self._session.closed(0)  # again, should there have been no memory for it
                self.transport = Transport(config.host, config.port, config.tls)
                self._state = _ACTIVE
        elif is_open:
            self._alive(now)
        elif self._before(-over):
            self._fail(-1, _NOHANDSHAKE if config.tls and self.transport.ready == 1 else _TIMEOUT)

    def _alive(self, now):
        # The deadlines of an open connection: when it counts as stable, a stalled write, keep alive [MQTT-3.1.2-23].
        config = self._config
        session = self._session
        diff = time.ticks_diff
        if not self._opened:
            self._opened = True
            self._stable = self._stalled = False
            self._since = now
        if not self._stable and diff(now, self._since) >= _STABLE_MS:
            self._stable = True
            self._delay = config.min
        if session.waiting():
            if not self._stalled:
                self._stalled = True
                self._sentat = now
            if self._before(config.timeout - diff(now, self._sentat)):
                self._fail(-1, _STALLED)
            return
        self._stalled = False
        if not session.ponged:
            if self._before(min(config.keepalive, config.timeout) - diff(now, self._pinged)):
                self._fail(-1, _NOPING)
        elif config.keepalive:
            if self._before(config.keepalive - max(diff(now, self._sentat), diff(now, self._receivedat))):
                self._pinged = now
                session.ponged = False
                session.put(b"\xc0\0")
                self._flush()

    def _fail(self, code, why):
        # The attempt or the connection has failed: tells so, and plans the next.
        if self._state == _CLOSING:
            return self._finish()
        session = self._session
        fn = session.onlost
        if not session.open:
            fn = session.onconnect
            code = max(code, -1)
        again = self._config.max
        session.why = why
        # First what there may be no memory for: then the next poll fails in the same way, and tells.
        if fn is not None:
            session.due.append((fn, code))
        if again:
            if code > 0 and code != 3:
                self._delay = again
            self._at = time.ticks_add(time.ticks_ms(), self._delay * random.getrandbits(10) >> 10)
            self._delay = min(self._delay * 2, again)
        self._drop(0 if again else 2, _WAITING if again else _IDLE)
        return True

    def _drop(self, lose, state):
        if self.transport:
            self.transport.close()
        self.transport = self._failed = None
        self._opened = False
        self._state = state
        self._session.closed(lose)

    def _finish(self):
        # The end that the program asked for.
        self._drop(3 if self._config.cleansession and not self._session.kept else 1, _IDLE)
        while self._goodbyes:
            self._session.due.append((self._goodbyes.pop(0),))
        return True


def run(clients):
    """See `mqtt.run`."""
    while True:
        links = [c._link for c in clients if c._link and c._link.busy()]
        if not links:
            return
        if True in [link.inside for link in links]:
            raise MQTTError(-1)  # in a handler it would wait for itself
        if len(links) == 1:
            links[0].poll(_FOREVER_MS)
        elif not sum([link.poll(0) for link in links]):
            poller = select.poll()
            # TLS streams last: the Unix port crashes where a set grows behind one.
            for tls in (False, True):
                for link in links:
                    if link.transport:
                        link.transport.register(poller, tls, link._session.waiting())
            poller.poll(min([link.left for link in links]))
