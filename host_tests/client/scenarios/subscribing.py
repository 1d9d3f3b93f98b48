# SUBSCRIBE and UNSUBSCRIBE.
import mqtt
from kit import Box, connected, disconnect, emit, emit_message, emitter, subscribe, until


def ask(url, clientid, requests, linger=False):
    # Makes every request ("subscribe", topics, qos) or ("unsubscribe", topics), and reports calls and answers.
    client = connected(url, clientid)
    answers = Box()
    for kind, topics, *qos in requests:
        callback = lambda *values, kind=kind: answers(kind, *values)  # noqa: E731
        emit(kind, getattr(client, kind)(topics, *qos, callback=callback), len(answers))
    until(lambda: len(answers) == len(requests), client)
    emit("answers", answers.calls)
    disconnect(client)
    emit("count", len(answers))


def kinds(url, clientid, topic):
    # str, bytes, list, tuple; with and without QoS and callback.
    client = connected(url, clientid)
    emit("granted", subscribe(client, topic), subscribe(client, topic.encode(), 1))
    emit("granted", subscribe(client, [topic], 2), subscribe(client, (topic, b"b"), (1, 0)))
    emit("plain", client.subscribe(topic), client.subscribe([topic], 1), client.unsubscribe(topic))
    last = Box()
    client.unsubscribe([b"b", topic], last)
    until(lambda: last, client)
    emit("last", last.calls)
    disconnect(client)


def until_unsubscribed(url, clientid, topic):
    # Messages stop after UNSUBACK; the program ends with a message on another topic.
    client = connected(url, clientid)
    ended = Box()

    def handler(message):
        if message.topic.endswith("/more"):
            emit_message("message", message)
            client.unsubscribe(topic + "/more", emitter("unsubscribed"))
        else:
            ended(1)

    client.onmessage(handler)
    emit("subscribed", subscribe(client, [topic + "/more", topic + "/end"], [2, 1]))
    until(lambda: ended, client)
    disconnect(client)


def lost_before_the_answer(url, clientid):
    client = mqtt.createclient()
    lost, answers = Box(), Box()
    client.onconnectionlost(lost)
    client.connect(url, clientid)
    client.subscribe("one", 1, lambda *values: answers("one", *values))
    client.subscribe(["a", "b"], 1, lambda *values: answers("list", *values))
    client.unsubscribe("c", lambda *values: answers("unsubscribe", *values))
    until(lambda: lost and len(answers) == 3, client)
    emit("answers", answers.calls)
