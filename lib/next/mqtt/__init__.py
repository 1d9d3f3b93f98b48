"""MQTT 3.1.1 for MicroPython with the API of Electric Imp's `mqtt`: never blocks, never loses what it promised."""

from .client import Client
from .packets import MQTTError, borrow

createclient = Client

AT_MOST_ONCE = 0
AT_LEAST_ONCE = 1
EXACTLY_ONCE = 2

SUCCESS = 0
FAILURE = -1
PERSISTENCE_ERROR = -2
DISCONNECTED = -3
MAX_MESSAGES_INFLIGHT = -4
BAD_UTF8_STRING = -5
NULL_PARAMETER = -6
TOPICNAME_TRUNCATED = -7
BAD_STRUCTURE = -8
BAD_QOS = -9
NO_MORE_MSGIDS = -10
OPERATION_INCOMPLETE = -11
MAX_BUFFERED_MESSAGES = -12


def run(*clients):
    """Poll the clients until all are disconnected and none of them will connect again."""
    from . import link

    for client in clients:
        if not isinstance(client, Client):
            raise TypeError("clients: %r is not a client" % (client,))
    link.run(clients)


def errorstring(code, kind="error"):
    """Return a short English line for a result code; kind: "connect", "lost" (a loss reason) or "error"."""
    return borrow("errors").errorstring(code, kind)
