"""asyncio: waiting for a TLS stream, through the handshake and with bytes buffered above the socket."""

import asyncio
import socket
import ssl
import sys

from ready import readable, writable

given = dict(arg.split("=") for arg in sys.argv[1:])


async def main():
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", int(given["tls"]), 0, socket.SOCK_STREAM)[0][-1])
    sock.setblocking(False)
    stream = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(sock, do_handshake_on_connect=False)
    while stream.write(b"say 300\n") is None:
        await writable(stream)
    for size in (100, 150, 50):
        await asyncio.wait_for(readable(stream), 30)
        print(len(stream.read(size)))
    try:
        await asyncio.wait_for_ms(readable(stream), 20)
    except asyncio.TimeoutError:
        print("TimeoutError")
    stream.close()


asyncio.run(main())
