"""The programs of firmware/examples, on the simulated board and against real brokers: what each promises, it does."""

import json
import re
import shutil
import time

import pytest
from harness import wire
from harness.device import KILLED
from harness.example import JOINED, Board, texts, wait_for_text
from harness.net import HOST
from harness.runtimes import ROOT
from harness.virtual import VirtualBoard

from tools import build

EXAMPLES = ROOT / "firmware" / "examples"
LINES = 60  # an example has fewer


@pytest.fixture
def make(runtime, tmp_path):
    """A factory of boards."""
    return lambda name="board": Board(runtime, tmp_path / name)


@pytest.fixture
def board(make):
    return make()


# -- all of them


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_an_example_is_short_and_tested(path):
    assert path.suffix == ".py" and path.read_text().count("\n") < LINES
    assert any(f'"{path.name}"' in test.read_text() for test in (ROOT / "host_tests").rglob("test_*.py"))


# -- sleeping_sensor.py


def test_the_sensor_sleeps_when_its_message_is_acknowledged(board, fake_broker):
    slept = []

    def script(conn):
        conn.accept()
        packet = conn.read("PUBLISH")
        assert (packet.topic, packet.message, packet.qos, packet.retain) == ("cellar/temperature", b"21.5", 1, 1)
        assert conn.silent_for(0.5)
        assert list(program.lines) == [JOINED]
        conn.send(wire.ack("PUBACK", packet.pid))
        conn.read("DISCONNECT")
        slept.append(time.monotonic())

    fake = fake_broker(script)
    program = board.start("sleeping_sensor.py", fake.url, "cellar", 1, 15)
    assert program.wait() == KILLED
    fake.join()
    assert time.monotonic() - slept[0] > 0.9
    assert list(program.lines) == [JOINED, "asleep for 1 s"]
    assert board.shows("reset") == "deepsleep"


def test_each_waking_of_the_sensor_is_a_report(board, broker, witness, name):
    seen = witness(broker.port).subscribe(name + "/#")
    for temperature in ("-3.5", "40.0"):
        board.set("temperature", temperature)
        assert board.start("sleeping_sensor.py", broker.url, name, 0, 15).wait() == KILLED
    assert [(m.topic, m.message, m.qos) for m in seen.wait(2)] == [
        (name + "/temperature", text, 1) for text in (b"-3.5", b"40.0")
    ]
    later = witness(broker.port).subscribe(name + "/#")
    assert [(m.message, m.retain) for m in later.wait(1)] == [(b"40.0", 1)]


@pytest.mark.parametrize("wifi", ["on", "off"])
def test_a_sensor_that_reaches_nobody_sleeps_all_the_same(board, free_port, wifi):
    board.set("wifi", wifi)
    program = board.start("sleeping_sensor.py", f"tcp://{HOST}:{free_port}", "cellar", 0, 1)
    assert program.wait() == KILLED
    assert list(program.lines)[-2].startswith("not delivered: ")
    assert board.shows("reset") == "deepsleep"


def test_the_sensor_as_a_user_installs_it(micropython, broker, witness, name, tmp_path):
    """Edited, copied to a board that was deployed to, and started anew by each deep sleep."""
    text = (EXAMPLES / "sleeping_sensor.py").read_text()
    for constant, value in (("URL", broker.url), ("DEVICE", name), ("SECONDS", 0)):
        text, count = re.subn(f"^{constant} = [^ \n]+", f"{constant} = {value!r}", text, flags=re.MULTILINE)
        assert count == 1
    built, _ = build.build("virtual")
    shutil.copytree(built / "lib", tmp_path / "flash" / "lib")
    seen = witness(broker.port).subscribe(name + "/temperature")
    with VirtualBoard(tmp_path, {"main.py": text}) as made:
        made.shows("reset: deepsleep", 2)
        assert {m.message for m in seen.wait(2)} == {b"21.5"}


# -- several_sensors.py


def test_several_sensors(board, private_broker, witness):
    broker = private_broker(persistence=True)
    seen = witness(broker.port).subscribe("attic/#")
    board.set("rssi", "-77")
    program = board.start("several_sensors.py", broker.url, "attic", 0.05, 30)
    kinds = ("memory", "signal", "temperature")  # each comes more often than the one before

    def paced(messages):
        memory, signal, temperature = (len(texts(messages, "attic/" + kind)) for kind in kinds)
        return memory >= 3 and signal >= memory + 2 and temperature >= 2 * signal

    seen.wait_for(paced)
    assert set(texts(seen.messages, "attic/signal")) == {b"-77"}
    assert set(texts(seen.messages, "attic/temperature")) == {b"21.5"}

    for temperature, alarm in (("30.1", b"on"), ("30.0", b"off")):
        board.set("temperature", temperature)
        wait_for_text(seen, "attic/temperature", temperature.encode())
        seen.wait_for(lambda all, alarm=alarm: texts(all, "attic/alarm")[-1:] == [alarm])
    assert texts(seen.messages, "attic/alarm") == [b"off", b"on", b"off"]
    assert {(m.topic == "attic/alarm", m.qos) for m in seen.messages} == {(True, 1), (False, 0)}

    broker.restart()
    seen = witness(broker.port).subscribe("attic/#")
    seen.wait_for(lambda all: ("attic/alarm", 1) in [(m.topic, m.retain) for m in all])
    seen.wait_for(lambda all: {m.topic for m in all} >= {"attic/" + kind for kind in kinds})
    for order, light in (("on", "1"), ("off", "0")):
        seen.publish("attic/lamp", order, 1)
        program.expect_line(f"lamp: b'{order}'")
        assert board.shows("led") == light


# -- mutual_tls.py


def install(board, authority, identity):
    """Copy the three files to the board, as docs/tls.md says."""
    files = {"ca.der": authority.der_path, "cert.der": identity.der_path, "key.der": identity.key_der_path}
    for name, path in files.items():
        shutil.copy(path, board.folder / name)


def test_mutual_tls(board, tls_broker, certificates, witness, name):
    install(board, certificates.ca, certificates.client)
    seen = witness(tls_broker.port).subscribe(name + "/temperature")
    url = tls_broker.tls_url("mutual")
    board.start("mutual_tls.py", url, name, 0.1).expect_line(f"connected to {url}")
    assert [(m.message, m.qos) for m in seen.wait(2)][:2] == [(b"21.5", 1)] * 2


@pytest.mark.parametrize(
    ("authority", "identity", "why"),
    [
        ("other_ca", "client", "the server could not be verified"),
        ("ca", "stranger", "client certificate"),  # the rest of the words depends on how the broker hangs up
    ],
)
def test_mutual_tls_refuses(board, tls_broker, certificates, witness, name, authority, identity, why):
    """The board a broker that it has no reason to trust, and the broker such a board."""
    seen = witness(tls_broker.port).subscribe(name + "/temperature")
    install(board, getattr(certificates, authority), getattr(certificates, identity))
    program = board.start("mutual_tls.py", tls_broker.tls_url("mutual"), name, 0.1)
    program.wait_until(
        lambda: any(line.startswith("not connected: ") and why in line for line in program.lines), f"line with {why!r}"
    )
    assert seen.fence(name + "/temperature") == []


# -- offline_logger.py


def records(program):
    """What a logger has said that it has recorded."""
    found = (re.match(r"recorded: (\{.*\}); (\d+) waiting, 0 lost", line) for line in program.lines)
    return [json.loads(match[1]) for match in found if match]


def wait_for_records(program, count):
    program.wait_until(lambda: len(records(program)) >= count, f"{count} records")


def test_the_logger_loses_nothing_and_doubles_nothing(board, private_broker, witness):
    """The WiFi is not there at first, the broker ends and comes back, and the power is cut twice."""
    # With no limit (0) mosquitto repeats messages of QoS 2 when it is restarted: see docs/reliability.md.
    broker = private_broker(config=("max_queued_messages 0", "max_inflight_messages 1000"), persistence=True)

    def start():
        return board.start("offline_logger.py", broker.url, "greenhouse", 0.05)

    board.set("wifi", "off")
    first = start()
    wait_for_records(first, 10)
    first.kill()
    second = start()
    wait_for_records(second, 3)
    seen = witness(broker.port, "witness", clean=False).subscribe("greenhouse/log", 2)
    board.set("wifi", "on")
    broker.wait_for_log("as greenhouse (p2, c0")  # it keeps the session, without which a message may come twice
    seen.wait(30)
    broker.stop()
    second.expect_line("not connected: ")
    wait_for_records(second, len(records(second)) + 10)
    second.kill()
    broker.start()
    third = start()
    third.expect_line("; 1 waiting")  # the one that it has just recorded
    runs = [records(first), records(second), records(third)]
    got = seen.wait_for(lambda all: runs[2][-1] in [json.loads(m.message) for m in all])
    assert {m.qos for m in got} == {2}
    arrived = [json.loads(m.message) for m in got]
    for run in runs:
        assert [text["count"] for text in run] == list(range(1, len(run) + 1))
        assert arrived[: len(run)] == run
        del arrived[: len(run)]
        # One more of each run may have been stored, or sent, when its line was not printed yet.
        while arrived and arrived[0]["count"] > 1:
            run.append(arrived.pop(0))
    assert arrived == []
    assert [text["count"] for text in runs[0] + runs[1]] == [
        count for run in runs[:2] for count in range(1, len(run) + 1)
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text["time"]) for run in runs for text in run)
