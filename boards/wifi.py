"""Joining a WiFi network and staying on it: the same on every board."""

import time

import network

RETRY = 5  # seconds from the start of an attempt that has failed to the next

_HANDSHAKE = (15, 204)  # ESP32: what a wrong password mostly ends as
_ADDRESS = 2  # Pico W: joined, and waiting for an address


class WiFi:
    """The board's WiFi as a station. Give `isup` to the MQTT client as `linkup`; nothing here but `join` waits.

    ssid, password: str, "" for a network without one. country: two letters, for the channels that are allowed there.
    hostname: how the router lists the board. powersave: True saves power and answers late. timeout: seconds that an
    attempt may take. What happens is printed; the password is not.
    """

    def __init__(self, ssid, password="", country="", hostname="", powersave=False, timeout=20):
        if country:
            network.country(country)
        if hostname:
            network.hostname(hostname)
        self.wlan = network.WLAN(network.WLAN.IF_STA)
        self.problem = ""  # why the last attempt failed; empty after one that did not
        self._ssid = ssid
        self._password = password
        self._pm = network.WLAN.PM_POWERSAVE if powersave else network.WLAN.PM_NONE
        self._timeout = timeout * 1000
        self._started = self._up = False
        self._since = 0  # ticks: when the attempt was started

    def isup(self):
        """Whether the board is on the network. Call it often: it also starts what attempts it takes."""
        up = self.wlan.isconnected()
        if up and not self._up:
            self.problem = ""
            print("wifi: on %r as %s" % (self._ssid, self.wlan.ifconfig()[0]))
        elif self._up and not up:
            print("wifi: %r is lost" % self._ssid)
            self._start()
        elif not self._started:
            self._start()
        elif not up:
            self._watch()
        self._up = up
        return up

    def join(self):
        """Wait until the board is on the network. OSError, with the reason, if an attempt fails."""
        while not self.isup():
            if self.problem:
                raise OSError(self.problem)
            time.sleep_ms(100)

    def rssi(self):
        """Return the strength of the signal in dBm; None while the board is not on the network."""
        return self.wlan.status("rssi") if self.wlan.isconnected() else None

    def setup(self):
        """Settings of the radio before each attempt, for a board that needs more."""
        self.wlan.config(pm=self._pm)

    def _start(self):
        self._started = True
        self._since = time.ticks_ms()
        try:
            # Off and on again: connecting twice in a row fails on an ESP32, and on a Pico W it may come to nothing.
            self.wlan.active(False)
            self.wlan.active(True)
            self.setup()
            if self._password:
                self.wlan.connect(self._ssid, self._password)
            else:
                self.wlan.connect(self._ssid)
        except OSError as error:
            self._failed("the radio reports %s" % error)

    def _watch(self):
        # Starts again what has failed or takes too long.
        waited = time.ticks_diff(time.ticks_ms(), self._since)
        if waited < RETRY * 1000:
            return
        status = self.wlan.status()
        if status in (network.STAT_IDLE, network.STAT_CONNECTING, _ADDRESS):
            if waited < self._timeout:
                return
            self._failed("no address within %d s (status %s)" % (self._timeout // 1000, status))
        elif status == network.STAT_NO_AP_FOUND:
            self._failed("no network of that name in reach (2.4 GHz?)")
        elif status == network.STAT_WRONG_PASSWORD or status in _HANDSHAKE:
            self._failed("the password is wrong")
        else:
            self._failed("the access point refuses the board (status %s)" % status)
        self._start()

    def _failed(self, why):
        why = "%r: %s" % (self._ssid, why)
        if why != self.problem:  # once, not every five seconds
            print("wifi: " + why)
        self.problem = why
