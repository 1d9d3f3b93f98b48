"""A virtual board of a test's own, and mpremote as a user would call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.process import LIMIT, Child
from harness.runtimes import ROOT
from tools import ports


class VirtualBoard(Child):
    """A running `tools.virtual_board`. `flash` is the board's file system, `port` what mpremote connects to."""

    def __init__(self, folder: Path, files: dict | None = None, board: str = "virtual", state: dict | None = None):
        """`files` are on the board when it starts, and `state` holds its surroundings: names and text."""
        self.folder = folder
        self.flash = folder / "flash"
        self.state = folder / "state"
        for where, texts in ((self.flash, files or {}), (self.state, state or {})):
            for name, text in texts.items():
                path = where / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        argv = [sys.executable, "-m", "tools.virtual_board", str(folder)]
        super().__init__(argv, {**os.environ, "PYTHONPATH": str(ROOT), "BOARD": board}, text=None)
        self.wait_until(lambda: any("its port is " in line for line in self.lines), "port")
        self.port = os.readlink(folder / "port")

    def shows(self, text: str, count: int = 1) -> None:
        """Wait until so many lines at the board's terminal have that text."""
        self.wait_until(lambda: sum(text in line for line in self.lines) >= count, f"{count} lines with {text!r}")

    def mpremote(self, *arguments, fails: bool = False) -> str:
        """Run mpremote to its end; what it prints."""
        argv = ports.mpremote("connect", self.port, *arguments)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        if bool(done.returncode) != fails:
            self.fail(f"mpremote {arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def __exit__(self, *exc) -> None:
        if self.process.poll() is None:
            self.terminate()
        super().__exit__(*exc)
