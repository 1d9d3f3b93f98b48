# Receiving: messages, handlers, acknowledgements.
import mqtt
from kit import Box, connect, connected, disconnect, emit, emit_message, emitter, error_of, poll_for, subscribe, until
from pattern import pattern


def count_messages(url, clientid, topic, count, qos=2, **options):
    # Reports every message until there are `count`.
    client = connected(url, clientid, **options)
    got = Box()

    def handler(message):
        got(1)
        emit_message("message", message)

    client.onmessage(handler)
    emit("subscribed", subscribe(client, topic, qos))
    until(lambda: len(got) >= count, client)
    emit("dropped", client.dropped)
    disconnect(client)


def checked(url, clientid, topic, lengths, qos):
    # Long messages are checked here.
    client = connected(url, clientid, maxmessage=3000000)
    got = Box()

    def handler(message):
        right = message.message == pattern(len(message.message))
        got(1)
        emit("message", len(message.message), right, type(message.message).__name__, type(message.topic).__name__)

    client.onmessage(handler)
    emit("subscribed", subscribe(client, topic, qos))
    until(lambda: len(got) >= len(lengths), client)
    disconnect(client)


def listen(url, clientid):
    # Reports what comes without a subscription of its own, until the topic "end".
    client = mqtt.createclient()
    ended = Box()

    def handler(message):
        if message.topic == "end":
            return ended(1)
        emit_message("message", message)

    client.onmessage(handler)
    connect(client, url, clientid)
    until(lambda: ended, client)
    disconnect(client)


def routing(url, clientid, filters, default):
    # One handler a filter; each reports which one it is.
    client = mqtt.createclient()
    ended = Box()
    for topicfilter in filters:
        client.onmessage(lambda message, name=topicfilter: emit("got", message.topic, name), topicfilter)
    client.onmessage(lambda message: ended(1), "the/end")
    if default:
        client.onmessage(lambda message: emit("got", message.topic, None))
    connect(client, url, clientid)
    until(lambda: ended, client)
    emit("dropped", client.dropped)
    disconnect(client)


def replaced(url, clientid):
    # Setting replaces, None clears, with a filter and without.
    client = mqtt.createclient()
    ended = Box()
    steps = [
        lambda: client.onmessage(lambda message: emit("got", "second default")),
        lambda: client.onmessage(lambda message: emit("got", "first of t"), "t"),
        lambda: client.onmessage(lambda message: emit("got", "second of t"), "t"),
        lambda: client.onmessage(None, "t"),
        lambda: client.onmessage(None),
        lambda: client.onmessage(None, "never/set"),
    ]

    def step(_message):
        emit("dropped", client.dropped)
        if steps:
            steps.pop(0)()
        else:
            ended(1)

    client.onmessage(step, "step")
    client.onmessage(lambda message: emit("got", "first default"))
    connect(client, url, clientid)
    until(lambda: ended, client)
    disconnect(client)


def busy_handler(url, clientid):
    # A handler may call any method: each message asks for some.
    client = mqtt.createclient()
    done, gone, again = Box(), Box(), Box()

    def reconnect():
        gone(1)
        client.connect(url, clientid)

    def handler(message):
        if message.topic == "publish":
            for qos in (0, 1, 2):
                client.publish("p%d" % qos, b"x", qos, callback=done)
            client.createmessage("p3", b"y", {"qos": 1}).sendasync(done)
        elif message.topic == "subscribe":
            client.subscribe(["a", "b"], 1, done)
            client.unsubscribe("a", done)
        elif message.topic == "look":
            emit("look", client.isconnected(), client.pending(), client.sessionpresent is False, client.dropped)
            client.onmessage(None, "nothing")
            emit("poll", error_of(client.poll), error_of(client.connect, url, clientid))
        elif message.topic == "again":
            again(1)
        else:
            client.disconnect(reconnect)
            emit("called", client.isconnected(), len(gone))

    client.onmessage(handler)
    connect(client, url, clientid)
    until(lambda: again, client)
    emit("done", done.calls)
    disconnect(client)
    emit("disconnects", len(gone))


def order_of_calls(url, clientid):
    # Handlers are set, and requests made, in the calls that come before.
    client = mqtt.createclient()
    lost = Box()

    def onlost(reason):
        lost(reason)
        emit("lost", reason)

    def onmessage(message):
        emit("message", message.message)

    def onsubscribed(code, granted):
        emit("subscribed", code, granted)
        client.onmessage(onmessage)
        client.publish("p", b"", 1, callback=emitter("published"))

    def first(message):
        emit("message", message.message)
        client.onmessage(None)
        client.subscribe("t", 1, onsubscribed)

    def onconnect(code):
        emit("connect", code)
        client.onmessage(first)

    client.onconnect(onconnect)
    client.onconnectionlost(onlost)
    client.connect(url, clientid)
    until(lambda: lost, client)


def raising(url, clientid, topic, cleansession=True):
    # The exception leaves poll(), once; the next poll() goes on; it is delivered again after the session resumes.
    client = mqtt.createclient()
    seen, after = Box(), Box()

    def handler(message):
        seen(message.message)
        if message.message == b"bad":
            raise ZeroDivisionError("in the handler")
        after(message.message)

    client.onmessage(handler)
    connect(client, url, clientid, cleansession=cleansession)
    subscribe(client, topic, 2)
    client.publish("ready", b"")
    emit("subscribed")
    raised = Box()
    while not (raised and after):
        try:
            until(lambda: raised and after, client)
        except ZeroDivisionError:
            raised(1)
    emit("raised", len(raised), client.isconnected(), [data for (data,) in seen.calls], client.dropped)
    disconnect(client)


def redelivered(url, clientid):
    # The second run of `raising`'s client: what comes without being asked for.
    client = mqtt.createclient()
    got = Box()
    client.onmessage(got)
    connect(client, url, clientid, cleansession=False)
    emit("present", client.sessionpresent)
    until(lambda: got, client)
    emit("again", [(message.message, message.qos, message.dup) for (message,) in got.calls])
    disconnect(client)


def raising_callbacks(url, clientid, topic):
    # Every kind of callback may raise: each exception leaves poll() once, and the client goes on.
    client = mqtt.createclient()
    reached = []

    def bad(name):
        def callback(*_values):
            reached.append(name)
            raise ZeroDivisionError(name)

        return callback

    def drive(name):
        for _ in range(200):
            try:
                client.poll(50)
            except ZeroDivisionError as error:
                emit("raised", str(error), client.isconnected())
                return
        raise RuntimeError(name + " was not called")

    client.onconnect(bad("onconnect"))
    client.connect(url, clientid)
    drive("onconnect")
    client.subscribe(topic, 1, bad("subscribe"))
    drive("subscribe")
    client.publish(topic, b"x", 0, callback=bad("publish"))
    drive("publish")
    client.ondelivery(bad("ondelivery"))
    client.createmessage("other/" + topic, b"x", {"qos": 1}).sendasync()
    drive("ondelivery")
    client.unsubscribe(topic, bad("unsubscribe"))
    drive("unsubscribe")
    client.disconnect(bad("disconnect"))
    drive("disconnect")
    poll_for(client, 50)
    emit("reached", reached)


def counted(url, clientid):
    # How many messages come before the topic "end".
    client = mqtt.createclient()
    count = 0
    ended = Box()

    def handler(message):
        nonlocal count
        count += 1

    client.onmessage(handler)
    client.onmessage(ended, "end")
    connect(client, url, clientid)
    until(lambda: ended, client, limit=100)
    emit("count", count)
    disconnect(client)
