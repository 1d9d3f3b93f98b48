# What the second edition adds to the contract (the lines of api.md marked ++).
import time

import mqtt
from kit import Box, connected, disconnect, emit, until


def burst(url, clientid, count):
    # So many messages of QoS 0 from inside onconnect: as many as outside, and none is refused.
    client = mqtt.createclient()
    done = Box()

    def onconnect(code):
        for n in range(count):
            client.publish("burst", b"%d" % n, 0, False, done)

    client.onconnect(onconnect)
    client.connect(url, clientid)
    until(lambda: len(done) == count, client)
    emit("done", [code for (code,) in done.calls if code], client.pending(), client.dropped)
    disconnect(client)


def parting(url, clientid, inside):
    # What is accepted before disconnect() leaves before DISCONNECT, from a handler too.
    client = connected(url, clientid)
    gone = Box()

    def go(code=0, granted=None):
        client.publish("q0", b"x")
        client.publish("q1", bytes(3000), 1)
        client.unsubscribe("a")
        client.publish("q2", b"x", 2)
        client.disconnect(gone)

    if inside:
        client.subscribe("a", 0, go)
    else:
        client.subscribe("a")
        go()
    until(lambda: gone, client)
    emit("gone", len(gone))


def downgraded(url, clientid):
    # RabbitMQ answers QoS 2 with PUBACK: that is the message's end, and told.
    client = connected(url, clientid)
    done = Box()
    client.publish("t", b"x", 2, False, done)
    until(lambda: done, client)
    emit("done", done.last, client.pending(), client.lasterror)
    disconnect(client)


def lost(url, clientid, qos):
    # Sends one message, and reports what the connection ends with.
    client = connected(url, clientid)
    reason = Box()
    client.onconnectionlost(reason)
    client.publish("t", b"x", qos)
    until(lambda: reason, client)
    emit("lost", reason.last, client.lasterror)


def cancelled(url, clientid):
    # A QoS 2 message is given up in flight: its identifier stays in use until its handshake has ended.
    client = connected(url, clientid)
    given, other = Box(), Box()
    message = client.publish("given up", b"x", 2, False, given)
    until(lambda: not client._session.transmit.waiting(), client)
    emit("cancel", message.cancelsend(), message.cancelsend(), client.pending(), client.unfinished())
    client.publish("other", b"x", 1, False, other)
    until(lambda: given and other, client)
    emit("told", given.calls, other.calls)
    disconnect(client)


def renewed(url, clientid, filters):
    # Reconnects to a server that has lost the session, and refuses one of the filters then.
    client = mqtt.createclient()
    told, results = Box(), Box()
    client.onconnect(results)
    client.connect(url, clientid, cleansession=False, reconnect={"min": 0, "max": 0.01})
    until(lambda: results, client)
    client.subscribe(filters, 1, told)
    until(lambda: told, client)
    client.unsubscribe(filters[0])
    until(lambda: len(told) == 2, client)
    emit("told", [list(call) for call in told.calls], client.lasterror)
    disconnect(client)


def several(urls, clientid):
    # A list of URLs: each attempt takes the next one.
    client = mqtt.createclient()
    results = Box()
    client.onconnect(results)
    client.connect(urls, clientid, reconnect={"min": 0, "max": 0.01})
    until(lambda: (0,) in [tuple(call) for call in results.calls], client)
    emit("results", [code for (code,) in results.calls])
    disconnect(client)


def by_hand(url, clientid):
    # ack=False: PUBACKs leave in the order in which the messages came, when the program says so.
    client = mqtt.createclient()
    held, plain = Box(), Box()
    client.onmessage(held, "held/#", ack=False)
    client.onmessage(plain, "plain")
    results = Box()
    client.onconnect(results)
    client.connect(url, clientid)
    until(lambda: len(held) == 2 and plain, client)
    (first,), (second,) = held.calls
    second.ack()
    client.publish("settled", b"second")
    first.ack()
    client.publish("settled", b"first")
    disconnect(client)


def unfinished(url, clientid):
    # The messages that pending() counts, oldest first.
    client = connected(url, clientid)
    for n in range(3):
        client.publish("t%d" % n, b"x", n and 1 + n % 2)
    emit("unfinished", [message.topic for message in client.unfinished()], client.pending())
    client.disconnect()


def changed(url, clientid):
    # A bytearray changed after publish changes nothing, whatever the QoS.
    client = connected(url, clientid)
    data = bytearray(b"before")
    for qos in (0, 1, 2):
        client.publish("t", data, qos)
        data[:] = b"after!"
        client.publish("t", data, qos)
        data[:] = b"before"
    until(lambda: not client.pending(), client)
    disconnect(client)


def slow(url, clientid, count, ms):
    # Handlers that take long: each message is acknowledged before the next handler runs.
    client = mqtt.createclient()
    waiting = []

    def handler(message):
        waiting.append(client._session.transmit.waiting())
        time.sleep_ms(ms)

    client.onmessage(handler)
    client.connect(url, clientid)
    until(lambda: len(waiting) == count, client)
    emit("waiting", waiting)
    disconnect(client)
