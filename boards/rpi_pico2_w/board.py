"""Raspberry Pi Pico 2 W. See docs/adding-a-board.md for what a board has."""

import board_rp2
from board_rp2 import UID, WiFi, led, reset, resetcause, temperature  # noqa: F401 - the interface of a board
from micropython import const

NAME = "Raspberry Pi Pico 2 W"
PLATFORM = "rp2"
HEAP = 384 * 1024  # bytes, rounded down; TLS takes 27 KB of them for a connection
TLS = True
FIRMWARE = "RPI_PICO2_W"
STUBS = "micropython-rp2-rpi-pico2-w-stubs==1.29.0.post1"

_CONTROL = const(0x400D8000)  # of the watchdog, by the RP2350's data sheet


class Watchdog(board_rp2.Watchdog):
    """See `board_rp2.Watchdog`."""

    def __init__(self, seconds):
        super().__init__(seconds, _CONTROL)
