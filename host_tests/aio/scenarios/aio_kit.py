# What scenarios with asyncio share.
import asyncio

from kit import LIMIT, emit
from mqtt import MQTTError


def run(coroutine):
    # Runs it; LIMIT seconds at most.
    async def limited():
        await asyncio.wait_for(coroutine, LIMIT)

    asyncio.run(limited())


async def outcome(awaitable):
    # What awaiting it ends with: its value, or the name of what it raises, and the code or text.
    try:
        return await awaitable
    except MQTTError as error:
        return ["MQTTError", error.code]
    except asyncio.CancelledError:
        return ["CancelledError"]
    except (ValueError, TypeError, OSError) as error:
        return [type(error).__name__, str(error)]


async def gather(*awaitables):
    # All their outcomes, in order, as tasks that run at the same time.
    tasks = [asyncio.create_task(outcome(awaitable)) for awaitable in awaitables]
    results = []
    for task in tasks:
        results.append(await task)
    return results


async def turns(count):
    # Lets other tasks run so many times.
    for _ in range(count):
        await asyncio.sleep_ms(0)


def show(name, message):
    emit(name, message.topic, message.message, message.qos, message.retain, message.dup)
