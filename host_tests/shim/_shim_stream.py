"""The stream methods of MicroPython on CPython's sockets.

A non-blocking stream returns None where it would block, and what it got so far if it got something; a blocking one
goes on until it has moved all the bytes. End of stream is 0 or b"". Errors are OSErrors with a number.
"""

import errno

_WOULD_BLOCK = (BlockingIOError, InterruptedError)


class Stream:
    """Needs `_read_some(view)` and `_write_some(view)` of its class: they return how many bytes they moved, 0 at the
    end of the stream, None if they would block, and raise OSError."""

    def readinto(self, buf, nbytes=None):
        view = memoryview(buf).cast("B")
        if nbytes is not None:
            if nbytes < 0:
                nbytes = len(view)
            view = view[:nbytes]
        return _move(self._read_some, view)

    def read(self, size=-1):
        if size is None or size == -1:
            return self._read_all()
        buf = bytearray(size)
        got = _move(self._read_some, memoryview(buf))
        return None if got is None else bytes(buf[:got])

    def readline(self, limit=-1):
        line, byte = bytearray(), bytearray(1)
        while len(line) != limit and not line.endswith(b"\n"):
            got = self._read_some(memoryview(byte))
            if got is None and not line:
                return None
            if not got:
                break
            line += byte
        return bytes(line)

    def write(self, buf, *limits):
        """`write(buf)`, `write(buf, length)` or `write(buf, offset, length)`."""
        if isinstance(buf, str):
            buf = buf.encode()
        offset = limits[0] if len(limits) == 2 else 0
        view = memoryview(buf).cast("B")[offset:]
        if limits and limits[-1] >= 0:
            view = view[: limits[-1]]
        return _move(self._write_some, view)

    def _read_all(self):
        data, chunk = bytearray(), bytearray(4096)
        while True:
            got = self._read_some(memoryview(chunk))
            if got is None and not data:
                return None
            if not got:
                return bytes(data)
            data += chunk[:got]


def _move(step, view):
    """Repeats `step` until `view` is done. As on MicroPython, an error after some bytes is raised (they are lost), and
    would-block after some bytes is not."""
    done = 0
    while done < len(view):
        moved = step(view[done:])
        if moved is None:
            return done or None
        if moved == 0:
            break
        done += moved
    return done


def _numbered(call, *args):
    """CPython's time-outs carry no error number; MicroPython's do."""
    try:
        return call(*args)
    except TimeoutError as error:
        if error.errno is None:
            raise TimeoutError(errno.ETIMEDOUT, "ETIMEDOUT") from None
        raise


def _read_some(sock, view):
    try:
        return _numbered(sock.recv_into, view)
    except _WOULD_BLOCK:
        return None


def _write_some(sock, view):
    try:
        return _numbered(sock.send, view)
    except _WOULD_BLOCK:
        return None


def _look_up(socket):
    """CPython encodes names as IDNA first, and raises what is no OSError for a label too long or empty."""
    real_getaddrinfo = socket.getaddrinfo

    def getaddrinfo(*args, **options):
        try:
            return real_getaddrinfo(*args, **options)
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None

    return getaddrinfo


def install(socket):
    """Gives every socket the methods, those that `accept`, `socketpair` or `asyncio` make included."""
    socket.getaddrinfo = _look_up(socket)
    cls = socket.socket
    cls._read_some = _read_some
    cls._write_some = _write_some
    for name in ("readinto", "read", "readline", "write", "_read_all"):
        setattr(cls, name, getattr(Stream, name))
