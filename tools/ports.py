"""Where a board is: `python -m tools.ports <auto|virtual|port>` prints the name of its port, for mpremote."""

import contextlib
import os
import subprocess
import sys

from tools import virtual_board

NONE = "no board is connected: try another cable, or name its port: PORT=...; PORT=virtual is one without hardware"
STARTED = "the virtual board is not running: one is started for this, and ends with it (make board keeps one running)"
NOT_RUNNING = "the virtual board is not running: start it with make board, in a terminal of its own"


class NoBoard(Exception):
    """There is no board, or no way to tell which; the text says what to do."""


def mpremote(*arguments):
    """The command line of mpremote."""
    return [sys.executable, "-um", "mpremote", *map(str, arguments)]


def choose(listing):
    """The port of the only board in what mpremote lists: lines of port, serial number, vendor:product, names."""
    lines = [line.split() for line in listing.splitlines()]
    found = [fields[0] for fields in lines if len(fields) > 2 and fields[2] != "0000:0000"]
    if not found:
        raise NoBoard(NONE)
    if len(found) > 1:
        raise NoBoard(f"there are several boards: say which with PORT=, one of {', '.join(found)}")
    return found[0]


def find(port, folder=virtual_board.FOLDER):
    """The name of a port, given as that, as "virtual", or as "auto": the only board that is connected by USB."""
    if port == "virtual":
        running = virtual_board.running(folder)
        if not running:
            raise NoBoard(NOT_RUNNING)
        return running
    if port in ("", "auto"):
        return choose(subprocess.run(mpremote("connect", "list"), capture_output=True, text=True).stdout)
    if not os.path.exists(port):
        raise NoBoard(f"PORT={port}: there is no such port; PORT=auto finds the board that is plugged in")
    return port


@contextlib.contextmanager
def available(port, folder=virtual_board.FOLDER):
    """As `find`, but a virtual board that is not running is started, which is said, and ends again."""
    if port != "virtual" or virtual_board.running(folder):
        yield find(port, folder)
        return
    print(STARTED, flush=True)
    argv = [sys.executable, "-m", "tools.virtual_board", folder]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(argv, cwd=virtual_board.ROOT, text=True, **pipes) as board:
        first = board.stdout.readline().strip()
        if not virtual_board.running(folder):
            raise NoBoard(first)
        yield virtual_board.running(folder)
        board.communicate("quit\n")


def main(port="auto"):
    try:
        print(find(port))
    except NoBoard as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
