"""`machine` of the virtual board: what its board file and a device program ask for. MicroPython and CPython."""

import _thread
import time

import _host

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5

_CAUSES = {
    "power": PWRON_RESET,
    "hard": HARD_RESET,
    "watchdog": WDT_RESET,
    "deepsleep": DEEPSLEEP_RESET,
    "soft": SOFT_RESET,
}


def unique_id():
    return bytes.fromhex(_host.get("unique_id", "020000000001"))


def reset():
    _host.exit("hard")


def deepsleep(time_ms):
    """Do nothing for so long, and start anew: what follows the call is never reached."""
    WDT._state[:] = WDT._state[0] + time_ms, time.ticks_ms()  # the watchdog sleeps, too
    time.sleep_ms(time_ms)
    _host.exit("deepsleep")


def reset_cause():
    return _CAUSES.get(_host.get("reset"), PWRON_RESET)


class Pin:
    """A pin that remembers its value; "LED" is wired to the state file `led`."""

    IN, OUT = 0, 1
    PULL_UP, PULL_DOWN = 1, 2

    def __init__(self, name, mode=IN, pull=None, value=0):
        self._name = name
        self._value = value

    def value(self, value=None):
        if value is None:
            return self._value
        self._value = 1 if value else 0
        if self._name == "LED":
            _host.put("led", str(self._value))

    def __call__(self, value=None):
        return self.value(value)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self._value)


class PWM:
    """A pin that is on for a part of the time, 0 to 65535: the state file `pwm` and the pin's name holds it."""

    def __init__(self, dest, *, freq=1000, duty_u16=0):
        self._name = "pwm%s" % dest._name
        self.duty_u16(duty_u16)

    def duty_u16(self, value=None):
        if value is None:
            return self._duty
        self._duty = value
        _host.put(self._name, str(value))


class WDT:
    """One watchdog for all objects, as on a chip: a thread that ends the process when nobody feeds it in time."""

    _state = [0, 0]  # ms that it allows, ticks when it was fed
    _running = False

    def __init__(self, id=0, timeout=5000):
        self._state[:] = timeout, time.ticks_ms()
        if not WDT._running:
            WDT._running = True
            _thread.start_new_thread(_watch, (self._state,))

    def feed(self):
        self._state[1] = time.ticks_ms()


def _watch(state):
    # Locals and slots of a list alone: the Unix port's threads share objects without a lock.
    diff, ticks, sleep, bite = time.ticks_diff, time.ticks_ms, time.sleep_ms, _host.exit
    while (left := state[0] - diff(ticks(), state[1])) > 0:
        sleep(min(left, 100))
    bite("watchdog")
