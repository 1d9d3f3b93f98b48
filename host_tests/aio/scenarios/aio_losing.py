# mqtt.aio when connections fail, are refused, are lost and come back.
import asyncio
import time

import mqtt.aio
from aio_kit import gather, outcome, run, turns
from kit import emit


async def iterate(messages, name=None):
    # How a loop ends.
    async for message in messages:
        if name:
            emit(name, message.message)
    return "end of the loop"


def refused(url, clientid):
    async def main():
        client = mqtt.aio.Client(url, clientid, timeout=5)
        emit("first", await gather(client.connect(), client.connected()))
        emit("error", client.lasterror, await client.lost())
        emit("second", await outcome(client.connect()))
        emit("then", await gather(client.publish("t", b""), client.subscribe("t"), client.drained()))

    run(main())


def lost(url, clean):
    # Without `reconnect` everything that waits ends; the next connection starts anew.
    async def main():
        client = mqtt.aio.Client(url, "c", cleansession=clean)
        await client.connect()

        async def waiting():
            return await client.lost()

        pending = [
            asyncio.create_task(outcome(operation))
            for operation in (
                client.publish("t", b"1", 1),
                client.publish("t", b"2", 2),
                client.publish("t", b"released", 2),
                client.subscribe("s"),
                client.drained(),
                iterate(client.messages("m"), "message"),
                waiting(),
            )
        ]
        results = []
        for task in pending:
            results.append(await task)
        emit("ended", results)
        emit("pending", client.pending(), client.isconnected())
        await client.connect()
        emit("message", (await client.messages("m").__anext__()).message)
        emit("publish", await outcome(client.publish("t", b"3", 1)))
        await client.disconnect()

    run(main())


def disconnecting(url):
    # The program's own disconnect: loops end, what is not finished is given up.
    async def main():
        client = mqtt.aio.Client(url, "c")
        await client.connect()
        tasks = [asyncio.create_task(outcome(iterate(client.messages(name), name))) for name in ("a", "b")]
        tasks.append(asyncio.create_task(outcome(client.publish("t", b"", 1))))
        tasks.append(asyncio.create_task(outcome(client.lost())))
        await client.messages("go").__anext__()
        await client.disconnect()
        results = []
        for task in tasks:
            results.append(await task)
        emit("ended", results, client.pending(), client.lasterror)

    run(main())


def reconnecting(url, clientid, topic, tasks):
    # Publishers and a consumer that never notice that the broker goes and comes back.
    async def main():
        client = mqtt.aio.Client(url, clientid, cleansession=False, reconnect={"min": 0, "max": 0.05})
        stop = asyncio.Event()
        sent = []

        async def publisher(number):
            count = 0
            while not stop.is_set():
                message = "%d %d" % (number, count)
                await client.publish(topic, message, 1 + number % 2)
                sent.append(message.encode())
                count += 1

        async def consumer():
            got = set()
            async for message in client.messages(topic):
                got.add(message.message)
                if message.message == b"end":
                    return got

        async def watcher():
            while True:
                emit("lost", await client.lost())
                await client.connected()
                emit("back", client.sessionpresent)

        await client.connect()
        await client.subscribe([topic, topic + "/stop"], 2)
        taking = asyncio.create_task(consumer())
        watching = asyncio.create_task(watcher())
        publishers = [asyncio.create_task(publisher(number)) for number in range(tasks)]
        emit("ready")
        async for _message in client.messages(topic + "/stop"):
            break
        stop.set()
        for task in publishers:
            await task
        await client.drained()
        watching.cancel()
        await client.publish(topic, b"end", 2)
        got = await taking
        emit("result", len(sent), len([message for message in sent if message not in got]))
        await client.disconnect()

    run(main())


def offline(url, clientid, topic):
    # The first attempts fail; what is sent meanwhile goes out with the connection.
    async def main():
        client = mqtt.aio.Client(url, clientid, reconnect={"min": 0, "max": 0.05})
        connecting = asyncio.create_task(client.connect())
        await turns(2)
        tasks = [asyncio.create_task(client.publish(topic, b"%d" % qos, qos)) for qos in range(3)]
        await turns(50)
        emit("waiting", client.isconnected(), [task.done() for task in tasks])
        await connecting
        for task in tasks:
            await task
        emit("done", client.pending())
        await client.disconnect()

    run(main())


def cancelled_attempts(url, clientid):
    # A connect that is given up leaves nothing behind, with reconnect too.
    async def main():
        client = mqtt.aio.Client(url, clientid, reconnect={"min": 0, "max": 0.05})
        try:
            await asyncio.wait_for(client.connect(), 0.2)
        except asyncio.TimeoutError:
            emit("late", client.isconnected(), await outcome(client.publish("t", b"")))
        try:
            await asyncio.wait_for(client.connect(), 0.2)
        except asyncio.TimeoutError:
            emit("late", client.isconnected(), await outcome(client.publish("t", b"")))

    run(main())


def idle(url, clientid, seconds):
    # How often the engine is asked while nothing happens but keep alive.
    async def main():
        async with mqtt.aio.Client(url, clientid, keepalive=1) as client:
            link = client._link
            poll, count = link.poll, 0

            def counted(ms):
                nonlocal count
                count += 1
                return poll(ms)

            await asyncio.sleep_ms(50)
            link.poll = counted
            emit("idle")
            start = time.ticks_ms()
            await asyncio.sleep(seconds)
            emit("awake", count, client.isconnected(), time.ticks_diff(time.ticks_ms(), start))

    run(main())


def link_up(url, clientid):
    # The network goes and comes back, says `linkup`.
    async def main():
        up = False
        options = {"linkup": lambda: up, "reconnect": {"min": 0, "max": 0.05}}
        client = mqtt.aio.Client(url, clientid, **options)
        connecting = asyncio.create_task(client.connect())
        await asyncio.sleep_ms(300)
        emit("down", connecting.done())
        up = True
        await connecting
        emit("up", client.isconnected())
        up = False
        emit("lost", await client.lost(), client.lasterror)
        up = True
        await client.connected()
        emit("up", client.isconnected())
        await client.disconnect()

    run(main())


def stored(url, clientid, topic, path):
    # A store of QoS 1 and 2: what was accepted goes out with the next client.
    import mqtt.store

    async def main():
        client = mqtt.aio.Client(url, clientid, mqtt.store.FileStore(path), cleansession=False)
        async with client:
            await client.subscribe(topic, 2)
            messages = client.messages(topic)
            for qos in (1, 2):
                await client.publish(topic, b"%d" % qos, qos)
                emit("message", (await messages.__anext__()).message)
        emit("present", client.sessionpresent, client.pending())

    run(main())


def failing_store(url, path):
    # The store cannot take note of a QoS 2 message, once: the connection ends, and the message comes again.
    import mqtt.store

    class Store(mqtt.store.FileStore):
        failures = 1

        def received(self, pid):
            if self.failures:
                self.failures -= 1
                raise OSError(28)
            super().received(pid)

    async def main():
        options = {"cleansession": False, "reconnect": {"min": 0, "max": 0.01}}
        client = mqtt.aio.Client(url, "c", Store(path), **options)
        async with client:
            losing = asyncio.create_task(client.lost())
            with client.messages("t") as messages:
                emit("message", (await messages.__anext__()).message, client.lasterror)
            emit("lost", await losing)

    run(main())


def without_memory(url, clientid, topic, times):
    # The engine has no memory for a while: nobody is told, nothing is lost.
    async def main():
        async with mqtt.aio.Client(url, clientid) as client:
            await client.subscribe(topic, 1)
            link = client._link
            poll = link.poll
            failures = 0

            def failing(ms):
                nonlocal failures
                failures += 1
                if failures % 10 < 9:
                    raise MemoryError
                return poll(ms)

            link.poll = failing
            with client.messages(topic) as messages:
                for number in range(times):
                    sending = asyncio.create_task(client.publish(topic, b"%d" % number, 1))
                    if (await messages.__anext__()).message != b"%d" % number:
                        raise RuntimeError("lost")
                    await sending
            emit("done", failures > times)
            link.poll = poll

    run(main())


def refused_subscriptions(url):
    async def main():
        async with mqtt.aio.Client(url, "c") as client:
            emit("one", await outcome(client.subscribe("a", 1)))
            emit("list", await outcome(client.subscribe(["a", "b"], [2, 1])))
            emit("one", await client.subscribe("a", 1, check=False))
            emit("list", await client.subscribe(["a", "b"], 2, False))

    run(main())


def blocked(url):
    # QoS 0, too: a publish returns when the network has the message.
    async def main():
        client = mqtt.aio.Client(url, "c")
        await client.connect()
        count = 0
        while True:
            task = asyncio.create_task(outcome(client.publish("t", bytes(900))))
            await turns(5)
            if not task.done():
                break
            count += 1
        emit("blocked", count > 1, client.pending())
        emit("then", await task, count + 1)
        await client.disconnect()

    run(main())


def cut(urls, clientid):
    # For each URL the same exchange, whose connection is cut somewhere: what has come, by QoS.
    async def exchange(url, name):
        client = mqtt.aio.Client(url, name, cleansession=False, reconnect={"min": 0, "max": 0.01})
        got = {"1": [], "2": []}

        async def consume():
            with client.messages(name + "/#") as messages:
                async for message in messages:
                    if message.message == b"end":
                        return
                    got[message.topic[-1]].append(message.message)

        async with client:
            consuming = asyncio.create_task(consume())
            await client.subscribe(name + "/#", 2)
            await gather(*[client.publish(name + "/%d" % (1 + n % 2), b"%d" % n, 1 + n % 2) for n in range(8)])
            await client.publish(name + "/2", b"end", 2)
            await consuming
        return [sorted(set(got["1"])), sorted(got["2"])]

    async def main():
        wrong = []
        for number, url in enumerate(urls):
            result = await exchange(url, "%s-%d" % (clientid, number))
            if result != [[b"0", b"2", b"4", b"6"], [b"1", b"3", b"5", b"7"]]:
                wrong.append([number, result])
        emit("wrong", wrong)

    run(main())
