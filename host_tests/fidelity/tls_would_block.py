"""TLS writes that would block: the same bytes again, and all arrive; others instead (`misuse=yes`), and they do not."""

import hashlib
import select
import socket
import ssl
import sys

TOTAL = 2_000_000
SETTLED = 300  # ms: longer than TCP delays an acknowledgement, which makes room
SO_SNDBUF = 7  # Linux; MicroPython does not name it
given = dict(arg.split("=") for arg in sys.argv[1:])
misuse = given["misuse"] == "yes"


def connect(command):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUF, 32768)
    sock.connect(socket.getaddrinfo("127.0.0.1", int(given["tls"]), 0, socket.SOCK_STREAM)[0][-1])
    stream = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(sock)
    stream.write(command + b"\n")
    return stream


def write(data, offset, length):
    try:
        return stream.write(data, offset, length)
    except AssertionError as error:
        print("AssertionError:", "come instead of" in str(error))
        sys.exit()


stream = connect(b"sink %d" % TOTAL)
stream.setblocking(False)
poller = select.poll()
poller.register(stream, select.POLLOUT)
data = bytes(range(250)) * (TOTAL // 250)
done = stream.write(data)
print("partial:", 0 < done < TOTAL)
while True:
    count = stream.write(data, done, TOTAL - done)
    if count is None and not poller.poll(SETTLED):
        break
    done += count or 0
print("would block:", count)
connect(b"release").close()
if misuse:
    data = data[:done] + bytes(TOTAL - done)
while done < TOTAL:
    poller.poll(-1)
    done += write(data, done, TOTAL - done) or 0
stream.setblocking(True)
arrived = stream.read(64)
print("arrived:", arrived == b"".join(b"%02x" % byte for byte in hashlib.sha256(data).digest()))
stream.close()
