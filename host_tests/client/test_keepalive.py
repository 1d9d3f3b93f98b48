"""Keep alive: PINGREQ when one direction was silent for `keepalive`; a dead link is found in time.

Times are in seconds. Lower bounds are the contract's; upper bounds leave room for a slow machine.
"""

import time

import pytest
from harness import wire

SLACK = 0.7
EARLY = 0.3  # on a slow machine this process hears later than it was told what the time runs from


def timed_read(conn, name, low, high):
    """Read a packet that must come after `low` and, with some slack, before `high` seconds."""
    start = time.monotonic()
    packet = conn.read(name)
    took = time.monotonic() - start
    assert low - EARLY <= took <= high + SLACK, f"{name} after {took:.2f} s, not {low} to {high}"
    return packet


def lost(events):
    (_, reason, took, why), _wrapped = events
    return reason, took / 1000, why


def test_a_silent_connection_is_pinged(runtime, fake_broker):
    def script(conn):
        assert conn.accept().keepalive == 1
        for _ in range(2):
            timed_read(conn, "PINGREQ", 1, 1)
            conn.send(wire.PINGRESP)
        conn.send(wire.publish("stop"))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    runtime.run("keeping.until_told", url=fake.url, clientid="c", keepalive=1)
    fake.join()


def test_sending_alone_does_not_keep_alive(runtime, fake_broker):
    """Nothing was received for `keepalive`: PINGREQ, though QoS 0 goes out all the time."""

    def script(conn):
        conn.accept()
        start = time.monotonic()
        while conn.read_packet().name == "PUBLISH":
            assert time.monotonic() < start + 1 + SLACK
        assert time.monotonic() > start + 0.9
        conn.send(wire.PINGRESP + wire.publish("stop"))
        while conn.read_packet().name != "DISCONNECT":
            pass

    fake = fake_broker(script)
    runtime.run("keeping.until_told", url=fake.url, clientid="c", keepalive=1, publish_every=100)
    fake.join()


def test_receiving_alone_does_not_keep_alive(runtime, fake_broker):
    """Nothing was sent for `keepalive`: PINGREQ, though messages come all the time."""

    def script(conn):
        conn.accept()
        start = time.monotonic()
        pinged = False
        while not pinged and time.monotonic() < start + 1 + SLACK:
            conn.send(wire.ack("PUBACK", 4711))
            pinged = not conn.silent_for(0.1)
        assert pinged and time.monotonic() > start + 0.9
        assert conn.read_packet().name == "PINGREQ"
        conn.send(wire.PINGRESP + wire.publish("stop"))
        conn.read("DISCONNECT")

    fake = fake_broker(script)
    runtime.run("keeping.until_told", url=fake.url, clientid="c", keepalive=1)
    fake.join()


def test_traffic_both_ways_needs_no_ping(runtime, fake_broker):
    def script(conn):
        conn.accept()
        for _ in range(12):
            conn.send(wire.ack("PUBACK", conn.read("PUBLISH").pid))
        conn.send(wire.publish("stop"))
        while (packet := conn.read_packet()).name != "DISCONNECT":
            assert packet.name == "PUBLISH"

    fake = fake_broker(script)
    runtime.run("keeping.until_told", url=fake.url, clientid="c", keepalive=2, publish_every=250, qos=1)
    fake.join()


@pytest.mark.parametrize("busy", [0, 50], ids=["idle", "busy sender"])
@pytest.mark.parametrize("timeout", [30, 0.5], ids=["keepalive is smaller", "timeout is smaller"])
def test_a_dead_link_is_found(runtime, fake_broker, busy, timeout):
    def script(conn):
        conn.accept()
        while conn.read_packet().name != "PINGREQ":
            pass
        conn.wait_closed()

    fake = fake_broker(script)
    events = runtime.run(
        "keeping.until_lost", url=fake.url, clientid="c", keepalive=1, timeout=timeout, publish_every=busy
    )
    reason, took, why = lost(events)
    assert reason == -1
    assert "PINGRESP" in why
    wait = 1 + min(1, timeout)
    assert wait - 0.1 <= took <= wait + SLACK
    fake.join()


def test_keepalive_0_is_off(runtime, fake_broker):
    def script(conn):
        assert conn.accept().keepalive == 0
        assert conn.silent_for(2.5)

    fake = fake_broker(script)
    reason, _took, _why = lost(runtime.run("keeping.until_lost", url=fake.url, clientid="c", keepalive=0))
    assert reason == -1
    fake.join()


@pytest.mark.parametrize("before", [300, 1300, 2500])
def test_the_wrap_of_the_tick_counter_changes_nothing(runtime, fake_broker, before):
    def script(conn):
        conn.accept()
        timed_read(conn, "PINGREQ", 1, 1)
        conn.send(wire.PINGRESP)
        timed_read(conn, "PINGREQ", 1, 1)
        conn.wait_closed()

    fake = fake_broker(script)
    events = runtime.run("keeping.until_lost", url=fake.url, clientid="c", keepalive=1, timeout=0.8, wrap=before)
    reason, took, _why = lost(events)
    assert reason == -1
    assert 2.7 <= took <= 2.8 + SLACK
    assert events[-1] == ["wrapped", True]
    fake.join()


def test_the_wrap_during_a_connection_attempt(runtime, fake_broker):
    fake = fake_broker(lambda conn: conn.wait_closed())
    (event,) = runtime.run("hostile.connect_only", url=fake.url, clientid="c", timeout=0.6, wrap=200)
    assert event[1] == -1
    assert 550 <= event[2] <= 600 + SLACK * 1000
    fake.join()


def test_a_program_that_polls_late_is_not_cut_off(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("PINGREQ")
        conn.send(wire.PINGRESP)
        while (packet := conn.read_packet()).name == "PINGREQ":
            conn.send(wire.PINGRESP)
        assert packet.name == "DISCONNECT"

    fake = fake_broker(script)
    assert runtime.run("keeping.polled_late", url=fake.url, clientid="c") == [["lost", []]]
    fake.join()
