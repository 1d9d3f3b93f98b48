"""`make demo`: a MicroPython device talks to a real broker, and we watch, give orders, and cut it off.

`python -m tools.demo`; DEMO_SECONDS=60 keeps it running for so long. Whatever is announced is also checked: the exit
code is 0 only if all of it has happened.
"""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as paho

from tools import micropython, mosquitto

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = "firmware/main.py"
HOST = "127.0.0.1"
TOPIC = "devices/demo/"
HEAP = 128  # KiB for the device, about what a Pico W leaves to a program
LIMIT = 15  # seconds; nothing that has to happen may take longer
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


class Failed(Exception):
    """Something that had to happen did not."""


class Broker(NamedTuple):
    """How to start a broker: a command that a configuration file is to follow, and what it prints once it listens."""

    name: str
    argv: list
    env: dict
    config: str
    listens: str


class Event(NamedTuple):
    """A line that a process has printed (None: it has ended), or a message; its source is then the topic."""

    source: str
    text: str | None
    retained: bool = False


class Stage:
    """Where it all happens: what processes print and what the broker delivers arrives in one queue and is shown."""

    def __init__(self):
        self.events = queue.Queue()
        self.start = time.monotonic()
        self.log = []  # what the broker has printed

    def say(self, text, who="--"):
        print(f"{time.monotonic() - self.start:5.1f} s  {who:<10} {text}", flush=True)

    def show(self, event):
        if event.text is None:
            self.say(f"the {event.source} is gone")
        elif event.source == "broker":
            self.log.append(event.text)
        else:
            self.say(event.text + " (retained)" * event.retained, event.source.removeprefix(TOPIC))

    def next(self, deadline):
        """The next event, or None if there is none before the deadline."""
        try:
            event = self.events.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        self.show(event)
        return event

    def wait(self, what, wanted, ending=None):
        """Show what happens until `wanted(event)` is true of something; no process but `ending` may end before that."""
        deadline = time.monotonic() + LIMIT
        while event := self.next(deadline):
            if wanted(event):
                return event
            if event.text is None and event.source != ending:
                raise Failed(f"{what} expected, but the {event.source} has ended")
        raise Failed(f"{what} expected, but not seen within {LIMIT} seconds")

    def wait_for(self, name, text=None):
        """The text of the next message of that name, or of the next that has this text."""
        what = f"{name} {text}" if text else name
        return self.wait(what, lambda event: event[:2] == (TOPIC + name, text or event.text)).text

    def watch(self, deadline):
        """Show what happens until the deadline."""
        while event := self.next(deadline):
            if event.text is None:
                raise Failed(f"the {event.source} has ended")

    @contextlib.contextmanager
    def process(self, name, argv, env):
        """A process whose output is heard; it is killed at the end, whatever happens."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        env = {**os.environ, **env}
        with subprocess.Popen(argv, cwd=ROOT, env=env, encoding="utf-8", errors="replace", **pipes) as process:
            listener = threading.Thread(target=self.listen, args=(name, process.stdout))
            listener.start()
            try:
                yield process
            finally:
                process.kill()
                listener.join()

    def listen(self, name, lines):
        for line in lines:
            self.events.put(Event(name, line.rstrip()))
        self.events.put(Event(name, None))

    @contextlib.contextmanager
    def observer(self, port, topicfilter):
        """A client of another make (paho), subscribed to the filter: what it receives is heard."""
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.on_connect = lambda *_: client.subscribe(topicfilter, 1)
        client.on_subscribe = lambda *_: self.events.put(Event("observer", "subscribed to " + topicfilter))
        client.on_message = lambda _client, _data, m: self.events.put(
            Event(m.topic, m.payload.decode(errors="replace"), m.retain)
        )
        client.connect(HOST, port)
        client.loop_start()
        try:
            yield client
        finally:
            client.disconnect()
            client.loop_stop()


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


def start_device(stage, stack, port):
    """Start the device program on MicroPython, or where there is none for this machine, on CPython; the process."""
    path = micropython.find()
    if path:
        argv, env = [path, "-X", f"heapsize={HEAP}k"], {"MICROPYPATH": f"{ROOT / 'lib'}:.frozen"}
        stage.say(f"A device: {FIRMWARE} on MicroPython {micropython.version(path)} with {HEAP} KiB of memory")
    else:
        folders = os.pathsep.join((str(ROOT / "host_tests" / "shim"), str(ROOT / "lib")))
        argv, env = [sys.executable, "-u"], {"PYTHONPATH": folders}
        stage.say(f"A device: {FIRMWARE}, on CPython with the shim: there is no MicroPython for this machine")
    program = [FIRMWARE, f"tcp://{HOST}:{port}", "demo", "2"]
    return stack.enter_context(stage.process("device", [*argv, *program], env))


def values(stage, name):
    """The next message of that name, which must be JSON."""
    text = stage.wait_for(name)
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(f"{name} is not JSON: {text}") from None


def reports(stage, count):
    """Wait for so many reports, which must be numbered without a gap and hold real values; all of them."""
    got = [values(stage, "telemetry") for _ in range(count)]
    for before, report in zip(got, got[1:]):
        if report["count"] != before["count"] + 1 or report["uptime"] < before["uptime"] or report["free"] <= 0:
            raise Failed(f"{report} can't be the report after {before}")
    return got


def order(stage, observer, command):
    """Send the device a command; its answer."""
    observer.publish(TOPIC + "command", command, 1)
    return values(stage, "answer")


def show(stage, stack, seconds):
    """The demo: a broker, an observer, a device; readings, commands, and an end that nobody could announce."""
    port = start_broker(stage, stack)
    observer = stack.enter_context(stage.observer(port, TOPIC + "#"))
    stage.wait("an observer", lambda event: event.source == "observer")
    device = start_device(stage, stack, port)
    stage.wait_for("status", "online")

    stage.say("It reports every 2 seconds")
    reports(stage, 3)
    stage.say("A command: report every half second")
    if order(stage, observer, "interval 0.5") != {"interval": 0.5}:
        raise Failed("the answer is not the new interval")
    first, *_, last = reports(stage, 5)
    if last["uptime"] - first["uptime"] > 5:  # at the old pace it would be 8
        raise Failed("it has not become faster")
    stage.say("A command that it does not know")
    if "dance" not in order(stage, observer, "dance").get("error", ""):
        raise Failed("the answer does not say what was wrong")
    stage.say("One more report, asked for")
    if order(stage, observer, "report").get("report", last)["count"] <= last["count"]:
        raise Failed("the answer is no new report")
    if seconds:
        stage.say(f"It goes on until {seconds:g} s; join with any client: tcp://{HOST}:{port}, topics {TOPIC}#")
        stage.watch(stage.start + seconds)

    stage.say("The device is killed in the middle of it: the broker tells, by the will that the device left there")
    device.kill()
    offline = Event(TOPIC + "status", "offline")
    stage.wait("the will", lambda event: event == offline, ending="device")
    stage.say("Whoever comes later is told so, too")
    stack.enter_context(stage.observer(port, TOPIC + "status"))
    stage.wait("the retained status", lambda event: event == offline._replace(retained=True), ending="device")


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
    stage = Stage()
    try:
        with contextlib.ExitStack() as stack:
            show(stage, stack, duration())
    except (Failed, ValueError, mosquitto.NotFound) as error:
        sys.exit(f"The demo failed: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    stage.say("That was the demo: all of it has happened as announced")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    main()
