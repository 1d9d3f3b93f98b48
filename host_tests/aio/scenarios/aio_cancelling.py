# Every operation of mqtt.aio, cancelled at every step of the scheduler; after each the client is as good as new.
import asyncio

import mqtt.aio
from aio_kit import outcome, run, turns
from kit import emit

MOST = 2000


async def at_every_step(prepare, check):
    # Starts what `prepare()` returns and cancels it after n steps, for n = 0, 1, … until it completes; returns n, and
    # the other outcomes there were.
    others = []
    for count in range(MOST):
        task = asyncio.create_task(outcome(prepare()))
        await turns(count)
        done = task.done()
        task.cancel()
        try:
            result = await task
        except asyncio.CancelledError:
            result = ["CancelledError"]  # before it began
        await check()
        if result != ["CancelledError"]:
            if done:
                return count, others
            others.append(result)
    raise RuntimeError("never completed")


def half_written(url, size, qos, **options):
    # Cancelled while the network takes no more of it; everything else waits behind it.
    async def main():
        async with mqtt.aio.Client(url, "c", maxqueuedbytes=10 * size, **options) as client:
            task = asyncio.create_task(outcome(client.publish("big", bytes(size), qos)))
            await turns(5)
            behind = [asyncio.create_task(outcome(client.publish("small", b"%d" % n, n))) for n in range(3)]
            await turns(5)
            emit("waits", task.done(), [task.done() for task in behind], client.pending())
            task.cancel()
            emit("cancelled", await task)
            behind[1].cancel()
            emit("cancelled", await behind[1])
            emit("release")
            emit("behind", await behind[0], await behind[2])
            await client.drained()

    run(main())


def operations(url, clientid, topic, big):
    async def main():
        client = mqtt.aio.Client(url, clientid, maxqueuedbytes=10 * big + 10000)
        await client.connect()
        await client.subscribe(topic, 2)
        messages = client.messages(topic)
        number = 0

        async def check():
            # A message of each QoS goes round; whatever was cancelled may have left, whole.
            nonlocal number
            number += 1
            for qos in range(3):
                await client.publish(topic, "%d %d" % (number, qos), qos)
            await client.drained()
            got = []
            while len(got) < 3:
                message = (await messages.__anext__()).message
                if len(message) != big and message != b"cancelled":
                    got.append(message)
            if got != [b"%d %d" % (number, qos) for qos in range(3)] or not client.isconnected():
                raise RuntimeError("%d: %s" % (number, got))

        def publish(message, qos):
            return lambda: client.publish(topic, message, qos)

        for qos in range(3):
            emit("publish small %d" % qos, *await at_every_step(publish(b"cancelled", qos), check))
            emit("publish big %d" % qos, *await at_every_step(publish(bytes(big), qos), check))
        emit("subscribe", *await at_every_step(lambda: client.subscribe([topic, "x/#"], [2, 1]), check))
        emit("unsubscribe", *await at_every_step(lambda: client.unsubscribe("x/#"), check))

        async def drained():
            sending = asyncio.create_task(outcome(client.publish("elsewhere", b"", 1)))
            try:
                await asyncio.sleep_ms(0)
                await client.drained()
            finally:
                sending.cancel()

        emit("drained", *await at_every_step(drained, check))
        emit("pending", client.pending())
        await client.disconnect()

    run(main())


def receiving(url, clientid, topic, qos):
    # What is cancelled while it waits for a message has not taken it.
    async def main():
        async with mqtt.aio.Client(url, clientid) as client:
            await client.subscribe(topic, qos)
            messages = client.messages(topic)
            sent = got = 0

            async def take():
                # Returns without another step once it has taken the message.
                return (await messages.__anext__()).message

            async def check():
                nonlocal sent, got
                await client.publish(topic, "%d" % sent, qos)
                sent += 1

            taken = []
            for count in range(60):
                task = asyncio.create_task(outcome(take()))
                await turns(count % 30)
                task.cancel()
                try:
                    result = await task
                except asyncio.CancelledError:
                    result = []
                if isinstance(result, bytes):
                    taken.append(result)
                await check()
            while len(taken) < sent:
                taken.append(await take())
            emit("taken", taken == [b"%d" % n for n in range(sent)], sent)

    run(main())


def connecting(url, clientid, ssl=None):
    # connect and disconnect, and what waits for either.
    async def main():
        options = {"ssl": ssl} if ssl else {}
        client = mqtt.aio.Client(url, clientid, **options)

        async def check():
            if client.isconnected():
                await client.disconnect()
            if client.isconnected():
                raise RuntimeError("connected")

        async def check_all():
            await check()
            await client.connect()
            await client.publish("t", b"", 1)
            await check()

        emit("connect", *await at_every_step(client.connect, check_all))

        async def again():
            await check()
            await client.connect()
            await client.publish("t", b"", 1)

        await client.connect()
        emit("disconnect", *await at_every_step(client.disconnect, again))

        async def waits():
            connecting = asyncio.create_task(outcome(client.connect()))
            try:
                await client.connected()
                leaving = asyncio.create_task(outcome(client.disconnect()))
                await client.lost()
                await leaving
            finally:
                connecting.cancel()
                await turns(2)

        await check()
        emit("waits", *await at_every_step(waits, check_all))

    run(main())
