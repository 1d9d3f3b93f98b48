"""The virtual board: MicroPython on a PC with the simulated hardware of tools/virtual. See docs/boards.md."""

import _host
import machine
from micropython import const
from wifi import WiFi  # noqa: F401 - the interface of a board

NAME = "virtual board"
PLATFORM = "linux"
HEAP = 256 * 1024  # bytes; objects are twice as large as on a board
TLS = True
FIRMWARE = None  # tools/micropython.py finds it
STUBS = None  # it has all that the others have

UID = machine.unique_id().hex()
reset = machine.reset

_DAY = const(86400000)
_CAUSES = {
    machine.PWRON_RESET: "power on",
    machine.HARD_RESET: "hard reset",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deep sleep",
    machine.SOFT_RESET: "soft reset",
}
_led = machine.Pin("LED", machine.Pin.OUT)


def led(on):
    """Switch the LED."""
    _led.value(1 if on else 0)


def temperature():
    """Return the temperature in degrees Celsius that whoever runs the board has set."""
    return float(_host.get("temperature", "21.5"))


def resetcause():
    """Return in a word or two why the board started."""
    return _CAUSES[machine.reset_cause()]


class Watchdog:
    """Resets the board when `feed` was not called for so many seconds."""

    def __init__(self, seconds):
        self._wdt = machine.WDT(timeout=int(seconds * 1000))

    def feed(self):
        """Say that the program is well."""
        self._wdt.feed()

    def stop(self):
        """Leave whoever sits at the REPL in peace: as on an ESP32, it gets a day."""
        machine.WDT(timeout=_DAY).feed()
