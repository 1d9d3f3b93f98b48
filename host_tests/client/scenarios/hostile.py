# Against peers that misbehave: every poll(0) is timed.
import time

import mqtt
from keeping import use_wrapping_time
from kit import Box, emit, emit_message


class Watch:
    # Polls with timeout 0 and remembers the longest call.
    def __init__(self, client):
        self.client = client
        self.longest = 0
        self.start = time.ticks_ms()

    def until(self, done):
        while not done():
            before = time.ticks_ms()
            self.client.poll(0)
            now = time.ticks_ms()
            self.longest = max(self.longest, time.ticks_diff(now, before))
            if time.ticks_diff(now, self.start) > 15000:
                raise RuntimeError("not done: " + self.client.lasterror)
            time.sleep_ms(1)

    def took(self):
        return time.ticks_diff(time.ticks_ms(), self.start)


def connect_only(url, clientid, wrap=0, **options):
    # One attempt that is to fail.
    if wrap:
        use_wrapping_time(wrap)
    client = mqtt.createclient()
    result, lost = Box(), Box()
    client.onconnect(result)
    client.onconnectionlost(lost)
    watch = Watch(client)
    client.connect(url, clientid, **options)
    watch.until(lambda: result)
    took = watch.took()
    for _ in range(20):
        client.poll(1)
    emit("result", result.last[0], took, watch.longest, client.lasterror, len(result), len(lost), client.isconnected())


def until_lost(url, clientid, **options):
    # Connects, says so, reports messages, and is to lose the connection.
    client = mqtt.createclient()
    result, lost = Box(), Box()
    client.onconnect(result)
    client.onconnectionlost(lost)
    client.onmessage(lambda message: emit_message("message", message))
    watch = Watch(client)
    client.connect(url, clientid, **options)
    watch.until(lambda: result)
    if client.isconnected():
        client.publish("ready", b"")
    watch.until(lambda: lost or result.last[0])
    emit("connect", result.calls)
    for _ in range(20):
        client.poll(1)
    emit("lost", [reason for (reason,) in lost.calls], watch.longest, client.lasterror, client.isconnected())


def stalled_write(url, clientid, qos, size, timeout):
    # Messages of `size` bytes until much more is accepted than buffers between the two can hold.
    client = mqtt.createclient()
    result, lost, done = Box(), Box(), Box()
    client.onconnect(result)
    client.onconnectionlost(lost)
    client.connect(url, clientid, timeout=timeout, maxqueued=1 << 16, maxqueuedbytes=1 << 26, maxinflight=65535)
    watch = Watch(client)
    watch.until(lambda: result)
    start = time.ticks_ms()
    count = (8 << 20) // size
    message = bytes(size)
    longest = 0
    for _ in range(count):
        before = time.ticks_ms()
        client.publish("t", message, qos, callback=done)
        longest = max(longest, time.ticks_diff(time.ticks_ms(), before))
    pending = client.pending()
    watch.start = time.ticks_ms()
    watch.until(lambda: lost)
    times = [time.ticks_diff(time.ticks_ms(), start), watch.took()]
    for _ in range(20):
        client.poll(1)
    codes = {}
    for (code,) in done.calls:
        codes[code] = codes.get(code, 0) + 1
    emit("stalled", pending > count // 2, lost.last[0], times, max(longest, watch.longest), client.lasterror)
    emit("codes", count, [[code, codes[code]] for code in sorted(codes)], client.pending())


def poll_times(url, clientid):
    # poll(n) says whether it did anything; with nothing to do it takes n ms.
    client = mqtt.createclient()
    result = Box()
    client.onconnect(result)
    client.connect(url, clientid)
    did = False
    while not result:
        did = client.poll(20)
    emit("connected", did)
    while client.poll(0):
        pass
    for milliseconds in (0, 1, 150):
        start = time.ticks_ms()
        did = client.poll(milliseconds)
        emit("poll", milliseconds, did, time.ticks_diff(time.ticks_ms(), start))
