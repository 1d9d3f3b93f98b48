# The consumers of mqtt.aio, against a scripted broker that says what comes when.
import asyncio

import mqtt.aio
from aio_kit import outcome, run, show
from kit import emit


def loop(url, body, **options):
    # Runs `body(client)` with a client that is connected.
    async def main():
        async with mqtt.aio.Client(url, "c", **options) as client:
            await body(client)

    run(main())


def acknowledge_in_order(url):
    # The consumer of a/# holds its first message until "go" comes; that of b/# has finished its first meanwhile.
    async def body(client):
        go = asyncio.Event()

        async def a():
            async for message in client.messages("a/#"):
                show("a", message)
                await go.wait()
                if message.message == b"end":
                    return

        async def b():
            count = 0
            async for message in client.messages("b"):
                show("b", message)
                count += 1
                if count == 2:
                    await client.publish("seen", b"")

        tasks = [asyncio.create_task(a()), asyncio.create_task(b())]
        async for _ in client.messages("go"):
            go.set()
            break
        await tasks[0]
        tasks[1].cancel()

    loop(url, body)


def one_fails(url):
    # One consumer raises, one is cancelled, one leaves its `with` by an exception; the other goes on.
    async def body(client):
        async def fails():
            async for _message in client.messages("fails"):
                raise ValueError("as it should")

        held = asyncio.Event()

        async def waits():
            async for _message in client.messages("waits"):
                held.set()
                await asyncio.sleep(3600)

        async def leaves():
            with client.messages("leaves") as messages:
                async for _message in messages:
                    raise ValueError("as it should")

        waiting = asyncio.create_task(outcome(waits()))
        others = [asyncio.create_task(outcome(task)) for task in (fails(), leaves())]
        async for message in client.messages("good"):
            show("good", message)
            if message.message == b"1":
                await held.wait()
                waiting.cancel()
                emit("ended", await waiting, await others[0], await others[1])
            if message.message == b"3":
                break
        emit("dropped", client.dropped)

    loop(url, body)


def limited(url, maxsize):
    # A consumer that takes its first message and does not come for the next before the fence.
    async def body(client):
        messages = client.messages("t", maxsize)
        fence = client.messages("fence")
        show("fence", await fence.__anext__())
        emit("dropped", client.dropped)
        async for message in messages:
            show("message", message)
            if message.message == b"end":
                break

    loop(url, body)


def unclaimed(url):
    # Messages that come before there is a consumer, those that never have one, and a second consumer of some.
    async def body(client):
        await client.subscribe("#", 2)
        first = client.messages("a")
        for _ in range(3):
            show("a", await first.__anext__())
        emit("dropped", client.dropped)
        rest = client.messages()
        show("rest", await rest.__anext__())
        with client.messages("+") as both:
            await client.publish("more", b"")
            show("a", await first.__anext__())
            show("both", await both.__anext__())
            emit("same", client.messages("a") is first, client.messages() is rest, client.messages("b") is first)
        await client.publish("end", b"")
        show("rest", await rest.__anext__())
        show("rest", await rest.__anext__())

    loop(url, body)


def exactly_once(url, taken):
    # QoS 2: `taken` messages are taken before the connection is lost, the others after it.
    async def body(client):
        messages = client.messages("t")
        for _ in range(taken):
            show("message", await messages.__anext__())
        await client.publish("ready", b"")
        emit("lost", await client.lost())
        await client.connected()
        async for message in messages:
            show("message", message)
            if message.message == b"end":
                break
        emit("dropped", client.dropped)

    loop(url, body, cleansession=False, reconnect={"min": 0, "max": 0.01})


def slow(url):
    # The second message takes long, though it was there when the first was finished.
    async def body(client):
        with client.messages("t") as messages:
            await messages.__anext__()
            await messages.__anext__()
            await client.messages("go").__anext__()

    loop(url, body)


def crowded(url, size):
    # A large message blocks the way of acknowledgements, of which there are more than fit behind it.
    async def body(client):
        with client.messages("t") as messages:
            sending = asyncio.create_task(client.publish("big", bytes(size)))
            count = 0

            async def take():
                nonlocal count
                async for message in messages:
                    count += 1
                    if message.message == b"end":
                        break

            taking = asyncio.create_task(take())
            await asyncio.sleep_ms(400)
            poll, polls = client._link.poll, 0

            def counted(ms):
                nonlocal polls
                polls += 1
                return poll(ms)

            client._link.poll = counted
            before = count
            await asyncio.sleep_ms(400)
            emit("waits", sending.done(), polls, count, count - before)
            await taking
            await sending

    loop(url, body)


def taken_and_not_acknowledged(url):
    # QoS 2: one is taken behind a QoS 1 message that another consumer holds, one while there is no connection.
    async def body(client):
        held = client.messages("held")
        messages = client.messages("t")
        show("held", await held.__anext__())
        show("message", await messages.__anext__())
        await client.publish("ready", b"")
        await client.lost()
        show("message", await messages.__anext__())
        show("offline", await messages.__anext__())
        await client.connected()
        show("held", await held.__anext__())
        async for message in messages:
            show("message", message)
            if message.message == b"end":
                break
        held.close()
        messages.close()

    loop(url, body, cleansession=False, reconnect={"min": 0, "max": 0.01})


def redelivered(url):
    # QoS 1: two messages are taken, one of them finished, two wait, when the connection is lost.
    async def body(client):
        messages = client.messages("t")
        show("message", await messages.__anext__())
        show("message", await messages.__anext__())
        await client.publish("ready", b"")
        emit("lost", await client.lost())
        await client.connected()
        async for message in messages:
            show("message", message)
            if message.message == b"end":
                break
        messages.close()

    loop(url, body, cleansession=False, reconnect={"min": 0, "max": 0.01})


def too_large(url):
    async def body(client):
        with client.messages() as messages:
            async for message in messages:
                emit("message", len(message.message), message.qos)
                if message.message == b"end":
                    break
        emit("dropped", client.dropped)

    loop(url, body, maxmessage=100, oversize="drop")


def answering(url):
    # A consumer that publishes at QoS 2 and subscribes while more messages come.
    async def body(client):
        with client.messages("in") as messages:
            async for message in messages:
                if message.message == b"end":
                    break
                emit("granted", await client.subscribe("x", 1))
                await client.publish("out", message.message, 2)

    loop(url, body)


def patient(url):
    # A consumer that waits with a limit: what comes later is not lost, and the next call finishes the one before.
    async def body(client):
        messages = client.messages()
        late = 0
        while True:
            try:
                message = await asyncio.wait_for(messages.__anext__(), 0.05)
            except asyncio.TimeoutError:
                late += 1
                if late == 2:
                    await client.publish("late", b"")
                continue
            emit("message", message.message)
            if message.message == b"end":
                break
        messages.close()
        emit("late", late > 1)

    loop(url, body)


def nobody(url):
    # Nobody asks for any message but the last.
    async def body(client):
        await client.publish("ready", b"")
        await client.messages("never").__anext__()

    async def main():
        client = mqtt.aio.Client(url, "c")
        await client.connect()
        emit("ended", await outcome(body(client)), client.dropped)
        messages = client.messages()
        count = 0
        while messages._queue:
            count += 1
            await messages.__anext__()
        emit("waited", count)

    run(main())


def gives_way(url):
    # Left by an exception, a consumer no longer holds up what another has finished.
    async def body(client):
        held = client.messages("held")
        await held.__anext__()
        others = client.messages("t")
        await others.__anext__()
        others.close()
        await client.publish("finished", b"")
        try:
            with held:
                raise ValueError("given up")
        except ValueError:
            await client.messages("go").__anext__()

    loop(url, body)
