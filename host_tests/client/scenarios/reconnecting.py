# Reconnecting, with a clock and dice of the test's own: hours pass in no time.
import mqtt
import mqtt.link
from kit import Box, disconnect, emit, emit_message, emitter, error_of, until

HOUR = 3600000


class Clock:
    # Stands still but for sleeping: what the client waits is what the clock moves.
    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        return self.now

    def ticks_add(self, ticks, delta):
        return ticks + delta

    def ticks_diff(self, a, b):
        return a - b

    def sleep_ms(self, ms):
        self.now += ms


class Dice:
    # Falls as a list of fractions of 1 says, over and over.
    def __init__(self, fractions):
        self.fractions = fractions
        self.thrown = 0

    def random(self):
        self.thrown += 1
        return self.fractions[(self.thrown - 1) % len(self.fractions)]

    def getrandbits(self, n):
        return int(self.random() * (1 << n))

    def randrange(self, n):
        return int(self.random() * n)

    def randint(self, a, b):
        return a + int(self.random() * (b - a + 1))

    def uniform(self, a, b):
        return a + self.random() * (b - a)


def rig(fractions):
    # Has the client use such a clock and dice; the clock.
    clock = mqtt.link.time = Clock()
    mqtt.link.ticks_ms = clock.ticks_ms
    mqtt.link.ticks_add = clock.ticks_add
    mqtt.link.ticks_diff = clock.ticks_diff
    if fractions:
        mqtt.link.random = Dice(fractions)
    else:
        mqtt.link.random.seed(4)
    return clock


class Log:
    # A client, and what its handlers were told: [what, code, time in ms].
    def __init__(self, clock):
        self.entries = []
        self.clock = clock
        self.client = mqtt.createclient()
        self.client.onconnect(lambda code: self.note("connected" if code == 0 else "failed", code))
        self.client.onconnectionlost(lambda code: self.note("lost", code))

    def note(self, what, code):
        self.entries.append([what, code, self.clock.now])

    def count(self, *names):
        return len([entry for entry in self.entries if entry[0] in names])


def waits(url, clientid, count, fractions=(), stays=(), **options):
    # Reports the log of so many attempts. stays[i]: the i-th connection lasts so many ms before the broker is told to
    # end it; where there is none, the broker ends it by itself.
    clock = rig(fractions)
    log = Log(clock)
    client = log.client
    client.connect(url, clientid, keepalive=0, **options)
    said = 0
    stays = list(stays)
    while log.count("connected", "failed") < count or client.isconnected():
        client.poll(HOUR)
        if stays and log.count("connected") > said:
            said += 1
            clock.now += stays.pop(0)
            client.poll()
            client.publish("bye", b"")
    disconnect(client)
    emit("log", log.entries)


def established(client):
    # Whether there is a TCP connection.
    if hasattr(client, "link"):
        return client.link.transport and client.link.transport.connected
    return client._link.transport and client._link.transport.ready == 2


def slowly_refused(url, clientid, ms):
    # Two attempts fail at once. The third gets its CONNACK `ms` later, and with it what ends the connection.
    clock = rig([0.5])
    log = Log(clock)
    client = log.client
    client.connect(url, clientid, reconnect={"min": 1, "max": 60}, timeout=1000)
    until(lambda: log.count("failed") == 2, client)
    start = clock.now
    until(lambda: clock.now - start >= 1000 and established(client), client)
    clock.now += ms
    emit("asked")
    until(lambda: log.count("lost"), client)
    lost = clock.now
    until(lambda: log.count("failed") == 3, client)
    disconnect(client)
    emit("waited", clock.now - lost)


def ended_while_waiting(url, clientid):
    clock = rig([0.9])
    log = Log(clock)
    client = log.client
    client.connect(url, clientid, reconnect=True)
    until(lambda: log.entries, client)
    emit("state", client.isconnected(), error_of(client.connect, url, clientid))
    disconnect(client)
    before = clock.now
    emit("idle", client.poll(HOUR), clock.now - before < 2)
    mqtt.run(client)
    emit("misuse", error_of(client.publish, "t", b"", 1))
    emit("log", [entry[:2] for entry in log.entries])


def ended_while_connecting(url, clientid, most):
    # After 0, 1, 2… polls; the broker never answers.
    clock = rig([0.9])
    for polls in range(most):
        log = Log(clock)
        log.client.connect(url, clientid, reconnect=True)
        for _ in range(polls):
            log.client.poll()
        disconnect(log.client)
        mqtt.run(log.client)
        if log.entries:
            emit("told", polls, log.entries)
    emit("end")


def ended_in_handler(url, clientid, handler):
    # disconnect() from inside onconnect or onconnectionlost.
    clock = rig([0.9])
    log = Log(clock)
    gone = Box()
    client = log.client

    def end(code):
        log.note(handler, code)
        client.disconnect(gone)

    getattr(client, handler)(end)
    client.connect(url, clientid, reconnect={"min": 1, "max": 2})
    mqtt.run(client)
    emit("log", [entry[:2] for entry in log.entries], len(gone))


def link_goes(url, clientid):
    # The network is away at first, comes, goes, and comes again.
    clock = rig([0.999])
    log = Log(clock)
    client = log.client
    up = [False]
    client.connect(url, clientid, keepalive=0, reconnect={"min": 100, "max": 1000}, linkup=lambda: up[0])
    for _ in range(10):
        client.poll(HOUR // 10)
    emit("down", log.entries, clock.now >= HOUR)
    for loss in range(2):
        up[0] = True
        since = clock.now
        until(client.isconnected, client)
        emit("up", clock.now - since)
        if not loss:
            up[0] = False
            while not log.count("lost"):
                client.poll()
                clock.sleep_ms(20)
            emit("lost", log.entries[-1][1], client.lasterror)
            for _ in range(10):
                client.poll(HOUR // 10)
    emit("log", [entry[:2] for entry in log.entries])
    disconnect(client)


def link_without_reconnect(url, clientid):
    log = Log(mqtt.link.time)
    log.clock = Clock()
    up = [True]
    log.client.connect(url, clientid, linkup=lambda: up[0])
    until(log.client.isconnected, log.client)
    up[0] = False
    mqtt.run(log.client)
    emit("log", [entry[:2] for entry in log.entries], log.client.lasterror)


def requests(url, clientid, topics, renewed=None, **options):
    # Subscribes to each and unsubscribes from the last; then says so, which makes the broker end the connection; after
    # that, says so again. `renewed`: publishes between the connections, of these QoS, to "a", "b", "c"…
    client = mqtt.createclient()
    answers, lost, done = Box(), Box(), Box()
    client.onconnectionlost(lost)
    client.connect(url, clientid, reconnect={"min": 0.01, "max": 0.05}, **options)
    for topic, qos in topics:
        client.subscribe(topic, qos, lambda code, granted, topic=topic: answers(topic, code, granted))
    client.unsubscribe(topics[-1][0], lambda code: answers(topics[-1][0], code))
    until(lambda: len(answers) == len(topics) + 1, client)
    client.publish("told", b"")
    until(lambda: lost, client)
    for i, qos in enumerate(renewed or ()):
        topic = chr(97 + i)
        client.publish(topic, b"", qos, callback=lambda code, topic=topic: done(topic, code))
    emit("pending", client.pending())
    until(lambda: client.isconnected() and not client.pending(), client)
    client.publish("told", b"", 1)
    until(lambda: not client.pending(), client)
    emit("answers", answers.calls, done.calls, client.sessionpresent, len(lost))
    disconnect(client)


def pending_requests(url, clientid):
    # The broker ends connections before it answers; requests are made again until it does.
    client = mqtt.createclient()
    answers, lost = Box(), Box()
    client.onconnectionlost(lost)
    client.connect(url, clientid, reconnect={"min": 0.01, "max": 0.05})
    client.subscribe("one", 1, lambda code, granted: answers("one", code, granted))
    client.subscribe(["two", "three"], 2, lambda code, granted: answers("two", code, granted))
    client.unsubscribe("four", lambda code: answers("four", code))
    until(lambda: len(answers) == 3, client)
    emit("answers", answers.calls, len(lost))
    disconnect(client)


def stays(url, clientid, topic):
    # Comes back from every loss, until it is told to stop. That the subscription is renewed shows in an answer to a
    # request behind it.
    client = mqtt.createclient()
    connections, stop = Box(), Box()

    def onconnect(code):
        if code:
            return
        emit("connected", code, client.sessionpresent)
        if connections:
            client.unsubscribe("behind", lambda code: emit("renewed"))
        connections(code)

    def onmessage(message):
        emit_message("message", message)
        if message.message == b"stop":
            stop(1)

    client.onconnect(onconnect)
    client.onconnectionlost(emitter("lost"))
    client.onmessage(onmessage)
    client.connect(url, clientid, reconnect={"min": 0.01, "max": 0.1})
    client.subscribe(topic, 1, emitter("subscribed"))
    until(lambda: stop, client)
    disconnect(client)
