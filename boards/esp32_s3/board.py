"""ESP32-S3, as on Espressif's development boards. See docs/adding-a-board.md for what a board has."""

import esp32
import machine
from board_esp32 import UID, Watchdog, WiFi, reset, resetcause  # noqa: F401 - the interface of a board
from neopixel import NeoPixel

NAME = "ESP32-S3"
PLATFORM = "esp32"
HEAP = 160 * 1024  # bytes, without PSRAM; not measured
TLS = True
FIRMWARE = "ESP32_GENERIC_S3"
STUBS = "micropython-esp32-esp32-generic-s3-stubs==1.29.0.post1"

_led = NeoPixel(machine.Pin(48, machine.Pin.OUT), 1)


def led(on):
    """Switch the LED: white, dimmed."""
    _led[0] = (16, 16, 16) if on else (0, 0, 0)
    _led.write()


def temperature():
    """Return the chip's temperature in degrees Celsius; it is some 20 degrees above that of the air."""
    return esp32.mcu_temperature()
