"""Calls from soft interrupts, whenever one may come: nothing is lost, doubled, out of order or stalled."""

import pytest
from harness import wire


def in_order(sources, got):
    """Each source's messages of each QoS, once, in order and under their topics. got: topic, `main 1 7 …`."""
    words = [(topic, *text.split()[:3]) for topic, text in got]
    assert [topic for topic, _, _, n in words if topic[-1] != str(int(n) % 2)] == []
    for source, count in sources.items():
        for qos in range(3):
            numbers = [int(n) for topic, name, q, n in words if (name, q) == (source, str(qos)) and source in topic]
            assert numbers == [n for n in range(count) if n % 3 == qos], (source, qos)


@pytest.mark.parametrize("step, offset", [(1, 0), (2, 1), (3, 1), (7, 5), (23, 3), (50, 17)])
def test_calls_at_any_moment(runtime, broker, name, step, offset):
    sent, got, left, moments = runtime.run(
        "interrupts.echo", url=broker.url, clientid=name, topic=name, step=step, offset=offset
    )
    assert moments[1] > 1000, "it was interrupted"
    for done, count in zip(sent[1:], (60, 120), strict=True):
        assert sorted(done) == [[n, 0] for n in range(count)]
    in_order({"main": 60, "interrupt": 120}, got[1])
    assert left[1:3] == [0, 0] and left[3] == left[4] and left[5] == 0


@pytest.mark.parametrize("step, offset", [(1, 0), (2, 1), (7, 5), (23, 3)])
def test_calls_while_the_network_takes_nothing(runtime, fake_broker, step, offset):
    got = []

    def script(conn):
        conn.accept()
        conn.hold()
        while (packet := conn.read_packet()).name != "DISCONNECT":
            if packet.name == "PUBLISH":
                got.append((packet.topic, packet.message[:40].decode()))
                if packet.qos:
                    conn.send(wire.ack("PUBACK" if packet.qos == 1 else "PUBREC", packet.pid))
            else:
                conn.send(wire.ack("PUBCOMP", packet.pid))

    fake = fake_broker(script, receive_buffer=4096)
    program = runtime.start("interrupts.full", url=fake.url, clientid="c", step=step, offset=offset, count=40)
    program.expect("full")
    fake.release()
    mine, theirs, right, done = program.expect("sent")
    assert right and done == [[n, 0] for n in range(theirs)]
    program.finish()
    fake.join()
    in_order({"main": mine, "interrupt": theirs}, got)


@pytest.mark.parametrize("step, offset", [(1, 0), (2, 1), (3, 1), (7, 5), (23, 3), (50, 17)])
def test_cancelling_at_any_moment(runtime, broker, name, step, offset):
    told, (_, cancelled, kept), got = runtime.run(
        "interrupts.cancelled", url=broker.url, clientid=name, topic=name, step=step, offset=offset
    )
    codes = dict(told[1])
    assert len(told[1]) == len(codes) == 60, "each is told once"
    assert [n for n, code in told[1] if code not in (0, -11)] == []
    assert [n for n in cancelled if codes[n] != -11] == [] and [n for n in kept if codes[n]] == []
    assert len(set(got[1])) == len(got[1]), "nothing is doubled"
    assert [n for n in range(60) if codes[n] == 0 and n not in got[1]] == [], "nothing is lost"
