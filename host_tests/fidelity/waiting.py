"""asyncio: waiting for a socket with MicroPython's private IOQueue, in the one form that works on both runtimes."""

import asyncio
import errno
import socket
import sys
from asyncio import core

from ready import readable, writable

ports = dict(arg.split("=") for arg in sys.argv[1:])


async def readable_or_late(sock):
    try:
        await asyncio.wait_for_ms(readable(sock), 1)
    except asyncio.TimeoutError:
        print("late")


async def reader(sock, got):
    for _ in range(3):
        await readable(sock)
        data = sock.read(100)
        print("read", data)
        got.set()


def connect():
    sock = socket.socket()
    sock.setblocking(False)
    try:
        sock.connect(socket.getaddrinfo("127.0.0.1", int(ports["plain"]), 0, socket.SOCK_STREAM)[0][-1])
    except OSError as error:
        print(errno.errorcode[error.errno])
    return sock


async def cancel(task):
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("CancelledError")


async def main():
    sock = connect()
    await writable(sock)
    sock.write(b"echo\n")
    try:
        await asyncio.wait_for_ms(readable(sock), 20)
    except asyncio.TimeoutError:
        print("TimeoutError")
    waiting = asyncio.create_task(readable(sock))
    await asyncio.sleep_ms(0)
    await cancel(waiting)

    got = asyncio.ThreadSafeFlag()
    task = asyncio.create_task(reader(sock, got))
    for word in (b"one", b"two", b"three"):
        await writable(sock)
        sock.write(word)
        await got.wait()
        print("after", word)
    await task
    got.set()
    await asyncio.wait_for(got.wait(), 1)
    await asyncio.gather(writable(sock), readable_or_late(sock))

    sock.write(b"!")
    await readable(sock)
    sock.read(1)
    forgotten = asyncio.create_task(readable(sock))
    await asyncio.sleep_ms(0)
    core._io_queue.remove(forgotten)
    sock.write(b"unheard")
    await asyncio.sleep_ms(20)
    print("forgotten:", forgotten.done())
    await cancel(forgotten)
    await readable(sock)
    print(sock.read(100))
    waiting = asyncio.create_task(reader(sock, got))
    await asyncio.sleep_ms(0)
    await cancel(waiting)
    sock.close()
    sock = connect()  # most likely with the number of the one that was waited for
    await writable(sock)
    sock.write(b"say 1\n")
    await readable(sock)
    print("done", sock.read(1))
    sock.close()


asyncio.run(main())
