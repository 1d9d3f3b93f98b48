"""A double of the module `socket` of MicroPython's ports with lwIP (extmod/modlwip.c), such as the Pico W's.

`install()` puts it, and `lwip_time`, in the place of `socket` and `time`: what is imported after that gets them, on
MicroPython's Unix port and on CPython with the shim. Its sockets are connected to real peers. docs/lwip.md says what
it does, and which C code that is from. Sockets are for clients and do not block; datagrams are the host's own.
"""

import io
import socket as host
import sys

from lwip_stack import CONNECTED, CONNECTING, NEW, NUM_PCB, PEER_CLOSED, RESET, Pcb, stack

AF_INET = 2
AF_INET6 = 10
SOCK_STREAM = 1
SOCK_DGRAM = 2
SOCK_RAW = 3
SOL_SOCKET = 1
SO_REUSEADDR = 4
SO_BROADCAST = 32
IPPROTO_IP = 0
IP_ADD_MEMBERSHIP = 0x400
IP_DROP_MEMBERSHIP = 0x401
IPPROTO_TCP = 6
TCP_NODELAY = 64  # lwIP's TF_NODELAY

# py/mperrno.h
EIO = 5, "EIO"
EBADF = 9, "EBADF"
EAGAIN = 11, "EAGAIN"
ENOMEM = 12, "ENOMEM"
ECONNRESET = 104, "ECONNRESET"
EISCONN = 106, "EISCONN"
EALREADY = 114, "EALREADY"
EINPROGRESS = 115, "EINPROGRESS"

# py/stream.h
POLL = 3
CLOSE = 4
RD = 1
WR = 4
HUP = 16
NVAL = 32
EINVAL = 22

RETRIES = 200
RETRY_MS = 50


def install():
    """Take the place of `socket` and `time`, for whoever imports them from now on."""
    sys.modules["socket"] = sys.modules["lwip_socket"]
    sys.modules["time"] = sys.modules["lwip_time"]


def getaddrinfo(name, port, af=0, kind=0, proto=0, flags=0):
    """lwip_getaddrinfo: one address; its errors are lwIP's own numbers."""
    if af not in (0, AF_INET) or kind not in (0, SOCK_STREAM) or proto or flags:
        print("RuntimeWarning: unsupported getaddrinfo constraints")
    if not name or len(name) > 255:
        raise OSError(-16, "ERR_ARG")
    try:
        found = host.getaddrinfo(name, port, 0, host.SOCK_STREAM)
    except OSError:
        raise OSError(-2, "name not found")
    four = [info for info in found if info[0] == host.AF_INET] or found
    address = four[0][-1]
    if not isinstance(address, tuple):
        family, packed, *_ = host.sockaddr(address)
        address = host.inet_ntop(family, packed), port
    return [(AF_INET, SOCK_STREAM, 0, "", (address[0], port))]


def socket(af=AF_INET, kind=SOCK_STREAM, proto=0):
    """lwip_socket_make_new"""
    if kind == SOCK_DGRAM:
        return host.socket(af, kind, proto)
    stack.run()
    if len(stack.pcbs) >= NUM_PCB:
        raise OSError(*ENOMEM)
    return Socket()


class Socket(io.IOBase):
    """A TCP socket. Deriving from IOBase makes it a stream for `select.poll` and `ssl`."""

    def __init__(self):
        self._pcb = Pcb()
        self._closed = False
        self._blocking = True

    def setblocking(self, flag):
        self._blocking = bool(flag)

    def connect(self, address):
        pcb = self._alive()
        if pcb.state != NEW:
            raise OSError(*(EISCONN if pcb.state == CONNECTED else EALREADY))
        if self._blocking:
            raise NotImplementedError("the double has no blocking sockets")
        info = host.getaddrinfo(address[0], address[1], 0, host.SOCK_STREAM)[0]
        pcb.open((info[0], info[-1]))
        raise OSError(*EINPROGRESS)

    def setsockopt(self, level, option, value):
        stack.run()
        if option == TCP_NODELAY:
            self._freed()
            stack.counts["nodelay"] += 1
            self._pcb.nodelay = bool(value)
        elif option in (SO_REUSEADDR, SO_BROADCAST):
            self._freed()
        else:
            # The level is ignored. Not for logs: it goes to the board's terminal.
            stack.counts["warnings"] += 1
            print("Warning: lwip.setsockopt() not implemented")

    def _freed(self):
        # lwip_socket_setsockopt does not look whether there is a pcb: it writes to address 0 and a little.
        if self._closed or self._pcb.state == RESET:
            raise RuntimeError("setsockopt on a connection that has ended: on a board that is a NULL pointer")

    def _alive(self):
        stack.run()
        if self._closed or self._pcb.state == RESET:
            raise OSError(*EBADF)
        return self._pcb

    def _error(self):
        # STREAM_ERROR_CHECK
        stack.run()
        if self._closed:
            return EBADF
        return ECONNRESET if self._pcb.state == RESET and not self._pcb.received else None

    # lwip_tcp_receive in mp_stream_rw

    def readinto(self, buf, limit=-1):
        size = len(buf) if limit < 0 else min(limit, len(buf))
        error = self._error()
        if error:
            raise OSError(*error)
        pcb = self._pcb
        size = min(size, len(pcb.received))
        if size:
            buf[:size] = pcb.received[:size]
            pcb.received = pcb.received[size:]
            return size
        return 0 if pcb.state == PEER_CLOSED else None

    # lwip_tcp_send in mp_stream_rw

    def write(self, buf, *limits):
        start = limits[0] if len(limits) == 2 else 0
        view = memoryview(buf)[start:]
        if limits:
            view = view[: limits[-1]]
        done = 0
        while done < len(view):
            sent = self._send(view[done:])
            if sent is None:
                return done or None
            done += sent
        return done

    def _send(self, view):
        error = self._error()
        if error or self._pcb.state == RESET:
            raise OSError(*(error or ECONNRESET))
        pcb = self._pcb
        waits = pcb.state == CONNECTING and stack.release >= 25
        part = view[: 0 if waits else pcb.sndbuf()]
        if not len(part):
            return None
        for _ in range(RETRIES):
            if pcb.write(part):
                break
            pcb.output()
            stack.wait(RETRY_MS)
            if pcb.state == RESET:
                raise OSError(*EIO)
        else:
            # The last `tcp_output` went well, and that counts.
            stack.counts["dropped"] += len(part)
        pcb.output_nagle()
        return len(part)

    # lwip_socket_ioctl

    def ioctl(self, request, arg):
        if request == POLL:
            stack.run()
            return self._poll(arg)
        if request == CLOSE:
            self.close()
            return 0
        return -EINVAL

    def _poll(self, flags):
        pcb = self._pcb
        if self._closed:
            return NVAL
        ready = flags & RD if pcb.received else 0
        if pcb.state == RESET:
            return ready | flags & WR | HUP
        if (pcb.state != CONNECTING or stack.release < 25) and pcb.sndbuf():
            ready |= flags & WR
        if pcb.state == NEW:
            ready |= HUP
        elif pcb.state == PEER_CLOSED:
            ready |= flags & (RD | WR)
        return ready

    def close(self):
        stack.run()
        if not self._closed:
            self._closed = True
            self._pcb.close()
