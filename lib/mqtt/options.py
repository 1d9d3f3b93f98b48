"""The arguments of `connect`, checked and brought into the form that the client works with. Loaded by `connect`."""

from micropython import const

from . import packets
from .packets import bad

_CONNECT = const(0x10)
_BINARY = const(0)
_TEXT = const(1)
_TOPIC = const(3)

_DEFAULTS = {
    "username": None,
    "password": None,
    "keepalive": 60,
    "willtopic": None,
    "willmessage": b"",
    "willqos": 0,
    "willretain": False,
    "cleansession": True,
    "timeout": 30,
    "ssl": None,
    "reconnect": False,
    "linkup": None,
    "maxinflight": 16,
    "maxqueued": 64,
    "maxqueuedbytes": 16384,
    "overflow": "refuse",
    "maxmessage": 262144,
    "oversize": None,
}
_INT = (int,)
_NUMBER = (int, float)
_LONGEST = 500000  # seconds: what ticks can measure
_SCHEMES = {"tcp": 1883, "mqtt": 1883, "ssl": 8883, "mqtts": 8883}


def _number(name, value, low, high, kinds=_INT):
    if type(value) not in kinds:
        raise bad(name, value, "is not a number" if float in kinds else "is not an int", TypeError)
    if not low <= value <= high:
        raise bad(name, value, "is not %s to %s" % (low, high))
    return value


def _flag(name, value):
    if value not in (0, 1):
        raise bad(name, value, "is neither True nor False")
    return 1 if value else 0


def _choice(name, value, first, second):
    if value not in (first, second):
        raise bad(name, value, "is neither %r nor %r" % (first, second))
    return value == second


def _merge(options, more):
    merged = dict(_DEFAULTS)
    for given in (options, more):
        if given is None:
            continue
        if not isinstance(given, dict):
            raise bad("options", given, "is not a dict", TypeError)
        for key in given:
            if key not in merged:
                raise bad("option", key, "is unknown")
            merged[key] = given[key]
    return merged


def parseurl(url):
    """Return (secure, host, port) of tcp://, mqtt://, ssl:// or mqtts://host[:port]; an IPv6 address stands in brackets."""
    if not isinstance(url, str):
        raise bad("url", url, "is not a str", TypeError)
    if "@" in url:
        raise ValueError("url: username and password belong into the options")
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in _SCHEMES:
        raise bad("url", url, "does not begin with tcp://, mqtt://, ssl:// or mqtts://")
    if rest.startswith("["):
        host, mark, port = rest[1:].partition("]")
        if not mark or port and port[0] != ":":
            raise bad("url", url, "has no closing bracket before the port")
        mark, port = port[:1], port[1:]
    else:
        host, mark, port = rest.partition(":")
    for char in host:
        if char <= " " or char in '/?#[]"\\' or char == "\x7f":
            host = ""
    if not host:
        raise bad("url", url, "has no valid host")
    if not mark:
        return scheme in ("ssl", "mqtts"), host, _SCHEMES[scheme]
    for char in port or "-":
        if char not in "0123456789":
            raise bad("url", url, "has no valid port")
    if len(port) > 5 or not 0 < int(port) < 65536:
        raise bad("url", url, "has a port that is not 1 to 65535")
    return scheme in ("ssl", "mqtts"), host, int(port)


class Options:
    """What `connect` was asked for; times in ms. `min` and `max` bound the reconnect delay, `max` is 0 without reconnect."""

    def __init__(self, url, clientid, options, more):
        secure, self.host, self.port = parseurl(url)
        merged = _merge(options, more)
        self.cleansession = _flag("cleansession", merged["cleansession"])
        keepalive = _number("keepalive", merged["keepalive"], 0, 65535)
        self.keepalive = keepalive * 1000
        self.packet = self._connect(clientid, keepalive, merged)
        self.timeout = int(_number("timeout", merged["timeout"], 0.001, _LONGEST, _NUMBER) * 1000)
        self._reconnect(merged["reconnect"])
        self.linkup = merged["linkup"]
        if self.linkup is not None and not callable(self.linkup):
            raise bad("linkup", self.linkup, "is neither callable nor None", TypeError)
        self.maxinflight = _number("maxinflight", merged["maxinflight"], 1, 65535)
        self.maxqueued = _number("maxqueued", merged["maxqueued"], 1, 1 << 28)
        self.maxqueuedbytes = _number("maxqueuedbytes", merged["maxqueuedbytes"], 1, 1 << 28)
        self.dropold = _choice("overflow", merged["overflow"], "refuse", "dropold")
        self.maxmessage = _number("maxmessage", merged["maxmessage"], 1, 1 << 28)
        oversize = merged["oversize"]
        if oversize is None:
            oversize = "drop" if self.max else "close"
        self.skip = _choice("oversize", oversize, "close", "drop")
        self.wrap = None
        if secure:
            from . import tls

            self.wrap = tls.wrapper(merged["ssl"], self.host)
        elif merged["ssl"] is not None:
            raise ValueError("ssl: the options need an ssl:// or mqtts:// url, not %r" % url)

    def _reconnect(self, value):
        self.min = self.max = 0
        if isinstance(value, dict):
            for key in value:
                if key not in ("min", "max"):
                    raise bad("reconnect", key, "is neither 'min' nor 'max'")
            low = _number("reconnect min", value.get("min", 1), 0, _LONGEST, _NUMBER)
            high = _number("reconnect max", value.get("max", max(low, 60)), max(low, 0.001), _LONGEST, _NUMBER)
        elif _flag("reconnect", value):
            low, high = 1, 60
        else:
            return
        self.min = int(low * 1000)
        self.max = int(high * 1000)

    def _connect(self, clientid, keepalive, merged):
        clientid = packets.field("clientid", clientid, _TEXT)
        if not 1 <= len(str(clientid, "utf-8")) <= 255:
            raise bad("clientid", bytes(clientid), "is not 1 to 255 characters long")
        flags = 2 if self.cleansession else 0
        fields = [clientid]
        willqos = _number("willqos", merged["willqos"], 0, 2)
        willretain = _flag("willretain", merged["willretain"])
        willmessage = packets.field("willmessage", merged["willmessage"], _BINARY)
        if merged["willtopic"] is not None:
            fields.append(packets.field("willtopic", merged["willtopic"], _TOPIC))
            fields.append(willmessage)
            flags |= 4 | willqos << 3 | willretain << 5
        if merged["username"] is not None:
            fields.append(packets.field("username", merged["username"], _TEXT))
            flags |= 0x80
        if merged["password"] is not None:
            if merged["username"] is None:
                raise ValueError("password: given without a username [MQTT-3.1.2-22]")
            fields.append(packets.field("password", merged["password"], _BINARY))
            flags |= 0x40
        head = b"\x00\x04MQTT\x04" + bytes((flags, keepalive >> 8, keepalive & 0xFF))
        return packets.packet(_CONNECT, head, fields)
