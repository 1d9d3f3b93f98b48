"""The device program on both runtimes, and the demo, which runs it for somebody who watches."""

import contextlib
import json
import os
import re
import signal
import sys

import pytest
from harness.process import Child
from harness.runtimes import ROOT

from tools import demo, mosquitto

MAIN = ROOT / "firmware" / "main.py"
INTERVAL = "interval: {} is not 0.1 to 86400 seconds"
COMMAND = "command: {} is none of ping, report, interval <seconds>, stop"
# What `make demo` runs, as the leader of a process group. (Somebody may run the tests with SIGINT switched off.)
DEMO = """
import os, runpy, signal
os.setsid()
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("tools.demo", run_name="__main__")
"""
SHOWN = [  # in this order
    r"A broker: mosquitto on port \d+",
    r"A device: firmware/main.py",
    r"status +online$",
    r'telemetry +{.*"count": 2\b',
    r"command +interval 0\.5$",
    r'answer +{"interval": 0\.5}$',
    r'telemetry +{.*"count": 6\b',
    r"answer +{\"error\": \"command: b'dance' is none of ",
    r'answer +{"report": {.*"count": \d+',
    r"status +offline$",
    r"status +offline \(retained\)$",
    r"all of it has happened as announced$",
]


class Device:
    """The device program with a name of its own, and a witness of all it says."""

    def __init__(self, runtime, broker, witness, name, interval="60"):
        self.topic = f"devices/{name}/"
        self.witness = witness(broker.port).subscribe(self.topic + "#")
        self.program = runtime.launch(MAIN, broker.url, name, interval)
        self.wait_for("status", b"online")

    def said(self, what):
        return [m for m in self.witness.messages if m.topic == self.topic + what]

    def wait(self, what, count):
        """Wait for so many messages of a kind; the JSON of them all."""
        self.witness.wait_for(lambda _: len(self.said(what)) >= count)
        return [json.loads(m.message) for m in self.said(what)]

    def wait_for(self, what, message):
        self.witness.wait_for(lambda _: message in [m.message for m in self.said(what)])

    def order(self, command):
        """Send a command; the answer."""
        count = len(self.said("answer"))
        self.witness.publish(self.topic + "command", command, 1)
        return self.wait("answer", count + 1)[-1]


@pytest.fixture
def device(runtime, broker, witness, name):
    return Device(runtime, broker, witness, name)


def test_it_reports_at_its_interval(runtime, broker, witness, name):
    reports = Device(runtime, broker, witness, name, interval="0.1").wait("telemetry", 12)
    assert [report["count"] for report in reports] == list(range(1, len(reports) + 1))
    assert all(set(report) == {"count", "free", "uptime"} and report["free"] > 0 for report in reports)
    assert 1 <= reports[-1]["uptime"] - reports[0]["uptime"] <= 10


def test_it_obeys(device):
    assert device.order("ping") == {"ping": "pong"}
    count = device.order("report")["report"]["count"]
    assert device.order("interval 0.2") == {"interval": 0.2}
    assert [report["count"] for report in device.wait("telemetry", 4)] == [1, count + 1, count + 2, count + 3]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("dance", COMMAND),
        ("", COMMAND),
        ("interval", COMMAND),
        ("Ping", COMMAND),
        (b"\xff\0\xfe", COMMAND),
        ("interval soon", INTERVAL),
        ("interval 0", INTERVAL),
        ("interval -1", INTERVAL),
        ("interval nan", INTERVAL),
        ("interval 1e9", INTERVAL),
        (b"interval \xff", INTERVAL),
    ],
)
def test_a_bad_command_gets_a_clear_answer(device, command, error):
    raw = command if isinstance(command, bytes) else command.encode()
    assert device.order(command) == {"error": error.format(raw.removeprefix(b"interval "))}
    assert device.order("ping") == {"ping": "pong"}


def test_a_huge_command_is_passed_over(device):
    device.witness.publish(device.topic + "command", b"x" * 100_000, 1)
    assert device.order("ping") == {"ping": "pong"}


def test_a_clean_end_says_offline(device):
    assert device.order("stop") == {"stop": "bye"}
    device.program.finish()
    device.wait_for("status", b"offline")
    messages = device.witness.fence(device.topic + "fence")
    assert [m.message for m in messages if m.topic.endswith("status")] == [b"online", b"offline"]


def test_an_abrupt_end_leaves_the_will(device, broker, witness):
    device.program.kill()
    device.wait_for("status", b"offline")
    ((status, retain),) = [(m.message, m.retain) for m in witness(broker.port).subscribe(device.topic + "#").wait(1)]
    assert (status, retain) == (b"offline", 1)


def test_it_comes_back_when_the_broker_does(runtime, private_broker, witness, name):
    broker = private_broker()
    first = Device(runtime, broker, witness, name)
    broker.restart()
    first.program.expect_line("connection lost: ")
    later = witness(broker.port).subscribe(first.topic + "#")
    later.wait_for(lambda messages: any(m.message == b"online" for m in messages))
    later.publish(first.topic + "command", "ping", 1)
    later.wait_for(lambda messages: any(m.message == b'{"ping": "pong"}' for m in messages))


def test_a_bug_shows(runtime, broker, tmp_path, name):
    """A handler that fails for another reason than a bad command ends the program, with a traceback."""
    program = tmp_path / "main.py"
    source = MAIN.read_text()
    assert "gc.mem_free()" in source
    program.write_text(source.replace("gc.mem_free()", "gc.no_such_thing()"))
    child = runtime.launch(program, broker.url, name)
    assert child.wait() == 1
    assert any("AttributeError" in line for line in child.lines)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["ftp://there"], "ValueError: url: 'ftp://there' is not "),
        (["tcp://127.0.0.1", "a+b"], "ValueError: "),
        (["tcp://127.0.0.1", "me", "never"], "ValueError: " + INTERVAL.format("'never'")),
    ],
)
def test_bad_arguments(runtime, arguments, error):
    child = runtime.launch(MAIN, *arguments)
    assert child.wait() == 1
    assert any(error in line for line in child.lines)


# -- the demo


@pytest.fixture
def run_demo():
    """Starts the demo as `make demo` does, in a process group of its own, with these environment variables."""
    children = []

    def start(**variables):
        env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        children.append(Child([sys.executable, "-c", DEMO], env))
        return children[-1]

    yield start
    for child in children:
        child.__exit__()


def left_running(child):
    """Whether a process of the demo's is still there."""
    try:
        os.killpg(child.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_demo_shows_it_all(run_demo):
    child = run_demo()
    assert child.wait(60) == 0, child.transcript()
    lines = iter(child.lines)
    missing = [pattern for pattern in SHOWN if not any(re.search(pattern, line) for line in lines)]
    assert not missing, child.transcript()
    assert not left_running(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_leaves_nothing_behind(run_demo, number):
    child = run_demo()
    child.wait_until(lambda: any("telemetry" in line for line in child.lines), "a report")
    assert left_running(child)
    child.process.send_signal(number)
    assert child.wait() == 1
    assert child.lines[-1] in ("interrupted", "terminated")
    assert not left_running(child)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("pass", "status online expected, but the device has ended"),
        ("import time\ntime.sleep_ms(100_000)", "status online expected, but not seen within 1 seconds"),
    ],
)
def test_the_demo_fails_with_its_device(monkeypatch, tmp_path, program, message):
    device = tmp_path / "device.py"
    device.write_text(program)
    monkeypatch.setattr(demo, "FIRMWARE", str(device))
    monkeypatch.setattr(demo, "LIMIT", 1)
    with pytest.raises(SystemExit, match=message):
        demo.main()


def test_without_micropython_the_device_runs_on_cpython(monkeypatch, capsys):
    monkeypatch.setattr(demo.micropython, "find", lambda: None)
    stage = demo.Stage()
    with contextlib.ExitStack() as stack:
        port = demo.start_broker(stage, stack)
        stack.enter_context(stage.observer(port, demo.TOPIC + "#"))
        stage.wait("an observer", lambda event: event.source == "observer")
        demo.start_device(stage, stack, port)
        stage.wait_for("status", "online")
    assert "on CPython with the shim: there is no MicroPython for this machine" in capsys.readouterr().out


def test_without_any_broker_it_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("MOSQUITTO", "/no/such")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(mosquitto.NotFound):
        demo.find_broker()
    (tmp_path / "amqtt").touch()
    assert demo.find_broker().name == "amqtt"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DEMO_SECONDS", "soon", "DEMO_SECONDS=soon is not a number of seconds"),
        ("MICROPYTHON", "/no/such", "MICROPYTHON=/no/such: not a MicroPython of version 1.24 or newer"),
    ],
)
def test_the_demo_says_what_it_can_not_use(run_demo, name, value, message):
    child = run_demo(**{name: value})
    assert child.wait() == 1
    assert child.lines[-1] == f"The demo failed: {message}"
    assert not left_running(child)
