# What the virtual board's MicroPython runs first: connects the simulated hardware, makes a folder of the host the
# root of the board's files, and runs boot.py and main.py as a board does.
# Arguments: state folder, the board's folder, and how far to go: "main", "boot" (after a soft reset in the raw REPL
# main.py does not run) or "prompt".
import io
import sys
import time

import _host
import uos
import vfs


class State:
    """The state folder, which the board's own programs can't see."""

    def __init__(self, folder):
        self.files = vfs.VfsPosix(folder)

    def open(self, name, mode):
        return self.files.open("/" + name, mode)


def tell(word):
    """Tell the host how far we are."""
    sys.stderr.write("@" + word + "\n")


def run(name, names):
    """Run a file of the board, if there is one; True unless it ended with an exception."""
    try:
        uos.stat(name)
    except OSError:
        return True
    try:
        execfile(name, names)  # noqa: F821
        return True
    except SystemExit:
        tell("exit")
        while True:  # the host ends it
            time.sleep(1)
    except BaseException as e:
        text = io.StringIO()
        sys.print_exception(e, text)
        for line in text.getvalue().splitlines():
            if "_boot.py" not in line:
                print(line)


def attach(state):
    """Connect the simulated hardware: its modules stay imported, though their files are out of reach from now on."""
    _host.state = State(state)
    for folder in sys.path:
        if folder.startswith("/"):
            for entry in uos.ilistdir(folder):
                if entry[0].endswith(".py"):
                    __import__(entry[0][:-3])


def boot(names):
    """Start as a board does; `names` are the globals of its programs."""
    _, state, root, mode = sys.argv
    attach(state)
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(root), "/")
    uos.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.argv[:] = [""]
    for name in list(names):
        if name[0] != "_" or name == "_host":
            del names[name]
    try:
        tell("ready")
        if mode != "prompt" and run("boot.py", names) and mode == "main":
            run("main.py", names)
    except KeyboardInterrupt:
        pass  # it came just before or after
    tell("idle")


if __name__ == "__main__":
    __import__("_boot").boot(globals())
