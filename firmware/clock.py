"""The clock. A board's starts years back, and to TLS a certificate of today is then not yet valid."""

import time

import ntptime
from micropython import const

_YEAR = const(2025)  # a clock that says less was never set
_DAY = const(86400)

RETRY = 5  # seconds until the server is asked again


class Clock:
    """Keeps the clock by the time of an NTP server."""

    def __init__(self, server):
        ntptime.host = server
        self._at = time.ticks_ms()  # when it is due
        if self.isset():
            self._at = time.ticks_add(self._at, _DAY * 1000)

    def isset(self):
        """Whether certificates can be judged by it."""
        return time.gmtime()[0] >= _YEAR

    def keep(self):
        """Set it if that is due: at first, and then once a day. Call it while the network is there.

        Looking up the server's name and waiting for its answer may block for some seconds.
        """
        if time.ticks_diff(time.ticks_ms(), self._at) < 0:
            return
        wait = RETRY
        try:
            ntptime.settime()
            wait = _DAY
            print("clock: %04d-%02d-%02d %02d:%02d UTC" % time.gmtime()[:5])
        except (OSError, ValueError) as error:  # no answer, or one that is too short
            print("clock: no answer from %s: %s" % (ntptime.host, error))
        self._at = time.ticks_add(time.ticks_ms(), int(wait * 1000))
