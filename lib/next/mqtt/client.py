"""The client of api.md: what a program calls. `link` does the work once there is something to connect to."""

import gc

from micropython import const

from . import packets
from .outbox import Entry, Request
from .packets import MQTTError, bad
from .session import Session

_FILTER = const(2)
_PERSISTENCE_ERROR = const(-2)


def _handler(name, fn):
    if fn is not None and not callable(fn):
        raise bad(name, fn, "is not callable", TypeError)
    return fn


class Message(Entry):
    """A message to send, made by `createmessage`: `topic` (str or bytes), `message` (bytes), `qos`, `retain` (ints)."""

    def sendasync(self, callback=None):
        """Send; `callback(resultcode)` comes once, from `poll`. MQTTError(-3) if neither connected nor connecting."""
        self.owner.send(self, callback)

    def sendsync(self, timeout=None):
        """Send and poll until it is finished; return the result code, or -11 after `timeout` seconds.

        After a time-out the message is still on its way. MQTTError(-1) inside a handler.
        """
        return self.owner.sendsync(self, timeout)

    def cancelsend(self):
        """Give the message up; return True if it will not be sent (again): its callback gets -11."""
        return self.owner.cancel(self)


class Route:
    """A handler of messages, for a filter (str) or None. ack: it acknowledges by itself, if False."""

    def __init__(self, topicfilter, fn, ack):
        self.topicfilter = topicfilter
        self.fn = fn
        self.ack = ack


class Client:
    """An MQTT client, also called `mqtt.createclient`. Belongs to one thread.

    store: a session store such as `mqtt.store.FileStore`, or None.
    """

    def __init__(self, store=None):
        self._session = Session(self._deliver)
        self._store = None
        if store is not None:
            if not hasattr(store, "attach"):
                raise bad("store", store, "is not a session store", TypeError)
            self._store = store.attach(self._session)
        self.link = None  # what drives it, once it has connected
        self.topic = self._session.topic
        self._routes = ()  # never changed, but replaced: a call that interrupts a delivery may set a handler
        self._topic = self._targets = None  # the last message's, and the routes that match it

    # -- handlers

    def onconnect(self, fn):
        """Set the handler `fn(resultcode)` of the result of each connection attempt; None clears it."""
        self._session.onconnect = _handler("onconnect", fn)

    def onconnectionlost(self, fn):
        """Set the handler `fn(reason)` of the failure of an open connection; None clears it."""
        self._session.onlost = _handler("onconnectionlost", fn)

    def ondelivery(self, fn):
        """Set the handler `fn(message)` of outgoing QoS 1 and 2 messages that are acknowledged; None clears it."""
        self._session.ondelivery = _handler("ondelivery", fn)

    def onmessage(self, fn, topicfilter=None, ack=True):
        """Set the handler `fn(message)` of messages that match the filter (None: that no filter does).

        ack: False leaves it to the program to call `message.ack()` for each message of QoS 1.
        """
        _handler("onmessage", fn)
        if ack is not True and ack is not False:
            raise bad("ack", ack, "is neither True nor False", TypeError)
        if topicfilter is not None:
            topicfilter = str(packets.field("topicfilter", topicfilter, _FILTER), "utf-8")
        routes = []
        for route in self._routes:
            if route.topicfilter != topicfilter:
                routes.append(route)
            elif fn is None:
                route.fn = None  # it does not get the message that is just being delivered
        if fn is not None:
            routes.append(Route(topicfilter, fn, ack))
        self._routes = routes
        self._topic = None

    def _deliver(self, message):
        if message.topic is not self._topic:
            self._route(message.topic)
        if message.qos:
            return self._deliver_confirmed(message)
        for route in self._targets:
            if route.fn is not None:
                route.fn(message)

    def _deliver_confirmed(self, message):
        # QoS 1 is acknowledged after the handlers, QoS 2 before them, so that one that raises has had it.
        session = self._session
        qos = message.qos
        if qos == 1 and False in [route.ack for route in self._targets]:
            message.session = session
            session.hold(message)
            qos = 0
        elif qos == 2:
            session.confirm(message)
        for route in self._targets:
            if route.fn is not None:
                route.fn(message)
        if qos == 1:
            session.confirm(message)

    def _route(self, topic):
        self._topic = None
        routes = self._routes
        targets = [r for r in routes if r.topicfilter is not None and packets.matches(r.topicfilter, topic)]
        targets = targets or [r for r in routes if r.topicfilter is None]
        self._targets = targets or (Route(None, self._unwanted, True),)
        self._topic = topic
        if routes is not self._routes:
            self._topic = None  # an interrupt has set a handler

    def _unwanted(self, message):
        self._session.dropped += 1

    # -- connecting

    def connect(self, url, clientid, options=None, **more):
        """Start connecting; returns at once, the handler of `onconnect` tells the result. For the options see api.md.

        Raises ValueError or TypeError for bad arguments, MQTTError(-1) if not disconnected.
        """
        config = packets.configure(url, clientid, options, more)
        if self.link and self.link.active():
            raise MQTTError(-1, "already connected or connecting; disconnect() first")
        gc.collect()  # now, while nothing deeper on the stack can keep that module
        if self._store is not None:
            self._store.identify(config.clientid)
        if not self.link:
            from .link import Link

            self.link = Link(self._session, self._make)
        self.link.connect(config)

    def _make(self, topic, message, qos):
        return Message(self, topic, message, qos)

    def disconnect(self, callback=None):
        """Write what is on its way, send DISCONNECT, close, then call `callback()` from `poll` [MQTT-3.14.4-1]."""
        _handler("callback", callback)
        if self.link:
            self.link.disconnect(callback)
        elif callback is not None:
            self._session.due.append((callback,))

    def poll(self, timeout_ms=0):
        """Read, write, keep alive, call handlers, for up to `timeout_ms`; return True as soon as anything was done."""
        if timeout_ms != 0 and type(timeout_ms) is not int:
            raise bad("timeout_ms", timeout_ms, "is not an int", TypeError)
        return self.link.poll(timeout_ms) if self.link is not None else self._session.tell()

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
        if callback is None and qos == 0 and self.link is not None and self.link.publish0 is not None:
            if type(message) is not bytes:
                message = packets.payload("message", message)
            if self.link.publish0(topic, message, 0x31 if retain else 0x30):
                return None
        message = Message(self, topic, message, qos)
        if retain:
            message.retain = 1
        if self._session.open and (callback is None or callable(callback)):
            message.callback = callback
            self.link.send(message)
        else:
            self.send(message, callback)
        return None if callback is None and not qos else message

    def send(self, message, callback=None):
        """Send a Message; see `Message.sendasync`."""
        if callback is not None:
            _handler("callback", callback)
        link = self.link
        if not self._session.open and (self._store is None or not message.qos):
            link = self._active()
        if not message.finished():
            # Sent again before it is finished: that is a message of its own.
            message = self._again(message)
        message.renew()
        message.callback = callback
        if link is not None:
            link.send(message)
        else:
            self._session.submit(message)

    def _again(self, message):
        again = Message(self, message.topic, message.message, message.qos)
        again.retain = message.retain
        return again

    def sendsync(self, message, timeout=None):
        """Send a Message and poll until it is finished; see `Message.sendsync`."""
        if timeout is not None and type(timeout) not in (int, float):
            raise bad("timeout", timeout, "is not a number", TypeError)
        link = self.link or self._active()
        if link.engaged():
            raise MQTTError(-1, "sendsync inside a handler would wait for itself")
        return link.sendsync(self.send, message, timeout)

    def cancel(self, message):
        """Give a Message up; see `Message.cancelsend`."""
        try:
            done = self._session.cancel(message)
        except packets.Broken:
            raise MQTTError(_PERSISTENCE_ERROR)
        if done and self.link is not None:
            self.link.push()  # it may have made room in the window
        return done

    def _active(self):
        if not self.link or not self.link.active():
            raise MQTTError(-3)
        return self.link

    # -- subscriptions

    def subscribe(self, topics, qos=0, callback=None):
        """Ask for the messages that match one filter or a list, in one SUBSCRIBE; return 0, -10 or -12.

        qos: one int, or a list of as many. `callback(resultcode, qosmode)` comes with SUBACK.
        """
        return self._request(topics, (qos,), callback)

    def unsubscribe(self, topics, callback=None):
        """End subscriptions; return 0, -10 or -12. `callback(resultcode)` comes with UNSUBACK."""
        return self._request(topics, None, callback)

    def _request(self, topics, qos, callback):
        request = Request(topics, qos, _handler("callback", callback))
        link = self._active()
        code = self._session.request(request)
        link.push()
        return code

    # -- looking at the client

    def isconnected(self):
        """Whether the connection is open."""
        return self._session.open

    def pending(self):
        """The number of messages accepted and not finished; at 0 a board may sleep."""
        return self._session.pending()

    def unfinished(self):
        """Return the Messages that `pending` counts, oldest first; those that a store has kept included."""
        return self._session.unfinished()

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
        """The newest trouble (str), in words a person can act on."""
        return packets.borrow("errors").describe(self._session)
