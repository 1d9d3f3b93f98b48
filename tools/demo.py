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
MOSQUITTO = f"user root\nlog_dest stderr\nlog_type all\nallow_anonymous true\nlistener PORT {HOST}\n"
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
    ready: str


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
        self.log = []  # of the broker

    def say(self, text, who="--"):
        print(f"{time.monotonic() - self.start:5.1f} s  {who:<10} {text}", flush=True)

    def show(self, event):
        if event.source == "broker":
            self.log.append(event.text)
        elif event.text is None:
            self.say(f"the {event.source} is gone")
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

    def wait(self, what, wanted):
        """Show what happens until something does for which `wanted(event)` is true; that event."""
        deadline = time.monotonic() + LIMIT
        while event := self.next(deadline):
            if wanted(event):
                return event
            if event.text is None:
                raise Failed(f"waiting for {what}: the {event.source} has ended")
        raise Failed(f"waiting for {what}: not within {LIMIT} seconds")

    def wait_for_message(self, name, wanted=lambda text: True, what=None):
        """The text of the next message below TOPIC for which `wanted(text)` is true."""
        return self.wait(what or name, lambda event: event.source == TOPIC + name and wanted(event.text)).text

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
    port = free_port()
    config = Path(stack.enter_context(tempfile.TemporaryDirectory()), "broker.conf")
    config.write_text(broker.config.replace("PORT", str(port)))
    stage.say(f"A broker: {broker.name} on port {port}")
    stack.enter_context(stage.process("broker", [*broker.argv, config], broker.env))
    stage.wait(f"{broker.name} to listen", lambda event: event.source == "broker" and broker.ready in event.text)
    return port


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


def reports(stage, count):
    """Wait for so many reports, which must be numbered without a gap and hold real values; the last of them."""
    got = [json.loads(stage.wait_for_message("telemetry")) for _ in range(count)]
    numbers = [report["count"] for report in got]
    if numbers != list(range(numbers[0], numbers[0] + count)):
        raise Failed(f"reports are missing or out of order: {numbers}")
    ...
