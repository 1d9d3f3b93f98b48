"""lwIP's TCP sender, as it works on a Pico W: what `lwip_socket` stands on. docs/lwip.md names the C code it follows.

`stack` is the board's one network stack. A Pcb is one connection in it, over a socket of the host. What is sent goes
to the host's socket, whole segments in order; the memory, the waiting and the closing are lwIP's. lwIP works in the
background, the double in each call: `stack.run()` does what has become due.
"""

import errno
import select
import socket as host
import struct

import lwip_time as clock

# ports/rp2/lwip_inc/lwipopts.h, extmod/lwip-include/lwipopts_common.h, and the defaults of lwip/opt.h
MEM_SIZE = 8000
MSS = 800
SND_BUF = 8 * MSS
WND = 8 * MSS
SND_QUEUELEN = 32
NUM_SEG = 32
NUM_PCB = 5
OVERSIZE = MSS
# mem.c and pbuf.c on a 32-bit machine: a block's header, struct pbuf, and the room for Ethernet, IPv6 and TCP headers
BLOCK = 8
PBUF = 16
HEADERS = 76

CLOSE_MS = 10000  # modlwip.c: MICROPY_PY_LWIP_TCP_CLOSE_TIMEOUT_MS
DELAYED_ACK_MS = 40  # Linux, the peer

NEW, CONNECTING, CONNECTED, PEER_CLOSED, RESET = range(5)


def aligned(size):
    return (size + 3) & ~3


def reset(sock):
    """Close a socket of the host with RST instead of FIN."""
    try:
        sock.setsockopt(host.SOL_SOCKET, host.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # the peer was faster
    sock.close()


class Stack:
    """Memory and connections of all sockets, and what a test may look at and change."""

    def __init__(self):
        self.release = 25  # MicroPython 1.x: 24, 25 or 28 differ
        self.up = True  # the link: when it is down, nothing comes and nothing goes, without a word
        self.pcbs = []
        self.lost = []  # sockets of the host whose reset could not be sent
        self.counts = {
            "segments": 0,  # sent
            "delayed": 0,  # times that data waited for the peer's delayed acknowledgement
            "blocked": 0,  # ms in `write`
            "dropped": 0,  # bytes that `write` reported as written and were not
            "unsent": 0,  # bytes thrown away by a close or a reset
            "resets": 0,  # sent by `close`, or by data that came after it
            "warnings": 0,  # socket options that modlwip does not know
            "nodelay": 0,  # calls that set or cleared TCP_NODELAY
        }

    def heap(self):
        """Bytes in use of MEM_SIZE."""
        return sum([seg.heap for pcb in self.pcbs for seg in pcb.queued()])

    def segments(self):
        """Segments in use of NUM_SEG."""
        return sum([len(pcb.unsent) + len(pcb.unacked) for pcb in self.pcbs])

    def link(self, up):
        """Switch the link off or on."""
        self.up = up
        self.run()

    def run(self):
        """Do what lwIP does in the background."""
        if self.up:
            while self.lost:
                reset(self.lost.pop())
        for pcb in list(self.pcbs):
            pcb.run()

    def drain(self):
        """Go on when the program has ended, as lwIP does, until all is acknowledged; for 200 ms at most."""
        start = clock.ticks_ms()
        while self.segments() and clock.ticks_diff(clock.ticks_ms(), start) < 200:
            clock.sleep_ms(2)
            self.run()

    def wait(self, ms):
        """What `mp_hal_delay_ms` is in a write: the caller waits, lwIP goes on."""
        clock.skip(ms)
        self.counts["blocked"] += ms
        self.run()


stack = Stack()


class Segment:
    def __init__(self, data, alloc):
        self.data = data
        self.heap = BLOCK + PBUF + HEADERS + aligned(alloc)
        self.pbufs = 1
        self.room = alloc - len(data)  # at its end, for later writes
        self.sent = 0  # bytes that the host's socket has taken

    def chain(self, data, alloc):
        self.data += data
        self.heap += chained(alloc)
        self.pbufs += 1
        self.room = alloc - len(data)


def chained(alloc):
    return BLOCK + PBUF + aligned(alloc)


class Pcb:
    """One connection: struct tcp_pcb, and the host's socket below it."""

    def __init__(self):
        self.state = NEW
        self.nodelay = False
        self.unsent = []
        self.unacked = []
        self.received = bytearray()
        self._sock = None
        self._address = None
        self._memerr = False  # TF_NAGLEMEMERR
        self._closing = False  # FIN is queued
        self._since = 0  # ticks: from here the peer's timer for an acknowledgement runs
        self._closed = 0  # ticks: of `close`
        self._stuck = False  # closed while the link was down: its retransmissions come too late
        stack.pcbs.append(self)

    def queued(self):
        return self.unacked + self.unsent

    def sndbuf(self):
        return SND_BUF - sum([len(seg.data) for seg in self.queued()])

    def queuelen(self):
        return sum([seg.pbufs for seg in self.queued()])

    # sending: tcp_out.c

    def write(self, data):
        """tcp_write: queue all of `data`, or, when memory is short (ERR_MEM), nothing: return False."""
        plan = self._plan(len(data))
        if plan is None:
            self._memerr = True
            return False
        filled, linked, sizes = plan
        tail = self.unsent[-1] if self.unsent else None
        if filled:
            tail.data += data[:filled]
            tail.room -= filled
        at = filled
        if linked:
            tail.chain(data[at : at + linked[0]], linked[1])
            at += linked[0]
        for size, alloc in sizes:
            self.unsent.append(Segment(bytearray(data[at : at + size]), alloc))
            at += size
        return True

    def _plan(self, size):
        # Where `size` bytes go: into the room of the last segment, into a pbuf chained to it (size and allocation),
        # and into new segments. None if there is not enough of everything.
        if size > self.sndbuf() or self.queuelen() >= SND_QUEUELEN:
            return None
        filled = 0
        linked = None
        sizes = []
        heap = 0
        if self.unsent:
            tail = self.unsent[-1]
            filled = min(size, tail.room)
            space = MSS - len(tail.data) - filled
            if filled < size and space:
                length = min(space, size - filled)
                linked = length, self._alloc(length, space, True)
                heap += chained(linked[1])
        left = size - filled - (linked[0] if linked else 0)
        while left:
            length = min(MSS, left)
            alloc = self._alloc(length, MSS, not sizes)
            sizes.append((length, alloc))
            heap += BLOCK + PBUF + HEADERS + aligned(alloc)
            left -= length
        if self.queuelen() + len(sizes) + (1 if linked else 0) > SND_QUEUELEN:
            return None
        if stack.heap() + heap > MEM_SIZE or stack.segments() + len(sizes) > NUM_SEG:
            return None
        return filled, linked, sizes

    def _alloc(self, length, limit, first):
        # tcp_pbuf_prealloc: with room for more, if Nagle's algorithm will keep it waiting anyway.
        if length < limit and not self.nodelay and (not first or self.unsent or self.unacked):
            return min(limit, aligned(length + OVERSIZE))
        return length

    def _may_send(self):
        # tcp_do_output_nagle
        return (
            not self.unacked
            or self.nodelay
            or len(self.unsent) > 1
            or (self.unsent and len(self.unsent[0].data) >= MSS)
            or self.sndbuf() == 0
            or self.queuelen() >= SND_QUEUELEN
        )

    def output_nagle(self):
        """tcp_output_nagle"""
        if self._may_send():
            self.output()

    def output(self):
        """tcp_output: put on the line what may leave."""
        if self.state in (CONNECTED, PEER_CLOSED):
            while self.unsent and (self._memerr or self._closing or self._may_send()):
                if not self.unacked:
                    self._since = clock.ticks_ms()
                self.unacked.append(self.unsent.pop(0))
                stack.counts["segments"] += 1
            self._push()
        self._memerr = False

    def _push(self):
        if not stack.up or self._stuck:
            return
        for seg in self.unacked:
            if seg.sent < len(seg.data):
                try:
                    seg.sent += self._sock.write(memoryview(seg.data)[seg.sent :]) or 0
                except OSError:
                    self._fail()
                    return
                if seg.sent < len(seg.data):
                    return

    # what comes from the network

    def run(self):
        """Go on with connecting, receive, take acknowledgements, end."""
        if self.state == CONNECTING:
            self._connect()
        if stack.up and self.state == CONNECTED:
            self._receive()
        if self.state in (CONNECTED, PEER_CLOSED):
            self._push()
            self._acknowledge_late()
        if self._closing and self in stack.pcbs:
            self._end()

    def open(self, address):
        """Begin to connect; `address` is the host's (family, address)."""
        self._address = address
        self.state = CONNECTING
        self._connect()

    def _connect(self):
        if not stack.up:
            return
        try:
            if self._sock is None:
                self._sock = host.socket(self._address[0], host.SOCK_STREAM)
                self._sock.setblocking(False)
                self._sock.connect(self._address[1])
            poller = select.poll()
            poller.register(self._sock, select.POLLOUT)
            for _, event in poller.poll(0):
                if event & (select.POLLERR | select.POLLHUP):
                    self._fail()
                    return
                self._sock.setsockopt(6, 1, 1)  # TCP_NODELAY of the host: a segment leaves as it is
                self.state = CONNECTED
                self.output()
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                self._fail()

    def _receive(self):
        try:
            while len(self.received) < WND:
                part = self._sock.recv(WND - len(self.received))
                if not part:
                    self.state = PEER_CLOSED
                    self._acknowledged()
                    return
                if self._closing:
                    # TF_RXCLOSED: data after the close is answered with a reset.
                    self._abort()
                    return
                self.received += part
                self._acknowledged()
        except OSError as e:
            if e.errno != errno.EAGAIN:
                self._fail()

    def _acknowledge_late(self):
        # Two full segments are acknowledged at once, anything else when the peer's timer ends.
        if not stack.up or not self.unacked:
            return
        late = clock.ticks_diff(clock.ticks_ms(), self._since) >= DELAYED_ACK_MS
        if late or sum([seg.sent for seg in self.unacked]) >= 2 * MSS:
            if late and self.unsent:
                stack.counts["delayed"] += 1
            self._acknowledged()

    def _acknowledged(self):
        while self.unacked and self.unacked[0].sent == len(self.unacked[0].data):
            self.unacked.pop(0)
        self._since = clock.ticks_ms()
        self.output()

    def _fail(self):
        # The connection is gone: _lwip_tcp_error. From here on the socket has no pcb.
        if stack.release < 28:
            self.received = bytearray()
        self.state = RESET
        if self._sock:
            self._sock.close()
        self._free()

    def _free(self):
        # tcp_pcb_purge and memp_free
        stack.counts["unsent"] += sum([len(seg.data) - seg.sent for seg in self.queued()])
        self.unsent = []
        self.unacked = []
        if self in stack.pcbs:
            stack.pcbs.remove(self)

    # closing: tcp_close

    def close(self):
        """Close: with FIN behind what is queued, or, if input is unread, at once and with RST."""
        if self.state in (CONNECTED, PEER_CLOSED):
            self._closing = True
            if self.received:
                self._abort()
                return
            self._closed = clock.ticks_ms()
            self._stuck = not stack.up
            self.output()
            self._end()
            return
        if self._sock:
            self._sock.close()
        self._free()

    def _end(self):
        # Nothing is left to send: the host sends FIN, and lwIP has its memory back as soon as that is acknowledged
        # (TIME_WAIT, which gives way to a new socket). Or modlwip's timer has ended.
        if not [seg for seg in self.queued() if seg.sent < len(seg.data)]:
            self._sock.close()
            self._free()
        elif clock.ticks_diff(clock.ticks_ms(), self._closed) >= CLOSE_MS:
            self._abort()

    def _abort(self):
        stack.counts["resets"] += 1
        if stack.up:
            reset(self._sock)
        else:
            stack.lost.append(self._sock)
        self._free()
