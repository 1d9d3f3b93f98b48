"""The client of api.md: handlers, connection state, keep alive, reconnecting, and what drives the engine."""

import random
import select
import time

from micropython import const

from . import packets
from .packets import MQTTError, Malformed, bad
from .session import Session, TooLarge
from .transport import Transport

_IDLE = const(0)
_WAITING = const(1)  # for the time or the link to try again
_OPENING = const(2)  # from name look-up to CONNACK
_OPEN = const(3)
_CLOSING = const(4)  # until DISCONNECT has left

_STABLE_MS = const(30000)
_LINK_MS = const(200)  # how often `linkup` is asked while nothing else happens
_FOREVER_MS = const(0x1FFFFFFF)  # ticks_diff is not valid beyond this


def _callable(name, fn):
    if fn is not None and not callable(fn):
        raise bad(TypeError, name, fn, "is neither callable nor None")
    return fn


def _qos(name, value):
    if not isinstance(value, (int, bool)):
        raise bad(TypeError, name, value, "is not 0, 1 or 2")
    if not 0 <= value <= 2:
        raise bad(ValueError, name, value, "is not 0, 1 or 2")
    return int(value)


class Message:
    """A message to send, made by `Client.createmessage`; it is encoded once, here, and sent from there."""

    pid = 0
    awaits = 0
    callback = None

    def __init__(self, client, packet, at):
        self._client = client
        self.packet = packet
        self._at = at

    def _body(self):
        at = 2
        while self.packet[at - 1] > 127:
            at += 1
        return at

    @property
    def topic(self):
        """The topic (str)."""
        return str(self.packet[self._body() + 2 : self._at], "utf-8")

    @property
    def message(self):
        """The payload (bytes)."""
        return bytes(self.packet[self._at + (2 if self.qos else 0) :])

    @property
    def qos(self):
        """The quality of service, 0 to 2."""
        return self.packet[0] >> 1 & 3

    @property
    def retain(self):
        """1 if the broker shall keep the message for later subscribers, else 0."""
        return self.packet[0] & 1

    @property
    def size(self):
        """The bytes of topic and payload."""
        return len(self.packet) - self._body() - (4 if self.qos else 2)

    def number(self, pid):
        """Set the packet identifier."""
        self.pid = pid
        self.packet[self._at] = pid >> 8
        self.packet[self._at + 1] = pid & 0xFF

    def sendasync(self, callback=None):
        """Send; `callback(resultcode)` comes once, from `poll`. MQTTError(-3) if not connected nor connecting."""
        self._client._send(self, _callable("callback", callback))

    def sendsync(self, timeout=None):
        """Send and poll until it is finished; return the result code, -11 after `timeout` seconds (still on its way).

        MQTTError(-1) inside a handler.
        """
        client = self._client
        if client._inside:
            raise MQTTError(-1, "sendsync inside a handler")
        limit = _FOREVER_MS if timeout is None else int(timeout * 1000)
        start = time.ticks_ms()
        result = []
        self.sendasync(result.append)
        while not result and (client._state or client._session.due):
            left = limit if timeout is None else limit - time.ticks_diff(time.ticks_ms(), start)
            if left < 0:
                break
            client.poll(left)
        return result[0] if result else -11

    def cancelsend(self):
        """Give the message up; return True if it will not be sent (again): its callback gets -11."""
        return self._client._session.cancel(self)


class Client:
    """An MQTT client; made by `mqtt.createclient`. Belongs to one thread."""

    def __init__(self, store=None):
        self._session = Session(self)
        self._state = _IDLE
        self._inside = False
        self._transport = None
        self._config = None
        self._onconnect = None
        self._onlost = None
        self._routes = {}
        self._topic = None  # the topic that `_targets` are the handlers of
        self._targets = None
        self._goodbyes = []  # callbacks of `disconnect`
        self._error = None  # what a write outside `poll` failed with
        self._left = 0  # ms until something is due
        self.sessionpresent = False

    # -- handlers

    def onconnect(self, fn):
        """Set the handler `fn(resultcode)` of the result of each connection attempt; None clears it."""
        self._onconnect = _callable("onconnect", fn)

    def onconnectionlost(self, fn):
        """Set the handler `fn(reason)` of the failure of an open connection; None clears it."""
        self._onlost = _callable("onconnectionlost", fn)

    def onmessage(self, fn, topicfilter=None):
        """Set the handler `fn(message)` of the messages that match the filter, or of those no filter matches; None clears it."""
        _callable("onmessage", fn)
        if topicfilter is not None:
            topicfilter = str(packets.topicfilter("topicfilter", topicfilter), "utf-8")
        self._topic = None
        if fn:
            self._routes[topicfilter] = fn
        else:
            self._routes.pop(topicfilter, None)

    def ondelivery(self, fn):
        """Set the handler `fn(message)` of outgoing QoS 1 and 2 messages that are fully acknowledged; None clears it."""
        self._session.ondelivery = _callable("ondelivery", fn)

    # -- what a program asks for

    def connect(self, url, clientid, options=None, **more):
        """Start connecting; returns at once, the handler of `onconnect` tells the result. For the options see api.md.

        Raises ValueError or TypeError for bad arguments, MQTTError(-1) if not disconnected.
        """
        from .options import Options

        if self._state not in (_IDLE, _CLOSING):
            raise MQTTError(-1, "connect while not disconnected")
        config = Options(url, clientid, options, more)
        if self._state:
            self._closed()
        self._config = self._session.config = config
        self._delay = config.min
        self._since = self._at = time.ticks_ms()
        self._linkdown = False
        self._state = _WAITING

    def disconnect(self, callback=None):
        """Write what is on its way, send DISCONNECT, close, then call `callback()` from `poll` [MQTT-3.14.4]."""
        if _callable("callback", callback):
            self._goodbyes.append(callback)
        if self._state == _OPEN:
            self._state = _CLOSING
            self._since = time.ticks_ms()
            self._said = False
            self._session.leave()
            if not self._inside:
                self._leave()
        elif self._state != _CLOSING:
            self._closed()

    def createmessage(self, topic, message=b"", options=None):
        """Return a Message; options: a dict with `qos` (0) and `retain` (False)."""
        qos = retain = 0
        for key in options or ():
            if key == "qos":
                qos = _qos("qos", options[key])
            elif key == "retain":
                retain = 1 if options[key] else 0
            else:
                raise bad(ValueError, "option", key, "is unknown")
        return self._message(topic, message, qos, retain)

    def _message(self, topic, message, qos, retain):
        topic = packets.topicname("topic", topic)
        packet, at = packets.publish(topic, packets.binary("message", message), qos, retain)
        return Message(self, packet, at)

    def publish(self, topic, message, qos=0, retain=False, callback=None):
        """Create and send a message in one step; return it, or None for QoS 0 without a callback."""
        qos = _qos("qos", qos)
        _callable("callback", callback)
        session = self._session
        if not qos and not callback and session.open:
            if isinstance(topic, str):
                topic = topic.encode()
            message = packets.binary("message", message)
            if session.publish0(topic, message, 1 if retain else 0):
                if not self._inside:
                    self._flush()
                return None
        entry = self._message(topic, message, qos, 1 if retain else 0)
        self._send(entry, callback)
        return entry if qos or callback else None

    def subscribe(self, topics, qos=0, callback=None):
        """Ask for the messages that match one filter or a list, in one SUBSCRIBE; return 0 or -10.

        qos: one int, or a list of as many. `callback(resultcode, qosmode)` comes with SUBACK.
        """
        filters = self._filters(topics)
        if isinstance(qos, (list, tuple)):
            if len(qos) != len(filters):
                raise bad(ValueError, "qos", qos, "is not as long as topics")
        else:
            qos = [qos] * len(filters)
        return self._request(filters, [_qos("qos", q) for q in qos], callback, topics)

    def unsubscribe(self, topics, callback=None):
        """End subscriptions; return 0 or -10. `callback(resultcode)` comes with UNSUBACK."""
        return self._request(self._filters(topics), None, callback, topics)

    def _filters(self, topics):
        if not isinstance(topics, (list, tuple)):
            topics = (topics,)
        if not topics:
            raise bad(ValueError, "topics", topics, "is empty")
        return [packets.topicfilter("topics", t) for t in topics]

    def _request(self, filters, qos, callback, topics):
        _callable("callback", callback)
        self._active()
        code = self._session.request(filters, qos, callback, not isinstance(topics, (list, tuple)))
        self._push()
        return code

    def _active(self):
        if self._state in (_IDLE, _CLOSING):
            raise MQTTError(-3, "not connected")

    def _send(self, entry, callback):
        self._active()
        session = self._session
        if entry in session.entries:
            # Sent again before it is finished: as a message of its own.
            entry = Message(self, bytearray(entry.packet), entry._at)
            entry.packet[0] &= 0xF7
        entry.awaits = entry.pid = 0
        code = session.accept(entry)
        entry.callback = callback
        if code:
            session.fail(callback, code)
        self._push()

    def restore(self, packet):
        """Return the entry of an encoded QoS 0 PUBLISH."""
        entry = Message(self, packet, 0)
        at = entry._body()
        entry._at = at + 2 + (packet[at] << 8 | packet[at + 1])
        return entry

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
        from . import errors

        return errors.describe(self._session.why)

    # -- driving

    def poll(self, timeout_ms=0):
        """Read, write, keep alive, call handlers; return True if anything was done, within `timeout_ms` (plus handlers)."""
        if self._inside:
            return False
        start = time.ticks_ms()
        while not self._work():
            left = timeout_ms - time.ticks_diff(time.ticks_ms(), start)
            if left <= 0:
                return False
            left = min(left, self._left)
            if self._transport:
                self._transport.wait(left, self._session.waiting())
            else:
                time.sleep_ms(left)
        return True

    def _work(self):
        self._inside = True
        try:
            did = self._session.calls()
            if self._state == _WAITING:
                self._attempt()
            if self._transport:
                did = self._io() or did
            self._left = _FOREVER_MS
            if self._state:
                self._timers(time.ticks_ms())
            return self._session.calls() or did
        finally:
            self._inside = False

    def _attempt(self):
        # Starts an attempt when it is time and the link is there.
        config = self._config
        if config.linkup and not config.linkup():
            self._linkdown = True
        elif self._linkdown or time.ticks_diff(time.ticks_ms(), self._at) >= 0:
            self._linkdown = False
            self._since = time.ticks_ms()
            self._state = _OPENING
            self._transport = Transport(config.host, config.port, config.wrap)

    def _io(self):
        did = False
        session = self._session
        transport = self._transport
        try:
            if self._error:
                raise self._error
            if not transport.ready:
                if transport.step():
                    self._sentat = self._receivedat = time.ticks_ms()
                    session.begin(self._config.packet)
            elif self._state != _CLOSING:
                space = session.space()
                if space is not None:
                    n = transport.readinto(space)
                    if n:
                        self._receivedat = time.ticks_ms()
                        session.received(n)
        except OSError as e:
            self._down(-1, e)
            return True
        try:
            did = session.process()
        except Malformed as e:
            self._down(-4, e)
        except TooLarge as e:
            self._down(-3, e)
        if self._transport and transport.ready:
            if self._state == _CLOSING:
                self._leave()
            else:
                did = self._flush() or did
        return did

    def _push(self):
        if self._state == _OPEN and not self._inside:
            self._flush()

    def _flush(self):
        # Returns whether bytes left. A failure is for the next poll: no handler is called from here.
        transport = self._transport
        transport.sent = False
        try:
            self._session.flush(transport)
        except OSError as e:
            self._error = e
        if transport.sent:
            self._sentat = time.ticks_ms()
        return transport.sent

    def _leave(self):
        # Sends DISCONNECT behind what is on its way, and closes when it has left.
        if not self._said:
            self._said = True
            self._session.signal(packets.DISCONNECT)
        self._flush()
        if self._error or not self._session.waiting():
            self._closed()

    def _timers(self, now):
        # Acts on what is due by now, and says when the next is.
        config = self._config
        state = self._state
        if config.linkup:
            self._left = _LINK_MS
            if state == _OPEN and not config.linkup():
                return self._down(-1, "the network is down")
        if state == _WAITING:
            if not self._linkdown:
                self._before(time.ticks_diff(self._at, now))
            elif not config.max and self._before(config.timeout - time.ticks_diff(now, self._since)):
                self._down(-1, "the network is down")
        elif state == _OPEN:
            self._alive(now)
        elif self._before(config.timeout - time.ticks_diff(now, self._since)):
            self._down(-1, "no answer within the timeout")

    def _before(self, left):
        # Keeps the shortest time to the next deadline; returns whether this one has passed.
        self._left = max(0, min(left, self._left))
        return left <= 0

    def _alive(self, now):
        # An open connection's deadlines: keep alive [MQTT-3.1.2-23], a stalled write, and when it counts as stable.
        config = self._config
        diff = time.ticks_diff
        if self._pinged is not None:
            if self._before(min(config.keepalive, config.timeout) - diff(now, self._pinged)):
                return self._down(-1, "no PINGRESP")
        elif config.keepalive:
            if self._before(config.keepalive - max(diff(now, self._sentat), diff(now, self._receivedat))):
                self._pinged = now
                self._session.signal(packets.PINGREQ)
                self._flush()
        if not self._session.waiting():
            self._stalled = None
        else:
            if self._stalled is None or diff(self._sentat, self._stalled) > 0:
                self._stalled = now
            if self._before(config.timeout - diff(now, self._stalled)):
                return self._down(-1, "the peer takes no more data")
        if self._opened is not None and diff(now, self._opened) >= _STABLE_MS:
            self._opened = None
            self._delay = config.min

    def connack(self, code, present):
        """The engine's news of a CONNACK."""
        self.sessionpresent = bool(present)
        if code:
            self._down(code, code)
            return
        self._state = _OPEN
        self._opened = time.ticks_ms()
        self._pinged = self._stalled = None
        if self._onconnect:
            self._session.due.append((self._onconnect, 0))

    def pong(self):
        """The engine's news of a PINGRESP."""
        self._pinged = None

    def deliver(self, message):
        """Call the handlers that want the message."""
        if message.topic is not self._topic:
            self._topic = message.topic
            routes = self._routes
            self._targets = [routes[f] for f in routes if f and packets.matches(f, message.topic)]
            if not self._targets and None in routes:
                self._targets.append(routes[None])
        if not self._targets:
            self._session.dropped += 1
        for fn in self._targets:
            fn(message)

    def _down(self, code, why):
        # The attempt or the connection has failed.
        session = self._session
        config = self._config
        if self._state == _CLOSING:
            return self._closed()
        session.why = why
        fn = self._onlost if self._state == _OPEN else self._onconnect
        self._drop(config.max)
        if config.max:
            if code in (1, 2, 4, 5):
                self._delay = config.max
            self._at = time.ticks_add(time.ticks_ms(), (self._delay * random.getrandbits(10)) >> 10)
            self._delay = min(self._delay * 2, config.max)
            self._state = _WAITING
        if fn:
            session.due.append((fn, code))

    def _drop(self, again):
        if self._transport:
            self._transport.close()
        self._transport = self._error = None
        self._state = _IDLE
        self._session.ended(again)

    def _closed(self):
        # The end that the program asked for.
        self._drop(False)
        if self._config and self._config.cleansession:
            self._session.abandon()
        for callback in self._goodbyes:
            self._session.due.append((callback,))
        self._goodbyes.clear()


def run(*clients):
    """Poll the clients until all are disconnected and none of them will connect again."""
    while True:
        active = [c for c in clients if c._state or c._session.due]
        if not active:
            return
        if len(active) == 1:
            active[0].poll(_FOREVER_MS)
        elif not any([c.poll() for c in active]):
            _wait(active)


def _wait(clients):
    # Waits for the first of several clients to have something to do.
    poller = select.poll()
    left = _FOREVER_MS
    for c in clients:
        left = min(left, c._left)
        if c._transport:
            poller.register(c._transport.sock, c._transport.events(c._session.waiting()))
    poller.poll(left)
