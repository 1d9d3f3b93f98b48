"""Reconnecting: when the next attempt comes, with a clock that only sleeping moves (scenarios/reconnecting.py).

Times are in ms.
"""

import threading

import pytest
from harness import wire

NEAR = 2  # ms of rounding


def attempts(log):
    """The waits before each attempt but the first: from an attempt's failure or a connection's loss to the next."""
    ends = [when for what, _, when in log if what in ("failed", "lost")]
    starts = [when for what, _, when in log if what in ("failed", "connected")]
    return [start - end for end, start in zip(ends, starts[1:])]


def near(got, expected):
    return len(got) == len(expected) and all(abs(a - b) <= NEAR for a, b in zip(got, expected))


def test_the_delay_doubles_up_to_max_and_the_wait_is_a_part_of_it(runtime, free_port):
    """The first attempt is followed by others, too; each wait is the fraction of the delay that the dice say."""
    url, fractions = f"tcp://127.0.0.1:{free_port}", [0.5, 0.25, 0.75, 0.0, 0.875]
    arguments = {"count": 11, "fractions": fractions, "reconnect": True}
    ((_, log),) = runtime.run("reconnecting.waits", url=url, clientid="c", **arguments)
    assert [entry[:2] for entry in log] == [["failed", -1]] * 11
    delays = [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000, 60000]
    assert near(attempts(log), [delay * part for delay, part in zip(delays, fractions * 2)])


def test_min_and_max_are_options(runtime, free_port):
    ((_, log),) = runtime.run(
        "reconnecting.waits",
        url=f"tcp://127.0.0.1:{free_port}",
        clientid="c",
        count=6,
        fractions=[0.5],
        reconnect={"min": 0.2, "max": 1.5},
    )
    assert near(attempts(log), [100, 200, 400, 750, 750])


def test_full_jitter_is_even(runtime, free_port):
    """Dice that fall evenly make waits that are even from 0 to the delay."""
    ((_, log),) = runtime.run(
        "reconnecting.waits",
        url=f"tcp://127.0.0.1:{free_port}",
        clientid="c",
        count=1001,
        fractions=[(i * 37 % 1000) / 1000 for i in range(1000)],
        reconnect={"min": 10, "max": 10},
    )
    tenths = [int(wait // 1000) for wait in attempts(log)]
    assert all(95 <= tenths.count(n) <= 105 for n in range(10)), [tenths.count(n) for n in range(11)]
    assert sum(map(tenths.count, range(10))) == 1000


def test_the_runtimes_own_dice(runtime, free_port):
    """The random numbers of the runtime, seeded: spread over the whole delay, none beyond it."""
    ((_, log),) = runtime.run(
        "reconnecting.waits",
        url=f"tcp://127.0.0.1:{free_port}",
        clientid="c",
        count=401,
        reconnect={"min": 10, "max": 10},
    )
    waits = attempts(log)
    assert len(set(waits)) > 200
    assert max(waits) <= 10000
    assert all(15 <= sum(n * 1000 <= wait < (n + 1) * 1000 for wait in waits) <= 75 for n in range(10))


@pytest.mark.parametrize("code", [1, 2, 4, 5])
def test_a_refusal_means_max_at_once(runtime, fake_broker, code):
    fake = fake_broker(*[lambda conn: conn.accept(code=code)] * 3)
    ((_, log),) = runtime.run(
        "reconnecting.waits", url=fake.url, clientid="c", count=3, fractions=[0.5], reconnect={"min": 1, "max": 60}
    )
    assert [entry[:2] for entry in log] == [["failed", code]] * 3
    assert near(attempts(log), [30000, 30000])


def test_an_unavailable_server_is_tried_as_usual(runtime, fake_broker):
    fake = fake_broker(*[lambda conn: conn.accept(code=3)] * 4)
    ((_, log),) = runtime.run(
        "reconnecting.waits", url=fake.url, clientid="c", count=4, fractions=[0.5], reconnect={"min": 1, "max": 60}
    )
    assert [entry[:2] for entry in log] == [["failed", 3]] * 4
    assert near(attempts(log), [500, 1000, 2000])


@pytest.mark.parametrize("accepted", [False, True], ids=["before CONNACK", "after CONNACK"])
def test_a_broker_that_closes_at_once_is_not_hammered(runtime, fake_broker, accepted):
    fake = fake_broker(*[lambda conn: conn.accept() if accepted else conn.close()] * 8)
    ((_, log),) = runtime.run(
        "reconnecting.waits", url=fake.url, clientid="c", count=8, fractions=[0.5], reconnect={"min": 1, "max": 60}
    )
    expected = [["connected", 0], ["lost", -1]] if accepted else [["failed", -1]]
    assert [entry[:2] for entry in log] == expected * 8
    assert near(attempts(log), [500, 1000, 2000, 4000, 8000, 16000, 30000])


@pytest.mark.parametrize("stay, wait", [(30000, 500), (29999, 4000), (40000000, 500)])
def test_back_at_min_after_a_stable_connection(runtime, fake_broker, stay, wait):
    """Three attempts fail, a connection lasts for `stay`, and is lost: how long is the wait?"""

    def stable(conn):
        conn.accept()
        assert conn.read("PUBLISH").topic == "bye"

    fake = fake_broker(*[lambda conn: conn.close()] * 3, stable, lambda conn: conn.close())
    ((_, log),) = runtime.run(
        "reconnecting.waits",
        url=fake.url,
        clientid="c",
        count=5,
        fractions=[0.5],
        stays=[stay],
        reconnect={"min": 1, "max": 60},
    )
    assert [entry[0] for entry in log] == ["failed"] * 3 + ["connected", "lost", "failed"]
    assert near(attempts(log), [500, 1000, 2000, wait])
    fake.join()


def test_a_slow_attempt_is_no_stable_connection(runtime, fake_broker):
    """The server takes its time for CONNACK, and breaks the protocol with it."""
    late = threading.Event()

    def doomed(conn):
        conn.read("CONNECT")
        assert late.wait(15)
        conn.send(wire.connack(0, 0) * 2)

    fake = fake_broker(*[lambda conn: conn.close()] * 2, doomed, lambda conn: conn.close())
    program = runtime.start("reconnecting.slowly_refused", url=fake.url, clientid="c", ms=40000)
    program.expect("asked")
    late.set()
    (waited,) = program.expect("waited")
    assert near([waited], [2000])
    program.finish()


def test_disconnect_ends_the_waiting(runtime, free_port):
    assert runtime.run("reconnecting.ended_while_waiting", url=f"tcp://127.0.0.1:{free_port}", clientid="c") == [
        ["state", False, ["MQTTError", -1]],
        ["idle", False, False],
        ["misuse", ["MQTTError", -3]],
        ["log", [["failed", -1]]],
    ]


def test_disconnect_ends_the_attempt(runtime, fake_broker):
    fake = fake_broker(*[lambda conn: conn.wait_closed()] * 12)
    assert runtime.run("reconnecting.ended_while_connecting", url=fake.url, clientid="c", most=12) == [["end"]]


def test_disconnect_in_the_handler_of_a_failure(runtime, free_port):
    events = runtime.run(
        "reconnecting.ended_in_handler", url=f"tcp://127.0.0.1:{free_port}", clientid="c", handler="onconnect"
    )
    assert events == [["log", [["onconnect", -1]], 1]]


def test_disconnect_in_the_handler_of_a_loss(runtime, fake_broker):
    fake = fake_broker(lambda conn: conn.accept())
    events = runtime.run("reconnecting.ended_in_handler", url=fake.url, clientid="c", handler="onconnectionlost")
    assert events == [["log", [["connected", 0], ["onconnectionlost", -1]], 1]]
    fake.join()


def test_disconnect_in_the_handler_of_a_success(runtime, fake_broker):
    def script(conn):
        conn.accept()
        conn.read("DISCONNECT")
        assert conn.wait_closed() == b""

    fake = fake_broker(script)
    events = runtime.run("reconnecting.ended_in_handler", url=fake.url, clientid="c", handler="onconnect")
    assert events == [["log", [["onconnect", 0]], 1]]
    fake.join()


def test_no_attempt_while_the_network_is_away(runtime, fake_broker):
    def first(conn):
        conn.accept()
        conn.wait_closed()

    def second(conn):
        conn.accept()
        conn.read("DISCONNECT")

    fake = fake_broker(first, second)
    down, up, lost, again, log = runtime.run("reconnecting.link_goes", url=fake.url, clientid="c")
    assert down == ["down", [], True], "an hour without the network, and no attempt"
    assert up[1] <= 200, "it comes, and the attempt starts at once"
    assert lost[1] == -1 and "network" in lost[2]
    assert again[1] <= 200, "whatever the back-off says"
    assert log == ["log", [["connected", 0], ["lost", -1], ["connected", 0]]]
    fake.join()


def test_the_network_goes_without_reconnect(runtime, fake_broker):
    fake = fake_broker(lambda conn: (conn.accept(), conn.wait_closed()))
    (log,) = runtime.run("reconnecting.link_without_reconnect", url=fake.url, clientid="c")
    assert log[1] == [["connected", 0], ["lost", -1]] and "network" in log[2]
    fake.join()
