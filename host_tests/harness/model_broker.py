"""An honest MQTT server in memory: one client, whose session it keeps; what it got and what it has to give."""

from __future__ import annotations

from harness import wire


class ModelBroker:
    """`take` takes the client's bytes, `down` holds its own; `lost` ends the connection, not the session."""

    def __init__(self):
        self.received = []  # payloads in the order in which they came; of QoS 2 those that are new
        self.down = bytearray()
        self.connected = False
        self._up = bytearray()
        self._known = False
        self._half = set()  # QoS 2 identifiers between PUBLISH and PUBREL
        self._unfinished = {}  # identifier: [qos, payload, how often it was sent, released]
        self._last = 0

    def finished(self) -> bool:
        return not self._half and not self._unfinished

    def lost(self) -> None:
        self.down.clear()
        self._up.clear()
        self.connected = False

    def publish(self, payload: bytes, qos: int) -> None:
        """A message to the client; QoS 1 and 2 wait until it is connected."""
        if not qos:
            self.down += wire.publish("t", payload) if self.connected else b""
        else:
            self._last += 1
            self._unfinished[self._last] = [qos, payload, 0, False]
            if self.connected:
                self._send(self._last)

    def _send(self, pid):
        qos, payload, times, released = self._unfinished[pid]
        self._unfinished[pid][2] += 1
        self.down += wire.ack("PUBREL", pid) if released else wire.publish("t", payload, qos, pid, dup=times > 0)

    def take(self, data: bytes) -> None:
        self._up += data
        while size := wire.whole(self._up):
            packet = wire.decode(bytes(self._up[:size]))
            del self._up[:size]
            assert self.connected == (packet.name != "CONNECT"), f"{packet.name} at the wrong time"
            getattr(self, "on_" + packet.name.lower())(packet)

    def on_connect(self, _packet):
        self.connected = True
        self.down += wire.connack(0, self._known)
        self._known = True
        for pid in self._unfinished:
            self._send(pid)

    def on_publish(self, p):
        assert p.pid not in self._half or p.dup, "sent again without DUP"
        if p.qos < 2 or p.pid not in self._half:
            self.received.append(p.message)
        if p.qos == 1:
            self.down += wire.ack("PUBACK", p.pid)
        elif p.qos == 2:
            self._half.add(p.pid)
            self.down += wire.ack("PUBREC", p.pid)

    def on_pubrel(self, p):
        self._half.discard(p.pid)
        self.down += wire.ack("PUBCOMP", p.pid)

    def on_puback(self, p):
        assert self._unfinished.pop(p.pid)[0] == 1

    def on_pubrec(self, p):
        assert self._unfinished[p.pid][0] == 2
        self._unfinished[p.pid][3] = True
        self.down += wire.ack("PUBREL", p.pid)

    def on_pubcomp(self, p):
        assert self._unfinished.pop(p.pid)[3], "PUBCOMP before PUBREL"
