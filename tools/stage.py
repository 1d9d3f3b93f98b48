"""Where the demo happens: processes and a broker's messages, heard, shown, and waited for."""

import contextlib
import os
import queue
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as paho

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
LIMIT = 60  # seconds; nothing that has to happen may take longer, on a busy machine too
STAMP = re.compile(r"^ *[0-9.]+ s  (board|port|state) +")  # in front of what the virtual board prints


class Failed(Exception):
    """Something that had to happen did not."""


def end(process):
    """End a process, and wait until it, and what it has started, is gone."""
    process.terminate()
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()


class Event(NamedTuple):
    """A line that a process has printed (None: it has ended), or a message; its source is then the topic."""

    source: str
    text: str | None
    retained: bool = False


class Stage:
    """What processes print and what the broker delivers arrives in one queue and is shown.

    `topic` is what all topics begin with; the rest of one is the name that is shown.
    """

    def __init__(self, topic):
        self.topic = topic
        self.events = queue.Queue()
        self.start = time.monotonic()
        self.log = []  # what the broker has printed

    def say(self, text, who="--"):
        print(f"{time.monotonic() - self.start:5.1f} s  {who:<10} {text}", flush=True)

    def show(self, event):
        if event.text is None:
            self.say("(ended)", event.source)
        elif event.source == "broker":
            self.log.append(event.text)
        else:
            self.say(event.text + " (retained)" * event.retained, event.source.removeprefix(self.topic))

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

    def wait_line(self, source, text):
        """Wait for a line with that text."""
        self.wait(text, lambda event: event.source == source and text in (event.text or ""))

    def wait_for(self, name, text=None):
        """The text of the next message of that name, or of the next that has this text."""
        what = f"{name} {text}" if text else name
        return self.wait(what, lambda event: event[:2] == (self.topic + name, text or event.text)).text

    def watch(self, deadline):
        """Show what happens until the deadline."""
        while event := self.next(deadline):
            if event.text is None:
                raise Failed(f"the {event.source} has ended")

    @contextlib.contextmanager
    def process(self, name, argv, env, cwd=ROOT):
        """A process whose output is heard and whose input is open; it is ended with the demo, whatever happens."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
        with subprocess.Popen(argv, cwd=cwd, env=env, encoding="utf-8", errors="replace", **pipes) as process:
            listener = threading.Thread(target=self.listen, args=(name, process.stdout))
            listener.start()
            try:
                yield process
            finally:
                end(process)
                listener.join()

    def listen(self, name, lines):
        for line in lines:
            self.events.put(Event(name, STAMP.sub("", line.rstrip())))
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
