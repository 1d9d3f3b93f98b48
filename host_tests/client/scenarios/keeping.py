# Keep alive.
import sys
import time

import mqtt
from kit import Box, connect, connected, disconnect, emit, until


class WrappingTime:
    # The clock of a board whose ticks wrap at 2^30, `before` ms before they do.
    PERIOD = 1 << 30

    def __init__(self, before):
        self.offset = self.PERIOD - before - time.ticks_ms()

    def __getattr__(self, name):
        return getattr(time, name)

    def ticks_ms(self):
        return (time.ticks_ms() + self.offset) % self.PERIOD

    def ticks_add(self, ticks, delta):
        if not -(self.PERIOD // 2) < delta < self.PERIOD // 2:
            raise OverflowError("ticks_add")
        return (ticks + delta) % self.PERIOD

    def ticks_diff(self, a, b):
        half = self.PERIOD // 2
        return (a - b + half) % self.PERIOD - half


def use_wrapping_time(before):
    # Every module of the client that has a clock gets this one; the number of ticks it saw goes up past the wrap.
    clock = WrappingTime(before)
    for name in list(sys.modules):
        if name.split(".")[0] == "mqtt" and getattr(sys.modules[name], "time", None) is time:
            sys.modules[name].time = clock
    return clock


def until_lost(url, clientid, publish_every=0, wrap=0, **options):
    # Stays connected, silent or publishing every so many ms, until the connection is lost.
    clock = use_wrapping_time(wrap) if wrap else time
    first = clock.ticks_ms()
    client = mqtt.createclient()
    lost = Box()
    client.onconnectionlost(lost)
    start = last = time.ticks_ms()  # keep alive counts from CONNECT on, however late CONNACK comes
    connect(client, url, clientid, **options)
    while not lost:
        client.poll(min(publish_every, 20) or 20)
        now = time.ticks_ms()
        if publish_every and client.isconnected() and time.ticks_diff(now, last) >= publish_every:
            client.publish("busy", b"x", 0)
            last = now
        if time.ticks_diff(now, start) > 15000:
            raise RuntimeError("not lost")
    emit("lost", lost.last[0], time.ticks_diff(time.ticks_ms(), start), client.lasterror)
    emit("wrapped", clock.ticks_ms() < first)


def until_told(url, clientid, publish_every=0, qos=0, **options):
    # Stays connected until a message comes, publishing every so many ms.
    client = connected(url, clientid, **options)
    told = Box()
    client.onmessage(told)
    last = time.ticks_ms()
    while not told:
        client.poll(20)
        if publish_every and time.ticks_diff(time.ticks_ms(), last) >= publish_every:
            client.publish("busy", b"x", qos)
            last = time.ticks_ms()
    disconnect(client)


def polled_late(url, clientid):
    # A program that polls only now and then: what came in time counts as in time.
    client = connected(url, clientid, keepalive=1, timeout=1)
    lost = Box()
    client.onconnectionlost(lost)
    time.sleep_ms(1100)
    client.poll()
    time.sleep_ms(1500)
    client.poll()
    client.poll()
    emit("lost", lost.calls)
    until(client.isconnected, client)
    disconnect(client)
