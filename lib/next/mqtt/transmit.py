"""The transmit buffer: what is on its way to the network, in the order in which it leaves.

Small packets are collected here, so that a burst is one write. A large payload is not copied: its packet's beginning
stands in the buffer, and the rest is written from the message's own bytes. Knows nothing of packets' meaning.
"""

from micropython import const

from .packets import publish_head

_SIZE = const(1024)  # bytes: two small segments of TCP
# The end is kept free. Each packet that is read may need an acknowledgement of 4 bytes, and reading stops when there is
# no room for one; otherwise a peer that never reads could make us drop it. PINGREQ and DISCONNECT take 2 bytes each.
_ROOM = const(1008)
_HEAD = const(9)  # bytes of a PUBLISH before its payload at most, topic not counted


class TransmitBuffer:
    """Bytes to send: `buf[start:end]`, and a body that leaves at `split`, as if it stood there."""

    def __init__(self):
        self.buf = bytearray(_SIZE)
        self.clear()

    def clear(self):
        """Forget everything: the connection is gone."""
        self.start = self.end = 0
        self.split = 0  # where in `buf` the body belongs
        self.body = None  # bytes that leave from where they are
        self._at = 0  # of the body, so much has left
        self._more = None  # a second body behind the first

    def room(self):
        """Whether an acknowledgement fits."""
        return self.end <= _ROOM

    def waiting(self):
        """Whether there is anything to send."""
        return self.end > 0

    def untouched(self):
        """Whether nothing of what is waiting has left."""
        return not self.start and not self._at

    def short(self, first, pid):
        """Append a packet of 4 bytes, or of 2 if `pid` is None; needs `room()`."""
        buf = self.buf
        end = self.end
        buf[end] = first
        if pid is None:
            buf[end + 1] = 0
            self.end = end + 2
            return
        buf[end + 1] = 2
        buf[end + 2] = pid >> 8
        buf[end + 3] = pid & 0xFF
        self.end = end + 4

    def publish(self, head, topic, message):
        """Append a PUBLISH; False: there is no room for it now; None: no memory for so long a topic.

        `message` (bytes-like) may leave from where it is.

        head: see `packets.publish_head`.
        """
        at = self.end
        if at + len(topic) + len(message) + _HEAD > _ROOM:
            return self._publish_large(head, topic, message)
        at = publish_head(self.buf, at, head, topic, message)
        self.end = at + len(message)
        self.buf[at : self.end] = message
        return True

    def _publish_large(self, head, topic, message):
        if self.end:
            return False
        if len(topic) + _HEAD > _ROOM:
            # A topic of this length needs memory of its own.
            try:
                buf = bytearray(len(topic) + _HEAD)
                return self.put(memoryview(buf)[: publish_head(buf, 0, head, topic, message)], message)
            except MemoryError:
                return None
        self.split = self.end = publish_head(self.buf, 0, head, topic, message)
        self.body = message
        return True

    def put(self, packet, more=None):
        """Append a packet (bytes-like), and another body behind it; False: there is no room for it now."""
        end = self.end + len(packet)
        if end <= _ROOM and more is None:
            self.buf[self.end : end] = packet
            self.end = end
            return True
        if self.end:
            return False
        # Its beginning leaves from the buffer, so that `end` tells that there is something to send.
        self.body = memoryview(packet)[1:]
        self._more = more
        self.buf[0] = packet[0]
        self.split = self.end = 1
        return True

    def keep(self, body):
        """Have what is left of the body leave from `body`, a copy of it."""
        if self.body is not None:
            self.body = body

    def send(self, write):
        """Hand bytes to `write(buf, offset, length)` until all have left, or it takes no more; return whether any left.

        `start` tells then how many bytes of `buf` have left. It is 0 again as soon as all have.
        """
        sent = False
        while self.end:
            if self.body is not None:
                n = self._send_body(write)
            else:
                n = write(self.buf, self.start, self.end - self.start)
                if n:
                    self.start += n
            if not n:
                return sent
            sent = True
            if self.start == self.end and self.body is None:
                self.start = self.end = 0
        return sent

    def _send_body(self, write):
        # Sends what stands before the body, then the body; returns None if the network takes no more.
        if self.start < self.split:
            n = write(self.buf, self.start, self.split - self.start)
            self.start += n or 0
            return n
        left = len(self.body) - self._at
        if left:
            n = write(self.body, self._at, left)
            self._at += n or 0
            if not n or n < left:
                return n
        self.body = self._more
        self._more = None
        self._at = 0
        return True
