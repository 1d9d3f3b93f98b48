"""ESP32, the first one, as on most development boards. See docs/adding-a-board.md for what a board has."""

import esp32
import machine
from board_esp32 import UID, Watchdog, WiFi, reset, resetcause  # noqa: F401 - the interface of a board

NAME = "ESP32"
PLATFORM = "esp32"
HEAP = 108 * 1024  # bytes; 111,936 once the heap has grown, which leaves ESP-IDF enough for WiFi and one TLS connection
TLS = True
FIRMWARE = "ESP32_GENERIC"
STUBS = "micropython-esp32-esp32-generic-stubs==1.29.0.post1"

_led = machine.Pin(2, machine.Pin.OUT)


def led(on):
    """Switch the LED."""
    _led.value(1 if on else 0)


def temperature():
    """Return the chip's temperature in degrees Celsius; it is some 20 degrees above that of the air."""
    return (esp32.raw_temperature() - 32) / 1.8
