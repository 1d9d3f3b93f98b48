"""`network` of the virtual board: a WLAN whose access point is the state file `wifi`. MicroPython and CPython.

`wifi` holds "on", "off" (no such network), "refused" (wrong password), "busy" (takes no more boards) or "silent"
(nobody gives out addresses). As on a board, an attempt is answered once, and what is lost is not joined again by
itself.
"""

import _host

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 0, 1, 3
STAT_CONNECT_FAIL, STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD = -1, -2, -3

_ANSWERS = {
    "on": STAT_GOT_IP,
    "off": STAT_NO_AP_FOUND,
    "refused": STAT_WRONG_PASSWORD,
    "busy": STAT_CONNECT_FAIL,
    "silent": STAT_CONNECTING,
}
_names = {"country": "XX", "hostname": "virtual"}


def country(code=None):
    return _name("country", code)


def hostname(name=None):
    return _name("hostname", name)


def _name(key, value):
    if value is None:
        return _names[key]
    _names[key] = value


class WLAN:
    IF_STA, IF_AP = STA_IF, AP_IF
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2

    def __init__(self, interface=STA_IF):
        self._active = False
        self._status = STAT_IDLE
        self._settings = {"mac": b"\x02\x00\x00\x00\x00\x01", "ssid": "", "pm": self.PM_PERFORMANCE}

    def active(self, on=None):
        if on is None:
            return self._active
        self._active = bool(on)
        if not on:
            self._status = STAT_IDLE
            # The PC's part of the radio counts these, and ends the connections of before.
            _host.put("radio", str(int(_host.get("radio", "0")) + 1))

    def connect(self, ssid=None, key=None, *, bssid=None):
        if not self._active:
            raise OSError("Wifi Internal State Error")
        self._settings["ssid"] = ssid or ""
        self._status = _ANSWERS[_host.get("wifi", "on")]

    def disconnect(self):
        self._status = STAT_IDLE

    def isconnected(self):
        return self.status() == STAT_GOT_IP

    def status(self, param=None):
        if param == "rssi":
            return int(_host.get("rssi", "-50"))
        if self._status == STAT_GOT_IP and _host.get("wifi", "on") != "on":
            self._status = STAT_CONNECT_FAIL
        return self._status

    def ifconfig(self):
        here = "127.0.0.1" if self.isconnected() else "0.0.0.0"
        return here, "255.0.0.0", here, here

    def config(self, param=None, **settings):
        if param is not None:
            return self._settings[param]
        self._settings.update(settings)
