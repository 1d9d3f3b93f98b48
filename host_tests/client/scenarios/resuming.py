# What outlives a connection.
import mqtt
from kit import Box, connect, connected, disconnect, emit, emit_message, poll_for, subscribe, until


def once(url, clientid, topic="", cleansession=False, count=0):
    # One connection: sessionpresent, then `count` messages; subscribes only where there is no session.
    client = mqtt.createclient()
    result, got = Box(), Box()

    def onconnect(code):
        result(code)
        emit("connected", code, client.sessionpresent)

    def handler(message):
        got(1)
        emit_message("message", message)

    client.onconnect(onconnect)
    client.onmessage(handler)
    client.connect(url, clientid, cleansession=cleansession)
    until(lambda: result, client)
    if topic and not client.sessionpresent:
        emit("subscribed", subscribe(client, topic, 2))
    until(lambda: len(got) >= count, client)
    disconnect(client)


def lost_and_again(url, clientid, cleansession):
    # Sends one message of each kind, loses the connection, connects again and waits until all are finished.
    client = connected(url, clientid, cleansession=cleansession, maxinflight=4)
    done, lost, delivered = Box(), Box(), Box()
    client.onconnectionlost(lost)
    client.ondelivery(lambda message: delivered(message.topic))
    for topic, qos in (("a", 1), ("b", 2), ("c", 2), ("d", 1), ("e", 1), ("f", 2), ("g", 0)):
        client.publish(topic, topic, qos, callback=lambda code, topic=topic: done(topic, code))
    until(lambda: lost, client)
    emit("lost", lost.calls, client.pending())
    emit("reconnected", connect(client, url, clientid, cleansession=cleansession))
    client.publish("new", b"", 1, callback=lambda code: done("new", code))
    until(lambda: not client.pending() and len(done) == 8, client)
    emit("done", done.calls)
    emit("delivered", [topic for (topic,) in delivered.calls])
    disconnect(client)


def disconnected_and_again(url, clientid, cleansession):
    # The program disconnects with messages unfinished, and connects again.
    client = connected(url, clientid, cleansession=cleansession)
    done = Box()
    client.publish("a", b"", 1, callback=lambda code: done("a", code))
    client.publish("b", b"", 2, callback=lambda code: done("b", code))
    poll_for(client, 50)
    disconnect(client)
    emit("disconnected", done.calls, client.pending())
    emit("reconnected", connect(client, url, clientid, cleansession=cleansession))
    until(lambda: len(done) == 2 and not client.pending(), client)
    emit("done", done.calls)
    disconnect(client)


def refused_in_between(url, clientid, refused):
    # A failed attempt changes nothing for messages that wait.
    client = connected(url, clientid, cleansession=False)
    done, lost = Box(), Box()
    client.onconnectionlost(lost)
    client.publish("a", b"", 1, callback=done)
    until(lambda: lost, client)
    emit("refused", connect(client, refused, clientid, cleansession=False), len(done), client.pending())
    emit("accepted", connect(client, url, clientid, cleansession=False))
    until(lambda: done, client)
    emit("done", done.calls)
    disconnect(client)


def inbound_twice(url, clientid, cleansession):
    # Two connections; every message is reported.
    client = mqtt.createclient()
    lost = Box()
    client.onmessage(lambda message: emit_message("message", message))
    client.onconnectionlost(lost)
    for i in (1, 2):
        connect(client, url, clientid, cleansession=cleansession)
        until(lambda i=i: len(lost) == i, client)
    emit("end")


def offered_while_connecting(url, clientid):
    # QoS 0 that was not begun gets -11 when the attempt fails; QoS 1 waits for the next.
    client = mqtt.createclient()
    result, done = Box(), Box()
    client.onconnect(result)
    client.connect(url, clientid)
    client.publish("zero", b"", 0, callback=lambda code: done("zero", code))
    client.publish("one", b"", 1, callback=lambda code: done("one", code))
    until(lambda: result, client)
    poll_for(client, 20)
    emit("failed", result.last[0], done.calls, client.pending())
    client.connect(url, clientid)
    until(lambda: len(done) == 2, client)
    emit("done", done.calls)
    disconnect(client)
