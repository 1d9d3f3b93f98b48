# The device program on the simulated hardware of the virtual board, with the files and the state of a test's folder.
import os
import sys
import time

from kit import emit


class State:
    # A board's state folder, as `_host` wants it.
    def __init__(self, folder):
        self.folder = folder

    def open(self, name, mode):
        return open(self.folder + "/" + name, mode)


def plug_in(root, folder):
    # The simulated modules, and what is deployed to the virtual board.
    sys.path.insert(0, root + "/tools/virtual")
    import _host
    import machine  # noqa: F401 - to stay
    import network  # noqa: F401
    import ntptime  # noqa: F401

    del sys.path[0]
    sys.path[:0] = [root + "/firmware", root + "/boards/virtual", root + "/boards"]
    _host.state = State(folder + "/state")
    os.chdir(folder)


def run(root, watchdog=60, retry=0):
    # main.py, as a board runs it, but in less time.
    import app
    import clock
    import wifi

    app.WATCHDOG = watchdog
    clock.RETRY = wifi.RETRY = retry
    with open(root + "/firmware/main.py") as file:
        source = file.read()
    if "sleep(10)" not in source:
        raise RuntimeError("main.py does not sleep(10)")
    exec(source.replace("sleep(10)", "sleep(0)"), {"__name__": "__main__"})


def main(root, folder, **more):
    plug_in(root, folder)
    run(root, **more)


def program(root, folder, name):
    # A program of somebody's own.
    plug_in(root, folder)
    with open(name) as file:
        exec(file.read(), {"__name__": "__main__"})


def hang():
    while True:
        pass


def fail():
    raise IndexError("no LED in reach")


def interrupt():
    raise KeyboardInterrupt


def failing(root, folder, how, watchdog=60):
    # The command "led on" meets a bug.
    plug_in(root, folder)
    import board
    import machine

    bug = {"hang": hang, "fail": fail, "interrupt": interrupt}[how]
    board.led = lambda on: bug()
    try:
        run(root, watchdog)
    except KeyboardInterrupt:
        emit("interrupted", machine.WDT._state[0])


def overflowing(root, folder, reports):
    # Makes that many reports before there is a network.
    plug_in(root, folder)
    import _host
    import app
    import config

    device = app.Device(config.load("config.json")[0])
    for _ in range(reports):
        device.report()
    _host.put("wifi", "on")
    device.run()


class Unset:
    # The module `time` of a board that nobody has told the time.
    def __init__(self):
        self.now = (2000, 1, 1, 0, 0, 0)

    def gmtime(self):
        return self.now

    def __getattr__(self, name):
        return getattr(time, name)


def unset(root, folder, port):
    # Starts with a clock that an NTP server at that port has to set.
    plug_in(root, folder)
    import clock
    import ntptime

    clock.time = unset = Unset()
    ntptime.port = port
    ntptime.timeout = 0.2
    ask = ntptime.time

    def settime():
        unset.now = time.gmtime(ask())

    ntptime.settime = settime
    run(root)


def load(root, path):
    # What the application makes of a configuration.
    sys.path.insert(0, root + "/firmware")
    import config

    settings, problems = config.load(path)
    emit("loaded", settings, problems, config.usable(settings))
