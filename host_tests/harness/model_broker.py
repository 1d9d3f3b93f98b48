"""An honest MQTT server in memory: one client, whose session it keeps, and what it got and gave."""

from __future__ import annotations

from harness import wire


class ModelBroker:
    """Takes the client's bytes with `take`, leaves its own in `down`; `lost` ends the connection, not the session."""

    def __init__(self):
        self.received = []  # payloads, in the order in which they came; QoS 2 those that are new
        self.down = bytearray()
        self._up = bytearray()
        self._session = False
        self._connected = False
        self._half = set()  # QoS 2 identifiers between PUBLISH and PUBREL
        self._unfinished = {}  # identifier: [qos, payload, sent before, released]
        self._lastid = 0

    def lost(self):
        self.down.clear()
        self._up.clear()
        self._connected = False

    def finished(self):
        return not self._half and not self._unfinished

    def publish(self, payload: bytes, qos: int):
        """Send a message to the client; QoS 1 and 2 wait until it is connected."""
        if not qos:
            if self._connected:
                self.down += wire.publish("t", payload)
            return
        self._lastid = self._lastid % 65535 + 1
        self._unfinished[self._lastid] = [qos, payload, 0, False]
        if self._connected:
            self._send(self._lastid)

    def _send(self, pid):
        qos, payload, before, released = self._unfinished[pid]
        self._unfinished[pid][2] = 1
        if released:
            self.down += wire.ack("PUBREL", pid)
        else:
            self.down += wire.publish("t", payload, qos, pid, dup=before)

    def take(self, data: bytes):
        self._up += data
        while size := wire.whole(self._up):
            packet = wire.decode(bytes(self._up[:size]))
            del self._up[:size]
            assert self._connected != (packet.name == "CONNECT"), f"{packet.name} at the wrong time"
            getattr(self, packet.name.lower())(packet)

    def connect(self, _packet):
        self._connected = True
        self.down += wire.connack(0, self._session)
        self._session = True
        for pid in self._unfinished:
            self._send(pid)

    def publish_from(self, p):
        if p.qos < 2 or p.pid not in self._half:
            self.received.append(p.message)
        if p.qos == 1:
            self.down += wire.ack("PUBACK", p.pid)
        elif p.qos == 2:
            self._half.add(p.pid)
            self.down += wire.ack("PUBREC", p.pid)
