# Connecting: results, options, misuse.
import time

import mqtt
from kit import Box, connect, connected, disconnect, emit, error_of, poll_for, until


def attempt(url, clientid, style="keywords", **options):
    # One attempt; "dict" passes the options as a dict, "mixed" the first as a dict and the others by keyword.
    client = mqtt.createclient()
    result = Box()
    client.onconnect(result)
    start = time.ticks_ms()
    if style == "keywords":
        answer = client.connect(url, clientid, **options)
    elif style == "dict":
        answer = client.connect(url, clientid, options)
    else:
        first = sorted(options)[0]
        rest = {key: options[key] for key in options if key != first}
        answer = client.connect(url, clientid, {first: options[first]}, **rest)
    early = len(result)
    until(lambda: result, client)
    took = time.ticks_diff(time.ticks_ms(), start)
    emit("result", *result.last)
    emit("state", client.isconnected(), client.sessionpresent is True, client.lasterror)
    emit("call", answer, early, len(result))
    emit("took", took)
    if client.isconnected():
        disconnect(client)
    emit("end", client.isconnected(), len(result))


def misuse(url, clientid):
    # Calls in the wrong state.
    client = mqtt.createclient()
    message = client.createmessage("t", "m")
    emit("subscribe", error_of(client.subscribe, "t"))
    emit("unsubscribe", error_of(client.unsubscribe, "t"))
    emit("publish", error_of(client.publish, "t", "m"))
    emit("publish 1", error_of(client.publish, "t", "m", 1))
    emit("sendasync", error_of(message.sendasync))
    emit("sendsync", error_of(message.sendsync))
    client.connect(url, clientid)
    emit("connect while connecting", error_of(client.connect, url, clientid))
    until(client.isconnected, client)
    emit("connect while connected", error_of(client.connect, url, clientid))
    emit("still connected", client.isconnected())
    disconnect(client)
    emit("publish after", error_of(client.publish, "t", "m"))
    emit("connect after", connect(client, url, clientid))


def again_from_handler(refused, url, clientid):
    # The handlers of a failed attempt and of a lost connection connect again.
    client = mqtt.createclient()
    results = Box()

    def onconnect(code):
        results(code)
        if code:
            client.connect(url, clientid)

    def onlost(reason):
        emit("lost", reason, client.isconnected())
        client.connect(url, clientid)

    client.onconnect(onconnect)
    client.onconnectionlost(onlost)
    client.connect(refused, clientid)
    until(lambda: len(results) == 3, client)
    emit("results", [code for (code,) in results.calls])
    disconnect(client)


def requests_while_connecting(url, clientid, topic):
    # Accepted at once, sent after CONNACK.
    client = mqtt.createclient()
    granted, done, got = Box(), Box(), Box()
    client.onmessage(lambda message: got(message.topic, message.message, message.qos))
    client.connect(url, clientid)
    emit("subscribe", client.subscribe(topic, 1, granted))
    client.publish(topic, "early", 1, callback=done)
    emit("pending", client.pending(), len(granted), len(done))
    until(lambda: granted and done and got, client)
    emit("granted", *granted.last)
    emit("done", *done.last)
    emit("got", *got.last)
    emit("pending", client.pending())
    disconnect(client)


def disconnect_while_connecting(url, clientid):
    client = mqtt.createclient()
    results, gone, lost, done = Box(), Box(), Box(), Box()
    client.onconnect(results)
    client.onconnectionlost(lost)
    client.connect(url, clientid)
    client.publish("t", "never", 1, callback=done)
    poll_for(client, 100)
    client.disconnect(gone)
    emit("inside", len(gone))
    until(lambda: gone, client)
    poll_for(client, 100)
    emit("counts", len(results), len(lost), len(gone))
    emit("done", *done.last)
    emit("state", client.isconnected(), client.pending())


def many_times(url, clientid, count):
    client = mqtt.createclient()
    for _ in range(count):
        emit("result", connect(client, url, clientid))
        disconnect(client)


def no_handlers(url, refused, clientid):
    # A program may leave every handler out, or clear it.
    client = mqtt.createclient()
    client.onconnect(emit)
    client.onconnect(None)
    client.connect(refused, clientid)
    until(lambda: client.lasterror, client)
    client.connect(url, clientid)
    until(client.isconnected, client)
    emit("connected")
    client.disconnect()
    until(lambda: not client.isconnected(), client)


def two_clients(url, clientid):
    # Connected at the same time, each with its own state.
    first = connected(url, clientid + "-1")
    second = connected(url, clientid + "-2")
    disconnect(first)
    emit("states", first.isconnected(), second.isconnected())
    disconnect(second)
