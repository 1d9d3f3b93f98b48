"""TLS handshakes that fail: what is raised first, what later, and what is left to close."""

import select
import socket
import ssl
import sys

given = dict(arg.split("=") for arg in sys.argv[1:])


def content(name):
    with open(given["folder"] + "/" + name, "rb") as file:
        return file.read()


def failure(call, *args):
    try:
        return call(*args)
    except ValueError as error:
        return "ValueError", str(error)
    except OSError as error:
        return "OSError", error.errno


def start(port, ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=content(ca))
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", int(given[port]), 0, socket.SOCK_STREAM)[0][-1])
    sock.setblocking(False)
    return sock, context


def wrap(context, sock):
    return context.wrap_socket(sock, server_hostname="localhost")


def handshake(stream, poller):
    while True:
        result = failure(stream.write, b"hush\n")
        if result is not None:
            return result
        poller.poll(-1)


for port, host, ca in (
    ("tls", "localhost", "ca.der"),
    ("tls", "127.0.0.1", "ca.der"),
    ("tls", "localhost", "other.der"),
    ("tls", "example.org", "ca.der"),
    ("chained", "localhost", "ca.der"),
    ("chained", "localhost", "intermediate.der"),
    ("chained", "localhost", "other.der"),
    ("expired", "localhost", "ca.der"),
    ("future", "localhost", "ca.der"),
    ("not_tls", "localhost", "ca.der"),
    ("hang_up", "localhost", "ca.der"),
    ("reset", "localhost", "ca.der"),
):
    print("--", port, host, ca)
    sock, context = start(port, ca)
    stream = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    poller = select.poll()
    poller.register(stream)
    result = handshake(stream, poller)
    print(result)
    if result != 5:
        print(failure(stream.write, b"x"), failure(stream.read, 1), poller.poll(0)[0][1])
        stream.close()
        print("socket closed:", sock.fileno() == -1, failure(stream.read, 1)[0])
    sock.close()

print("-- in wrap_socket")
for port, ca in (("tls", "other.der"), ("expired", "ca.der"), ("not_tls", "ca.der")):
    sock, context = start(port, ca)
    print(failure(wrap, context, sock))
    sock.close()

print("-- bad data")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
certificate, key = content("client.der"), content("client.key.der")
print(failure(lambda: context.load_verify_locations(cadata=b"nonsense")))
print(failure(context.load_cert_chain, b"nonsense", key))
print(failure(context.load_cert_chain, certificate, b"nonsense"))
