"""deque, bytearray, memoryview, struct, json, random, binascii: what a portable program uses."""

import binascii
import json
import random
import struct
from collections import deque

from micropython import const

print("-- deque")
queue = deque((), 2, 1)
queue.append(1)
queue.append(2)
for add in (queue.append, queue.appendleft):
    try:
        add(3)
    except IndexError:
        print("full")
print(queue.popleft(), len(queue), queue[0], bool(queue), list(queue), queue.pop(), bool(queue))
try:
    queue.popleft()
except IndexError:
    print("empty")
queue = deque((), 2)
for item in range(4):
    queue.append(item)
queue.extend((8,))
print(list(queue))

print("-- bytearray and memoryview")
buf = bytearray(10)
buf[2:5] = b"abc"
view = memoryview(buf)
view[6:9] = b"xyz"
print(buf, len(buf), bytes(view[2:5]), view[2], buf[-1], bytes(view[2:5]) == b"abc", view[2:5] == b"abc")
buf[0] = 255
print(buf.find(b"xyz"), buf[0], b"a" + buf[3:5], bytes(2), bytearray(b"x") == b"x")
try:
    bytes(view[:1]).decode()
except UnicodeError:
    print("UnicodeError")

print("-- struct")
StructError = getattr(struct, "error", ValueError)
struct.pack_into("!BHL", buf, 1, 1, 0x203, 0x4050607)
print(buf, struct.unpack_from("!BHL", buf, 1), struct.calcsize("!BHLQ"))
for offset in (9, 100):
    try:
        struct.pack_into("!H", buf, offset, 1)
    except StructError:
        print("no room")

print("-- the rest")
print(json.dumps({"a": [1, 2.5, True, None, "x"]}, separators=(",", ":")), json.dumps([1, 2]))
print(json.loads('{"t": 21.5}'))
try:
    json.loads("{")
except ValueError:
    print("bad JSON")
random.seed(1)
print(0 <= random.getrandbits(16) < 65536, 1 <= random.uniform(1, 2) <= 2, 0 <= random.random() < 1)
print(random.randint(3, 3))
print(binascii.a2b_base64(b"aGVsbG8="), binascii.b2a_base64(b"hello"), binascii.hexlify(b"\x01\xff"), const(5))
print(OSError(5, "text").errno, OSError(5).args[0])
