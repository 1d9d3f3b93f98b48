"""What all boards with a chip of the ESP32 family have in common."""

import machine
import wifi
from micropython import const

_DAY = const(86400000)

UID = machine.unique_id().hex()
reset = machine.reset

_CAUSES = {
    machine.PWRON_RESET: "power on",
    machine.HARD_RESET: "hard reset",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deep sleep",
    machine.SOFT_RESET: "soft reset",
}


def resetcause():
    """Return in a word or two why the board started."""
    return _CAUSES.get(machine.reset_cause(), "unknown")


class WiFi(wifi.WiFi):
    """See `wifi.WiFi`."""

    def setup(self):
        """One attempt at a time: while the driver tries again by itself, it does not tell why."""
        super().setup()
        self.wlan.config(reconnects=0)


class Watchdog:
    """Resets the board when `feed` was not called for so many seconds."""

    def __init__(self, seconds):
        self._wdt = machine.WDT(timeout=seconds * 1000)

    def feed(self):
        """Say that the program is well."""
        self._wdt.feed()

    def stop(self):
        """Leave whoever sits at the REPL in peace: it can't be stopped, but be given a day."""
        machine.WDT(timeout=_DAY).feed()
