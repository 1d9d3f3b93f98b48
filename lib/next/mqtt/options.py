"""The arguments of `connect`, checked and made what the client works with. In memory for that call alone."""

from micropython import const

from . import packets
from .packets import bad
from .transport import Server

_CONNECT = const(0x10)
_BINARY = const(0)
_TEXT = const(1)
_TOPIC = const(3)
_LONGEST = const(500000)  # seconds: what ticks can measure
_MOST = const(268435455)


def _number(name, value, low, high, kind):
    # Returns the value if it is a number between the bounds.
    if type(value) not in kind:
        raise bad(name, value, "is not a number" if float in kind else "is not an int", TypeError)
    if not low <= value <= high:
        raise bad(name, value, "is not %s to %s" % (low, high))
    return value


def _merge(options, more):
    merged = {
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
    for given in (options or {}, more):
        if not isinstance(given, dict):
            raise TypeError("options: is not a dict but %s" % type(given))
        for name in given:
            if name not in merged:
                raise bad("option", name, "is unknown")
            merged[name] = given[name]
    return merged


def parseurl(url):
    """Return (secure, host, port) of a URL; an IPv6 address stands in brackets."""
    if not isinstance(url, str):
        raise TypeError("url: is neither a str nor a list of them but %s" % type(url))
    if "@" in url:
        # It may be a password that stands before it.
        raise ValueError("url: has an @; username and password are options")
    scheme, _, rest = url.partition("://")
    port = {"tcp": 1883, "mqtt": 1883, "ssl": 8883, "mqtts": 8883}.get(scheme, 0)
    host, mark, number = rest.rpartition(":")
    if not mark or rest.endswith("]"):
        host = rest
    else:
        port = int(number) if port and number.isdigit() and len(number) < 6 else 0
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        port = 0
    for char in host:
        if char <= " " or char in "/?#[]":
            port = 0
    if not host or not 0 < port < 65536:
        raise bad("url", url, "is not tcp://host[:port] or ssl://host[:port]")
    return scheme in ("ssl", "mqtts"), host, port


class Config:
    """What `connect` was asked for, by the names of the options; the client keeps it."""


def parse(url, clientid, options, more):
    """Return the Config.

    Times are in ms; `min` and `max` bound the reconnect delay, `max` is 0 without reconnect. `packet` is the CONNECT;
    `servers` is a list of `transport.Server`; `dropold` and `skip` mean overflow "dropold" and oversize "drop".
    """
    config = Config()
    merged = _merge(options, more)
    config.servers = _servers(url, merged["ssl"])
    config.cleansession = _number("cleansession", merged["cleansession"], 0, 1, (bool, int))
    config.keepalive = _number("keepalive", merged["keepalive"], 0, 65535, (int,))
    config.timeout = int(_number("timeout", merged["timeout"], 0.001, _LONGEST, (int, float)) * 1000)
    for name in ("maxinflight", "maxqueued", "maxqueuedbytes", "maxmessage"):
        setattr(config, name, _number(name, merged[name], 1, 65535 if name == "maxinflight" else _MOST, (int,)))
    config.maxmessage = max(config.maxmessage, 2)  # what the other packets need
    if not isinstance(clientid, (str, bytes, bytearray, memoryview)):
        raise TypeError("clientid: is neither str nor bytes but %s" % type(clientid))
    config.clientid = bytes(packets.field("clientid", clientid, _TEXT))
    if not config.clientid and not config.cleansession:
        raise ValueError("clientid: is empty, which takes cleansession=True [MQTT-3.1.3-7]")
    config.packet = _connect(config.clientid, merged)
    config.keepalive *= 1000
    config.min, config.max = _delays(merged["reconnect"])
    if merged["oversize"] is None:
        merged["oversize"] = "drop" if config.max else "close"
    config.skip = _check("oversize", merged, "close", "drop")
    config.dropold = _check("overflow", merged, "refuse", "dropold")
    config.linkup = merged["linkup"]
    if config.linkup is not None and not callable(config.linkup):
        raise bad("linkup", config.linkup, "is not callable", TypeError)
    return config


def _servers(url, ssl):
    # Returns a Server for each URL.
    servers = []
    secured = False
    for one in url if isinstance(url, (list, tuple)) else (url,):
        secure, host, port = parseurl(one)
        servers.append(Server(host, port, packets.borrow("tls").setup(ssl, host) if secure else None))
        secured = secured or secure
    if not servers:
        raise ValueError("url: is an empty list")
    if ssl is not None and not secured:
        raise ValueError("ssl: is given, but the url is not ssl://")
    return servers


def _check(name, merged, first, last):
    if merged[name] not in (first, last):
        raise bad(name, merged[name], "is neither %r nor %r" % (first, last))
    return merged[name] == last


def _delays(value):
    if value in (False, None):
        return 0, 0
    delays = {"min": 1, "max": 60}
    if value is not True:
        if not isinstance(value, dict):
            raise bad("reconnect", value, "is neither a bool nor a dict", TypeError)
        for name in value:
            if name not in delays:
                raise bad("reconnect", name, "is neither 'min' nor 'max'")
        delays.update(value)
        if "min" not in value:
            _number("reconnect max", delays["max"], 0.001, _LONGEST, (int, float))
            delays["min"] = min(1, delays["max"])
    _number("reconnect min", delays["min"], 0, _LONGEST, (int, float))
    _number("reconnect max", delays["max"], max(0.001, delays["min"]), _LONGEST, (int, float))
    return int(delays["min"] * 1000), int(delays["max"] * 1000)


def _connect(clientid, merged):
    if len(str(clientid, "utf-8")) > 255:
        raise bad("clientid", clientid, "is longer than 255 characters")
    flags = 2 if merged["cleansession"] else 0
    fields = [clientid]
    willqos = _number("willqos", merged["willqos"], 0, 2, (int,))
    willretain = _number("willretain", merged["willretain"], 0, 1, (bool, int))
    message = packets.field("willmessage", merged["willmessage"], _BINARY)
    if merged["willtopic"] is not None:
        fields.append(packets.field("willtopic", merged["willtopic"], _TOPIC))
        fields.append(message)
        flags |= 4 | willqos << 3 | (32 if willretain else 0)
    if merged["username"] is not None:
        fields.append(packets.field("username", merged["username"], _TEXT))
        flags |= 0x80
    if merged["password"] is not None:
        if flags < 0x80:
            raise ValueError("password: given without a username [MQTT-3.1.2-22]")
        fields.append(packets.field("password", merged["password"], _BINARY))
        flags |= 0x40
    keepalive = merged["keepalive"]
    head = b"\x00\x04MQTT\x04" + bytes((flags, keepalive >> 8, keepalive & 0xFF))
    return packets.packet(_CONNECT, head, fields, None)
