"""Words for result codes and failures. Loaded when somebody asks."""

import errno

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
    """Return in words what the engine noted: None, a CONNACK or message result code, a text or an exception."""
    from .packets import Malformed
    from .session import TooLarge

    if why is None:
        return ""
    if isinstance(why, str):
        return why
    if isinstance(why, int):
        return "connection refused: " + _CONNECT[why] if why > 0 else "a message was not sent: " + _ERROR[why]
    if isinstance(why, Malformed):
        return "the server broke the protocol: " + why.args[0]
    if isinstance(why, TooLarge):
        return "a message of %d bytes is larger than maxmessage or free memory" % why.args[0]
    return _socket(why)


def _socket(why):
    number = why.errno if isinstance(why, OSError) else None
    if number in _SOCKET:
        return _SOCKET[number]
    if isinstance(number, int) and -20 < number < 0:
        return "the host name could not be found"
    return "the network failed: %s" % why
