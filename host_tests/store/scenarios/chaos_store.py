# The session store: what a power cut leaves, what it refuses, and one of another kind.
import gc
import os

import mqtt
import mqtt.store
from kit import Box, connect, disconnect, emit, error_of, until
from mqtt.store import FileStore, Store

MESSAGE = b"payload of a message"

if hasattr(gc, "threshold"):
    gc.threshold(256 * 1024)  # a store has no `close`: hundreds of them would stay open until the memory is full


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def state(loaded):
    # What `load` returns, comparable.
    clientid, last, inbound, messages = loaded
    return [clientid and bytes(clientid), last, sorted(inbound), [list(message) for message in messages]]


def filled(path):
    # Makes a store in which everything happens; what it holds after each record, by the size of the file then.
    store = FileStore(path)
    store.load()
    states = [(os.stat(path)[6], state(FileStore(path).load()))]
    steps = [(store.identify, b"me"), (store.received, 7)]
    for pid in (1, 2, 3):
        steps.append((store.put, pid, pid % 2 + 1 << 1, b"topic", MESSAGE * pid))
    steps += [(store.release, 2), (store.remove, 1), (store.received, 9), (store.forget, 7), (store.remove, 3)]
    steps += [(store.put, 4, 5, b"t\xc3\xa9", b""), (store.forget, 0), (store.put, 5, 2, b"last", MESSAGE)]
    for step in steps:
        step[0](*step[1:])
        states.append((os.stat(path)[6], state(FileStore(path).load())))
    return states


def torn(path):
    # Cuts the file after each byte: the records that are whole count, and the store goes on from there.
    mqtt.store._sync = lambda: None  # it takes long, and there is no power cut here
    states = filled(path)
    data = read(path)
    wrong = []
    for size in range(states[0][0], len(data) + 1):
        for tail in (b"", b"\0" * 20, b"\xff" * 20):
            cut = data[:size] + tail
            whole = size
            while data[: whole + 1] == cut[: whole + 1] and whole < len(data):
                whole += 1  # the tail may happen to be what was there
            expected = [known for at, known in states if at <= whole][-1]
            write(path, cut)
            store = FileStore(path)
            if state(store.load()) != expected:
                wrong.append([size, len(tail), "load"])
            if not tail:
                store.put(60, 2, b"new", b"n")
                expected = [expected[0], 60, expected[2], expected[3] + [[60, False, 2, b"new", b"n"]]]
                if state(FileStore(path).load()) != expected:
                    wrong.append([size, len(tail), "put"])
    emit("torn", len(data), len(states), wrong[:10], states[-1][1])


def flipped(path):
    # One bit of the last record is wrong: it does not count.
    states = filled(path)
    data = bytearray(read(path))
    wrong = []
    for at in range(states[-2][0], len(data)):
        data[at] ^= 4
        write(path, data)
        data[at] ^= 4
        if state(FileStore(path).load()) != states[-2][1]:
            wrong.append(at)
    emit("flipped", len(data) - states[-2][0], wrong)


def compacted(path, count):
    # A long life: the file stays small, and holds what it must.
    mqtt.store._sync = lambda: None
    store = FileStore(path)
    store.load()
    store.identify(b"me")
    store.put(1, 4, b"kept", MESSAGE)
    store.release(1)
    store.received(5)
    most = 0
    for pid in range(2, count):
        store.put(pid, 2, b"topic", MESSAGE)
        store.remove(pid)
        most = max(most, os.stat(path)[6])
    emit("compacted", most, state(FileStore(path).load()), os.listdir(path.rsplit("/", 1)[0]))


def refused(path, other, newer):
    # Files that are not this client's store: a clear error, and they stay as they are.
    def connecting():
        client = mqtt.createclient(FileStore(path))
        client.connect("tcp://127.0.0.1:9", "somebody else")

    filled(path)
    for name, data in ((path, None), (other, b"wifi = 1\nmode = 2\n" * 3), (newer, newer_of(read(path)))):
        if data:
            write(name, data)
        before = read(name)
        error = error_of(connecting) if name == path else error_of(lambda name=name: mqtt.createclient(FileStore(name)))
        emit("refused", error, read(name) == before)


def newer_of(data):
    # The first record with a format of 9, and the right checksum.
    import binascii
    import struct

    length = struct.unpack("<H", data[4:6])[0]
    head = data[4:7] + struct.pack("<H", 9)
    body = data[9 : 9 + length]
    return struct.pack("<I", binascii.crc32(body, binascii.crc32(head))) + head + body


def unwritable(path):
    emit("error", error_of(lambda: mqtt.createclient(FileStore(path))))


def full(path, most):
    # Offers messages until the file system takes no more; the codes of all, and what is in the store afterwards.
    client = mqtt.createclient(FileStore(path))
    codes = [0] * most

    def noting(i):
        def note(code):
            codes[i] = code

        return note

    for i in range(most):
        client.publish("topic", MESSAGE * 5, 1 + i % 2, callback=noting(i))
        client.poll()
    emit("codes", codes, client.pending(), client.lasterror)
    client = mqtt.createclient(FileStore(path))
    emit("kept", client.pending())


class RamStore(Store):
    # The smallest store there can be, for a memory that a reset leaves alone.
    def __init__(self):
        self.clientid = None
        self.last = 0
        self.inbound = []
        self.messages = {}
        self.broken = False

    def load(self):
        return self.clientid, self.last, self.inbound, [self.messages[pid] for pid in sorted(self.messages)]

    def identify(self, clientid):
        self.clientid = bytes(clientid)

    def put(self, pid, first, topic, message):
        if self.broken:
            raise OSError(5)
        self.messages[pid] = (pid, False, first, bytes(topic), bytes(message))
        self.last = pid

    def release(self, pid):
        pid, _, first, topic, message = self.messages[pid]
        self.messages[pid] = (pid, True, first, topic, message)

    def remove(self, pid):
        del self.messages[pid]

    def received(self, pid):
        self.inbound.append(pid)

    def forget(self, pid):
        self.inbound = [each for each in self.inbound if pid and each != pid]


def another(url, clientid):
    # A client offers messages before it was ever connected, and vanishes; the next one sends them.
    store = RamStore()
    first = mqtt.createclient(store)
    code = Box()
    first.publish("a", b"1", 1, retain=True)
    first.publish("b", b"2", 2)
    store.broken = True
    first.publish("c", b"3", 1, callback=code)
    first.poll()
    emit("offered", first.pending(), code.calls, error_of(first.publish, "d", b"", 0))
    store.broken = False
    second = mqtt.createclient(store)
    emit("kept", second.pending())
    got = Box()
    second.onmessage(lambda message: got(message.message))
    connect(second, url, clientid, cleansession=False)
    until(lambda: not second.pending() and got and not store.inbound, second)
    emit("through", got.calls, len(store.messages), store.inbound, store.clientid, store.last)
    disconnect(second)
