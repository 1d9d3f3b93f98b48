"""The client of api.md: handlers, connection state, keep alive, reconnecting, and what drives the engine."""

import random
import select
import sys
import time

from micropython import const

from . import packets
from .packets import Malformed, MQTTError, TooLarge, bad
from .session import Session

_FILTER = const(2)
_TOPIC = const(3)

_IDLE = const(0)
_WAITING = const(1)  # for the time or the link to try again
_OPENING = const(2)  # from name look-up to CONNACK
_OPEN = const(3)
_CLOSING = const(4)  # until DISCONNECT has left

_STABLE_MS = const(30000)
_LINK_MS = const(200)  # how often `linkup` is asked while nothing else happens
_FOREVER_MS = const(0x1FFFFFFF)  # ticks_diff is not valid beyond this

# What an attempt or connection failed with, besides exceptions and CONNACK codes; `errors` has the words.
_TIMEOUT = const(-101)
_NOPING = const(-102)
_STALLED = const(-103)
_NOLINK = const(-104)


class _Config:
    # What `options` makes of the arguments of `connect`.
    cleansession = True


def _borrow(name):
    # Imports mqtt.<name> for one call: on a board its memory is free again afterwards.
    path = "mqtt." + name
    package = __import__(path)
    del sys.modules[path]
    module = getattr(package, name)
    delattr(package, name)
    return module


def _handler(name, fn):
    if fn is not None and not callable(fn):
        raise bad(name, fn, "is not callable", TypeError)
    return fn


def _qos(value):
    if value not in (0, 1, 2):
        raise bad("qos", value, "is not 0, 1 or 2")
    return int(value)


class Message:
    """A message to send, made by `Client.createmessage`: `topic` (str or bytes), `message` (bytes), `qos`, `retain` (ints)."""

    # What the engine keeps, see `session`. Only what differs from these takes room in a message.
    retain = pid = awaits = 0
    callback = None

    def __init__(self, client, topic, message, qos, retain):
        data = packets.field("topic", topic, _TOPIC)
        self._client = client
        self.topic = topic if isinstance(topic, str) else bytes(data)
        # What may change under way is copied; bytes are not.
        self.message = bytes(packets.payload("message", message))
        self.size = len(data) + len(self.message)
        packets.framed(self.size + 4)
        self.qos = _qos(qos)
        if retain:
            self.retain = 1

    def sendasync(self, callback=None):
        """Send; `callback(resultcode)` comes once, from `poll`. MQTTError(-3) if neither connected nor connecting."""
        self._client._send(self, _handler("callback", callback))

    def sendsync(self, timeout=None):
        """Send and poll until it is finished; return the result code, or -11 after `timeout` seconds: then it is still on its way.

        MQTTError(-1) inside a handler.
        """
        client = self._client
        if client._inside:
            raise MQTTError(-1)
        start = time.ticks_ms()
        result = []
        self.sendasync(result.append)
        left = _FOREVER_MS
        # A client that is disconnected and has told so will not finish it.
        while not result and left > 0 and client._active():
            client.poll(left)
            if timeout is not None:
                left = int(timeout * 1000) - time.ticks_diff(time.ticks_ms(), start)
        return result[0] if result else -11

    def cancelsend(self):
        """Give the message up; return True if it will not be sent (again): its callback gets -11."""
        return self._client._session.cancel(self)


class Client:
    """An MQTT client; made by `mqtt.createclient`. Belongs to one thread."""

    def __init__(self, store=None):
        self._session = Session(self)
        self._config = _Config()
        self._state = _IDLE
        self._inside = False  # of `poll`, where handlers run
        self._transport = None
        self._failed = None  # what a write failed with; the next poll tells
        self._left = 0  # ms until something is due
        self._since = self._at = 0  # ticks: when this state began, when the next attempt is due
        self._sentat = self._receivedat = self._pinged = 0
        self._delay = 0  # ms, the limit of the next wait
        self._linkdown = self._fresh = self._stalled = self._said = False
        self._onconnect = self._onlost = None
        self._routes = {}
        self._topic = self._targets = None  # the last message's, and the handlers that match it
        self._goodbyes = []  # callbacks of `disconnect`
        self.sessionpresent = False

    # -- handlers

    def onconnect(self, fn):
        """Set the handler `fn(resultcode)` of the result of each connection attempt; None clears it."""
        self._onconnect = _handler("onconnect", fn)

    def onconnectionlost(self, fn):
        """Set the handler `fn(reason)` of the failure of an open connection; None clears it."""
        self._onlost = _handler("onconnectionlost", fn)

    def onmessage(self, fn, topicfilter=None):
        """Set the handler `fn(message)` of the messages that match the filter, or of those no filter matches; None clears it."""
        _handler("onmessage", fn)
        if topicfilter is not None:
            topicfilter = str(packets.field("topicfilter", topicfilter, _FILTER), "utf-8")
        self._topic = None
        if fn:
            self._routes[topicfilter] = fn
        else:
            self._routes.pop(topicfilter, None)

    def ondelivery(self, fn):
        """Set the handler `fn(message)` of outgoing QoS 1 and 2 messages that are fully acknowledged; None clears it."""
        self._session.ondelivery = _handler("ondelivery", fn)

    # -- what a program asks for

    def connect(self, url, clientid, options=None, **more):
        """Start connecting; returns at once, the handler of `onconnect` tells the result. For the options see api.md.

        Raises ValueError or TypeError for bad arguments, MQTTError(-1) if not disconnected.
        """
        if 0 < self._state < _CLOSING:
            raise MQTTError(-1)
        config = _Config()
        _borrow("options").parse(config, url, clientid, options, more)
        if self._state:
            self._finish()
        self._config = self._session.config = config
        self._delay = config.min
        self._since = self._at = time.ticks_ms()
        self._linkdown = False
        self._state = _WAITING

    def disconnect(self, callback=None):
        """Write what is on its way, send DISCONNECT, close, then call `callback()` from `poll` [MQTT-3.14.4-1]."""
        if _handler("callback", callback):
            self._goodbyes.append(callback)
        if self._state == _OPEN:
            self._state = _CLOSING
            self._since = time.ticks_ms()
            self._session.stop()
            self._said = False
            if not self._inside:
                self._leave()
        elif self._state != _CLOSING:
            self._finish()

    def createmessage(self, topic, message=b"", options=None):
        """Return a Message; options: a dict with `qos` (0) and `retain` (False)."""
        options = options or {}
        for key in options:
            if key not in ("qos", "retain"):
                raise bad("option", key, "is unknown")
        return Message(self, topic, message, options.get("qos", 0), options.get("retain", 0))

    def publish(self, topic, message, qos=0, retain=False, callback=None):
        """Create and send a message in one step; return it, or None for QoS 0 without a callback."""
        if callback is None and not _qos(qos):
            topic = packets.payload("topic", topic)
            message = packets.payload("message", message)
            if self._session.publish0(topic, message, 1 if retain else 0):
                self._push()
                return None
        entry = Message(self, topic, message, qos, retain)
        entry.sendasync(callback)
        return entry if qos or callback else None

    def _send(self, entry, callback):
        session = self._session
        self._check()
        if entry in session.entries:
            # Sent again before it is finished: that is a message of its own.
            entry = Message(self, entry.topic, entry.message, entry.qos, entry.retain)
        entry.awaits = 0
        code = session.accept(entry)
        if code:
            session.ended(callback, code)
        else:
            entry.callback = callback
            self._push()

    def subscribe(self, topics, qos=0, callback=None):
        """Ask for the messages that match one filter or a list, in one SUBSCRIBE; return 0 or -10.

        qos: one int, or a list of as many. `callback(resultcode, qosmode)` comes with SUBACK.
        """
        return self._request(topics, (qos,), callback)

    def unsubscribe(self, topics, callback=None):
        """End subscriptions; return 0 or -10. `callback(resultcode)` comes with UNSUBACK."""
        return self._request(topics, None, callback)

    def _request(self, topics, qos, callback):
        _handler("callback", callback)
        many = isinstance(topics, (list, tuple))
        filters = [packets.field("topics", t, _FILTER) for t in (topics if many else (topics,))]
        if not filters:
            raise bad("topics", topics, "is empty")
        if qos:
            qos = qos[0] if isinstance(qos[0], (list, tuple)) else qos * len(filters)
            if len(qos) != len(filters):
                raise bad("qos", qos, "is not as long as topics")
            qos = [_qos(q) for q in qos]
        self._check()
        code = self._session.request(filters, qos, callback, many)
        self._push()
        return code

    def _check(self):
        if self._state in (_IDLE, _CLOSING):
            raise MQTTError(-3)

    # -- looking at the client

    def isconnected(self):
        """Whether the connection is open."""
        return self._state == _OPEN

    def pending(self):
        """The number of messages accepted and not finished; at 0 a board may sleep."""
        return self._session.pending()

    @property
    def dropped(self):
        """How many messages, in and out, were given up without a callback to tell."""
        return self._session.dropped

    @property
    def lasterror(self):
        """Why the last attempt or connection failed (str), in words a person can act on."""
        return _borrow("errors").describe(self._session.why)

    # -- driving

    def poll(self, timeout_ms=0):
        """Read, write, keep alive, call handlers; return True if anything was done, within `timeout_ms` (plus handlers)."""
        if self._inside:
            return False
        start = time.ticks_ms()
        while not self._work():
            left = min(self._left, timeout_ms - time.ticks_diff(time.ticks_ms(), start))
            if left <= 0:
                return False
            if self._transport:
                self._transport.wait(left, self._session.waiting())
            else:
                time.sleep_ms(left)
        return True

    def _active(self):
        return self._state or self._session.due

    def _work(self):
        self._inside = True
        try:
            did = self._session.calls()
            if self._transport:
                did = self._io() or did
            self._left = _FOREVER_MS
            if self._state:
                self._timers(time.ticks_ms())
            return self._session.calls() or did
        finally:
            self._inside = False

    def _io(self):
        session = self._session
        transport = self._transport
        n = 0
        try:
            if self._failed:
                raise self._failed
            if not transport.ready:
                if not transport.step():
                    return False
                session.put(self._config.packet)
            elif self._state != _CLOSING:
                space = session.space()
                if space:
                    n = transport.readinto(space)
                    if n:
                        self._receivedat = time.ticks_ms()
        except OSError as e:
            return self._down(-1, e)
        try:
            did = session.process(n)
        except (Malformed, TooLarge) as e:
            return self._down(-4 if isinstance(e, Malformed) else -3, e)
        if self._state == _CLOSING:
            self._leave()
        elif self._transport:
            did = self._flush() or did
        return did

    def _push(self):
        if self._state == _OPEN and not self._inside:
            self._flush()

    def _flush(self):
        # Returns whether bytes left. A failure waits for the next poll: no handler may be called from here.
        transport = self._transport
        transport.sent = False
        try:
            self._session.flush(transport)
        except OSError as e:
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
        self._left = max(0, min(left, self._left))
        return left <= 0

    def _timers(self, now):
        # Acts on what is due.
        config = self._config
        state = self._state
        up = not config.linkup or config.linkup()
        if config.linkup:
            self._left = _LINK_MS
        over = time.ticks_diff(now, self._since) - config.timeout
        if not up and (state == _OPEN or not config.max and over >= 0):
            self._down(-1, _NOLINK)
        elif state == _OPEN:
            self._alive(now)
        elif state != _WAITING:
            if self._before(-over):
                self._down(-1, _TIMEOUT)
        elif not up:
            self._linkdown = True
        elif self._linkdown or self._before(time.ticks_diff(self._at, now)):
            self._linkdown = False
            self._left = 0
            self._since = now
            self._state = _OPENING
            from .transport import Transport

            self._transport = Transport(config.host, config.port, config.wrap)

    def _alive(self, now):
        # The deadlines of an open connection: a stalled write, keep alive [MQTT-3.1.2-23], and when it counts as stable.
        config = self._config
        session = self._session
        diff = time.ticks_diff
        if self._fresh and diff(now, self._since) >= _STABLE_MS:
            self._fresh = False
            self._delay = config.min
        if session.waiting():
            if not self._stalled:
                self._stalled = True
                self._sentat = now
            if self._before(config.timeout - diff(now, self._sentat)):
                self._down(-1, _STALLED)
            return
        self._stalled = False
        if not session.ponged:
            if self._before(min(config.keepalive, config.timeout) - diff(now, self._pinged)):
                self._down(-1, _NOPING)
        elif config.keepalive:
            if self._before(config.keepalive - max(diff(now, self._sentat), diff(now, self._receivedat))):
                self._pinged = now
                session.ponged = False
                session.put(b"\xc0\0")
                self._flush()

    def _down(self, code, why):
        # The attempt or the connection has failed: tells so, and plans the next.
        if self._state == _CLOSING:
            return self._finish()
        session = self._session
        fn = self._onlost if self._state == _OPEN else self._onconnect
        again = self._config.max
        self._drop(again, False)
        session.why = why
        if fn:
            session.due.append((fn, code))
        if again:
            if code > 0 and code != 3:
                self._delay = again
            self._at = time.ticks_add(time.ticks_ms(), self._delay * random.getrandbits(10) >> 10)
            self._delay = min(self._delay * 2, again)
            self._state = _WAITING
        return True

    def _drop(self, again, abandon):
        if self._transport:
            self._transport.close()
        self._transport = self._failed = None
        self._state = _IDLE
        self._session.closed(again, abandon)

    def _finish(self):
        # The end that the program asked for.
        self._drop(False, self._config.cleansession)
        while self._goodbyes:
            self._session.due.append((self._goodbyes.pop(0),))

    # -- for the engine

    def restore(self, topic, message, retain):
        """Return a Message of QoS 0."""
        return Message(self, topic, message, 0, retain)

    def connack(self, code, present):
        """A CONNACK has come."""
        self.sessionpresent = bool(present)
        if code:
            self._down(code, code)
            return
        self._state = _OPEN
        self._since = self._sentat = self._receivedat = time.ticks_ms()
        self._fresh = True
        self._stalled = False
        if self._onconnect:
            self._session.due.append((self._onconnect, 0))

    def deliver(self, message):
        """A message has come: call the handlers that want it."""
        topic = message.topic
        if topic is not self._topic:
            routes = self._routes
            self._topic = topic
            self._targets = [routes[f] for f in routes if f and packets.matches(f, topic)]
            if not self._targets and None in routes:
                self._targets = (routes[None],)
        if not self._targets:
            self._session.dropped += 1
        for fn in self._targets:
            fn(message)


def run(*clients):
    """Poll the clients until all are disconnected and none of them will connect again."""
    while True:
        active = [c for c in clients if c._active()]
        if not active:
            return
        if len(active) == 1:
            active[0].poll(_FOREVER_MS)
        elif not any([c.poll() for c in active]):
            poller = select.poll()
            for c in active:
                if c._transport and c._transport.sock:
                    poller.register(c._transport.sock, c._transport.events(c._session.waiting()))
            poller.poll(min([c._left for c in active]))
