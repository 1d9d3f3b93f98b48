# What TLS does to a stream of bytes, and what a program must not see of it.
import hashlib
import ssl
import time

import mqtt
from kit import Box, connected, disconnect, emit, until
from mqtt import transport
from pattern import pattern


class Stopwatch:
    # The longest of many calls, in ms.
    def __init__(self):
        self.longest = self.calls = 0

    def __call__(self, function, *args):
        start = time.ticks_ms()
        function(*args)
        self.longest = max(self.longest, time.ticks_diff(time.ticks_ms(), start))
        self.calls += 1


def slow_server(url, **options):
    # How long poll(0) takes at most, from `connect` to the acknowledgement of a message.
    client = mqtt.createclient()
    result, done = Box(), Box()
    watch = Stopwatch()
    client.onconnect(result)
    start = time.ticks_ms()
    client.connect(url, "c", **options)
    while not done:
        watch(client.poll)
        time.sleep_ms(1)
        if result and not client.pending() and not done:
            client.publish("t", pattern(5000), 1, callback=done)
        if time.ticks_diff(time.ticks_ms(), start) > 15000:
            raise RuntimeError("not done: %s" % client.lasterror)
    emit("result", result.last[0], done.last[0])
    emit("took", watch.longest, time.ticks_diff(time.ticks_ms(), start))
    disconnect(client)


class Narrow:
    # A context whose sockets hold few bytes on their way out.
    def __init__(self, cadata, option):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(cadata=cadata)
        self.option = option

    def wrap_socket(self, sock, **options):
        sock.setsockopt(self.option[0], self.option[1], 16384)
        return self.context.wrap_socket(sock, **options)


def stalled(url, cadata, option, sizes, inbound):
    # Messages meet a server that has stopped reading; what comes and goes meanwhile queues up behind them.
    limits = {"maxqueued": 1000, "maxqueuedbytes": 1000000, "maxinflight": 1000}
    client = connected(url, "c", ssl=Narrow(cadata, option), keepalive=1, **limits)
    got, done, last = Box(), Box(), Box()
    client.onmessage(got)
    client.publish("first", b"before", 1)
    for size in sizes:
        client.publish("long", pattern(size), 1, callback=done)
    until(lambda: len(got) == inbound, client)
    client.publish("second", b"behind", 1)
    client.publish("last", b"QoS 0", 0, callback=last)
    start = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), start) < 1300:  # past the keep alive
        client.poll(20)
    emit("stuck", len(done), len(last))
    until(lambda: last and not client.pending(), client)
    emit("done", sum([code for (code,) in done.calls]), len(done), last.calls)
    disconnect(client)


def receive(url, ssl, count):
    # Takes `count` messages in long polls: one that waits although there is something to read would be seen.
    client = mqtt.createclient()
    got = Box()
    digest = hashlib.sha256()
    client.onmessage(got)
    client.onconnect(emit_code)
    client.connect(url, "c", ssl=ssl, keepalive=0)
    watch = Stopwatch()
    while len(got) < count:
        watch(client.poll, 5000)
        if watch.longest > 4000:
            raise RuntimeError("polled for %d ms with %d messages" % (watch.longest, len(got)))
    for (message,) in got.calls:
        digest.update(message.message)
    emit("received", len(got), digest.digest())
    disconnect(client)


def emit_code(code):
    emit("connected", code)


def run_two(urls, ssl, count):
    # `mqtt.run` with two clients, each of which leaves with its last message.
    clients = []
    for url in urls:
        client = mqtt.createclient()
        got = Box()
        client.onmessage(leaver(client, got, count))
        client.connect(url, "c", ssl=ssl, keepalive=0)
        clients.append(client)
    start = time.ticks_ms()
    mqtt.run(*clients)
    emit("ran", time.ticks_diff(time.ticks_ms(), start), [client.lasterror for client in clients])


def leaver(client, got, count):
    def handler(message):
        got(message.message)
        if len(got) == count:
            emit("all")
            client.disconnect()

    return handler


def byte_by_byte(url, ssl, messages):
    # Every byte leaves in a record of its own.
    write = transport.Transport.write
    transport.Transport.write = lambda self, buf, at, n: write(self, buf, at, 1)
    send_all(url, ssl, messages)


def send_all(url, ssl, messages):
    client = connected(url, "c", ssl=ssl, maxqueuedbytes=1000000)
    for size in messages:
        client.publish("t", pattern(size), 1)
    until(lambda: not client.pending(), client)
    disconnect(client)
    emit("sent")
