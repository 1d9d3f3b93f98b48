"""The works that are measured, and how many messages of each a subject gets."""

from typing import NamedTuple


class Work(NamedTuple):
    """`function`: of the programs. `server`: of rates.Servers. `count`: messages in a round."""

    title: str
    function: str
    server: str
    count: int


WORKS = {
    "publish0": Work("publish QoS 0", "publish0", "broker", 40000),
    "publish1": Work("publish QoS 1, one at a time", "publish1", "broker", 4000),
    "window": Work("publish QoS 1, ≤ 20 in flight", "window", "broker", 10000),
    "delay": Work("the same, 50 ms of round trip", "window", "delay", 200),
    "publish2": Work("publish QoS 2, one at a time", "publish2", "broker", 2500),
    "receive0": Work("receive QoS 0", "receive0", "burst", 40000),
    "receive1": Work("receive QoS 1", "receive1", "burst", 40000),
    "others": Work("receive QoS 0, topics change", "receive0", "others", 40000),
    "tls": Work("TLS, publish QoS 0", "publish0", "tls", 20000),
    "packed": Work("TLS, publish QoS 0, 20 in a write", "packed0", "tls", 60000),
    "latency": Work("out and back through the broker", "latency", "broker", 1000),
}
RATED = [name for name in WORKS if name != "others"]
COUNTED = ("publish0", "publish1", "publish2", "receive0", "receive1", "others")

# Where a packet leaves in several writes, each waits 40 ms for the acknowledgement of the one before.
SLOW = {"umqtt": {"publish1": 25, "latency": 25}}


def count(work, subject, quick):
    """How many messages, and how many before those to warm up."""
    number = SLOW.get(subject, {}).get(work, WORKS[work].count)
    if quick and number > 100:
        number = max(100, number // 4)
    return number, max(1, number // 10)
