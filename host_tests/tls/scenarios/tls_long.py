# Long lives over TLS.
import time

import mqtt
from kit import Box, connected, disconnect, emit, subscribe, until


def session(url, clientid, topic, ssl, count):
    # `count` messages with QoS 1 to itself, in order, each once both ways.
    client = connected(url, clientid, ssl=ssl, maxinflight=100, maxqueued=200)
    state = {"sent": 0, "acknowledged": 0, "received": 0, "wrong": 0}

    def acknowledged(code):
        state["acknowledged"] += 1
        state["wrong"] += code != 0
        send()

    def send():
        if state["sent"] < count:
            state["sent"] += 1
            client.publish(topic, b"%d" % state["sent"], 1, callback=acknowledged)

    def received(message):
        state["received"] += 1
        state["wrong"] += int(message.message) != state["received"] or message.dup

    client.onmessage(received)
    subscribe(client, topic, 1)
    start = time.ticks_ms()
    for _ in range(100):
        send()
    until(lambda: state["acknowledged"] == state["received"] == count, client, limit=60)
    emit("rate", count * 1000 // time.ticks_diff(time.ticks_ms(), start))
    emit("counts", state["sent"], state["acknowledged"], state["received"], state["wrong"], client.dropped)
    disconnect(client)


def reconnects(url, ssl, times):
    # Loses its connection again and again, and comes back by itself with what was not acknowledged.
    client = mqtt.createclient()
    came, lost, done = Box(), Box(), Box()
    client.onconnect(came)
    client.onconnectionlost(lost)
    client.connect(url, "c", ssl=ssl, reconnect={"min": 0.01, "max": 0.02}, cleansession=False)
    client.publish("t", b"once", 1, callback=done)
    until(lambda: len(came) == times + 1 and done, client)
    emit("came", [code for (code,) in came.calls])
    emit("lost", [code for (code,) in lost.calls], client.lasterror)
    emit("done", done.calls)
    disconnect(client)


def survives(url, clientid, ssl):
    # The session outlives the broker's restart.
    client = mqtt.createclient()
    came, got = Box(), Box()
    client.onconnect(came)
    client.onmessage(got)
    client.connect(url, clientid, ssl=ssl, reconnect={"min": 0.05, "max": 0.1}, cleansession=False)
    until(lambda: came and client.isconnected(), client)
    present = client.sessionpresent
    subscribe(client, clientid, 1)
    emit("subscribed", present)
    until(lambda: not client.isconnected(), client)
    until(client.isconnected, client)
    emit("back", client.sessionpresent)
    for number in range(2):
        client.publish(clientid, str(number), 1)
    until(lambda: len(got) == 2 and not client.pending(), client)
    emit("got", [[m.message, m.qos, m.dup] for (m,) in got.calls])
    disconnect(client)
