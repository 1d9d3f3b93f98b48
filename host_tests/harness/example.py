"""The programs of firmware/examples on the simulated board, and how to wait for what they say."""

from __future__ import annotations

from pathlib import Path

from harness.runtimes import ROOT

JOINED = "wifi: on 'my network' as 127.0.0.1"  # the first line of most of them


class Board:
    """A board of a test's own: the folder of its files, and the state of its surroundings."""

    def __init__(self, runtime, folder: Path):
        self.runtime = runtime
        self.folder = folder
        (folder / "state").mkdir(parents=True)

    def start(self, example: str, *arguments):
        """Switch it on, with an example in place of main.py."""
        return self.runtime.start(
            "examples.run", root=str(ROOT), folder=str(self.folder), name=example, arguments=[str(a) for a in arguments]
        )

    def set(self, name: str, text: str) -> None:
        (self.folder / "state" / name).write_text(text)

    def shows(self, name: str) -> str:
        path = self.folder / "state" / name
        return path.read_text() if path.exists() else ""


def texts(messages, topic):
    return [m.message for m in messages if m.topic == topic]


def wait_for_text(witness, topic, *wanted):
    """Wait until that was said under a topic, one after the other, whatever else came in between."""

    def said(messages):
        rest = iter(texts(messages, topic))
        return all(text in rest for text in wanted)

    return witness.wait_for(said)
