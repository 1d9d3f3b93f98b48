"""The part of MicroPython's `machine` that a program needs to run on the host; nothing here touches hardware."""

import sys
import time
import uuid

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5


def unique_id():
    return uuid.getnode().to_bytes(6, "big")


def reset():
    """Ends the program: whoever started it starts it again."""
    sys.exit(0)


soft_reset = reset


def reset_cause():
    return PWRON_RESET


def deepsleep(ms=0):
    """A board loses all but its RTC memory and runs `main.py` again after the sleep; here the program ends."""
    time.sleep(ms / 1000)
    reset()


class Pin:
    IN, OUT = 0, 1
    PULL_UP, PULL_DOWN = 1, 2

    def __init__(self, name, mode=IN, pull=None, value=0):
        self._value = value

    def value(self, value=None):
        if value is None:
            return self._value
        self._value = int(bool(value))

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self._value)


class WDT:
    """Never bites: a program that hangs on the host is stopped by its test."""

    def __init__(self, id=0, timeout=5000):
        self.timeout = timeout

    def feed(self):
        pass
