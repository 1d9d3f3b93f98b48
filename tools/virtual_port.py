"""The serial port of a virtual board, and the terminal of the program that it runs."""

import os
import pty
import select
import termios
import tty

RAW = b"raw REPL; CTRL-B to exit\r\n"
FRIENDLY = b'Type "help()" for more information.\r\n'
PASTE, END, DONE = b"\x05A\x01", b"\x04", b"\x04>"  # raw paste: its beginning, its end, the end of what it ran


class Terminal:
    """The pseudo-terminal between two programs. `ours` is the end that this process reads and writes."""

    def __init__(self):
        self.ours, self.theirs = pty.openpty()
        tty.setraw(self.theirs)
        os.set_blocking(self.ours, False)
        self.patience = 0.5  # seconds that a board waits for whoever reads too slowly

    @property
    def name(self):
        return os.ttyname(self.theirs)

    def read(self):
        """What has come; nothing if nothing has."""
        try:
            return os.read(self.ours, 4096)
        except BlockingIOError:
            return b""

    def write(self, data):
        """Write; what nobody takes in time is lost, as on a board's serial line."""
        while data:
            try:
                data = data[os.write(self.ours, data) :]
                self.patience = 0.5
            except BlockingIOError:
                if not select.select([], [self.ours], [], self.patience)[1]:
                    self.patience = 0
                    return


class Console(Terminal):
    """The terminal of MicroPython, and what shows there of its state: whether it is in the raw REPL, and executing."""

    def __init__(self):
        super().__init__()
        self.raw = False
        self.pasting = self.pasted = False  # it takes a program by raw paste, or executes that
        self.tail = b""  # the end of its output

    def begin(self):
        """A new MicroPython is about to use it: no terminal that a prompt reads from has the flag set here."""
        self.pasting = self.pasted = False
        settings = termios.tcgetattr(self.theirs)
        settings[3] |= termios.ISIG
        termios.tcsetattr(self.theirs, termios.TCSANOW, settings)

    def executing(self):
        """Whether a program runs, which a Ctrl-C is to interrupt; at a prompt it is a character like any other."""
        return self.pasted or bool(termios.tcgetattr(self.theirs)[3] & termios.ISIG)

    def read(self):
        data = super().read()
        self.tail += data
        raw, friendly = self.tail.rfind(RAW), self.tail.rfind(FRIENDLY)
        if raw != friendly:
            self.raw = raw > friendly
        self.tail = self.tail[-len(FRIENDLY) :]
        if self.tail.endswith(DONE):
            self.pasted = False
        return data

    def write(self, data):
        if self.raw and PASTE in data:
            self.pasting = True
        elif self.pasting and END in data:
            self.pasting, self.pasted = False, True
        super().write(data)
