"""Who has doubled a QoS 2 message: read from what went over the wire."""

from __future__ import annotations

from collections import Counter

from harness import wire
from harness.proxy import DOWN, UP


def packets(stream: bytes):
    """The whole packets of one direction of one connection."""
    at = 0
    while size := wire.whole(stream[at:]):
        yield wire.decode(bytes(stream[at : at + size]))
        at += size


def sent_again(streams) -> list[bytes]:
    """Payloads of QoS 2 that the client has sent under two identifiers, or after PUBREL: it must not [MQTT-4.3.3-1]."""
    pids: dict[bytes, int] = {}
    released: set[int] = set()
    wrong = []
    for stream in streams:
        for packet in packets(stream[UP]):
            if packet.name == "PUBLISH" and packet.qos == 2:
                known = packet.message in pids
                if known and (pids[packet.message] != packet.pid or packet.pid in released):
                    wrong.append(packet.message)
                if not known:
                    released.discard(packet.pid)
                pids[packet.message] = packet.pid
            elif packet.name == "PUBREL":
                released.add(packet.pid)
    return wrong


def deliveries(streams) -> Counter:
    """How often each payload of QoS 2 is to be delivered, by the packets that came [MQTT-4.3.3-2].

    More than once if the broker has sent PUBLISH again after PUBREL, which [MQTT-4.3.3-1] forbids it.
    """
    known: set[int] = set()
    found: Counter = Counter()
    for stream in streams:
        for packet in packets(stream[DOWN]):
            if packet.name == "CONNACK" and not packet.present:
                known.clear()
            elif packet.name == "PUBREL":
                known.discard(packet.pid)
            elif packet.name == "PUBLISH" and packet.qos == 2 and packet.pid not in known:
                known.add(packet.pid)
                found[packet.message] += 1
    return found
