"""Packet identifiers run 1 to 65535, wrap, and skip those in use: 70,000 QoS 1 messages on one connection."""

from harness import wire

MANY = 70_000


def test_70000_qos1_messages_on_one_connection(runtime, broker, witness, name):
    seen = witness(broker.port).subscribe(name, 0)
    events = runtime.run("limits.many", url=broker.url, clientid=name, topic=name, count=MANY, limit=60)
    assert events == [["end", []]]
    got = seen.wait(MANY, limit=60)
    assert [int(m.message) for m in got] == list(range(MANY))


def test_the_wrap_skips_identifiers_in_use(runtime, fake_broker):
    """Counted from 1, never 0, and never the one identifier that is still waiting."""

    def script(conn):
        conn.accept()
        assert conn.read("PUBLISH").pid == 1
        expected = 2
        for _ in range(65_600):
            pid = conn.read("PUBLISH").pid
            assert pid == expected, f"identifier {pid} instead of {expected}"
            expected = pid + 1 if pid < 65535 else 2
            conn.sock.sendall(wire.ack("PUBACK", pid))
        assert (last := conn.read("PUBLISH")).topic == "last"
        conn.send(wire.ack("PUBACK", 1) + wire.ack("PUBACK", last.pid))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    events = runtime.run("limits.skips_those_in_use", url=fake.url, clientid="c", count=65_600, limit=60)
    assert events == [["waiting", 0], ["first", 0]]
    fake.join()
