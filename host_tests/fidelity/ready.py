"""Waiting for a stream in asyncio, in the one form that works on both runtimes. (MicroPython's IOQueue is private.)"""

from asyncio import core


class Ready:
    """`await Ready(queue_method, stream)`: one round of the scheduler, until the stream is ready."""

    def __init__(self, enqueue, stream):
        self.enqueue = enqueue
        self.stream = stream

    def __iter__(self):
        return self

    __await__ = __iter__

    def __next__(self):
        enqueue = self.enqueue
        if enqueue is None:
            raise StopIteration
        self.enqueue = None
        return enqueue(self.stream)


async def readable(stream):
    await Ready(core._io_queue.queue_read, stream)


async def writable(stream):
    await Ready(core._io_queue.queue_write, stream)
