"""Words for result codes and failures. Loaded when somebody asks."""

import errno
import time

from micropython import const

_EPIPE = const(32)  # not in every board's errno
_EBUSY = const(16)

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
_TROUBLE = {
    # What `Session.note` was told, and the words for it.
    "timeout": "no answer within the timeout",
    "noping": "no PINGRESP: the server did not answer the keep alive request in time",
    "stalled": "the server took no more data within the timeout",
    "nolink": "the network is down",
    "nohandshake": "no answer to the TLS handshake within the timeout",
    "oversize": "a message of {} bytes is larger than maxmessage or free memory",
    "inbound": "no memory for the identifiers of more messages of QoS 2: lower the broker's limit of those in flight",
    "store": "the session store could not be read or written: {}",
    "downgraded": "the server has given a message to {} QoS 1 only",
    "refused": "the server refused to renew the subscription to {}",
}
_MALFORMED = {
    # The reasons of Broken with -4: the packet's first byte and a number follow.
    "length": "a remaining length of more than four bytes",
    "early": "{} before CONNACK",
    "type": "{} with reserved flags or from the wrong side",
    "qos": "PUBLISH with QoS 3, or with DUP and QoS 0",
    "body": "{} with a body of {} bytes, which is too short or too long",
    "identifier": "{} with packet identifier 0",
    "topic": "{} with a bad topic, {}",
    "second": "a second CONNACK",
    "code": "{} with an undefined flag or code, or a contradiction of them: {}",
    "unexpected": "{} for packet identifier {}, which waits for another answer",
}
_PACKETS = (
    "type 0",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "type 15",
)
_SOCKET = {
    errno.ECONNREFUSED: "connection refused: nothing listens on that port",
    errno.ECONNRESET: "the peer closed the connection",
    _EPIPE: "the peer closed the connection",
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


_TLS = (
    # What is in the text of a failed verification, and what to do about it.
    ("not correctly signed", "its certificate is not signed by an authority in cadata or cafile"),
    ("does not match", "its certificate is for another name than %r; the ssl option servername sets the expected one"),
    ("has expired", "its certificate has expired, or the clock is wrong: it says %s"),
    ("in the future", "its certificate is not yet valid, or the clock is wrong: it says %s"),
)
_HANDSHAKE = {
    -29184: "the server does not speak TLS on this port",
    -29312: "the server hung up in the TLS handshake: it may not speak TLS on this port, or want a client certificate "
    "(ssl options cert and key)",
    -30592: "the server refused the TLS handshake: it may want a client certificate (ssl options cert and key), "
    "or a TLS version or cipher that this device lacks",
    -9984: "the server's certificate could not be verified",
}


def describe(session):
    """Return in words what the engine has noted last, "" if there was nothing."""
    if not session.trouble:
        return ""
    words = _words(session.trouble, session.config, session.trouble[0])
    if session.raised:
        words += "; messages that wait for redelivery, because a handler raised: %d" % session.raised
    return words


def _words(trouble, config, kind):
    more = [str(v, "utf-8") if isinstance(v, bytes) else v for v in trouble[1:]]
    if kind == "message":
        return "a message was not sent: " + errorstring(more[0])
    if kind == "connack":
        return "connection refused: " + errorstring(more[0], "connect")
    if kind == "failed":
        why = more[0]
        if isinstance(why, MemoryError):
            return "not enough memory for the %s" % ("TLS handshake" if _tls(config) else "connection")
        return _unverified(str(why), config) if isinstance(why, ValueError) else _failed(why, config)
    if kind in _MALFORMED:
        if more:
            more[0] = _PACKETS[more[0] >> 4]
        return "the server broke the protocol: " + _MALFORMED[kind].format(*more)
    return _TROUBLE[kind].format(*more)


def _tls(config):
    # The TLS context and the server's name, of the first server that has one.
    for server in config.servers:
        if server.tls:
            return server.tls
    return None


def _unverified(text, config):
    said = []
    for part, words in _TLS:
        if part in text:
            if "%r" in words:
                words = words % _tls(config)[1]
            elif "%s" in words:
                words = words % ("%d-%02d-%02d" % time.gmtime()[:3])
            said.append(words)
    return "the server could not be verified: " + ("; ".join(said) or text.strip())


def _failed(why, config):
    number = why.args[0] if why.args else None
    if number in _HANDSHAKE:
        return _HANDSHAKE[number]
    # mbedTLS has many numbers for this, all with that in the text.
    if _tls(config) and (number in (errno.ENOMEM, _EBUSY) or "alloc" in str(why).lower()):
        return "not enough memory for the TLS handshake"
    if "addrinfo" in str(number) or isinstance(number, int) and -20 < number < 0:
        return "the host name could not be found"
    words = _SOCKET.get(number, "the network failed: %s" % why)
    if _tls(config) and number in (errno.ECONNRESET, _EPIPE):
        words += ": does it speak TLS on this port, or does it want another client certificate?"
    return words
