# What only MicroPython can show: no allocation while publishing.
import micropython
from kit import connected, disconnect, emit, until


def publish_without_allocating(url, clientid, topic, sizes, count):
    client = connected(url, clientid)
    names = topic.encode(), bytearray(topic.encode()), memoryview(topic.encode())
    failed = 0
    for size in sizes:
        for name in names:
            for message in (bytes(size), bytearray(size), memoryview(bytes(size))):
                client.publish(name, message)
                client.poll(0)
                micropython.heap_lock()
                try:
                    for _ in range(count):
                        client.publish(name, message)
                except MemoryError:
                    failed += 1
                micropython.heap_unlock()
                until(lambda: not client.pending(), client)
        emit("failed", size, failed)
    disconnect(client)
