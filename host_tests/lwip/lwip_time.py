"""The module `time`, with ticks that the double moves on: where a board would sit in a call, `skip` lets time pass."""

import time as _host
from time import *  # noqa: F403 - it stands in for the whole module

skipped = 0  # ms


def skip(ms):
    """Let `ms` pass at once."""
    global skipped
    skipped += ms


def ticks_ms():
    return _host.ticks_add(_host.ticks_ms(), skipped)


def ticks_us():
    return _host.ticks_add(_host.ticks_us(), skipped * 1000)
