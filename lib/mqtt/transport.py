"""One non-blocking byte stream over TCP or TLS: name look-up, connect, handshake, partial reads and writes."""

import errno
import select
import socket

from micropython import const

_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)


class Transport:
    """A stream to the server of `config`, see `options`. `step` until it is `ready`, then write, and read from 2 on.

    The TLS handshake is part of the first write, which takes nothing before the server is verified.
    All methods raise OSError on failure, the handshake also ValueError.
    """

    def __init__(self, config):
        self._config = config
        self._targets = None
        self._raw = None  # the socket below TLS
        self._poller = None
        self._left = 0
        self.sock = None
        self.ready = 0

    def step(self):
        """Get on with connecting; return whether it is ready now. The name look-up may block."""
        try:
            if self._poller:
                for _, event in self._poller.ipoll(0):
                    if event & (select.POLLERR | select.POLLHUP):
                        # What failed comes out of the first read.
                        self.readinto(bytearray(1), 1)
                    self._opened()
                return self.ready
            if self._targets is None:
                config = self._config
                self._targets = socket.getaddrinfo(config.host, config.port, 0, socket.SOCK_STREAM)
            info = self._targets.pop(0)
            self.sock = socket.socket(info[0], info[1], info[2])
            self.sock.setblocking(False)
            self._watch()
            self.sock.connect(info[-1])
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                # A host may have several addresses, of which not all are served.
                if not self._targets:
                    raise
                self.close()
        return False

    def _watch(self):
        self._poller = select.poll()
        self._poller.register(self.sock, select.POLLOUT)

    def _opened(self):
        try:
            self.sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        except OSError:
            pass  # not every port has it, and with a packet in one write little is lost
        if not self._config.tls:
            self.ready = 2
            self.write = self.sock.write
        else:
            self.ready = 1
            context, name = self._config.tls
            self._raw = self.sock
            self.sock = context.wrap_socket(self._raw, server_hostname=name, do_handshake_on_connect=False)
            self._watch()

    def readinto(self, buf, n):
        """Read what has come, up to `n` bytes; return their number, 0 for none yet."""
        n = self.sock.readinto(buf, n)
        if n == 0:
            raise OSError(errno.ECONNRESET)
        return n or 0

    def write(self, buf, at, n):
        """Write buf[at:at + n] as far as the network takes it; return the number of bytes, None for none.

        A TLS stream that took none wants the same bytes again: then not more than those are offered. Without TLS it is
        the socket's own method.
        """
        self._left = self._left or n
        n = self.sock.write(buf, at, self._left)
        if n:
            self._left = 0
            self.ready = 2
        return n or None

    def _events(self, write):
        if not self.ready or write > 1:
            return select.POLLOUT
        return select.POLLIN | select.POLLOUT if write else select.POLLIN

    def register(self, poller, tls, write):
        """Have a poller wait as `wait` does, if this is (`tls` True) or is not yet a TLS stream."""
        if self.sock and (self._raw is not None) == tls:
            poller.register(self.sock, self._events(write))

    def wait(self, ms, write):
        """Wait up to `ms` for something to read (`write` is 0), to be able to write (2), or for both (1)."""
        if self._poller:
            self._poller.modify(self.sock, self._events(write))
            for _ in self._poller.ipoll(ms):
                return

    def close(self):
        """Close the stream."""
        if self.sock:
            self.sock.close()
        if self._raw:
            # After a failed handshake the stream above leaves it open.
            self._raw.close()
        self.sock = self._raw = self._poller = None
