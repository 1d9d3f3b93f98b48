"""`umqtt.simple`'s MQTTClient on this module's engine, and `umqtt.robust`'s by `reconnect`: see docs/migrating.md."""

import errno
import time

from micropython import const

from .client import Client

_TIMEOUT = const(30)  # seconds
_FOREVER_MS = const(0x1FFFFFFF)
_MOST = const(268435455)
_PUBLISH = const(0x30)
_PUBACK = const(0x40)
_REFUSED = const(128)
_ASKED = const(2)  # in `ponged`, as good as True: the engine does not hold the lack of an answer against the broker
_REASONS = const(-100)  # of `lasterror`, all below this are time-outs


class MQTTException(Exception):
    """The broker has refused; the argument (int) is the code of CONNACK, or 128 of SUBACK."""


class MQTTClient(Client):
    """A client whose calls wait for the broker. As `umqtt.simple`'s, see there, and:

    ssl: an SSLContext, or True and `ssl_params`, which is the `ssl` option of `Client.connect`.
    reconnect: as for `Client.connect`; then calls wait until the connection is there again, and do not fail with it.
    OSError: ETIMEDOUT where no answer came, -1 where the connection is lost, the network's errno from `connect`.
    """

    def __init__(
        self,
        client_id,
        server,
        port=0,
        user=None,
        password=None,
        keepalive=0,
        ssl=None,
        ssl_params={},  # noqa: B006
        reconnect=False,
    ):
        super().__init__()
        self.client_id = client_id
        self.cb = None
        self._url = "%s://[%s]" % ("ssl" if ssl else "tcp", server)
        if port:
            self._url += ":%d" % port
        self._options = {
            "username": user or None,
            "password": password if user else None,
            "keepalive": keepalive,
            "ssl": ssl_params if ssl is True else ssl or None,
            "reconnect": reconnect,
            "maxqueuedbytes": _MOST,
        }
        # Messages for the callback; those of QoS 1 have `pid` and `via`, where PUBACK has to go. None: a PINGRESP.
        self._inbox = []
        self._handed = 0  # how many it has had
        self._busy = False  # it is running
        self.onmessage(self._inbox.append)
        self.onconnectionlost(bool)  # anything to call, as that ends `poll`
        self._took = self._session._took
        self._session._took = self._hold

    def _hold(self, qos, pid):
        # In place of the engine's acknowledging: that of a message of QoS 1 waits for the callback.
        message = self._inbox and self._inbox[-1]
        if not message or message.qos != 1 or message.pid:
            return self._took(qos, pid)  # another one: of QoS 2, or skipped as too large
        message.pid = pid
        message.via = self._link.transport

    def set_callback(self, f):
        """Set the function `f(topic, msg)` (bytes) of messages that arrive."""
        self.cb = f

    def set_last_will(self, topic, msg, retain=False, qos=0):
        """Set what the broker publishes when this client is gone without a word; for the next `connect`."""
        self._options.update({"willtopic": topic, "willmessage": msg, "willretain": retain, "willqos": qos})

    def connect(self, clean_session=True, timeout=None):
        """Connect; return 1 if the broker has a session of this client, else 0.

        timeout: seconds (30), also for each answer that is waited for later. MQTTException if refused, else OSError;
        ValueError or TypeError for bad arguments, those of the constructor and of `set_last_will` included.
        """
        super().disconnect()
        result = []
        self.onconnect(result.append)
        super().connect(
            self._url, self.client_id, self._options, cleansession=clean_session, timeout=timeout or _TIMEOUT
        )
        while not result:
            self.poll(1000)
        self.onconnect(None)
        code = result[0]
        if code:
            super().disconnect()  # or it would go on trying
            why = self._session.why
            raise MQTTException(code) if code > 0 else why if isinstance(why, OSError) else self._lost()
        return int(self.sessionpresent)

    def disconnect(self):
        """Send DISCONNECT and close."""
        super().disconnect()
        while self._session.waiting():
            self.poll(1000)

    def ping(self):
        """Send PINGREQ; `wait_msg` and `check_msg` take the answer."""
        self._ready()
        self._session.ponged = _ASKED
        self._session.put(b"\xc0\0")
        self._flush()

    def publish(self, topic, msg, retain=False, qos=0):
        """Send a message; with QoS 1 and 2 return when the broker has confirmed it."""
        if qos:
            self._ask(super().publish, topic, msg, qos, retain)
        else:
            self._ready()
            super().publish(topic, msg, 0, retain)
            self._flush()

    def subscribe(self, topic, qos=0):
        """Subscribe, and return when the broker has confirmed it; MQTTException(128) if it refuses."""
        if self.cb is None:
            raise ValueError("callback: is not set")
        if self._ask(super().subscribe, topic, qos) == _REFUSED:
            raise MQTTException(_REFUSED)

    def unsubscribe(self, topic):
        """End a subscription, and return when the broker has confirmed that."""
        self._ask(super().unsubscribe, topic)

    def wait_msg(self):
        """Wait for a message and have the callback called; return its first byte, or None for the answer to `ping`."""
        while not self._inbox:
            self._poll()
        return self._hand()

    def check_msg(self):
        """As `wait_msg` if something has come; else return None at once."""
        if not self._inbox:
            self._poll(0)
        return self._hand() if self._inbox else None

    def _hand(self):
        # Calls the callback with the oldest message. What it sends does not make it be called again meanwhile.
        message = self._inbox.pop(0)
        self._handed += 1
        if not message:
            return None
        busy = self._busy
        self._busy = True
        try:
            self.cb(message.topic.encode(), message.message)
        finally:
            self._busy = busy
        if message.pid and message.via is self._link.transport:
            self._session._ack(_PUBACK, message.pid)
            self._flush()
        return _PUBLISH | message.dup << 3 | message.qos << 1 | message.retain

    def _ask(self, call, *args):
        # Makes a call whose last argument is a callback, waits for it, and returns its last argument. Messages that
        # come before are handed over, those that come with it but after it are left for `wait_msg`.
        self._ready()
        got = []
        inbox = self._inbox
        sent = call(*args, lambda *result: got.extend((self._handed + len(inbox),) + result))
        config = self._session.config
        start = time.ticks_ms()
        try:
            self._flush()
            while True:
                while inbox and not self._busy and (not got or self._handed < got[0]):
                    self._hand()
                if got:
                    break
                left = _FOREVER_MS if config.max else config.timeout - time.ticks_diff(time.ticks_ms(), start)
                if left <= 0:
                    raise OSError(errno.ETIMEDOUT)
                self._poll(left)
        finally:
            if sent:
                sent.cancelsend()
        if None in inbox:
            inbox.remove(None)  # it has come before
        if got[1]:
            raise self._lost()
        return got[-1]

    def _ready(self):
        while not self._session.open:
            self._poll()

    def _flush(self):
        self._link.push()
        while self._session.waiting():
            self._poll()

    def _poll(self, ms=_FOREVER_MS):
        link = self._link
        session = self._session
        if link and link.active():
            asked = session.ponged == _ASKED
            self.poll(ms)
            if asked and session.open and session.ponged != _ASKED:
                self._inbox.append(None)
            if self._inbox or link.active():
                return
        raise self._lost()

    def _lost(self):
        why = self._session.why
        return OSError(errno.ETIMEDOUT if isinstance(why, int) and why < _REASONS else -1)
