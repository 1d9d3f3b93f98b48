"""readinto, read and readline: some, none, the end; blocking and not; a reset."""

import select
import socket
import sys

ports = dict(arg.split("=") for arg in sys.argv[1:])
address = socket.getaddrinfo("127.0.0.1", int(ports["plain"]), 0, socket.SOCK_STREAM)[0][-1]


def connect(command, blocking):
    sock = socket.socket()
    sock.connect(address)
    sock.write(command + b"\n")
    sock.setblocking(blocking)
    return sock


def wait(sock, mask):
    poller = select.poll()
    poller.register(sock, mask)
    return poller.poll(-1)[0][1]


def attempt(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return f"errno {error.errno}"


buf = bytearray(8)

print("-- non-blocking")
sock = connect(b"say 6", False)
print(wait(sock, select.POLLIN), sock.readinto(buf), buf, sock.readinto(buf), sock.read(3))
sock.close()
sock = connect(b"say 12", False)
print(wait(sock, select.POLLIN), sock.readinto(buf, 3), buf, sock.readinto(memoryview(buf)[4:]), buf)
print(sock.readinto(buf, 0), sock.readinto(bytearray()), sock.read(0), sock.read(2), sock.read(), sock.read())
sock.close()
sock = connect(b"say 300", False)
print(wait(sock, select.POLLIN), len(sock.read()), sock.read())
sock.close()
sock = connect(b"echo", False)
sock.write(b"one\ntwo")
print(wait(sock, select.POLLIN), sock.readline(), sock.readline(), sock.readline())
sock.close()

print("-- the end of the stream")
sock = connect(b"close", False)
print(wait(sock, select.POLLIN), sock.readinto(buf), sock.read(4), sock.read(), sock.readline(), sock.readinto(buf))
sock.close()
sock = connect(b"say-close 5", True)
print(sock.readinto(buf), sock.readinto(buf), sock.read(1))
sock.close()

print("-- blocking")
sock = connect(b"drip 11", True)
print(sock.readinto(buf), buf, sock.read(3))
sock.settimeout(0.01)
print(attempt(sock.readinto, buf), attempt(sock.read, 1))
sock.settimeout(None)
sock.close()

print("-- a reset")
sock = connect(b"reset", False)
print(wait(sock, 0) & (select.POLLERR | select.POLLHUP), attempt(sock.readinto, buf), attempt(sock.readinto, buf))
print(attempt(sock.write, b"x"), attempt(sock.read, 4))
sock.close()
sock = connect(b"reset", False)
wait(sock, 0)
print(attempt(sock.write, b"x"), attempt(sock.write, b"x"), attempt(sock.readinto, buf))
sock.close()
sock = connect(b"say-reset 3", False)
wait(sock, 0)
print(attempt(sock.readinto, buf), attempt(sock.readinto, buf))
