"""MicroPython's `network` on a machine that is on the network already: a WLAN that connects at once."""

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 0, 1, 3

_hostname = "host"


def hostname(name=None):
    global _hostname
    if name is None:
        return _hostname
    _hostname = name


class WLAN:
    IF_STA, IF_AP = STA_IF, AP_IF

    def __init__(self, interface=STA_IF):
        self._active = False
        self._ssid = None
        self._settings = {"mac": b"\x02\x00\x00\x00\x00\x01"}  # a locally administered address

    def active(self, on=None):
        if on is None:
            return self._active
        self._active = bool(on)
        if not on:
            self._ssid = None

    def connect(self, ssid=None, key=None, *, bssid=None):
        if not self._active:
            raise OSError("Wifi Internal State Error")
        self._ssid = ssid or ""

    def disconnect(self):
        self._ssid = None

    def isconnected(self):
        return self._ssid is not None

    def status(self, param=None):
        if param == "rssi":
            return -50
        return STAT_GOT_IP if self.isconnected() else STAT_IDLE

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")

    def config(self, param=None, **settings):
        self._settings.update(settings)
        if param is not None:
            return self._ssid if param in ("ssid", "essid") else self._settings[param]
