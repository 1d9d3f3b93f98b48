# A program of firmware/examples, as it stands there, on the simulated hardware of the virtual board.
import sys

from firmware import plug_in


def run(root, folder, name, arguments):
    plug_in(root, folder)
    import wifi

    wifi.RETRY = 0
    sys.argv[:] = [name] + arguments
    with open(root + "/firmware/examples/" + name) as file:
        exec(compile(file.read(), name, "exec"), {"__name__": "__main__"})
