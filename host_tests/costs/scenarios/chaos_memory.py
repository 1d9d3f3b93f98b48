# Memory that runs out at one point after the other: the client reports it and lives on (MicroPython only).
import gc
import sys

import mqtt
from kit import Box, emit, until

NODES = 5000  # pieces of two words each


class FailsFrom:
    # All memory is taken but n pieces; what they do not suffice for fails, until somebody notices.
    def __init__(self):
        self.nodes = self.rest = None

    def start(self, n):
        gc.collect()
        nodes = None
        for _ in range(NODES):
            nodes = (nodes,)
        self.nodes = nodes
        for size in (8192, 1024, 128, 8):
            try:
                while True:
                    self.rest = [self.rest, bytearray(size)]
            except MemoryError:
                pass
        for _ in range(n):
            nodes = nodes[0]
        self.nodes = nodes
        nodes = None
        gc.collect()

    def stop(self):
        self.nodes = self.rest = None
        gc.collect()


class Result:
    # A callback that takes no memory: what it was called with last, and how often.
    def __init__(self):
        self.code = None
        self.count = 0

    def __call__(self, code, granted=None):
        self.code = code
        self.count += 1


class Rig:
    # One client and the scripted session: connect, subscribe, a message of each QoS to its own topic, and back.
    def __init__(self, url, name, memory):
        self.url = url
        self.name = name
        self.memory = memory
        self.client = client = mqtt.createclient()
        self.results, self.lost = Box(), Box()
        self.heard = []
        self.granted = Result()
        self.codes = (Result(), Result(), Result())
        self.error = None
        self.raised = []  # numbers of the steps that MemoryError came out of
        client.onconnect(self.results)
        client.onconnectionlost(self.lost)
        client.onmessage(self.hear)

    def hear(self, message):
        self.heard.append(message.message)

    def connect(self):
        options = {"cleansession": False, "reconnect": {"min": 0.001, "max": 0.01}, "timeout": 5}
        self.client.connect(self.url, self.name, options)

    def subscribe(self):
        self.client.subscribe(self.name, 2, self.granted)

    def publish0(self):
        self.client.publish(self.name, b"0", 0, callback=self.codes[0])

    def publish1(self):
        self.client.publish(self.name, b"1", 1, callback=self.codes[1])

    def publish2(self):
        self.client.publish(self.name, b"2", 2, callback=self.codes[2])

    def answer(self):
        self.wait(lambda: self.granted.count)

    def finish(self):
        self.wait(lambda: all(code.count for code in self.codes) and not self.client.pending())

    def wait(self, done):
        until(done, self.client, limit=5)

    def session(self, first, n):
        # Memory gets short with the step `first`. What raises MemoryError is done again.
        steps = (self.connect, self.subscribe, self.answer, self.publish0, self.publish1, self.publish2, self.finish)
        at = 0
        while at < len(steps):
            if at == first and not self.raised:
                self.memory.start(n)
            try:
                steps[at]()
                at += 1
            except MemoryError as e:
                self.memory.stop()
                self.raised.append(at)
                self.error = e
        self.memory.stop()

    def reports(self):
        # All that says that something went wrong.
        found = ["MemoryError in step %d" % at for at in self.raised]
        found += ["connect %d" % code for (code,) in self.results.calls if code]
        found += ["lost %d" % code for (code,) in self.lost.calls]
        found += ["message %d" % code.code for code in self.codes if code.code]
        return found + ["dropped"] * self.client.dropped

    def lives(self):
        # Afterwards everything works: one more message goes through and comes back, and callbacks have come once.
        code, gone = Result(), Result()
        self.client.publish(self.name, b"alive", 2, callback=code)
        until(lambda: code.count and b"alive" in self.heard, self.client)
        self.client.disconnect(lambda: gone(0))
        until(lambda: gone.count, self.client)
        # A call that raised may have been accepted all the same, and is done twice then.
        most = [1 + (at in self.raised) for at in (3, 4, 5, 1)] + [1]
        counts = [each.count for each in self.codes + (self.granted, code)]
        for i in range(5):
            if not 1 <= counts[i] <= most[i] or code.code:
                raise RuntimeError("callbacks of the messages, SUBACK, the last message: %s" % counts)


def every(url, clientid, step, quiet, by=1):
    # Sessions in which memory gets short with the step `step`, for n = 0, `by`… until `quiet` in a row have nothing to
    # report. Emits how many had, and how often what was reported.
    memory = FailsFrom()
    Rig(url, clientid, memory).connect()  # all is imported
    counts = {}
    n = still = failures = 0
    while still < quiet:
        rig = Rig(url, "%s-%d-%d" % (clientid, step, n), memory)
        try:
            rig.session(step, n)
            rig.lives()
        except Exception:
            memory.stop()
            emit("failed", step, n, rig.reports(), [code.count for code in rig.codes])
            if rig.error:
                sys.print_exception(rig.error)
            raise
        found = rig.reports()
        failures += bool(found)
        still = 0 if found else still + 1
        for name in found:
            counts[name] = counts.get(name, 0) + 1
        n += by
    emit("failures", failures, n, counts)
