# Sending.
import mqtt
from kit import Box, connected, disconnect, emit, emitter, error_of, poll_for, until
from pattern import pattern


def one(url, clientid, topic, message, qos, retain=False):
    # publish() with a callback.
    client = connected(url, clientid)
    delivered, done = Box(), Box()
    client.ondelivery(lambda message: delivered(message.topic, message.message, message.qos, message.retain))
    sent = client.publish(topic, message, qos, retain, done)
    emit("sent", type(sent).__name__, len(done), client.pending())
    until(lambda: done, client)
    emit("done", *done.last)
    emit("delivered", delivered.calls)
    emit("pending", client.pending())
    disconnect(client)
    emit("counts", len(done), len(delivered), client.dropped)


def returns(url, clientid, topic):
    client = connected(url, clientid)
    for qos in (0, 1, 2):
        for callback in (None, emitter("done")):
            sent = client.publish(topic, b"x", qos, callback=callback)
            emit("sent", qos, callback is not None, None if sent is None else sent.qos)
            until(lambda: not client.pending(), client)
    disconnect(client)


def created(url, clientid, topic):
    # A message made while disconnected, sent later, with and without a callback.
    client = mqtt.createclient()
    text = client.createmessage(topic, "grüße", {"qos": 1, "retain": True})
    empty = client.createmessage(topic)
    for message in (text, empty):
        emit("message", message.topic, message.message, message.qos, message.retain)
    client.connect(url, clientid)
    emit("sendasync", text.sendasync())
    done = Box()
    empty.sendasync(done)
    until(lambda: done and not client.pending(), client)
    emit("done", *done.last)
    disconnect(client)


def synchronous(url, clientid, topic):
    client = connected(url, clientid)
    for qos in (0, 1, 2):
        for text in ("a", "b"):
            emit("result", client.createmessage(topic, text, {"qos": qos}).sendsync(), client.pending())
    disconnect(client)


def synchronous_without_answer(url, clientid):
    # The broker withholds the first PUBACK until it has seen the second message.
    client = connected(url, clientid)
    done = Box()
    slow = client.createmessage("slow", "", {"qos": 1})
    emit("timeout", slow.sendsync(0.3), client.pending())
    client.publish("next", b"", 1, callback=done)
    until(lambda: done and not client.pending(), client)
    emit("next", *done.last)
    emit("cancel", slow.cancelsend())
    disconnect(client)


def cancelled_in_flight(url, clientid):
    client = connected(url, clientid)
    done = Box()
    message = client.createmessage("first", "", {"qos": 1})
    message.sendasync(done)
    client.poll(20)
    emit("cancel", message.cancelsend(), len(done))
    until(lambda: done, client)
    emit("done", *done.last)
    emit("again", message.cancelsend(), client.pending())
    emit("next", client.createmessage("second", "", {"qos": 1}).sendsync())
    emit("count", len(done))
    disconnect(client)


def cancelled_in_the_queue(url, clientid):
    client = connected(url, clientid, maxinflight=1)
    done = [Box() for _ in range(3)]
    messages = [client.createmessage("m%d" % i, "", {"qos": 1}) for i in range(3)]
    for message, box in zip(messages, done):
        message.sendasync(box)
    emit("pending", client.pending())
    emit("cancel", messages[1].cancelsend(), client.pending())
    until(lambda: done[0] and done[1] and done[2], client)
    emit("done", [box.calls[0][0] for box in done])
    emit("finished", messages[2].cancelsend())
    disconnect(client)


def unfinished_at_the_end(url, clientid):
    # Without callbacks a failure is counted and named.
    client = connected(url, clientid)
    client.publish("t", b"x", 1)
    client.poll(20)
    disconnect(client)
    emit("end", client.pending(), client.dropped, client.lasterror)


def many_in_order(url, clientid, topic, count):
    # All three QoS, pipelined; the callbacks of each QoS come in order.
    client = connected(url, clientid, maxqueued=count)
    done = [], [], []
    for i in range(count):
        qos = i % 3
        client.publish(topic, str(i), qos, callback=lambda code, i=i, qos=qos: done[qos].append((i, code)))
    until(lambda: not client.pending(), client)
    emit("codes", sum(code for codes in done for _, code in codes))
    emit("ordered", [codes == sorted(codes) for codes in done], [len(codes) for codes in done])
    disconnect(client)


def sizes(url, clientid, topic, lengths):
    # QoS 1 messages whose remaining length is as given.
    client = connected(url, clientid)
    for length in lengths:
        message = pattern(length - 4 - len(topic))
        emit("sent", length, client.createmessage(topic, message, {"qos": 1}).sendsync())
    disconnect(client)


def kinds_of_bytes(url, clientid, topic):
    # Topics and messages of every kind a program may have.
    client = connected(url, clientid)
    for given in (topic, topic.encode(), bytearray(topic.encode()), memoryview(topic.encode())):
        for message in ("é", b"\xff", bytearray(b"\x00a"), memoryview(b"xyz")):
            client.publish(given, message)
            client.publish(given, message, 1)
    until(lambda: not client.pending(), client)
    emit("end")
    disconnect(client)


def reused_buffer(url, clientid, topic):
    # What is sent is what was there at the call, whatever becomes of the buffer.
    client = mqtt.createclient()
    client.connect(url, clientid)
    buffer = bytearray(b"before")
    for qos in (0, 1, 2):
        client.publish(topic, buffer, qos)
    buffer[:] = b"after!"
    until(lambda: client.isconnected() and not client.pending(), client)
    disconnect(client)
    emit("end")


def without_poll(url, clientid):
    # Ends without another poll: only what the calls themselves wrote has left.
    client = connected(url, clientid)
    for qos in (0, 1):
        client.publish("t", pattern(1000), qos)
    emit("sent")


def misuse(url, clientid, topic):
    client = connected(url, clientid)
    message = client.createmessage("not/" + topic, "m", {"qos": 1})

    def handler(_message):
        emit("in handler", error_of(message.sendsync))

    client.onmessage(handler)
    client.subscribe(topic, 0, lambda *_: emit("in callback", error_of(message.sendsync)))
    poll_for(client, 20)
    until(lambda: not client.pending(), client)
    client.publish(topic, b"to myself")
    poll_for(client, 200)
    emit("outside", message.sendsync())
    disconnect(client)
