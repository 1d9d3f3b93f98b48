"""The client of api.md: what a program calls. `link` does the work once there is something to connect to."""

import gc

from micropython import const

from . import packets
from .packets import MQTTError, bad, payload
from .session import Session

_FILTER = const(2)


def _parse(*args):
    # In a frame of its own, so that nothing left on the stack keeps the module in memory.
    return packets.borrow("options").parse(*args)


def _handler(name, fn):
    if fn is not None and not callable(fn):
        raise bad(name, fn, "is not callable", TypeError)
    return fn


def _qos(value):
    if value not in (0, 1, 2):
        raise bad("qos", value, "is not 0, 1 or 2")
    return int(value)


class Message:
    """A message to send, made by `createmessage`: `topic` (str or bytes), `message` (bytes), `qos`, `retain` (ints)."""

    # What the engine keeps, see `session`. Only what differs from these takes room in a message.
    awaits = -1
    retain = dup = pid = 0
    callback = None

    def __init__(self, client, topic, message, qos):
        data = client._session.field(topic)
        self._client = client
        self.topic = topic if isinstance(topic, str) else bytes(data)
        # What may change under way is copied; bytes are not.
        self.message = bytes(payload("message", message))
        self.size = len(data) + len(self.message)
        packets.framed(self.size + 4)
        self.qos = _qos(qos)

    def sendasync(self, callback=None):
        """Send; `callback(resultcode)` comes once, from `poll`. MQTTError(-3) if neither connected nor connecting."""
        self._client._send(self, _handler("callback", callback))

    def sendsync(self, timeout=None):
        """Send and poll until it is finished; return the result code, or -11 after `timeout` seconds.

        After a time-out the message is still on its way. MQTTError(-1) inside a handler.
        """
        return self._client._active().sendsync(self, timeout)

    def cancelsend(self):
        """Give the message up; return True if it will not be sent (again): its callback gets -11."""
        return self._client._session.cancel(self)


class Client:
    """An MQTT client, also called `mqtt.createclient`. Belongs to one thread.

    store: a session store such as `mqtt.store.FileStore`, or None.
    """

    def __init__(self, store=None):
        self._session = store.session(self._deliver) if store else Session(self._deliver)
        self._link = None
        self._routes = {}
        self._topic = self._targets = None  # the last message's, and the handlers that match it

    # -- handlers

    def onconnect(self, fn):
        """Set the handler `fn(resultcode)` of the result of each connection attempt; None clears it."""
        self._session.onconnect = _handler("onconnect", fn)

    def onconnectionlost(self, fn):
        """Set the handler `fn(reason)` of the failure of an open connection; None clears it."""
        self._session.onlost = _handler("onconnectionlost", fn)

    def onmessage(self, fn, topicfilter=None):
        """Set the handler `fn(message)` of messages that match the filter (None: that no filter does)."""
        _handler("onmessage", fn)
        if topicfilter is not None:
            topicfilter = str(packets.field("topicfilter", topicfilter, _FILTER), "utf-8")
        self._topic = None
        if fn is not None:
            self._routes[topicfilter] = fn if topicfilter else (fn,)
        else:
            self._routes.pop(topicfilter, None)

    def ondelivery(self, fn):
        """Set the handler `fn(message)` of outgoing QoS 1 and 2 messages that are acknowledged; None clears it."""
        self._session.ondelivery = _handler("ondelivery", fn)

    def _deliver(self, message):
        if message.topic is not self._topic:
            self._topic = None
            self._route(message.topic)
            self._topic = message.topic
        if not self._targets:
            self._session.dropped += 1
        for fn in self._targets:
            fn(message)

    def _route(self, topic):
        targets = None
        for topicfilter in self._routes:
            if topicfilter and packets.matches(topicfilter, topic):
                targets = targets or []
                targets.append(self._routes[topicfilter])
        self._targets = targets or self._routes.get(None, ())

    # -- connecting

    def connect(self, url, clientid, options=None, **more):
        """Start connecting; returns at once, the handler of `onconnect` tells the result. For the options see api.md.

        Raises ValueError or TypeError for bad arguments, MQTTError(-1) if not disconnected.
        """
        config = _parse(url, clientid, options, more)
        if self._link and self._link.active():
            raise MQTTError(-1)
        gc.collect()  # now, while nothing deeper on the stack can keep that module
        if not self._link:
            from .link import Link

            self._link = Link(self._session)
        self._link.connect(config)

    def disconnect(self, callback=None):
        """Write what is on its way, send DISCONNECT, close, then call `callback()` from `poll` [MQTT-3.14.4-1]."""
        _handler("callback", callback)
        if self._link:
            self._link.disconnect(callback)
        elif callback is not None:
            self._session.due.append((callback,))

    def poll(self, timeout_ms=0):
        """Read, write, keep alive, call handlers, for up to `timeout_ms`; return True as soon as anything was done."""
        return self._link.poll(timeout_ms) if self._link else self._session.calls()

    # -- messages

    def createmessage(self, topic, message=b"", options=None):
        """Return a Message; options: a dict with `qos` (0) and `retain` (False)."""
        options = options or {}
        if not isinstance(options, dict):
            raise bad("options", options, "is not a dict", TypeError)
        for key in options:
            if key not in ("qos", "retain"):
                raise bad("option", key, "is unknown")
        message = Message(self, topic, message, options.get("qos", 0))
        if options.get("retain"):
            message.retain = 1
        return message

    def publish(self, topic, message, qos=0, retain=False, callback=None):
        """Create and send a message in one step; return it, or None for QoS 0 without a callback."""
        if qos == 0 and callback is None:
            if type(message) is not bytes:
                message = payload("message", message)
            if self._session.publish0(self._session.field(topic), message, 1 if retain else 0):
                if not self._link.inside:
                    self._link.write()
                return None
        message = Message(self, topic, message, qos)
        if retain:
            message.retain = 1
        message.sendasync(callback)
        return None if callback is None and not qos else message

    def _send(self, entry, callback):
        session = self._session
        if not session.kept or not entry.qos:
            self._active()
        if entry.awaits >= 0:
            # Sent again before it is finished: that is a message of its own.
            retain = entry.retain
            entry = Message(self, entry.topic, entry.message, entry.qos)
            entry.retain = retain
        code = session.accept(entry)
        if code:
            session.ended(callback, code)
        else:
            entry.callback = callback
            if self._link:
                self._link.push()

    def _active(self):
        if not self._link or not self._link.active():
            raise MQTTError(-3)
        return self._link

    # -- subscriptions

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
        filters = [bytes(packets.field("topics", t, _FILTER)) for t in (topics if many else (topics,))]
        if not filters:
            raise bad("topics", topics, "is empty")
        if qos:
            qos = qos[0] if isinstance(qos[0], (list, tuple)) else qos * len(filters)
            if len(qos) != len(filters):
                raise bad("qos", qos, "is not as long as topics")
            qos = [_qos(q) for q in qos]
        link = self._active()
        code = self._session.request(filters, qos, callback, many)
        link.push()
        return code

    # -- looking at the client

    def isconnected(self):
        """Whether the connection is open."""
        return self._session.open

    def pending(self):
        """The number of messages accepted and not finished; at 0 a board may sleep."""
        return self._session.pending()

    @property
    def sessionpresent(self):
        """Whether the broker had a session for this client, by the last CONNACK (bool)."""
        return self._session.present

    @property
    def dropped(self):
        """How many messages, in and out, were given up without a callback to tell."""
        return self._session.dropped

    @property
    def lasterror(self):
        """Why the last attempt or connection failed (str), in words a person can act on."""
        return packets.borrow("errors").describe(self._session.why, self._session.config)
