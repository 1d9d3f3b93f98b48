"""Words for result codes and failures. Loaded when somebody asks."""

import errno

from . import packets

_CONNECT = {
    -1: "the connection failed",
    0: "connected",
    1: "the server does not support MQTT 3.1.1",
    2: "the server rejected the client id",
    3: "the server is unavailable",
    4: "bad username or password",
    5: "not authorised",
}
_LOST = {
    -1: "the connection failed",
    -2: "the rate limit was exceeded",
    -3: "a message was larger than maxmessage or free memory",
    -4: "the server broke the protocol",
}
_ERROR = {
    0: "success",
    -1: "the connection failed",
    -2: "the session store could not be read or written",
    -3: "the client is not connected",
    -4: "too many messages in flight",
    -5: "text that is not well-formed",
    -6: "a parameter is missing",
    -7: "the topic was truncated",
    -8: "a bad structure",
    -9: "a bad QoS",
    -10: "all packet identifiers are in use",
    -11: "given up before it was completed",
    -12: "the outgoing queue is full",
}
_WHY = {
    -101: "no answer within the timeout",
    -102: "the server did not answer the keep alive request (PINGREQ)",
    -103: "the server took no more data within the timeout",
    -104: "the network is down",
}
_MALFORMED = (
    "a remaining length of more than four bytes",
    "the first packet is not CONNACK",
    "a packet type or flags that a server may not send",
    "a body too short or too long for its type",
    "packet identifier 0",
    "QoS 3",
    "a topic that is not well-formed text",
    "a topic that is empty or has a wildcard",
    "a second CONNACK",
    "a code or flag that is not defined",
)
_SOCKET = {
    errno.ECONNREFUSED: "connection refused: nothing listens on that port",
    errno.ECONNRESET: "the peer closed the connection",
    errno.ECONNABORTED: "the connection was aborted",
    errno.ETIMEDOUT: "the network did not answer in time",
    errno.EHOSTUNREACH: "the host cannot be reached",
    errno.ENOTCONN: "the connection is not open",
    errno.ENOMEM: "not enough memory",
}


def errorstring(code, kind="error"):
    """Return a short English line for a result code; kind: "connect", "lost" (a loss reason) or "error"."""
    kinds = {"connect": _CONNECT, "lost": _LOST, "error": _ERROR}
    if kind not in kinds:
        raise ValueError("kind: %r is not 'connect', 'lost' or 'error'" % (kind,))
    return kinds[kind].get(code, "unknown code %s" % code)


def describe(why):
    """Return in words what the engine noted: None, a result code of a message or another number, or an exception."""
    if why is None:
        return ""
    if isinstance(why, int):
        return _WHY[why] if why in _WHY else "a message was not sent: " + errorstring(why)
    if not isinstance(why, packets.Broken):
        return _socket(why)
    code, what, first = why.args
    if code > 0:
        return "connection refused: " + errorstring(code, "connect")
    if code == -3:
        return "a message of %d bytes is larger than maxmessage or free memory" % first
    return "the server broke the protocol: %s (packet type %d, flags %d)" % (_MALFORMED[what], first >> 4, first & 15)


def _socket(why):
    number = why.errno if isinstance(why, OSError) else None
    if number in _SOCKET:
        return _SOCKET[number]
    if isinstance(number, int) and -20 < number < 0:
        return "the host name could not be found"
    return "the network failed: %s" % why
