# Soft interrupts: calls of the client at every moment at which MicroPython may run a scheduled function.
import sys

import micropython
from kit import Box, connected, disconnect, emit, until


class Moments:
    # Calls `function` at those moments while it is on: on MicroPython in the VM itself, where a scheduled function
    # schedules itself again, so that each check for interrupts runs it. On CPython at the jumps of lib/mqtt, which is
    # where MicroPython checks, and at its calls.
    def __init__(self, function):
        self.function = function
        self.count = 0
        self.error = None
        self.on = False
        self.jumped = {}  # frame: whether its last instruction was a jump
        self.codes = {}  # code: offsets of its jumps
        self.scheduled = self._scheduled

    def start(self):
        self.on = True
        if hasattr(sys, "settrace"):
            sys.settrace(self._called)
        else:
            micropython.schedule(self.scheduled, None)

    def stop(self):
        self.on = False
        if hasattr(sys, "settrace"):
            sys.settrace(None)
        if self.error:
            raise self.error

    def _moment(self):
        self.count += 1
        try:
            self.function(self.count)
        except Exception as e:
            self.error = self.error or e
            self.on = False

    def _scheduled(self, _):
        if self.on:
            self._moment()
            micropython.schedule(self.scheduled, None)

    def _called(self, frame, event, _):
        if not self.on or "/mqtt/" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        self._moment()
        return self._opcode

    def _opcode(self, frame, event, _):
        if event == "opcode" and self.on:
            jumps = self.codes.get(frame.f_code)
            if jumps is None:
                import dis

                jumps = self.codes[frame.f_code] = {
                    i.offset for i in dis.get_instructions(frame.f_code) if "JUMP" in i.opname
                }
            if self.jumped.pop(frame, False):
                self._moment()
            if frame.f_lasti in jumps:
                self.jumped[frame] = True
        return self._opcode


class Sender:
    # Publishes numbered messages in turn with each QoS, in each way; remembers what became of them.
    def __init__(self, client, topic, source, most):
        self.client = client
        self.topics = ["%s/%s/%d" % (topic, source.decode(), n) for n in range(2)]
        self.source = source
        self.most = most
        self.sent = 0
        self.done = []

    def send(self, size=0):
        n = self.sent
        if n == self.most:
            return
        self.sent = n + 1
        qos = n % 3
        topic = self.topics[n % 2]
        data = b"%s %d %d " % (self.source, qos, n) + bytes(size)
        if n % 4 == 3:
            self.client.createmessage(topic, data, {"qos": qos}).sendasync(self.note(n))
        elif n % 4 == 2 and not qos:
            self.done.append((n, 0))
            self.client.publish(topic, data)
        else:
            self.client.publish(topic, data, qos, callback=self.note(n))

    def note(self, n):
        return lambda code: self.done.append((n, code))


def echo(url, clientid, topic, step, offset):
    # A program sends and receives; every `step` moments an interrupt does, too, and asks for this and that.
    got, granted, asked = [], Box(), []
    client = connected(url, clientid, maxqueued=1000, maxqueuedbytes=100000)
    mine, theirs = Sender(client, topic, b"main", 60), Sender(client, topic, b"interrupt", 120)

    def interrupt(n):
        if n % step == offset:
            theirs.send()
            look = theirs.sent % 5
            if look == 0 and len(asked) < 20:
                asked.append(1)
                client.subscribe("side/%d" % len(asked), 1, granted)
            elif look == 1 and len(asked) < 20:
                asked.append(1)
                client.unsubscribe("side/%d" % len(asked), granted)
            elif look == 2:
                client.poll()
            elif look == 3:
                client.pending(), client.unfinished(), client.isconnected()
            elif look == 4:
                client.onmessage(got.append, "side/#")

    moments = Moments(interrupt)
    client.onmessage(lambda message: got.append((message.topic, message.message.decode())), topic + "/#")
    ready = Box()
    client.subscribe(topic + "/#", 2, ready)
    until(lambda: ready, client)
    moments.start()
    for i in range(mine.most):
        mine.send()
        if i % 7 == 0:
            client.poll()
    while theirs.sent < theirs.most:
        client.poll(1)
    moments.stop()
    total = mine.most + theirs.most
    until(
        lambda: len(got) >= total and len(mine.done + theirs.done) >= total and len(granted) == len(asked),
        client,
    )
    emit("sent", mine.done, theirs.done)
    emit("got", got)
    emit("left", client.pending(), len(client.unfinished()), len(granted), len(asked), client.dropped)
    emit("moments", moments.count)
    disconnect(client)


def full(url, clientid, step, offset, count):
    # The network takes nothing any more, until the broker is told to read on.
    client = connected(url, clientid, maxqueued=100000, maxqueuedbytes=1 << 27)
    mine, theirs = Sender(client, "t", b"main", 1 << 30), Sender(client, "t", b"interrupt", count)

    def interrupt(n):
        if n % step == offset:
            theirs.send(700)

    while not client.pending():
        mine.send(900)
    moments = Moments(interrupt)
    moments.start()
    for _ in range(20):
        mine.send(100)
    emit("full")
    until(lambda: theirs.sent == count and len(mine.done + theirs.done) == mine.sent + count, client)
    moments.stop()
    emit("sent", mine.sent, theirs.sent, sorted(mine.done) == [(n, 0) for n in range(mine.sent)], sorted(theirs.done))
    disconnect(client)


def cancelled(url, clientid, topic, step, offset):
    # An interrupt gives up messages that the program has handed over, whatever their state is.
    client = connected(url, clientid, maxqueued=1000, maxinflight=3)
    got, told, kept, cancelled = [], [], [], []
    client.onmessage(lambda message: got.append(int(message.message)))
    ready = Box()
    client.subscribe(topic, 2, ready)
    until(lambda: ready, client)
    messages = []

    def interrupt(n):
        if n % step == offset and messages:
            number, message = messages.pop(0)
            (cancelled if message.cancelsend() else kept).append(number)

    watch = Moments(interrupt)
    watch.start()
    for n in range(60):
        message = client.createmessage(topic, str(n), {"qos": n % 3})
        messages.append((n, message))
        message.sendasync(lambda code, n=n: told.append((n, code)))
        if n % 5 == 0:
            client.poll()
    until(lambda: len(told) >= 60, client)
    watch.stop()
    until(lambda: not client.pending(), client)
    last = Box()
    client.publish(topic, "1000", 2, callback=last)
    until(lambda: last and 1000 in got, client)
    emit("told", told)
    emit("cancelled", cancelled, kept)
    emit("got", got)
    disconnect(client)
