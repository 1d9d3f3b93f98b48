# mqtt.aio where all goes well.
import asyncio
import gc
import sys

import mqtt
from aio_kit import gather, outcome, run, show
from kit import emit


def not_loaded():
    emit("loaded", "mqtt.aio" in sys.modules, hasattr(mqtt, "aio"))
    client = mqtt.createclient()
    client.connect("tcp://127.0.0.1:1", "c")
    client.poll()
    emit("loaded", "mqtt.aio" in sys.modules, hasattr(mqtt, "aio"))


def round_trip(url, clientid, topic, ssl=None):
    import mqtt.aio

    async def main():
        options = {"ssl": ssl} if ssl else {}
        client = mqtt.aio.Client(url, clientid, **options)
        emit("before", client.isconnected(), client.pending(), client.lasterror)
        async with client as same:
            emit("connected", same is client, client.isconnected(), client.sessionpresent)
            emit("granted", await client.subscribe([topic, topic + "/x"], [1, 2]), await client.subscribe(topic, 2))
            for qos in range(3):
                await client.publish(topic, "message %d" % qos, qos)
            await client.publish(topic.encode(), bytearray(3000), 0, True)
            await client.drained()
            emit("pending", client.pending())
            count = 0
            async for message in client.messages():
                if len(message.message) > 100:
                    emit("long", len(message.message), message.retain)
                else:
                    show("message", message)
                count += 1
                if count == 4:
                    break
            emit("unsubscribed", await client.unsubscribe([topic, topic + "/x"]))
        emit("after", client.isconnected(), client.dropped, client.lasterror)

    run(main())


def arguments(url, clientid):
    import mqtt.aio

    async def main():
        async with mqtt.aio.Client(url, clientid, maxqueued=2) as client:
            for wrong in (("a/+", b""), ("", b""), ("a", b"", 3), ("a", None), ("a\0", b"", 1)):
                emit("publish", (await outcome(client.publish(*wrong)))[0])
            for wrong in (("a", 3), ("a#", 0), ([], 0), (["a"], [0, 1])):
                emit("subscribe", (await outcome(client.subscribe(*wrong)))[0])
            for wrong in (("a#",), ("a", 0), ("a", "1")):
                try:
                    client.messages(*wrong)
                except (ValueError, TypeError) as error:
                    emit("messages", type(error).__name__, str(error))
            full = await gather(*[client.publish("t", b"", 1) for _ in range(3)])
            emit("full", full)
            emit("again", await outcome(client.connect()), client.isconnected())
        emit("option", await outcome(mqtt.aio.Client(url, clientid, nonsense=1).connect()))
        emit("closed", await gather(client.publish("t", b"", 1), client.subscribe("t"), client.disconnect()))

    run(main())


def many_publishers(url, clientid, topic, tasks, each):
    import mqtt.aio

    async def main():
        async with mqtt.aio.Client(url, clientid, maxqueued=1000, maxinflight=8) as client:

            async def publisher(number):
                for i in range(each):
                    await client.publish(topic, "%d %d" % (number, i), number % 3)

            emit("failed", [result for result in await gather(*[publisher(n) for n in range(tasks)]) if result])
            emit("pending", client.pending())

    run(main())


def two_clients(url, clientid, topic, count):
    # Each answers the other.
    import mqtt.aio

    async def play(client, mine, other, first):
        messages = client.messages(mine)
        await client.subscribe(mine, 1)
        if first:
            await client.publish(other, "0", 1)
        async for message in messages:
            number = int(message.message) + 1
            if number <= count + 1:
                await client.publish(other, str(number), 1)
            if number >= count:
                return number

    async def main():
        a = mqtt.aio.Client(url, clientid + "a")
        b = mqtt.aio.Client(url, clientid + "b")
        async with a:
            async with b:
                # The first message would be lost if nobody had subscribed yet.
                await b.subscribe(topic + "/b", 1)
                there, back = topic + "/a", topic + "/b"
                emit("ends", await gather(play(a, there, back, True), play(b, back, there, False)))

    run(main())


def fair(url, clientid, topic, count):
    # Another task has its turns while messages are published without a pause, and while they come without one.
    import mqtt.aio

    async def main():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                await asyncio.sleep_ms(0)
                turns += 1

        async with mqtt.aio.Client(url, clientid) as client:
            await client.subscribe(topic, 0)
            task = asyncio.create_task(other())
            for _ in range(count):
                await client.publish("elsewhere", b"x" * 100)
            emit("publishing", turns)
            turns = 0
            emit("ready")
            messages = client.messages(topic)
            first = None
            async for message in messages:
                if first is None:
                    first = turns
                if message.message == b"end":
                    break
            emit("receiving", turns - first, client.dropped)
            task.cancel()

    run(main())


def heap(url, clientid, topic, count):
    # What is left on the heap after `count` messages each way, and what is allocated while nothing happens.
    import mqtt.aio

    async def main():
        async with mqtt.aio.Client(url, clientid, keepalive=1) as client:
            await client.subscribe(topic, 2)
            messages = client.messages(topic)

            async def rounds(number):
                for i in range(number):
                    await client.publish(topic, b"%d" % i, i % 3)
                    await messages.__anext__()

            await rounds(30)
            gc.collect()
            before = gc.mem_alloc()
            await rounds(count)
            gc.collect()
            emit("kept", gc.mem_alloc() - before)
            await asyncio.sleep_ms(50)
            gc.disable()
            before = gc.mem_alloc()
            await asyncio.sleep_ms(700)
            emit("idle", gc.mem_alloc() - before)
            gc.enable()

    run(main())
