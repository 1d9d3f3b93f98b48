"""The other end of the fidelity programs: a server that does what the first line of a connection tells it.

`echo`           sends back what comes
`say N`          sends N bytes at once and goes on reading
`drip N`         sends N bytes, each by itself
`close`          closes at once
`say-close N`    sends N bytes, then closes (TLS: without a word)
`say-end N`      TLS: sends N bytes, then closes the TLS connection as it should be done
`reset`          resets the connection
`say-reset N`    sends N bytes, then resets
`sink N`         reads nothing until another connection says `release`; then reads N bytes and sends their SHA-256
`records N`      reads N bytes and sends in how many parts they came (TLS: records), as one digit
`hush`           does nothing until the client closes
"""

import hashlib
import socket
import ssl
import struct
import threading

PATTERN = bytes(range(256)) * 256
SMALL_BUFFER = 16384


class Peer:
    """`greet(connection)` comes before the command and returns what to go on with: see the functions below."""

    def __init__(self, greet=lambda connection: connection):
        self.greet = greet
        self.released = threading.Event()
        self.connections = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.released.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        """Ends with the connection: what goes wrong here shows in what the program prints."""
        try:
            connection = self.greet(connection)
            self.connections.append(connection)
            command, _, number = read_line(connection).partition(" ")
            getattr(self, command.replace("-", "_"))(connection, int(number or 0))
        except (OSError, EOFError):
            connection.close()

    def echo(self, connection, _number):
        while data := connection.recv(65536):
            connection.sendall(data)

    def say(self, connection, number):
        connection.sendall(PATTERN[:number])
        self.hush(connection, 0)

    def drip(self, connection, number):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(number):
            connection.sendall(PATTERN[index : index + 1])
        self.hush(connection, 0)

    def close(self, connection, _number):
        connection.close()

    def say_close(self, connection, number):
        connection.sendall(PATTERN[:number])
        connection.close()

    def say_end(self, connection, number):
        connection.sendall(PATTERN[:number])
        connection.unwrap()

    def reset(self, connection, _number):
        reset(connection)

    def say_reset(self, connection, number):
        connection.sendall(PATTERN[:number])
        self.reset(connection, 0)

    def sink(self, connection, number):
        self.released.wait()
        digest = hashlib.sha256()
        while number and (data := connection.recv(min(number, 65536))):
            digest.update(data)
            number -= len(data)
        connection.sendall(digest.hexdigest().encode())
        self.hush(connection, 0)

    def records(self, connection, number):
        parts = 0
        while number and (data := connection.recv(65536)):
            number -= len(data)
            parts += 1
        connection.sendall(b"%d" % parts)
        self.hush(connection, 0)

    def release(self, connection, _number):
        self.released.set()
        connection.close()

    def hush(self, connection, _number):
        while connection.recv(65536):
            pass


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise EOFError
        line += byte
    return line.decode().strip()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return connection


def tls(certificate, client_ca=None):
    """Greets with a handshake. `certificate` is a trustme certificate; with `client_ca` clients need one of that CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if client_ca:
        client_ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return lambda connection: context.wrap_socket(connection, server_side=True)


def not_tls(connection):
    """Greets with what a web server says to a ClientHello."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    return connection


def hang_up(connection):
    """Closes instead of the handshake."""
    connection.recv(65536)
    connection.close()
    return connection


def reset_at_hello(connection):
    connection.recv(65536)
    return reset(connection)


def unused_port():
    """A port that refuses connections, and the socket that keeps it so."""
    keeper = socket.socket()
    keeper.bind(("127.0.0.1", 0))
    return keeper, keeper.getsockname()[1]
