# The module itself, and mqtt.run.
import time

import mqtt
from kit import Box, emit, error_of, until

CONSTANTS = (
    "AT_MOST_ONCE AT_LEAST_ONCE EXACTLY_ONCE SUCCESS FAILURE PERSISTENCE_ERROR DISCONNECTED MAX_MESSAGES_INFLIGHT "
    "BAD_UTF8_STRING NULL_PARAMETER TOPICNAME_TRUNCATED BAD_STRUCTURE BAD_QOS NO_MORE_MSGIDS OPERATION_INCOMPLETE "
    "MAX_BUFFERED_MESSAGES"
)


def look():
    for name in CONSTANTS.split():
        emit("constant", name, getattr(mqtt, name))
    emit("error", issubclass(mqtt.MQTTError, Exception), mqtt.MQTTError(-3).code)
    client = mqtt.createclient()
    emit("client", client.isconnected(), client.sessionpresent, client.pending(), client.dropped, client.lasterror)
    emit("idle", client.poll(), client.poll(10), client.isconnected())
    emit("fresh", error_of(mqtt.createclient, None))


def texts():
    for kind, codes in (("connect", range(-1, 6)), ("lost", range(-4, 0)), ("error", range(-12, 1)), ("error", (99,))):
        for code in codes:
            emit("text", kind, code, mqtt.errorstring(code, kind))
    emit("default", mqtt.errorstring(-12) == mqtt.errorstring(-12, "error"))


def run_nothing():
    mqtt.run()
    mqtt.run(mqtt.createclient(), mqtt.createclient())
    emit("end")


def run_until_disconnected(url, clientid, refused, count):
    # One that is refused, and others that disconnect one after the other: run ends with the last.
    clients = [mqtt.createclient() for _ in range(count)]
    ended = []

    def leave(number):
        ended.append(number)
        clients[number].disconnect(lambda: emit("gone", number))
        if number + 1 < count:
            clients[number + 1].publish(clientid + "/%d" % (number + 1), b"leave")

    for number, client in enumerate(clients):
        topic = clientid + "/%d" % number
        client.onmessage(lambda message, number=number: leave(number))
        client.onconnect(lambda code, client=client, topic=topic: client.subscribe(topic, 1, subscribed))
        client.connect(url, clientid + "-%d" % number)
    waiting = Box()

    def subscribed(code, granted):
        waiting(granted)
        if len(waiting) == count:
            clients[0].publish(clientid + "/0", b"leave")

    failed = mqtt.createclient()
    failed.onconnect(lambda code: emit("refused", code))
    failed.connect(refused, clientid + "-x")
    mqtt.run(failed, *clients)
    emit("end", ended, [client.isconnected() for client in clients])


def run_raising(url, clientid):
    # The exception leaves run, and run goes on when it is called again.
    client = mqtt.createclient()
    calls = Box()

    def onconnect(code):
        calls(code)
        raise ZeroDivisionError("in onconnect")

    client.onconnect(onconnect)
    client.connect(url, clientid)
    try:
        mqtt.run(client)
    except ZeroDivisionError:
        emit("raised", client.isconnected())
    client.publish("t", b"", 1, callback=lambda code: client.disconnect())
    mqtt.run(client)
    emit("end", len(calls), client.isconnected())


def run_again(url, clientid):
    # A handler that connects again keeps run going.
    client = mqtt.createclient()
    results = Box()

    def onconnect(code):
        results(code)
        if len(results) == 3:
            client.disconnect()

    def onlost(reason):
        client.connect(url, clientid)

    client.onconnect(onconnect)
    client.onconnectionlost(onlost)
    client.connect(url, clientid)
    mqtt.run(client)
    emit("results", results.calls)


def ping_pong(url, clientid, count):
    # Two clients in one program; each message waits for the one before.
    clients = [mqtt.createclient(), mqtt.createclient()]
    topics = [clientid + "/0", clientid + "/1"]
    seen = []

    def play(me, message):
        seen.append(me)
        if len(seen) >= count:
            for client in clients:
                client.disconnect()
        else:
            clients[me].publish(topics[1 - me], b"x", 1)

    ready = Box()

    def subscribed(code, granted):
        ready(code)
        if len(ready) == 2:
            clients[0].publish(topics[1], b"x", 1)

    for me, client in enumerate(clients):
        client.onmessage(lambda message, me=me: play(me, message))
        client.onconnect(lambda code, me=me: clients[me].subscribe(topics[me], 1, subscribed))
        client.connect(url, topics[me])
    start = time.ticks_ms()
    mqtt.run(*clients)
    emit("end", len(seen), time.ticks_diff(time.ticks_ms(), start))


def run_keeps_alive(urls, clientid):
    # Several silent clients in run: each is kept alive in time, each notices its own broker's end.
    clients = [mqtt.createclient() for _ in urls]
    for number, client in enumerate(clients):
        client.onconnectionlost(lambda reason, number=number: emit("lost", number, reason))
        client.connect(urls[number], clientid, keepalive=1)
    mqtt.run(*clients)
    emit("end")


def falsy_handlers(url, clientid, topic):
    # Any callable is a handler, also one that is false.
    class Recorder(list):
        def __call__(self, *values):
            self.append(len(values))

    client = mqtt.createclient()
    calls = [Recorder() for _ in range(7)]
    client.onconnect(calls[0])
    client.onmessage(calls[1])
    client.ondelivery(calls[2])
    client.connect(url, clientid)
    client.subscribe(topic, 0, calls[3])
    client.publish(topic, b"x", 0, callback=calls[4])
    client.publish("not/" + topic, b"x", 1)
    client.unsubscribe("not/" + topic, calls[5])
    until(lambda: calls[0] and calls[1] and calls[2] and calls[3] and calls[4] and calls[5], client)
    client.disconnect(calls[6])
    until(lambda: calls[6], client)
    emit("calls", calls)
