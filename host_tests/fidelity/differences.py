"""Where CPython with the shim is not, and cannot or should not be, as MicroPython is. Each runtime has its own .exp
file: who writes for both looks here, and whoever makes a difference go away finds out here."""

import errno
import json
import struct

buf = bytearray(b"\x01xyz")
view = memoryview(buf)


def store(index, value):
    target = bytearray(4)
    target[index] = value
    return target


def packed(format, value):
    target = bytearray(4)
    struct.pack_into(format, target, 0, value)
    return target


PROBES = (
    ("OSError(5).errno", lambda: OSError(5).errno),
    ("errno.EPIPE", lambda: errno.EPIPE),
    ("struct H of 65536", lambda: packed("!H", 65536)),
    ("struct H of -1", lambda: packed("!H", -1)),
    ("byte of 256", lambda: store(1, 256)),
    ("byte of -1", lambda: store(1, -1)),
    ("int in bytearray", lambda: 120 in buf),
    ("join of bytearrays", lambda: b"".join([buf, view])),
    ("step in a slice", lambda: bytes(view[::2])),
    ("bytes of a lone surrogate", lambda: "\ud800".encode()),
    ("text of a lone surrogate", lambda: len(str(b"\xed\xa0\x80", "utf-8"))),
    ("text of an over-long form", lambda: len(str(b"\xc0\x80", "utf-8"))),
    ("text of one past U+10FFFF", lambda: len(str(b"\xf4\x90\x80\x80", "utf-8"))),
    ("growing under a memoryview", lambda: buf.extend(b"!")),
    ("JSON of non-ASCII", lambda: json.dumps("\xe9")),
)

for name, probe in PROBES:
    try:
        result = probe()
    except Exception as error:  # any: the class is what is shown
        result = type(error).__name__
    print(f"{name}: {result!r}")
