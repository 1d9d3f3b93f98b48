"""Child processes whose output is read line by line in a thread: nothing blocks, nothing is left running."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import deque

LIMIT = 60.0  # seconds; how long any one wait of a test may take, on a busy machine too
KEEP = 2000  # lines of output kept for a failure report


class ChildError(AssertionError):
    """A child process did not do what the test expects; the text holds its output."""


class Child:
    """A process, its output, and a condition to wait on."""

    def __init__(self, argv: list[str], env: dict | None = None, text: str | None = ""):
        """`text` is what it finds on its standard input; None leaves that open for `type`."""
        self.argv = argv
        self.text = text
        self.lines: deque[str] = deque(maxlen=KEEP)
        self.changed = threading.Condition()
        self.ended = False  # all output has been read
        self.process = subprocess.Popen(
            argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if text is not None:
            try:
                self.process.stdin.write(text.encode())
                self.process.stdin.close()
            except BrokenPipeError:
                pass  # it ended at once: whoever waits for it is told why

    def type(self, line: str) -> None:
        """Write a line to its standard input."""
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def _read(self) -> None:
        for raw in self.process.stdout:
            line = raw.decode(errors="backslashreplace").rstrip("\r\n")
            with self.changed:
                self.lines.append(line)
                self.on_line(line)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def on_line(self, line: str) -> None:
        """Called in the reader thread, with the condition held, for every line of output."""

    def wait_until(self, condition, what: str, limit: float = LIMIT):
        """Wait until `condition()` is true; fail at once if the process ends before, and after `limit` seconds."""
        deadline = time.monotonic() + limit
        with self.changed:
            while not (result := condition()):
                if self.ended:
                    self.process.wait(LIMIT)
                    self.fail(f"ended before {what}")
                if not self.changed.wait(deadline - time.monotonic()) and not condition():
                    self.fail(f"no {what} within {limit:g} s")
            return result

    def wait(self, limit: float = LIMIT) -> int:
        """Wait for the end; the exit code."""
        deadline = time.monotonic() + limit
        with self.changed:
            if not self.changed.wait_for(lambda: self.ended, limit):
                self.fail(f"still running after {limit:g} s")
        return self.process.wait(max(1.0, deadline - time.monotonic()))

    def fail(self, reason: str):
        raise ChildError(f"{reason}\n{self.transcript()}")

    def transcript(self) -> str:
        head = f"$ {' '.join(self.argv)} {(self.text or '')[:2000]} (exit code {self.process.poll()})"
        return "\n".join((head, *self.lines))

    def kill(self) -> None:
        """kill -9: the abrupt end, and the clean-up that always works."""
        self.process.kill()
        self.process.wait()
        self.reader.join(LIMIT)

    def terminate(self) -> int:
        self.process.terminate()
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_exc) -> None:
        if self.process.poll() is None:
            self.kill()
        self.reader.join(LIMIT)
        self.process.stdin.close()
        self.process.stdout.close()
