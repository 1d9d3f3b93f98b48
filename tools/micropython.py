"""Finds MicroPython's Unix port: `python -m tools.micropython` prints its path.

It is `$MICROPYTHON`, else a `micropython` on PATH, else the one that `requirements.txt` installs beside this Python.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (1, 24)
# A preview has a fourth element: 1.29.0-preview counts as 1.29.
PROBE = "import sys; print(sys.implementation.name, '%d.%d.%d' % sys.implementation.version[:3])"


def version(path):
    """The version of the MicroPython at `path`, such as "1.28.0"; None if it isn't one."""
    try:
        probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    name, _, number = probe.stdout.strip().partition(" ")
    return number if name == "micropython" else None


def usable(path):
    number = path and version(path)
    return bool(number) and tuple(int(part) for part in number.split(".")[:2]) >= OLDEST


def find():
    """The path of a MicroPython that is new enough, or None. ValueError if `$MICROPYTHON` names anything else."""
    named = os.environ.get("MICROPYTHON")
    if named:
        path = shutil.which(named)
        if not usable(path):
            raise ValueError(f"MICROPYTHON={named}: not a MicroPython of version 1.24 or newer")
        return os.path.abspath(path)
    for path in (shutil.which("micropython"), str(Path(sys.executable).with_name("micropython"))):
        if usable(path):
            return os.path.abspath(path)
    return None


def main():
    try:
        path = find()
    except ValueError as error:
        sys.exit(str(error))
    if not path:
        sys.exit("no MicroPython of version 1.24 or newer: set MICROPYTHON to the path of one")
    print(path)


if __name__ == "__main__":
    main()
