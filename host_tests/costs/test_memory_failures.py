"""Memory is bounded, and a failed allocation is an event: reported, and the client lives on."""

import pytest
from harness import wire

COUNT = 10_000


def seen(witness):
    """Payloads that an independent subscriber has got, as numbers."""
    return sorted(int(m.message) for m in witness)


LIMITS = {"count": {"maxqueued": 50}, "bytes": {"maxqueuedbytes": 2000, "maxqueued": 10_000}}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_ten_thousand_messages_while_offline(runtime, broker, witness, name, limit):
    """Those over the limit are refused with -12; what was accepted arrives, once, and nothing else does."""
    subscriber = witness(broker.port).subscribe(name)
    offered, sent = runtime.run(
        "chaos_limits.offline", url=broker.url, clientid=name, topic=name, count=COUNT, cleansession=False, **limit
    )
    most = 50 if "bytes" not in str(limit) else 2000 // (len(name) + 1)
    assert most // 2 < offered[1] <= most
    assert offered[2] == {"-12": COUNT - offered[1]}
    assert sent[1] == list(range(offered[1])), "the first ones were accepted"
    assert sent[2] == {"0": offered[1], "-12": COUNT - offered[1]}, "one callback each"
    assert seen(subscriber.fence(name)) == sent[1]


def test_ten_thousand_messages_while_offline_dropping_the_oldest(runtime, broker, witness, name):
    """Each newer one gives an older one up, QoS 0 first: the last ones of QoS 1 and 2 are there in the end."""
    subscriber = witness(broker.port).subscribe(name)
    offered, sent = runtime.run(
        "chaos_limits.offline",
        url=broker.url,
        clientid=name,
        topic=name,
        count=COUNT,
        cleansession=False,
        overflow="dropold",
        maxqueued=50,
    )
    assert offered[1:] == [50, {"-12": COUNT - 50}, COUNT - 50]
    assert sent[2] == {"0": 50, "-12": COUNT - 50}
    kept = [n for n in range(COUNT) if n % 3]
    # 9999, the newest of all, is of QoS 0.
    assert sent[1] == sorted([*kept[-49:], COUNT - 1])
    assert seen(subscriber.fence(name)) == sent[1]


def test_the_limits_bound_the_memory(micropython, broker, name):
    """The same on a heap that holds a hundred of these messages, but no thousand."""
    offered, sent = micropython(heap="220k").run(
        "chaos_limits.offline", url=broker.url, clientid=name, topic=name * 8, count=2000, maxqueued=50
    )
    assert offered[1] == 50
    assert sent[1] == list(range(50))


def too_large(conn):
    """Small, one that no memory is left for, small."""
    conn.accept()
    conn.read("PUBLISH")
    conn.send(wire.publish("small", b"x") + wire.publish("big", bytes(150_000), 2, 7))
    conn.send(wire.publish("after", b"y", 1, 8) + wire.publish("end"))


def test_no_memory_for_a_message_drop(micropython, fake_broker):
    def script(conn):
        too_large(conn)
        assert [(p.name, p.pid) for p in (conn.read_packet(), conn.read_packet())] == [("PUBREC", 7), ("PUBACK", 8)]
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = micropython(heap="200k").run("limits.inbound", url=fake.url, clientid="c", oversize="drop")
    assert events[:2] == [["message", "small", 1], ["message", "after", 1]]
    assert events[2][1:3] == [[], 1]
    fake.join()


def test_no_memory_for_a_message_close(micropython, fake_broker):
    def script(conn):
        try:
            too_large(conn)
        except ConnectionError:
            pass  # it closes in the middle of the large one
        assert conn.wait_closed() == b""

    fake = fake_broker(script)
    small, end = micropython(heap="200k").run("limits.inbound", url=fake.url, clientid="c", oversize="close")
    assert small == ["message", "small", 1]
    assert end[1:3] == [[-3], 0]
    assert "150" in end[3] and "memory" in end[3]
    fake.join()


# connect, subscribe, their answers, a message of QoS 0, of QoS 1, of QoS 2, until all is through
STEPS = {0: "connect", 1: "subscribe", 2: "answers", 3: "QoS 0", 4: "QoS 1", 5: "QoS 2", 6: "to the end"}


@pytest.mark.parametrize("step", STEPS, ids=STEPS.values())
def test_memory_runs_out_on_micropython(micropython, broker, name, step):
    """All memory is taken but n pieces, for each n up to what suffices (in connect, every 32nd)."""
    runtime = micropython(heap="600k")
    (event,) = runtime.run(
        "chaos_memory.every", url=broker.url, clientid=name, step=step, by=1 if step else 32, quiet=40, limit=60
    )
    assert event[1] > 3, "some n did not suffice"
    assert sum(event[3].values()) >= event[1], "each was reported"
