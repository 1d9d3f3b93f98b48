"""One non-blocking byte stream over TCP or TLS: name look-up, connect, handshake, partial reads and writes.

The seam for other streams (`ws`, `trace`): whatever has this class's methods and attributes can take its place.
"""

import errno
import select
import socket

from micropython import const

_IPPROTO_TCP = const(6)


class Server:
    """Where to connect to: host (str), port (int), tls (None, or an SSLContext and the server's name)."""

    turn = 0  # of the address to begin with

    def __init__(self, host, port, tls):
        self.host = host
        self.port = port
        self.tls = tls


class Transport:
    """A stream to a Server. `step` until `connected`; from then on `write` and `readinto` are there.

    write(buf, offset, length): writes what the network takes; returns the number of bytes, None for none.
    readinto(buf, length): reads what has come; returns the number of bytes, None for none yet, 0 at the end.
    The TLS handshake is part of the first writes, which take nothing before the server is verified.
    All of them raise OSError on failure, the handshake also ValueError.
    """

    def __init__(self, server):
        self._server = server
        self.tls = server.tls is not None
        self.tried = 0  # how many addresses
        self._addresses = None
        self._tcp = None  # the socket
        self._poller = None
        self._pinned = 0  # bytes that a TLS stream has refused, and wants again
        self.sock = None  # the stream: the socket, or TLS over it
        self.connected = False
        self.secured = False  # with TLS: the server is verified
        self.write = self.readinto = None

    def step(self):
        """Get on with connecting; return whether it is connected now. The name look-up may block."""
        try:
            if self._poller:
                for _, event in self._poller.ipoll(0):
                    if event & (select.POLLERR | select.POLLHUP):
                        # What failed comes out of the first read.
                        self.sock.readinto(bytearray(1))
                        raise OSError(errno.ECONNRESET)
                    self._opened()
                return self.connected
            self._next()
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                # A host may have several addresses, of which not all are served.
                if not self._addresses:
                    raise
                self.close()
        return False

    def _next(self):
        # Begins to connect to the next address.
        server = self._server
        if self._addresses is None:
            found = socket.getaddrinfo(server.host, server.port, 0, socket.SOCK_STREAM)
            first = server.turn % len(found)
            self._addresses = found[first:] + found[:first]
            server.turn = first
        else:
            server.turn += 1
        self.tried += 1
        info = self._addresses.pop(0)
        self.sock = self._tcp = socket.socket(info[0], info[1], info[2])
        self._tcp.setblocking(False)
        self._watch()
        self._tcp.connect(info[-1])

    def others(self):
        """Return how many addresses are left to try."""
        return len(self._addresses) if self._addresses and not self.connected else 0

    def skip(self):
        """Give up the address that is being tried, for the next one."""
        self.close()

    def _watch(self):
        self._poller = select.poll()
        self._watched = None
        self._poller.register(self.sock, select.POLLOUT)

    def _opened(self):
        try:
            self._tcp.setsockopt(_IPPROTO_TCP, getattr(socket, "TCP_NODELAY", 1), 1)
        except OSError:
            pass  # not every port has it, and with a packet in one write little is lost
        tls = self._server.tls
        if tls:
            self.sock = tls[0].wrap_socket(self._tcp, server_hostname=tls[1], do_handshake_on_connect=False)
            self._watch()
            self.write = self._write_again
        else:
            self.write = self.sock.write
        self.readinto = self.sock.readinto
        self.connected = True
        self._watched = None  # what is waited for is another thing now

    def _write_again(self, buf, at, n):
        # A TLS stream that took none wants the same bytes again: then not more than those are offered.
        self._pinned = self._pinned or n
        n = self.sock.write(buf, at, self._pinned)
        if n:
            self._pinned = 0
            self.secured = True
        return n

    def readable(self):
        """Whether there is a point in reading: not before the server is verified."""
        return self.connected and (self.secured or not self.tls)

    def _events(self, write):
        if not self.connected or write > 1:
            return select.POLLOUT
        return select.POLLIN | select.POLLOUT if write else select.POLLIN

    def register(self, poller, tls, write):
        """Have a poller wait as `wait` does, if this is (`tls` True) or is not yet a TLS stream."""
        if self.sock and self.tls == tls:
            poller.register(self.sock, self._events(write))

    def wait(self, ms, write):
        """Wait up to `ms` for something to read (`write` is 0), to be able to write (2), or for both (1)."""
        if self._poller:
            if write != self._watched:
                self._watched = write
                self._poller.modify(self.sock, self._events(write))
            for _ in self._poller.ipoll(ms):
                return

    def close(self):
        """Close the stream."""
        if self.sock:
            self.sock.close()
        if self._tcp and self._tcp is not self.sock:
            # After a failed handshake the stream above leaves it open.
            self._tcp.close()
        self.sock = self._tcp = self._poller = None
