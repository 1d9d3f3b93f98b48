# disconnect(), and the ends that are not one.
import mqtt
from kit import Box, connect, connected, disconnect, emit, error_of, poll_for, subscribe, until


def counts(url, clientid, **options):
    # Nothing but disconnect's own callback is called, once, from poll.
    client = mqtt.createclient()
    results, lost, gone = Box(), Box(), Box()
    client.onconnectionlost(lost)
    client.disconnect(gone)
    emit("nothing to close, inside", len(gone))
    until(lambda: gone, client)
    connect(client, url, clientid, **options)
    client.onconnect(results)
    client.disconnect(gone)
    emit("inside", len(gone) - 1, client.isconnected())
    until(lambda: len(gone) == 2, client)
    client.disconnect()
    client.disconnect(gone)
    client.disconnect(gone)
    until(lambda: len(gone) == 4, client)
    poll_for(client, 50)
    emit("counts", len(results), len(lost), len(gone), client.isconnected())


def behind_messages(url, clientid, topic, count):
    # disconnect() right behind messages: what was on its way is still written.
    client = connected(url, clientid)
    for i in range(count):
        client.publish(topic, b"%d" % i, 0)
    gone = Box()
    client.disconnect(gone)
    until(lambda: gone, client)


def behind_a_large_message(url, clientid, topic, size):
    # The message does not fit into the socket's buffer at once.
    client = connected(url, clientid)
    done, gone = Box(), Box()
    client.publish(topic, bytes(size), 0, callback=done)
    client.disconnect(gone)
    until(lambda: gone, client)
    emit("done", done.calls)


def in_a_handler(url, clientid):
    # Nothing is delivered after it.
    client = mqtt.createclient()
    gone = Box()

    def handler(message):
        emit("message", message.topic)
        client.disconnect(gone)

    client.onmessage(handler)
    client.onconnectionlost(lambda reason: emit("lost", reason))
    connect(client, url, clientid)
    until(lambda: gone, client)
    poll_for(client, 50)
    emit("end", client.isconnected(), len(gone))


def then_connect_at_once(url, clientid, inside, **options):
    # disconnect() and connect() without a poll in between, inside a handler or outside.
    client = mqtt.createclient()
    results, lost, gone = Box(), Box(), Box()
    client.onconnectionlost(lost)

    def again():
        client.onconnect(results)
        client.disconnect(gone)
        client.connect(url, clientid, **options)

    if inside:
        client.onconnect(lambda code: again())
        client.connect(url, clientid, **options)
    else:
        connect(client, url, clientid, **options)
        again()
    until(lambda: results, client)
    emit("results", results.calls, len(lost), len(gone), client.isconnected())
    client.disconnect(gone)
    until(lambda: len(gone) == 2, client)


def then_connect_and_send(url, clientid, inside):
    # What is sent right behind disconnect() and connect() is for the new connection.
    client = mqtt.createclient()
    done, gone = [], Box()

    def note(name):
        return lambda *values: done.append((name, list(values)))

    def again(code=0):
        client.onconnect(None)
        client.publish("old", b"", 0, callback=note("old"))
        client.disconnect(gone)
        client.connect(url, clientid)
        emit("state", client.isconnected(), client.pending(), error_of(client.connect, url, clientid))
        for qos in (0, 1, 2):
            client.publish("new%d" % qos, b"", qos, callback=note(qos))
        client.subscribe("a", 1, note("subscribed"))
        client.unsubscribe("b", note("unsubscribed"))
        given_up = client.createmessage("never", b"", {"qos": 1})
        given_up.sendasync(note("never"))
        emit("cancel", given_up.cancelsend(), client.pending(), len(client.unfinished()))

    if inside:
        client.onconnect(again)
        client.connect(url, clientid)
    else:
        connect(client, url, clientid)
        again()
    until(lambda: len(done) == 7 and gone, client)
    emit("done", sorted([[str(name), values] for name, values in done]), client.pending())
    disconnect(client)


def to_a_peer_that_stopped_reading(url, clientid, timeout):
    # What is on its way can not leave: the end comes all the same, within the limit of a stalled write.
    client = connected(url, clientid, timeout=timeout, maxqueuedbytes=1 << 26)
    done, gone = Box(), Box()
    client.publish("t", bytes(8 << 20), 0, callback=done)
    client.disconnect(gone)
    until(lambda: gone and done, client, limit=5)
    emit("end", done.calls, len(gone), client.isconnected())


def wait_to_be_killed(url, clientid, **options):
    client = connected(url, clientid, **options)
    emit("connected")
    until(lambda: False, client, limit=60)


def leave(url, clientid, **options):
    client = connected(url, clientid, **options)
    gone = Box()
    client.disconnect(gone)
    until(lambda: gone, client)


def talk(url, clientid, mine, theirs, count, qos):
    # One of two programs: sends `count` messages to the other, and reports what comes from it.
    client = connected(url, clientid, cleansession=False)
    got = []
    finished = Box()

    def handler(message):
        if message.message == b"done":
            return finished(1)
        got.append(int(message.message))

    client.onmessage(handler)
    subscribe(client, mine, qos)
    emit("ready")
    hello = Box()
    client.onmessage(hello, mine + "/start")
    subscribe(client, mine + "/start", 1)
    emit("subscribed")
    until(lambda: hello, client)
    for i in range(count):
        client.publish(theirs, str(i), qos)
        until(lambda: client.pending() < 20, client)
    client.publish(theirs, "done", qos)
    until(lambda: finished and not client.pending(), client)
    emit("got", got)
    gone = Box()
    client.disconnect(gone)
    until(lambda: gone, client)
