"""A TLS stream over a socket as MicroPython has it: the rules are mbedTLS's, the cryptography is OpenSSL's.

One record is on its way at a time, and its bytes are taken from the caller's buffer when the record is made. If the
socket does not take all of it, `write` returns None (or the count before it), and mbedTLS takes the next `write` for
that one repeated: whatever it carries is reported as written, and lost. Here that mistake raises AssertionError.
"""

import errno
import select
import ssl

from _shim_stream import Stream
from _shim_tls_errors import BAD_INPUT, CONN_EOF, VERIFY_FAILED, as_micropython, verify_text

_RECORD = 4096  # plain bytes in an outgoing record, as MicroPython's mbedTLS is built
_HEADER = 5
_RDWR = select.POLLIN | select.POLLOUT


class TLSStream(Stream):
    def __init__(self, sock, engine, incoming, outgoing):
        self._sock = sock
        self._engine = engine
        self._incoming = incoming
        self._outgoing = outgoing
        self._ready = False  # the handshake is through
        self._needs = 0  # the direction the handshake waits for
        self._error = None  # args of the OSError that every later call gets
        self._notified = False  # the peer ended the TLS connection: as mbedTLS does, read says so once
        self._ended = False  # the peer ended the TCP connection: read says so for ever
        self._header = bytearray()  # of the record that is being received
        self._body_left = 0
        self._cipher = b""  # encrypted, not yet taken by the socket
        self._plain = b""  # what the caller has to submit again

    def setblocking(self, flag):
        self._sock.setblocking(flag)

    def cipher(self):
        name, version, _bits = self._engine.cipher()
        return name, version

    def getpeercert(self, binary_form):
        if not binary_form:
            raise NotImplementedError
        return self._engine.getpeercert(True)

    def close(self):
        """Sends no close_notify. After a failed handshake the socket is the caller's again, who has to close it."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
            self._error = self._error or BAD_INPUT

    def handshake(self):
        """Blocks, whatever the socket's mode, as `do_handshake_on_connect` does."""
        while wants := self._advance():
            poller = select.poll()
            poller.register(self._sock, wants)
            poller.poll()

    def poll_state(self, mask):
        """For `select.poll`: events that are there already, the socket and the events to wait for there, and how to
        translate those that come back."""
        if self._sock is None or self._error:
            return select.POLLNVAL, None, 0, None
        needs, asked = self._needs, mask & _RDWR
        if needs and asked:
            return 0, self._sock, mask & ~asked | needs, lambda got: got | asked if got & needs else got
        if mask & select.POLLIN and self._engine.pending():
            return select.POLLIN, None if mask == select.POLLIN else self._sock, mask, None
        return 0, self._sock, mask, None

    def _read_some(self, view):
        if self._blocked(select.POLLIN):
            return None
        while not self._ended:
            try:
                got = self._engine.read(len(view), view)
                if got or not self._notified:
                    self._notified = not got
                    return got
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                self._fail(as_micropython(error))
            if not self._receive():
                return None
        return 0

    def _write_some(self, view):
        if self._blocked(select.POLLOUT):
            return None
        part = bytes(view[:_RECORD])
        if self._plain:
            if part != self._plain:
                raise AssertionError(f"TLS: {len(part)} bytes come instead of the {len(self._plain)} that would block")
        else:
            self._engine.write(part)
            self._plain = part
        if not self._flush():
            return None
        self._plain = b""
        return len(part)

    def _blocked(self, direction):
        """Goes on with the handshake on behalf of a call that moves data in `direction`. `poll` is told only if the
        handshake waits for the other one: so mbedTLS's glue has it, and polling for POLLOUT after a read spins."""
        wants = self._advance()
        self._needs = wants & ~direction
        return wants

    def _advance(self):
        """Returns 0 when the handshake is through, else the event it waits for."""
        self._needs = 0
        if self._error:
            raise OSError(*self._error)
        try:
            while not self._ready:
                done = self._step()
                if not self._flush():
                    return select.POLLOUT
                self._ready = done
                if not done and not self._receive():
                    return select.POLLIN
        except (OSError, ValueError):
            if self._error != CONN_EOF:
                self._sock = None
            raise
        return 0

    def _step(self):
        try:
            self._engine.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # early releases of 3.11 call it the second
            self._fail(OSError(*CONN_EOF))
        except ssl.SSLCertVerificationError as error:
            self._send_alert()
            self._fail(ValueError(verify_text(error)), VERIFY_FAILED)
        except ssl.SSLError as error:
            self._send_alert()
            self._fail(as_micropython(error))

    def _send_alert(self):
        try:
            self._flush()
        except OSError:
            pass  # the peer is gone: the first failure is the one to tell

    def _flush(self):
        """Hands what is encrypted to the socket; True when all of it is gone."""
        self._cipher = bytes(self._cipher) + self._outgoing.read()
        while self._cipher:
            sent = self._call(self._sock.write, self._cipher)
            if not sent:
                return False
            self._cipher = self._cipher[sent:]
        return True

    def _receive(self):
        """Hands the engine what the socket has of the current record, and nothing beyond it: the rest stays in the
        socket, where `poll` sees it. True when there was something, the end of the stream included."""
        part = bytearray(self._body_left or _HEADER - len(self._header))
        got = self._call(self._sock.readinto, part)
        if got is None:
            return False
        if got == 0:
            if self._ready:
                self._ended = True  # the engine does not hear of it: it would not write any more
            else:
                self._incoming.write_eof()
            return True
        self._incoming.write(part[:got])
        if self._body_left:
            self._body_left -= got
            return True
        self._header += part[:got]
        if len(self._header) == _HEADER:
            self._body_left = int.from_bytes(self._header[3:], "big")
            self._header.clear()
        return True

    def _call(self, function, *args):
        try:
            return function(*args)
        except OSError as error:
            self._fail(OSError(error.errno, errno.errorcode.get(error.errno, "")))

    def _fail(self, error, later=None):
        self._error = later or error.args
        raise error from None
