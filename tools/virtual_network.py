"""The network of a virtual board: a relay for its connections, which can fall silent as a lost radio does.

The board asks the relay for a host's address with a line "host port" and gets the number of a port of this machine
behind which that host is, or -2, as a board gets from its name look-up without a network.
"""

import asyncio
import contextlib
import socket
import struct
from functools import partial

HOST = "127.0.0.1"
UNKNOWN = -2  # EAI_NONAME


class End(asyncio.Protocol):
    """One of the two ends of a connection; what it receives goes to its peer. While the radio is off it waits."""

    def __init__(self, relay, peer=None):
        self.relay = relay
        self.peer = peer
        self.transport = None
        self.held = bytearray()
        self.ended = False

    def connection_made(self, transport):
        self.transport = transport
        self.relay.ends.add(self)

    def data_received(self, data):
        self.held += data
        self.flush()

    def connection_lost(self, error):
        self.ended = True
        self.flush()

    def flush(self):
        if self.relay.on and self.peer:
            self.peer.transport.write(bytes(self.held))
            self.held.clear()
            if self.ended:
                self.peer.transport.close()
        if self.ended and (self.relay.on or not self.peer):
            self.relay.ends.discard(self)


class Board(End):
    """The board's end; the host's is made when it is."""

    def __init__(self, relay, connected):
        super().__init__(relay)
        self.connected = connected
        self.task = None

    def connection_made(self, transport):
        super().connection_made(transport)
        self.task = asyncio.ensure_future(self.connected(self))

    def connection_lost(self, error):
        if not self.relay.on:
            self.part()
        super().connection_lost(error)

    def reset(self):
        """End the connection as a broken network does."""
        abrupt = struct.pack("ii", 1, 0)  # what SO_LINGER takes: on, and for no time
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abrupt)
        self.transport.abort()

    def part(self):
        """Leave the host in silence, as a board that is out of reach does; what was on its way is lost."""
        if self.peer:
            self.peer.peer = self.peer = None
        self.held.clear()


class Relay:
    """Listens for the board. `refresh` is called before the board is answered: it may call `switch` and `drop`."""

    def __init__(self, refresh):
        self.refresh = refresh
        self.on = True
        self.ends = set()
        self.servers = {}

    async def start(self):
        """Start; the port at which the board can ask."""
        server = await asyncio.start_server(self.answer, HOST, 0)
        self.servers[None] = server
        return server.sockets[0].getsockname()[1]

    def switch(self, on):
        """Let data through, or not."""
        self.on = on
        for end in list(self.ends):
            end.flush()

    def drop(self):
        """Reset all connections, on the board's side alone."""
        for end in [end for end in self.ends if isinstance(end, Board)]:
            end.part()
            end.reset()

    async def answer(self, reader, writer):
        with contextlib.suppress(OSError, ValueError):
            host, port = (await reader.readline()).decode().split()
            self.refresh()
            writer.write(b"%d\n" % await self.address(host, int(port)))
            await writer.drain()
        writer.close()

    async def address(self, host, port):
        """The port of this machine behind which that of the host is."""
        loop = asyncio.get_running_loop()
        try:
            if not self.on or not await loop.getaddrinfo(host, port):
                return UNKNOWN
        except OSError:
            return UNKNOWN
        if (host, port) not in self.servers:
            connected = partial(self.connect, host, port)
            self.servers[host, port] = await loop.create_server(lambda: Board(self, connected), HOST, 0)
        return self.servers[host, port].sockets[0].getsockname()[1]

    async def connect(self, host, port, board):
        """Connect the board's end to the host; a host that refuses shows as a connection that is reset."""
        try:
            loop = asyncio.get_running_loop()
            _, board.peer = await loop.create_connection(lambda: End(self, board), host, port)
        except OSError:
            board.reset()
        else:
            board.flush()
