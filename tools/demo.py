"""`make demo`: from this checkout to a device on a broker, and through a loss of its WiFi, without hardware.

A broker, a virtual board, the build, the deployment with mpremote, telemetry, commands, WiFi gone and back.
DEMO_SECONDS=60 keeps it running for so long. Whatever is announced is also checked: the exit code is 0 only if all
of it has happened.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tools import boards, micropython, mosquitto
from tools.stage import HOST, ROOT, Event, Failed, Stage, end

FIRMWARE = ROOT / "firmware"
TOPIC = "devices/demo/"
PLAYED = "rpi_pico_w"  # the board whose memory the virtual one has
AWAY = 7  # seconds without WiFi; after five the device has tried once in vain
MOSQUITTO = f"""
user root
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
allow_anonymous true
listener PORT {HOST}
"""
AMQTT = {
    "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:PORT"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}


class Broker(NamedTuple):
    """How to start a broker: a command that a configuration file is to follow, and what it prints once it listens."""

    name: str
    argv: list
    env: dict
    config: str
    listens: str


class Device(NamedTuple):
    """The process that is the device, and the state folder of a virtual board, None of a program."""

    process: object
    state: Path | None

    def wifi(self, state):
        self.process.stdin.write(f"wifi {state}\n")
        self.process.stdin.flush()

    def shines(self):
        """Whether the LED is on."""
        led = self.state / "led"
        return led.exists() and led.read_text() == "1"


def find_broker():
    """Mosquitto, or the amqtt that make installs where there is none."""
    try:
        found = mosquitto.find()
    except mosquitto.NotFound:
        amqtt = Path(sys.executable).with_name("amqtt")
        if not amqtt.exists():
            raise
        return Broker("amqtt", [amqtt, "-c"], {}, json.dumps(AMQTT), "Listener 'default' bind")
    return Broker("mosquitto", [*found.argv, "-c"], found.env, MOSQUITTO, " running")


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def start_broker(stage, stack):
    """Start a broker that only this machine can reach; its port."""
    broker = find_broker()
    config = Path(stack.enter_context(tempfile.TemporaryDirectory()), "broker.conf")
    for _ in range(5):  # somebody may take the port between our look and the broker's
        port = free_port()
        config.write_text(broker.config.replace("PORT", str(port)))
        stage.say(f"A broker: {broker.name} on port {port}")
        stack.enter_context(stage.process("broker", [*broker.argv, config], broker.env))
        event = stage.wait(broker.name, lambda event: event.text is None or broker.listens in event.text)
        if event.text:
            return port
    raise Failed("\n".join([f"{broker.name} does not start", *stage.log[-5:]]))


def start_board(stage, stack, config):
    """Start a virtual board and deploy to it with mpremote, as to any other."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    stage.say(f"A virtual board: MicroPython {micropython.version(micropython.find())} with a {PLAYED}'s memory")
    board = stack.enter_context(
        stage.process("board", [sys.executable, "-m", "tools.virtual_board", folder], {"BOARD": PLAYED})
    )
    stage.wait_line("board", "its port is")
    port = os.readlink(folder / "port")
    stage.say(f"make deploy BOARD=virtual PORT={port}: build, compare, copy with mpremote, soft reset")
    deploy = [sys.executable, "-m", "tools.deploy", "virtual", port, config]
    with stage.process("deploy", deploy, {}) as deployment:
        stage.wait("the end of the deployment", lambda event: event == Event("deploy", None), ending="deploy")
    if deployment.returncode:
        raise Failed("the deployment has failed")
    return Device(board, folder / "state")


def start_program(stage, stack, config):
    """Start the firmware as a program of this machine's Python."""
    stage.say("THERE IS NO MICROPYTHON FOR THIS MACHINE: no virtual board, no deployment, no WiFi to lose")
    stage.say("A device: the same firmware, on CPython with the shim")
    folders = (ROOT / "host_tests" / "shim", ROOT / "lib", FIRMWARE, boards.BOARDS, boards.BOARDS / "virtual")
    env = {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    argv = [sys.executable, FIRMWARE / "main.py"]
    return Device(stack.enter_context(stage.process("board", argv, env, cwd=config.parent)), None)


def values(stage, name):
    """The next message of that name, which must be JSON."""
    text = stage.wait_for(name)
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(f"{name} is not JSON: {text}") from None


class Reports:
    """The reports of a device: numbered without a gap. What was on its way when a connection broke may come twice."""

    def __init__(self, stage):
        self.stage = stage
        self.last = None

    def next(self):
        """The next new report."""
        while True:
            report, last = values(self.stage, "telemetry"), self.last
            if last and report["count"] <= last["count"]:
                continue
            if last and (report["count"] != last["count"] + 1 or report["uptime"] < last["uptime"]):
                raise Failed(f"{report} can't be the report after {last}")
            if report["free"] <= 0:
                raise Failed(f"{report} is no report")
            self.last = report
            return report

    def take(self, count):
        """The next so many."""
        return [self.next() for _ in range(count)]


def order(stage, observer, command):
    """Send the device a command; its answer."""
    observer.publish(TOPIC + "command", command, 1)
    return values(stage, "answer")


def talk(stage, observer, device, reports):
    """Readings and commands."""
    stage.say("It reports every second")
    reports.take(3)
    stage.say("A command: its LED, please")
    if order(stage, observer, "led on") != {"led": "on"}:
        raise Failed("the answer is not that the LED is on")
    if device.state and not device.shines():
        raise Failed("the LED is not on")
    stage.say("A command: report twice a second")
    if order(stage, observer, "interval 0.5") != {"interval": 0.5}:
        raise Failed("the answer is not the new interval")
    first, *_, last = reports.take(5)
    if last["uptime"] - first["uptime"] > 3:  # at the old pace it would be 4
        raise Failed("it has not become faster")
    stage.say("A command that it does not know")
    if "dance" not in order(stage, observer, "dance").get("error", ""):
        raise Failed("the answer does not say what was wrong")


def lose_wifi(stage, device, reports):
    """Switch the WiFi off and on. What was not delivered meanwhile comes when it is back, none missing."""
    stage.say("The WiFi goes. The device goes on measuring, and keeps what it can't send")
    last = reports.last["count"]
    device.wifi("off")
    stage.wait_line("board", "is lost")
    stage.watch(time.monotonic() + AWAY)
    stage.say("The WiFi is back: the device joins it, connects, and sends what it has kept")
    device.wifi("on")
    reports.take(int(AWAY / 0.5))
    while reports.next()["rssi"] is None:  # measured without WiFi
        pass
    stage.say(f"Reports {last + 1} to {reports.last['count']}: none is missing")


def show(stage, stack, seconds):
    """The demo: a broker, an observer, a device; readings, commands, no WiFi, and an end that nobody could announce."""
    port = start_broker(stage, stack)
    observer = stack.enter_context(stage.observer(port, TOPIC + "#"))
    stage.wait("an observer", lambda event: event.source == "observer")
    config = Path(stack.enter_context(tempfile.TemporaryDirectory()), "config.json")
    settings = {"wifi_ssid": "virtual", "url": f"tcp://{HOST}:{port}", "device": "demo", "interval": 1}
    config.write_text(json.dumps(settings))
    device = (start_board if micropython.find() else start_program)(stage, stack, config)
    stage.wait_for("status", "online")

    reports = Reports(stage)
    talk(stage, observer, device, reports)
    if device.state:
        lose_wifi(stage, device, reports)
    if seconds:
        stage.say(f"It goes on until {seconds:g} s; join with any client: tcp://{HOST}:{port}, topics {TOPIC}#")
        stage.watch(stage.start + seconds)

    stage.say("The power is cut: the broker tells, by the will that the device left there")
    end(device.process)
    offline = Event(TOPIC + "status", "offline")
    stage.wait("the will", lambda event: event[:2] == offline[:2], ending="board")
    stage.say("Whoever comes later is told so, too")
    stack.enter_context(stage.observer(port, TOPIC + "status"))
    stage.wait("the retained status", lambda event: event == offline._replace(retained=True), ending="board")


def duration():
    """The number of seconds that DEMO_SECONDS asks for; 0 if it doesn't."""
    value = os.environ.get("DEMO_SECONDS") or "0"
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 1e6:
        raise Failed(f"DEMO_SECONDS={value} is not a number of seconds")
    return seconds


def main():
    stage = Stage(TOPIC)
    try:
        with contextlib.ExitStack() as stack:
            show(stage, stack, duration())
    except (Failed, ValueError, mosquitto.NotFound, boards.Unknown) as error:
        sys.exit(f"The demo failed: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    stage.say("That was the demo: all of it has happened as announced")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    main()
