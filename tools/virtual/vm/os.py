# The board's file system is as small as a board's: the state file "flash" holds its size in bytes.
import _host
import uos
from uos import *  # noqa: F403

_BLOCK = 4096


def ilistdir(folder="."):
    """As on a board: with the size of each file."""
    for name, kind, *_ in uos.ilistdir(folder):
        yield name, kind, 0, 0 if kind & 0x4000 else uos.stat(folder + "/" + name)[6]


def _blocks(folder):
    """How many blocks the files below a folder take."""
    count = 0
    for name, kind, _, size in ilistdir(folder):
        count += 1 + _blocks(folder + "/" + name) if kind & 0x4000 else (size + _BLOCK - 1) // _BLOCK
    return count


def statvfs(path):
    size = int(_host.get("flash", "868352")) // _BLOCK  # 848 KiB: a Pico W's
    free = max(0, size - _blocks(""))
    return (_BLOCK, _BLOCK, size, free, free, 0, 0, 0, 0, 255)
