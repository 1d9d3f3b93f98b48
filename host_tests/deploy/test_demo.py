"""The demo, as somebody who watches it sees it: with a virtual board, and where there is no MicroPython for one."""

import contextlib
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from harness.process import LIMIT, Child
from harness.runtimes import ROOT

from tools import demo, mosquitto, stage

# What `make demo` runs, as the leader of a process group. (Somebody may run the tests with SIGINT switched off.)
DEMO = """
import os, runpy, signal
from tools import micropython
os.setsid()
signal.signal(signal.SIGINT, signal.default_int_handler)
if "WITHOUT_MICROPYTHON" in os.environ:
    micropython.find = lambda: None
runpy.run_module("tools.demo", run_name="__main__")
"""
DEPLOYED = [  # these, in this order; as are those below
    r"A broker: mosquitto on port \d+",
    r"A virtual board: MicroPython 1\.",
    r"deploy +\d\d files to copy, 0 are there",
    r"deploy +\d+/\d+ cp +/lib/mqtt/client\.mpy",
    r"deploy +restarted",
]
STARTED = [r"deploy +\d+/\d+ cp +/main\.py", r"board +soft reset", r"board +wifi: on 'virtual'"]
TALKED = [
    r"status +online$",
    r'telemetry +{.*"count": 2\b',
    r"command +led on$",
    r'answer +{"led": "on"}$',
    r"command +interval 0\.5$",
    r'answer +{"interval": 0\.5}$',
    r'telemetry +{.*"count": 6\b',
    r"answer +{\"error\": \"command: b'dance' is none of ",
]
LOST = [
    r"The WiFi goes",
    r"board +wifi: 'virtual' is lost",
    r"board +wifi: 'virtual': no network of that name",
    r"The WiFi is back",
    r"board +wifi: on$",
    r'telemetry +{.*"rssi": null',
    r'telemetry +{.*"rssi": -50',
    r"Reports \d+ to \d+: none is missing",
]
ENDED = [
    r"status +offline$",
    r"status +offline \(retained\)$",
    r"all of it has happened as announced$",
]


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
    """Whether a process of the demo's session is still there; without /proc, of its group, which the board leaves."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(stat.read_text().rpartition(")")[2].split()[3]) == child.process.pid:
                return True
    try:
        os.killpg(child.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def missing(child, patterns):
    """The patterns that the output does not have, each after the one before."""
    lines = iter(child.lines)
    return [pattern for pattern in patterns if not any(re.search(pattern, line) for line in lines)]


def test_the_demo_shows_it_all(micropython, run_demo):
    child = run_demo()
    assert child.wait(3 * LIMIT) == 0, child.transcript()
    for patterns in (DEPLOYED, STARTED, TALKED + LOST + ENDED):
        assert not missing(child, patterns), child.transcript()
    assert not left_running(child)


def test_without_micropython_the_same_firmware_runs_on_cpython(run_demo):
    child = run_demo(WITHOUT_MICROPYTHON="1")
    assert child.wait(3 * LIMIT) == 0, child.transcript()
    assert not missing(child, ["THERE IS NO MICROPYTHON FOR THIS MACHINE", *TALKED, *ENDED]), child.transcript()
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
    ("program", "limit", "message"),
    [
        ("pass", stage.LIMIT, "status online expected, but the board has ended"),
        ("import time\ntime.sleep_ms(100_000)", 1, "status online expected, but not seen within 1 seconds"),
    ],
)
def test_the_demo_fails_with_its_device(monkeypatch, tmp_path, program, limit, message):
    (tmp_path / "main.py").write_text(program)
    monkeypatch.setattr(demo.micropython, "find", lambda: None)
    monkeypatch.setattr(demo, "FIRMWARE", tmp_path)
    monkeypatch.setattr(stage, "LIMIT", limit)
    with pytest.raises(SystemExit, match=message):
        demo.main()


def test_an_led_that_stays_dark_is_noticed(tmp_path):
    device = demo.Device(None, tmp_path)
    shines = []
    for text in (None, "0", "1"):
        if text:
            (tmp_path / "led").write_text(text)
        shines.append(device.shines())
    assert shines == [False, False, True]


@pytest.mark.parametrize(
    ("reports", "fault"),
    [
        ([(1, 0), (2, 1), (1, 0), (2, 1), (3, 2)], None),  # sent again: what was on its way
        ([(1, 0), (3, 2)], "can't be the report after"),
        ([(1, 5), (2, 4)], "can't be the report after"),
    ],
)
def test_a_gap_in_the_reports_is_noticed(reports, fault):
    heard = demo.Stage(demo.TOPIC)
    for count, uptime in reports:
        text = f'{{"count": {count}, "uptime": {uptime}, "free": 1}}'
        heard.events.put(stage.Event(demo.TOPIC + "telemetry", text))
    taken = demo.Reports(heard)
    if fault:
        with pytest.raises(stage.Failed, match=fault):
            taken.take(2)
    else:
        assert [report["count"] for report in taken.take(3)] == [1, 2, 3]


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
