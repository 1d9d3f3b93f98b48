"""Non-blocking connect: to a peer that is there, and to a port that refuses."""

import errno
import select
import socket
import sys

ports = dict(arg.split("=") for arg in sys.argv[1:])


def start(port):
    af, kind, proto, _name, address = socket.getaddrinfo("127.0.0.1", int(port), 0, socket.SOCK_STREAM)[0]
    print(af == socket.AF_INET, kind == socket.SOCK_STREAM, proto)
    sock = socket.socket(af, kind, proto)
    sock.setblocking(False)
    try:
        sock.connect(address)
    except OSError as error:
        print("connect:", errno.errorcode[error.errno])
    return sock


def attempt(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return f"errno {error.errno}"


poller = select.poll()

good = start(ports["plain"])
poller.register(good, select.POLLOUT)
print("good:", [(obj is good, events) for obj, events in poller.poll(-1)])
print("nothing to read:", good.readinto(bytearray(4)), good.read(4), good.read(), good.readline())
poller.unregister(good)

for method, argument in (("readinto", bytearray(4)), ("read", 4), ("write", b"x")):
    bad = start(ports["refused"])
    poller.register(bad, select.POLLOUT)
    [(obj, events)] = poller.poll(-1)
    print("refused:", obj is bad, bool(events & select.POLLERR), bool(events & select.POLLHUP))
    print(method, attempt(getattr(bad, method), argument))
    poller.unregister(bad)
    bad.close()

for host in ("x" * 64, "a..b", ""):  # none of them is looked up in the DNS
    try:
        socket.getaddrinfo(host, 1883, 0, socket.SOCK_STREAM)
    except OSError:
        print("no such host: OSError")

good.close()
good.close()
print("closed:", good.fileno(), attempt(good.read, 1), attempt(good.write, b"x"))
