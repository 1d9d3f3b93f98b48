# The limits on what is accepted, what is in flight and what comes in.
import mqtt
from kit import Box, connect, connected, disconnect, emit, until


def _offer(client, done, sizes, qos=1):
    # Offers messages of these sizes (topic of one letter included); topics are a, b, c…
    for i, size in enumerate(sizes):
        topic = chr(97 + i)
        client.publish(topic, bytes(size - 1), qos, callback=lambda code, topic=topic: done(topic, code))


def offered(url, clientid, sizes, qos=1, **options):
    # All offered while connecting; what becomes of each, in the order of the callbacks.
    client = mqtt.createclient()
    done, result = Box(), Box()
    client.onconnect(result)
    client.connect(url, clientid, **options)
    _offer(client, done, sizes, qos)
    emit("inside", len(done))
    emit("pending", client.pending())
    until(lambda: result and not client.pending(), client)
    emit("done", done.calls, client.dropped)
    disconnect(client)


def window(url, clientid, count, **options):
    client = connected(url, clientid, **options)
    done = Box()
    _offer(client, done, [1] * count)
    emit("offered", client.pending())
    until(lambda: len(done) == count, client)
    emit("done", done.calls)
    disconnect(client)


def refused_without_callback(url, clientid):
    client = connected(url, clientid, maxqueued=1)
    first = client.publish("a", b"", 1)
    second = client.publish("b", b"", 1)
    emit("returned", type(first).__name__, type(second).__name__)
    emit("full", client.pending(), client.dropped, client.lasterror)
    emit("sendsync", client.createmessage("c", b"", {"qos": 1}).sendsync())
    client.subscribe("told")
    until(lambda: client.pending() == 0, client)
    disconnect(client)


def inbound(url, clientid, **options):
    # Reports messages until the topic "end", or the loss of the connection.
    client = mqtt.createclient()
    ended, lost = Box(), Box()

    def handler(message):
        if message.topic == "end":
            return ended(1)
        emit("message", message.topic, len(message.message))

    client.onmessage(handler)
    client.onconnectionlost(lost)
    connect(client, url, clientid, **options)
    client.publish("ready", b"")
    until(lambda: ended or lost, client)
    emit("end", [reason for (reason,) in lost.calls], client.dropped, client.lasterror)
    if ended:
        disconnect(client)


def many(url, clientid, topic, count):
    # `count` QoS 1 messages on one connection: identifiers wrap.
    client = connected(url, clientid, maxinflight=100, maxqueued=200)
    failed = []

    def done(code):
        if code:
            failed.append(code)

    for i in range(count):
        client.publish(topic, b"%d" % i, 1, callback=done)
        if client.pending() >= 200:
            until(lambda: client.pending() < 100, client)
    until(lambda: not client.pending(), client)
    emit("end", failed)
    disconnect(client)


def skips_those_in_use(url, clientid, count):
    # The first message stays unacknowledged while identifiers go all the way round.
    client = connected(url, clientid, maxqueued=200, maxinflight=200)
    first = Box()
    client.publish("first", b"", 1, callback=first)
    for _ in range(count):
        client.publish("t", b"", 1)
        if client.pending() >= 200:
            until(lambda: client.pending() < 100, client)
    until(lambda: client.pending() == 1, client)
    emit("waiting", len(first))
    client.publish("last", b"", 1)
    until(lambda: first and not client.pending(), client)
    emit("first", *first.last)
    disconnect(client)
