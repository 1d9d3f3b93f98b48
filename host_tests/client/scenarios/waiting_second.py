# When `poll` waits, and when it must not: each wait is far longer than what is waited for takes.
import mqtt
import mqtt.session
from kit import Box, connected, disconnect, emit, error_of

LONG = 60_000  # ms; a poll that sleeps although there is something to do sleeps longer than the test waits


def long_until(done, client):
    while not done():
        client.poll(LONG)


def quiet(client):
    # Polls until nothing is left to be done or read.
    while client.poll(30):
        pass


def echo(url, clientid, count):
    # Many messages in one piece; the first is answered with as much as fills the transmit buffer, but for 3 bytes.
    client = connected(url, clientid)
    heard = Box()

    def answer(message):
        if not heard:
            for size in [124] * 7 + [97]:
                client.publish("a", bytes(size))
        heard(message.message)

    client.onmessage(answer)
    client.publish("go", b"")
    long_until(lambda: len(heard) == count, client)
    disconnect(client)


def dropping(url, clientid):
    # There is no memory for the second of three messages that come together.
    client = connected(url, clientid, oversize="drop")
    heard = Box()
    received = mqtt.inbox.Received
    made = []

    def make():
        made.append(1)
        if len(made) == 2:
            raise MemoryError
        return received()

    mqtt.inbox.Received = make
    client.onmessage(lambda message: heard(message.message))
    client.publish("go", b"")
    long_until(lambda: len(heard) == 2, client)
    emit("heard", heard.calls, client.dropped)
    disconnect(client)


def cancelling(url, clientid):
    # A message given up without a callback makes room in the window for the next one.
    client = connected(url, clientid, maxinflight=1)
    first = client.publish("first", b"", 1)
    done = Box()
    client.publish("second", b"", 1, callback=done)
    quiet(client)
    emit("cancelled", first.cancelsend())
    long_until(lambda: done, client)
    emit("done", done.last)
    disconnect(client)


def raising(url, clientid):
    # A callback sends something, then raises.
    client = connected(url, clientid)
    done = Box()

    def sent(code):
        client.publish("second", b"", 1, callback=done)
        raise RuntimeError("on purpose")

    def pause(code):
        # The way out is busy: what follows leaves from `poll`.
        client.publish("first", bytes(3000), callback=sent)

    client.publish("zero", bytes(3000), callback=pause)
    try:
        long_until(lambda: done, client)
    except RuntimeError:
        emit("raised")
    long_until(lambda: done, client)
    emit("done", done.last)
    disconnect(client)


def running(url, clientid, **options):
    # The connection fails while nobody listens: `run` returns, and so does `sendsync`.
    client = mqtt.createclient()
    client.connect(url, clientid, **options)
    mqtt.run(client)
    emit("run", client.lasterror)
    client.connect(url, clientid, **options)
    emit("sendsync", client.createmessage("a", b"", {"qos": 1}).sendsync(), client.lasterror)


def busy(url, clientid):
    # Each message that has left has the next one sent, and the server says nothing: no poll has nothing to do.
    client = connected(url, clientid, keepalive=1)
    lost = Box()
    client.onconnectionlost(lost)

    def again(code):
        if client.isconnected():
            client.publish("a", b"", callback=again)

    again(0)
    long_until(lambda: lost, client)
    emit("lost", *lost.last)


def writing(url, clientid, failures):
    # There is no memory for what is to be sent, so often.
    client = connected(url, clientid)
    lost, done = Box(), Box()
    client.onconnectionlost(lost)
    session = client._session
    flush = session.flush

    def short(out):
        nonlocal failures
        if failures:
            failures -= 1
            raise MemoryError
        return flush(out)

    session.flush = short
    client.publish("a", b"", 1, callback=done)
    long_until(lambda: done or lost, client)
    emit("ended", lost.calls, done.calls, client.lasterror)
    if done:
        disconnect(client)


def closing(url, clientid):
    # The server takes nothing any more, but sends: how often a client that disconnects looks while it waits.
    client = connected(url, clientid, timeout=1)
    while not client._session.transmit.waiting():
        client.publish("a", bytes(900))
    gone = Box()
    client.publish("more", b"")
    transport = client.link.transport
    wait, waits = transport.wait, Box()

    def counted(ms, write):
        waits()
        wait(ms, write)

    transport.wait = counted
    client.disconnect(gone)
    long_until(lambda: gone, client)
    emit("gone", len(waits))


class Short:
    # A function for which there is no memory when it is called for the nth time.
    def __init__(self, function, n):
        self.function = function
        self.n = n

    def __call__(self, *args):
        self.n -= 1
        if not self.n:
            raise MemoryError
        return self.function(*args)


def giving_up(url, clientid, n):
    # There is no memory to tell of the nth of three messages that end with the connection.
    client = connected(url, clientid)
    told, gone = Box(), Box()
    for _ in range(3):
        client.publish("a", b"", 1, callback=told)
    session = client._session

    def subscribed(code, granted):
        session.ended = Short(session.ended, n)
        client.disconnect(gone)

    client.subscribe("b", 0, subscribed)
    try:
        mqtt.run(client)
    except MemoryError:
        emit("raised")
    mqtt.run(client)
    emit("gone", gone.calls, told.calls, client.pending())


def losing(url, clientid):
    # The connection is lost with three messages that wait, and there is no memory to tell of the second one.
    client = mqtt.createclient()
    results, lost, told = Box(), Box(), Box()
    client.onconnect(results)
    client.onconnectionlost(lost)
    client.connect(url, clientid)
    while not results:
        client.poll(LONG)
    session = client._session
    session.flush = lambda write: None  # the network takes nothing
    for n in range(3):
        client.publish("a", b"%d" % n, callback=told)
    session.ended = Short(session.ended, 2)
    raised = 0
    try:
        while True:
            client.poll(LONG)
    except MemoryError:
        raised += 1
    del session.flush
    emit("raised", raised, client.isconnected())
    emit("publish", error_of(client.publish, "b", b""))
    mqtt.run(client)
    emit("ended", lost.calls, results.calls, told.calls)
