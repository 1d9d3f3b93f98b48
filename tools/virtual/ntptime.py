"""`ntptime` of the virtual board: it asks for the time as a board does. MicroPython and CPython.

The answer sets nothing: the clock is the PC's.
"""

import socket
import struct

host = "pool.ntp.org"
port = 123
timeout = 1

_TO_UNIX = 2208988800  # seconds from 1900 to 1970


def time():
    """Return the server's seconds since 1970. OSError if it does not answer."""
    address = socket.getaddrinfo(host, port)[0][-1]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.settimeout(timeout)
        sock.sendto(b"\x1b" + bytes(47), address)
        answer = sock.recv(48)
    finally:
        sock.close()
    return struct.unpack("!I", answer[40:44])[0] - _TO_UNIX


def settime():
    time()
