# Traffic both ways for long, over connections that break: the heap must be afterwards what it was before.
import gc
import time

import mqtt
from kit import disconnect, emit, subscribe, until

WARM = 20  # rounds until tables have the size that they keep


class Round:
    # Twelve messages of each QoS to the client's own topic; `left` of those that must come back, and of callbacks.
    def __init__(self, client, topic):
        self.client = client
        self.topic = topic
        self.payload = bytearray(100)
        self.left = self.number = 0
        self.codes = 0  # sum of the results of QoS 1 and 2
        client.onmessage(self.heard)
        self.sent = self.done

    def heard(self, message):
        if message.qos == 2 and message.message[0] == self.number & 0xFF:
            self.left -= 1

    def done(self, code):
        self.codes += code
        self.left -= 1

    def play(self):
        self.number += 1
        self.payload[0] = self.number & 0xFF
        self.left = 36
        for _ in range(12):
            self.client.publish(self.topic, self.payload, 0)
            self.client.publish(self.topic, self.payload, 1, callback=self.sent)
            self.client.publish(self.topic, self.payload, 2, callback=self.sent)
        start = time.ticks_ms()
        while self.left or self.client.pending():
            self.client.poll(50)
            if time.ticks_diff(time.ticks_ms(), start) > 20000:
                raise RuntimeError("round %d: %d missing, %s" % (self.number, self.left, self.client.lasterror))


def allocated():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def soak(url, clientid, seconds):
    client = mqtt.createclient()
    losses = [0]

    def lost(code):
        losses[0] += 1

    client.onconnectionlost(lost)
    client.connect(url, clientid, cleansession=False, reconnect={"min": 0.01, "max": 0.1})
    subscribe(client, clientid, 2)
    rounds = Round(client, clientid)
    start = time.ticks_ms()
    before = after = 0
    while rounds.number < 2 * WARM or time.ticks_diff(time.ticks_ms(), start) < seconds * 1000:
        rounds.play()
        if rounds.number == WARM:
            until(client.isconnected, client)
            before = allocated()
    until(client.isconnected, client)
    after = allocated()
    emit("soaked", before, after, rounds.number, rounds.codes, losses[0])
    disconnect(client)
