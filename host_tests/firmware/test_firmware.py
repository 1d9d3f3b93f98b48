"""The device program, main.py and what it starts, on the simulated board: reports, commands, a network that fails."""

import json
import re

import pytest
from harness.device import KILLED, Device
from harness.runtimes import ROOT

KEYS = {"count", "uptime", "free", "temperature", "rssi", "reset"}
INTERVAL = "interval: {} is not 0.1 to 86400 seconds"
COMMAND = "command: {} is none of ping, report, interval <seconds>, led on, led off, reboot"


@pytest.fixture
def make(runtime, broker, witness, name, tmp_path):
    """A factory of one device, not yet switched on."""

    def make(server=broker, **settings):
        device = Device(runtime, tmp_path, server.url, name, **settings)
        device.watch(witness(server.port))
        return device

    return make


@pytest.fixture
def device(make):
    """A device that is on and has said so."""
    made = make()
    made.start()
    made.wait_for("status", b"online")
    return made


def counts(device, at_least):
    """The numbers of the reports, once there are that many; a report that went out twice counts once."""

    def seen():
        return list(dict.fromkeys(json.loads(m.message)["count"] for m in device.said("telemetry")))

    device.witness.wait_for(lambda _: len(seen()) >= at_least)
    return seen()


# -- reports


def test_it_reports_what_it_measures(make):
    device = make(interval=0.1)
    device.set("temperature", "-3.54")
    device.set("rssi", "-77")
    device.set("reset", "watchdog")
    device.start()
    reports = device.wait("telemetry", 12)
    assert [report["count"] for report in reports] == list(range(1, len(reports) + 1))
    assert all(set(report) == KEYS and report["free"] > 0 for report in reports)
    measured = {(r["temperature"], r["rssi"], r["reset"]) for r in reports}
    assert measured - {(-3.5, None, "watchdog")} == {(-3.5, -77, "watchdog")}  # the first may be of before the WiFi
    assert 1 <= reports[-1]["uptime"] - reports[0]["uptime"] <= 10


def test_without_a_name_it_takes_the_boards(runtime, broker, witness, name, tmp_path):
    device = Device(runtime, tmp_path, broker.url, name, device=None)
    device.set("unique_id", "00ff" + name.encode().hex())
    device.topic = f"devices/board-00ff{name.encode().hex()}/"
    device.watch(witness(broker.port))
    device.start()
    device.wait_for("status", b"online")


def test_the_program_of_the_docs(runtime, broker, witness, tmp_path):
    """Joins the WiFi, connects, reports; as it stands in boards.md, with another address."""
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "boards.md").read_text(), re.DOTALL)
    device = Device(runtime, tmp_path, broker.url, "docs")
    device.set("temperature", "12.25")
    (tmp_path / "program.py").write_text(program.replace("tcp://192.168.1.10", broker.url))
    seen = witness(broker.port).subscribe("kitchen/temperature")
    device.start("firmware.program", name="program.py").expect_line("wifi: on 'my network'")
    seen.wait_for(lambda messages: b"12.25" in [m.message for m in messages])


# -- commands


def test_it_obeys(device):
    assert device.order("ping") == {"ping": "pong"}
    report = device.order("report")["report"]
    assert set(report) == KEYS
    assert device.order("interval 0.2") == {"interval": 0.2}
    assert [r["count"] for r in device.wait("telemetry", 4)][:4] == [1, 2, 3, 4]
    assert device.order("led on") == {"led": "on"}
    assert device.shows("led") == "1"
    assert device.order("led off") == {"led": "off"}
    assert device.shows("led") == "0"


BAD = [
    ("dance", COMMAND),
    ("", COMMAND),
    ("interval", COMMAND),
    ("Ping", COMMAND),
    ("led", COMMAND),
    ("led blue", COMMAND),
    (b"\xff\0\xfe", COMMAND),
    ("interval soon", INTERVAL),
    ("interval 0", INTERVAL),
    ("interval nan", INTERVAL),
    ("interval 1e9", INTERVAL),
    (b"interval \xff", INTERVAL),
]


def test_a_bad_command_gets_a_clear_answer(device):
    for command, error in BAD:
        raw = command if isinstance(command, bytes) else command.encode()
        assert device.order(command) == {"error": error.format(raw.removeprefix(b"interval "))}
    assert device.order("ping") == {"ping": "pong"}


def test_a_huge_command_is_passed_over(device):
    device.witness.publish(device.topic + "command", b"x" * 1_100, 1)
    device.witness.publish(device.topic + "command", b"x" * 100_000, 1)
    device.order("ping")
    assert device.wait("answer", 1) == [{"ping": "pong"}]


def test_a_retained_command_is_refused(make):
    """It would come again after each reboot."""
    device = make()
    device.witness.publish(device.topic + "command", "reboot", 1, retain=True)
    device.start()
    assert device.wait("answer", 1) == [{"error": "command: is retained"}]
    assert device.order("ping") == {"ping": "pong"}
    device.witness.publish(device.topic + "command", "", 1, retain=True)


def test_reboot(device):
    assert device.order("reboot") == {"reboot": "bye"}
    assert device.program.wait() == KILLED
    device.wait_for("status", b"offline")
    assert [m.message for m in device.said("status")] == [b"online", b"offline"]
    device.start()
    device.wait_for("status", b"online", 2)
    device.wait_for_cause("hard reset")
    assert device.order("ping") == {"ping": "pong"}


def test_an_abrupt_end_leaves_the_will(device, broker, witness):
    device.program.kill()
    device.wait_for("status", b"offline")
    ((status, retain),) = [(m.message, m.retain) for m in witness(broker.port).subscribe(device.topic + "#").wait(1)]
    assert (status, retain) == (b"offline", 1)


# -- the network fails


def test_wifi_lost_and_found_and_nothing_lost(make):
    device = make(interval=0.1)
    device.start()
    device.wait("telemetry", 3)
    device.set("wifi", "off")
    device.program.expect_line("wifi: 'virtual' is lost")
    device.program.expect_line("mqtt: connection lost: the network is down")
    device.program.expect_line("wifi: 'virtual': no network of that name in reach")
    device.wait_for("status", b"offline")
    device.wait_for_stored(3)
    device.set("wifi", "on")
    device.wait_for("status", b"online", 2)
    assert device.order("ping") == {"ping": "pong"}
    seen = counts(device, 12)
    assert seen == list(range(1, len(seen) + 1))
    assert [report["rssi"] for report in device.wait("telemetry", 1)].count(None) >= 3


def test_reports_of_before_a_power_cut_arrive_after_it(make):
    device = make(interval=0.1)
    device.set("wifi", "off")
    device.start().expect_line("no network of that name in reach")
    device.wait_for_stored(3)
    device.program.kill()
    device.set("wifi", "on")
    device.start()
    assert [report["count"] for report in device.wait("telemetry", 4)][:3] == [1, 2, 3]


def test_when_too_many_reports_wait_the_oldest_go(make):
    device = make()
    device.set("wifi", "off")
    device.start("firmware.overflowing", reports=70)
    device.wait_for("status", b"online")
    assert counts(device, 63) == list(range(9, 72))  # with "online" 64; the last comes with the connection


@pytest.mark.parametrize(
    ("wifi", "message"),
    [("refused", "the password is wrong"), ("off", "no network of that name in reach (2.4 GHz?)")],
)
def test_wifi_that_is_not_there_at_first(make, wifi, message):
    device = make(wifi_password="not to be shown")
    device.set("wifi", wifi)
    program = device.start()
    program.expect_line(f"wifi: 'virtual': {message}")
    device.set("wifi", "on")
    device.wait_for("status", b"online")
    assert sum(message in line for line in program.lines) == 1
    assert not any("not to be shown" in line for line in program.lines)


def test_it_comes_back_when_the_broker_does(make, private_broker, witness):
    broker = private_broker()
    device = make(broker)
    device.start()
    device.wait_for("status", b"online")
    broker.restart()
    device.program.expect_line("mqtt: connection lost: ")
    device.watch(witness(broker.port))
    device.wait_for("status", b"online")
    assert device.order("ping") == {"ping": "pong"}
