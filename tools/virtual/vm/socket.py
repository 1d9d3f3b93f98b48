# The board's network: every connection goes through the relay of the virtual board, which can fall silent as a radio
# does. The relay is asked for the address of each host.
import _host
import usocket
from usocket import *  # noqa: F403


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    relay = usocket.socket()
    try:
        relay.connect(usocket.getaddrinfo("127.0.0.1", int(_host.get("relay")))[0][-1])
        relay.write(b"%s %d\n" % (host.encode(), port))
        answer = int(relay.readline())
    finally:
        relay.close()
    if answer < 0:
        raise OSError(answer)
    return usocket.getaddrinfo("127.0.0.1", answer, 0, usocket.SOCK_STREAM)
