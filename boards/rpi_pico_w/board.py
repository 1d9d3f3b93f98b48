"""Raspberry Pi Pico W. See docs/adding-a-board.md for what a board has."""

import board_rp2
from board_rp2 import UID, WiFi, led, reset, resetcause, temperature  # noqa: F401 - the interface of a board
from micropython import const

NAME = "Raspberry Pi Pico W"
PLATFORM = "rp2"
HEAP = 160 * 1024  # bytes, rounded down; TLS takes 27 KB of them for a connection
TLS = True
FIRMWARE = "RPI_PICO_W"
STUBS = "micropython-rp2-rpi-pico-w-stubs==1.29.0.post1"

_CONTROL = const(0x40058000)  # of the watchdog, by the RP2040's data sheet


class Watchdog(board_rp2.Watchdog):
    """See `board_rp2.Watchdog`."""

    def __init__(self, seconds):
        super().__init__(seconds, _CONTROL)
