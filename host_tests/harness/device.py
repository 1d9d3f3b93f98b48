"""The device program on the simulated board, and a witness of all it says."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from harness.process import LIMIT
from harness.runtimes import ROOT

KILLED = -9  # how a reset ends the process that plays the board


class Device:
    """A board of a test's own, in `folder`: config.json, what the device keeps, and the state of its surroundings."""

    def __init__(self, runtime, folder: Path, url: str, name: str, **settings):
        """`settings` are those of config.json besides the network's; None leaves one out."""
        self.runtime = runtime
        self.folder = folder
        self.topic = f"devices/{name}/"
        self.state = folder / "state"
        self.state.mkdir()
        values = {"wifi_ssid": "virtual", "url": url, "device": name, "interval": 60, **settings}
        self.configure({key: value for key, value in values.items() if value is not None})
        self.program = self.witness = None

    def configure(self, values: dict | str) -> None:
        text = values if isinstance(values, str) else json.dumps(values)
        (self.folder / "config.json").write_text(text)

    def set(self, name: str, text: str) -> None:
        """Change the board's surroundings."""
        (self.state / name).write_text(text)

    def shows(self, name: str) -> str:
        """What the board has written about itself."""
        return (self.state / name).read_text()

    def start(self, scenario="firmware.main", **arguments):
        """Switch it on."""
        self.program = self.runtime.start(scenario, root=str(ROOT), folder=str(self.folder), **arguments)
        return self.program

    def watch(self, witness) -> None:
        self.witness = witness.subscribe(self.topic + "#")

    def said(self, what: str) -> list:
        """The messages of a kind."""
        return [m for m in self.witness.messages if m.topic == self.topic + what]

    def wait(self, what: str, count: int) -> list[dict]:
        """Wait for so many messages of a kind; the JSON of them all."""
        self.witness.wait_for(lambda _: len(self.said(what)) >= count)
        return [json.loads(m.message) for m in self.said(what)]

    def wait_for(self, what: str, message: bytes, count: int = 1) -> None:
        """Wait until it has said that so often."""
        self.witness.wait_for(lambda _: [m.message for m in self.said(what)].count(message) >= count)

    def wait_for_cause(self, cause: str) -> None:
        """Wait for a report of a board that was started by that."""
        self.witness.wait_for(lambda _: cause in [json.loads(m.message)["reset"] for m in self.said("telemetry")])

    def wait_for_stored(self, count: int) -> None:
        """Wait until its store holds so many reports made without a network. A file tells nobody that it changes."""
        path = self.folder / (self.topic.split("/")[1] + ".session")
        deadline = time.monotonic() + LIMIT
        pause = threading.Event()
        while not path.exists() or path.read_bytes().count(b'"rssi": null') < count:
            assert time.monotonic() < deadline, f"not {count} reports in {path} within {LIMIT:g} s"
            pause.wait(0.02)

    def order(self, command: str | bytes) -> dict:
        """Send a command; the answer."""
        count = len(self.said("answer"))
        self.witness.publish(self.topic + "command", command, 1)
        return self.wait("answer", count + 1)[-1]
