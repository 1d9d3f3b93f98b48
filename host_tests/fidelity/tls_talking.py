"""TLS on a non-blocking socket: handshake, reading, polling, the end of the stream, closing."""

import select
import socket
import ssl
import sys

given = dict(arg.split("=") for arg in sys.argv[1:])
address = socket.getaddrinfo("127.0.0.1", int(given["tls"]), 0, socket.SOCK_STREAM)[0][-1]


def content(name):
    with open(given["folder"] + "/" + name, "rb") as file:
        return file.read()


def attempt(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return error.errno


def connect(command):
    sock = socket.socket()
    sock.connect(address)
    sock.setblocking(False)
    stream = context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
    poller = select.poll()
    poller.register(stream)
    seen = set()
    while True:
        written = stream.write(command + b"\n")
        if written is not None:
            break
        seen.add(poller.poll(-1)[0][1])
    print(command, written, seen <= {select.POLLIN | select.POLLOUT})
    poller.modify(stream, select.POLLIN)
    return sock, stream, poller


context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print("at first:", context.verify_mode == ssl.CERT_NONE)
context.verify_mode = ssl.CERT_REQUIRED
context.load_verify_locations(cadata=content("ca.der"))
try:
    context.wrap_socket(socket.socket())
except ValueError as error:
    print("no host name:", error)

sock, stream, poller = connect(b"say 300")
print("version:", stream.cipher()[1])
buf = bytearray(100)
print([events for _, events in poller.poll(-1)], stream.readinto(buf), buf[99])
print("buffered:", poller.poll(-1)[0][1], stream.readinto(buf, 50), stream.read(3), len(stream.read()))
print("none left:", poller.poll(0), stream.readinto(buf), stream.read(1), stream.read())
poller.modify(stream, select.POLLIN | select.POLLOUT)
print("writable:", poller.poll(0)[0][1])
print("closed:", stream.close(), stream.close(), sock.fileno(), poller.poll(0)[0][1])
print(attempt(stream.write, b"x"), attempt(stream.read, 1))

sock, stream, poller = connect(b"echo")
print(stream.write(b"0123456789", 2, 5), stream.write(bytearray(b"abc")), stream.write(b""))
answer = b""
while len(answer) < 8:
    poller.poll(-1)
    answer += stream.read(100)
print(answer)
stream.close()

for command in (b"say-end 5", b"say-close 5"):
    sock, stream, poller = connect(command)
    answer = b""
    while True:
        poller.poll(-1)
        part = stream.read(100)
        if part == b"":
            break
        answer += part or b""
    print(len(answer), stream.read(1), stream.readinto(buf))
    stream.close()

print("-- a handshake by reading")
sock = socket.socket()
sock.connect(address)
sock.setblocking(False)
stream = context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
poller = select.poll()
poller.register(stream, select.POLLOUT)
print(stream.read(1), poller.poll(0)[0][1])  # nothing to write, yet told to: who waits for POLLOUT here spins
stream.close()

print("-- records")
sock, stream, poller = connect(b"records 10000")
stream.setblocking(True)
print(stream.write(bytes(10000)), stream.read(1))
stream.close()

print("-- unverified")
context.verify_mode = ssl.CERT_NONE
sock = socket.socket()
sock.connect(address)
stream = context.wrap_socket(sock, server_hostname="example.org")
print(stream.write(b"hush\n"))
stream.close()

print("-- blocking")
sock = socket.socket()
sock.connect(address)
stream = context.wrap_socket(sock, server_hostname="localhost")
print(stream.write(b"drip 11\n"), stream.read(11))
stream.setblocking(False)
print(stream.read(1))
stream.close()
