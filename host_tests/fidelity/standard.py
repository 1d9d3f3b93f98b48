"""In a child with the shim the standard library goes on working: asyncio, ssl, http, subprocess, selectors."""

import asyncio
import http.client
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

given = dict(arg.split("=") for arg in sys.argv[1:])
folder = Path(given["folder"])
plain, tls = int(given["plain"]), int(given["tls"])


def pem(name):
    return ssl.DER_cert_to_PEM_cert((folder / name).read_bytes())


async def talk(port, **options):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    writer.write(b"say 5\n")
    print(await reader.readexactly(5))
    writer.close()


async def serve():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"own server\n")
    print(await reader.read())
    writer.close()
    server.close()


real = ssl.create_default_context(cadata=pem("ca.der"))
ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ours.verify_mode = ssl.CERT_REQUIRED
ours.load_verify_locations(cadata=pem("ca.der").encode())
asyncio.run(talk(plain))
asyncio.run(talk(tls, ssl=real, server_hostname="localhost"))
asyncio.run(talk(tls, ssl=ours, server_hostname="localhost"))
asyncio.run(serve())

sock = socket.create_connection(("127.0.0.1", tls))
with real.wrap_socket(sock, server_hostname="localhost") as secure:
    secure.sendall(b"say 5\n")
    print(type(secure) is ssl.SSLSocket, secure.recv(5), secure.version() in ("TLSv1.2", "TLSv1.3"))

connection = http.client.HTTPConnection("127.0.0.1", int(given["not_tls"]), timeout=30)
connection.request("GET", "/")
print(connection.getresponse().reason)
connection.close()

print(subprocess.run(["echo", "subprocess"], capture_output=True, check=True).stdout)
one, other = socket.socketpair()
with one, other, selectors.PollSelector() as selector:
    selector.register(one, selectors.EVENT_READ, "data")
    other.sendall(b"x")
    print([(key.data, key.fileobj is one, mask) for key, mask in selector.select(10)])

with tempfile.TemporaryDirectory() as private:
    tempfile.tempdir = private
    ours.load_cert_chain((folder / "client.der").read_bytes(), (folder / "client.key.der").read_bytes())
    print("keys left on disk:", list(Path(private).iterdir()))
