"""What the simulated hardware of a virtual board is wired to: small text files in its state folder, and its power.

Runs on MicroPython and on CPython. Whoever starts a board sets `state` to something with `open(name, mode)`; without
it every sensor has its default, and nothing shows what the board does.
"""

import os

state = None


def get(name, default=""):
    """Return the text of a state file; the default if there is none or it is empty."""
    try:
        with state.open(name, "r") as file:
            return file.read().strip() or default
    except (AttributeError, OSError):
        return default


def put(name, text):
    """Write a state file."""
    if state:
        with state.open(name, "w") as file:
            file.write(text)


def exit(cause):
    """End the board's process as a reset does: at once, from any thread, whatever the program is doing.

    cause: "hard" or "watchdog", for whoever starts the board again.
    """
    put("reset", cause)
    os.system("kill -9 $PPID")  # sent by a shell, whose parent is this process
