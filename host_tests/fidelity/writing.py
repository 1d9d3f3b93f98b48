"""write with offset and length; a full send buffer, drained later; recv and send."""

import errno
import hashlib
import select
import socket
import sys

TOTAL = 4_000_000
SETTLED = 300  # ms: longer than TCP delays an acknowledgement, which makes room
SO_SNDBUF = 7  # Linux; MicroPython does not name it
ports = dict(arg.split("=") for arg in sys.argv[1:])
address = socket.getaddrinfo("127.0.0.1", int(ports["plain"]), 0, socket.SOCK_STREAM)[0][-1]


def connect(command):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUF, 32768)
    sock.connect(address)
    sock.write(command + b"\n")
    return sock


print("-- which bytes")
sock = connect(b"echo")
data = bytearray(b"0123456789")
for args in ((data,), (data, 4), (data, 2, 5), (memoryview(data)[6:],), (data, 8, 100)):
    print(sock.write(*args), end=" ")
print(sock.write(data, 20, 5), sock.write(data, 0), sock.write(b""))
sock.write(b"\n")
print(sock.read(10 + 4 + 5 + 4 + 2))
print(sock.recv(1), sock.send(b"abc"), sock.recv(3))
sock.setblocking(False)
try:
    sock.recv(1)
except OSError as error:
    print("recv:", errno.errorcode[error.errno])
sock.close()

print("-- a full send buffer")
sock = connect(b"sink %d" % TOTAL)
sock.setblocking(False)
poller = select.poll()
poller.register(sock, select.POLLOUT)
data = bytes(range(250)) * (TOTAL // 250)
done = sock.write(data)
print("partial:", 0 < done < TOTAL)
while True:
    count = sock.write(data, done, TOTAL - done)
    if count is None and not poller.poll(SETTLED):
        break
    done += count or 0
print("would block:", count)
connect(b"release").close()
while done < TOTAL:
    poller.poll(-1)
    done += sock.write(data, done, TOTAL - done) or 0
sock.setblocking(True)
print("arrived:", sock.read(64) == b"".join(b"%02x" % byte for byte in hashlib.sha256(data).digest()))
