# Sessions over TLS that go well.
import ssl

import mqtt
from kit import Box, connect, connected, disconnect, emit, error_of, subscribe, until
from pattern import pattern

SIZES = 10, 1000, 40000  # one for each QoS


def talk(client, topic):
    # Publishes with every QoS to itself.
    got = Box()
    client.onmessage(got)
    subscribe(client, topic, 2)
    for qos, size in enumerate(SIZES):
        client.publish(topic, pattern(size), qos)
    until(lambda: len(got) == len(SIZES) and not client.pending(), client)
    messages = sorted((m.qos, m.message == pattern(SIZES[m.qos])) for (m,) in got.calls)
    emit("got", [list(m) for m in messages])
    disconnect(client)


def every_qos(url, clientid, topic, **options):
    talk(connected(url, clientid, maxqueuedbytes=2 * sum(SIZES), **options), topic)


def greet(url, clientid, ssl):
    # Connects and leaves.
    disconnect(connected(url, clientid, ssl=ssl))
    emit("connected")


def with_context(url, clientid, topic, cadata, twice):
    # With a context that the program has made, and that serves two connections.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=cadata)
    talk(connected(url, clientid, maxqueuedbytes=2 * sum(SIZES), ssl=context), topic)
    client = mqtt.createclient()
    emit("other", connect(client, twice, clientid, ssl=context), client.lasterror)


def refused(url, clientid, cases):
    # What `connect` raises for each of the `ssl` options; the client can be used afterwards.
    client = mqtt.createclient()
    for name, given in cases:
        emit(name, error_of(client.connect, url, clientid, ssl=given))
        client.disconnect()
    emit("end", client.isconnected(), client.lasterror)


def unverified(url, password):
    got = Box()
    client = mqtt.createclient()
    client.onmessage(got)
    code = connect(client, url, "c", ssl={"verify": False}, username="u", password=password)
    if code:
        raise RuntimeError(client.lasterror)
    until(lambda: got, client)
    emit("got", got.last[0].message)
    disconnect(client)
