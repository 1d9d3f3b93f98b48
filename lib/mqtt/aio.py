"""The asyncio face of the engine, on MicroPython's asyncio and CPython's. Optional: `import mqtt.aio`.

Three tasks at most drive the engine, and none of them runs while there is nothing to do: one waits until the socket
can be read, one, only where bytes are waiting for that, until it can be written, one for the next deadline.
"""

import asyncio
import time
from asyncio import core

from micropython import const

from . import client, packets
from .packets import Broken, MQTTError
from .session import Received

_FILTER = const(2)
_UNCLAIMED = const(64)  # messages that are kept for a consumer to come
_FAILURE = const(-1)
_DISCONNECTED = const(-3)
_INCOMPLETE = const(-11)
_REFUSED = const(128)
# The longest nap: times that are further apart confuse MicroPython's queue of tasks.
_DAY_MS = const(86400000)


class _Ready:
    # Awaitable: until `enqueue`, a method of asyncio's queue of streams, lets this task go on.

    def __init__(self, enqueue, sock):
        self._enqueue = enqueue
        self._sock = sock

    def __iter__(self):
        self._asked = False
        return self

    __await__ = __iter__

    def __next__(self):
        if self._asked:
            raise StopIteration
        self._asked = True
        return self._enqueue(self._sock)


class _Answer(asyncio.Event):
    # The callback of something that a task waits for.

    def __call__(self, code=0, granted=None):
        self.code = code
        self.granted = granted
        self.set()

    async def result(self):
        await self.wait()
        if self.code:
            raise MQTTError(self.code)
        return self.granted


class Messages:
    """What `Client.messages` returns, for `async for`; `with` closes it at its end.

    It belongs to the task that made it or began to iterate, and when that has ended it is closed as by an exception.
    """

    def __init__(self, owner, topicfilter):
        self._owner = owner
        self._filter = topicfilter
        self._task = asyncio.current_task()
        self._queue = []
        self._hand = None  # the message of QoS 1 that the program has and has not finished
        self._change = asyncio.Event()
        self._code = None  # why no more will come

    def _put(self, message):
        if message.qos or len(self._queue) < self._maxsize:
            self._queue.append(message)
            self._change.set()
            if message.qos:
                message.awaits += 1
        else:
            self._owner._session.dropped += 1

    def _end(self, code):
        self._code = code
        self._change.set()

    def _leave(self):
        # The program has not finished what is left here, so the broker shall send it again.
        owner = self._owner
        if self in owner._consumers:
            owner._consumers.remove(self)
            owner._topic = None
        if self._hand:
            self._queue.append(self._hand)
            self._hand = None
        for message in self._queue:
            if message in owner._owed:
                owner._owed.remove(message)
        owner._session.dropped += len(self._queue)
        self._queue = []
        self._end(0)

    def close(self):
        """Take no more messages: the last one is finished, those in the queue are given up and not acknowledged."""
        self.__exit__(None)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if not kind:
            self._finish()
        self._leave()
        if self._owner._answer():
            self._owner._push()

    def __aiter__(self):
        self._task = asyncio.current_task()
        return self

    async def __anext__(self):
        self._finish()
        queue = self._queue
        while not queue or queue[0].qos == 2 and not self._owner._known(queue[0]):
            if self._code is not None:
                code = self._code
                self._leave()
                if code:
                    raise MQTTError(code)
                raise StopAsyncIteration
            self._change.clear()
            await self._change.wait()
            queue = self._queue
        message = self._hand = queue.pop(0)
        if message.qos != 1:
            self._finish()
        return message

    def _finish(self):
        message = self._hand
        self._hand = None
        if message and message.qos:
            message.awaits -= 1
            if message.awaits < 1:
                self._owner._finished(message, self._queue)


class Client(client.Client):
    """An MQTT client for asyncio; `options` are those of `connect`, `store` is that of `createclient`.

    Failures raise MQTTError with a result code of `mqtt`; `lasterror` has the words.
    """

    def __init__(self, url, clientid, store=None, **options):
        super().__init__(store)
        self._to = url, clientid, options
        session = self._session
        self._acknowledge = session._took
        session._took = self._took
        session.onconnect = session.onlost = self._changed
        self._code = 0  # what the last attempt or connection ended with; 0: the program's wish
        self._change = asyncio.Event()  # set for a moment when `_state` changes
        self._state = self._at = 0  # ticks: when the timer acts
        self._sock = self._timer = None
        self._tasks = [None, None]  # that wait for this socket to be read, and to be written
        self._consumers = []
        self._unclaimed = []  # messages that no consumer wants
        self._owed = []  # messages of this connection to acknowledge; `awaits` counts the consumers that are to finish
        self._fresh = None  # the message of QoS 1 that is just being taken

    # -- driving the engine

    def _step(self):
        # Has the engine do what it can without waiting, and sees to it that somebody waits for what comes next.
        # Returns whether to call it again, when other tasks have run.
        try:
            return self._drive(self._link, self._session)
        except MemoryError:
            return True

    def _drive(self, link, session):
        did = link.poll(0)
        if self._answer():
            link.push()
        sock = link.transport and link.transport.sock
        if sock is not self._sock:
            tasks = self._tasks
            self._tasks = [None, None]
            self._sock = sock
            for task in tasks:
                # Nobody is woken by a stream that is closed.
                if task and task is not asyncio.current_task():
                    task.cancel()
        if self._state & 2 and not link.active():
            self._over()
        state = session.open | link.active() << 1 | (not session.pending()) << 2 | (not session.waiting()) << 3
        if state != self._state:
            self._state = state
            self._change.set()
            self._change.clear()
        for write in (0, 1) if sock else ():
            if not self._tasks[write] and self._wants(write):
                self._tasks[write] = asyncio.create_task(self._watch(sock, write))
        if time.ticks_diff(self._at, time.ticks_ms()) > link.left:
            self._nap(link.left)
        return did or session.due or link.transport and not sock

    def _wants(self, write):
        ready = self._link.transport.ready
        waiting = self._session.waiting()
        if write:
            return ready < 2 or waiting
        return ready > 1 and self._link.active() and (not waiting or self._session.space())

    async def _watch(self, sock, write):
        queue = core._io_queue  # private to asyncio, and used here and nowhere else
        ready = _Ready(queue.queue_write if write else queue.queue_read, sock)
        while sock is self._sock and self._wants(write):
            await ready
            while self._step():
                await asyncio.sleep_ms(0)
        if sock is self._sock:
            self._tasks[write] = None

    def _nap(self, left):
        # The timer shall act sooner.
        old = self._timer
        self._timer = asyncio.create_task(self._tick(left))
        if old:
            old.cancel()
        self._at = time.ticks_add(time.ticks_ms(), left)

    async def _tick(self, left):
        while self._link.busy():
            self._at = time.ticks_add(time.ticks_ms(), left)
            await asyncio.sleep_ms(left)
            self._at = time.ticks_ms()  # nobody has to wake it now
            while self._step():
                await asyncio.sleep_ms(0)
            left = min(self._link.left, _DAY_MS)

    def _work(self):
        if self._step():
            self._nap(0)

    def _push(self):
        # What was queued leaves, as far as the network takes it: sees to the rest.
        self._link.push()
        if self._session.due or self._session.waiting() and not self._tasks[1]:
            self._work()

    def _over(self):
        # There is no connection, and none will come: nothing is left to wait for.
        for entry in self._session.entries:
            if entry.callback:
                entry.callback(_INCOMPLETE)
        for consumer in self._consumers:
            consumer._end(self._code)

    def _changed(self, code):
        # An attempt has succeeded (0) or failed, or the connection has.
        self._code = code
        if code:
            return
        # What came on an earlier connection and waits is sent again, if the broker still knows of it [MQTT-4.4.0-1].
        session = self._session
        self._owed.clear()
        for queue in [c._queue for c in self._consumers] + [self._unclaimed]:
            for message in list(queue):
                if not session.present:
                    message.pid = 0
                elif message.pid and message.pid not in session._inbound:
                    queue.remove(message)
        for consumer in self._consumers:
            consumer._change.set()

    # -- receiving

    def _deliver(self, message):
        if message.qos == 2:
            message.pid = self._owed[-1].pid
            self._owed[-1] = message
        self._sweep()
        topic = message.topic
        if topic is not self._topic:
            self._topic = None
            self._targets = [c for c in self._consumers if c._filter and packets.matches(c._filter, topic)] or [
                c for c in self._consumers if not c._filter
            ]
            self._topic = topic
        for consumer in self._targets:
            consumer._put(message)
        if not self._targets:
            message.awaits = 1
            self._unclaimed.append(message)
            if len(self._unclaimed) > _UNCLAIMED:
                self._unwanted(self._unclaimed[0])
        self._fresh = message

    def _took(self, qos, pid):
        # In place of the acknowledgement: it is owed, in the order of the messages [MQTT-4.6.0-2, 4.6.0-3].
        # For QoS 1 the message has been delivered before, for QoS 2 it will be; what is too large never is.
        message = self._fresh
        self._fresh = None
        if qos:
            if qos == 2 or not message or message.qos != 1:
                message = Received(None, None)
                message.qos = qos
            message.pid = pid
            self._owed.append(message)
        return qos < 2 or pid not in self._session._inbound

    def _sweep(self):
        # A task that has ended finishes no more messages.
        for consumer in [c for c in self._consumers if c._task.done()]:
            consumer._leave()

    def _unwanted(self, message):
        self._unclaimed.remove(message)
        self._session.dropped += 1
        message.awaits = 0

    def _finished(self, message, more):
        # A consumer has finished a message; `more`: it goes on with another one at once.
        if self._unclaimed and message in self._owed:
            # What came before and nobody wants shall not hold its acknowledgement up.
            for other in self._owed[: self._owed.index(message)]:
                if other in self._unclaimed:
                    self._unwanted(other)
        if self._answer():
            if not more:
                self._push()
            elif time.ticks_diff(self._at, time.ticks_ms()) > 0:
                self._nap(0)  # together with those of the next ones, as soon as other tasks run

    def _answer(self):
        # Acknowledges what is due, up to the first message that somebody has not finished; whether there was any.
        session = self._session
        did = False
        while self._owed and session.open and session.put(b""):  # there is room
            message = self._owed[0]
            if message.awaits > 0:
                self._sweep()
                if self._owed and message is self._owed[0]:
                    break
            elif self._tell(message):
                self._owed.pop(0)
                did = True
        return did

    def _known(self, message):
        # A message of QoS 2 is known from when the program has it: then it does not come again.
        tail = self._session._tail
        known = not message.pid or self._tell(message)
        self._session._tail = tail
        if not known:
            self._push()
        return known

    def _tell(self, message):
        try:
            self._acknowledge(message.qos, message.pid)
        except Broken as e:
            if self._session.open:
                self._link._fail(e.args[0], e)
            return False
        return True

    def messages(self, topicfilter=None, maxsize=64):
        """Return the messages that match a filter (None: that no other's filter matches), for `async for`.

        maxsize: how many may wait; further ones of QoS 0 are dropped. QoS 1 is acknowledged when the program comes for
        the next message, QoS 2 when it is given the message. Called again by the same task it returns the same object.
        """
        if topicfilter is not None:
            topicfilter = str(packets.field("topicfilter", topicfilter, _FILTER), "utf-8")
        if type(maxsize) is not int or maxsize < 1:
            raise packets.bad("maxsize", maxsize, "is not a number of messages")
        for consumer in self._consumers:
            if consumer._filter == topicfilter and consumer._task is asyncio.current_task():
                break
        else:
            consumer = Messages(self, topicfilter)
            self._consumers.append(consumer)
            self._topic = None
        consumer._maxsize = maxsize
        for message in list(self._unclaimed):
            if not topicfilter or packets.matches(topicfilter, message.topic):
                self._unclaimed.remove(message)
                message.awaits = 0
                consumer._put(message)
        return consumer

    # -- connecting

    async def connect(self):
        """Connect. Without `reconnect`, MQTTError with the code that `onconnect` would get if it fails."""
        url, clientid, options = self._to
        super().connect(url, clientid, options)
        self._state = 2  # active
        self._nap(0)
        try:
            await self.connected()
        finally:
            if not self._session.open and self._link.active():
                super().disconnect()
                self._work()

    async def disconnect(self):
        """Send what is on its way and DISCONNECT, close [MQTT-3.14.4-1]; what is not finished raises MQTTError(-11)."""
        if self._link and self._link.busy():
            self._code = 0
            done = _Answer()
            super().disconnect(done)
            self._work()
            await done.wait()

    async def __aenter__(self):
        await self.connect()
        return self

    async def __aexit__(self, *_):
        await self.disconnect()

    async def connected(self):
        """Wait until the connection is open; MQTTError if it fails for good meanwhile."""
        while not self._session.open:
            await self._change.wait()
            if not self._session.open and not self._link.active():
                raise MQTTError(self._code or _DISCONNECTED)

    async def lost(self):
        """Wait until the connection is not open; return the reason (int, as in `onconnectionlost`), 0: disconnected."""
        while self._session.open:
            await self._change.wait()
        return self._code

    async def drained(self):
        """Wait until nothing is pending: then a board may sleep. MQTTError(-3) if there is no connection to come."""
        self._state |= 16  # so that the next step shows a change
        while self._session.pending():
            self._active()  # MQTTError(-3)
            await self._change.wait()

    # -- sending

    async def publish(self, topic, message, qos=0, retain=False):
        """Publish; return when the broker has it (QoS 0: when the network has it).

        Cancelled, it is given up; what is on its way may arrive all the same.
        """
        link = self._active()
        session = self._session
        if not client._qos(qos) and not session.waiting():
            data = packets.payload("message", message)
            if session.publish0(session.field(topic), data, 1 if retain else 0):
                transport = link.transport
                self._push()
                while session.waiting() and link.transport is transport:
                    await self._change.wait()
                if link.transport is not transport:
                    raise MQTTError(_FAILURE)
                return await asyncio.sleep_ms(0)
        entry = client.Message(self, topic, message, qos)
        entry.retain = 1 if retain else 0
        done = _Answer()
        self._send(entry, done)
        self._push()
        try:
            await done.result()
        finally:
            if entry.awaits >= 0:
                session.cancel(entry)

    async def subscribe(self, topics, qos=0, check=True):
        """Subscribe to one filter or a list; return the granted QoS, or a list.

        qos: one int, or a list of as many. A refused one (128) raises MQTTError(128), unless `check` is False.
        """
        granted = await self._ask(topics, (qos,))
        if check and _REFUSED in (granted if isinstance(granted, list) else (granted,)):
            raise MQTTError(_REFUSED)
        return granted

    async def unsubscribe(self, topics):
        """End subscriptions to one filter or a list."""
        await self._ask(topics, None)

    def _ask(self, topics, qos):
        done = _Answer()
        code = self._request(topics, qos, done)
        if code:
            raise MQTTError(code)
        self._push()
        return done.result()
