"""What Raspberry Pi's boards with WiFi, Pico W and Pico 2 W, have in common."""

import time

import machine
from micropython import const
from wifi import WiFi  # noqa: F401 - a board's

_LONGEST = const(8000)  # ms; an RP2040's watchdog counts to 8.3 s
_CLEAR = const(0x3000)  # added to a register's address: what is written there clears bits
_ENABLE = const(1 << 30)

UID = machine.unique_id().hex()
reset = machine.reset

_led = machine.Pin("LED", machine.Pin.OUT)


def led(on):
    """Switch the LED."""
    _led.value(1 if on else 0)


def temperature():
    """Return the chip's temperature in degrees Celsius, within a few degrees."""
    volts = machine.ADC(machine.ADC.CORE_TEMP).read_u16() * 3.3 / 65535
    return 27 - (volts - 0.706) / 0.001721


def resetcause():
    """Return in words why the board started. To this chip `reset` is a watchdog that bites at once."""
    return "watchdog or reset" if machine.reset_cause() == machine.WDT_RESET else "power on"


class Watchdog:
    """Resets the board when `feed` was not called for so many seconds.

    The chip's own watchdog allows 8 seconds, which the look-up of a host name may take with a slow server. So a timer
    feeds it, as long as the program's own `feed` is not too old. It bites up to 8 s later than that.
    control: the address of the chip's register WATCHDOG.CTRL.
    """

    def __init__(self, seconds, control):
        self._limit = seconds * 1000
        self._control = control
        self._fed = 0
        self.feed()
        self._wdt = machine.WDT(timeout=_LONGEST)
        self._timer = machine.Timer(-1, period=1000, callback=self._tick)

    def feed(self):
        """Say that the program is well."""
        self._fed = time.ticks_ms()

    def stop(self):
        """Leave whoever sits at the REPL in peace. `machine.WDT` can't be stopped; its register can."""
        self._timer.deinit()
        machine.mem32[self._control + _CLEAR] = _ENABLE

    def _tick(self, _timer):
        if time.ticks_diff(time.ticks_ms(), self._fed) < self._limit:
            self._wdt.feed()
