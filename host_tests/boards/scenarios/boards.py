# The board files of real boards, on modules that stand in for theirs, and the WiFi of all boards.
import sys
import time

from kit import emit, error_of


class Hardware:
    # A module that remembers what is done to it.
    def __init__(self, **names):
        for name in names:
            setattr(self, name, names[name])


class Pin:
    OUT = 1
    names = []
    values = []

    def __init__(self, name, mode):
        self.names.append(name)

    def value(self, value):
        self.values.append(value)


class Pixel:
    def __init__(self, pin, count):
        self.lit = None

    def __setitem__(self, index, colour):
        self.lit = colour

    def write(self):
        Pin.values.append(1 if sum(self.lit) else 0)


class Adc:
    CORE_TEMP = 4

    def __init__(self, channel):
        pass

    def read_u16(self):
        return 13900  # 0.7 V


class Wdt:
    log = []

    def __init__(self, timeout):
        self.log.append(timeout)

    def feed(self):
        self.log.append("fed")


class Timer:
    made = None

    def __init__(self, id, period, callback):
        Timer.made = self
        self.id = id
        self.period = period
        self.tick = lambda: callback(self)
        self.running = True

    def deinit(self):
        self.running = False


def pretend(cause):
    sys.modules["machine"] = Hardware(
        PWRON_RESET=1,
        HARD_RESET=2,
        WDT_RESET=3,
        DEEPSLEEP_RESET=4,
        SOFT_RESET=5,
        Pin=Pin,
        ADC=Adc,
        WDT=Wdt,
        Timer=Timer,
        mem32={},
        unique_id=lambda: b"\x01\xab",
        reset=lambda: emit("reset"),
        reset_cause=lambda: cause,
    )
    sys.modules["esp32"] = Hardware(raw_temperature=lambda: 128, mcu_temperature=lambda: 53)
    sys.modules["neopixel"] = Hardware(NeoPixel=Pixel)
    sys.modules["network"] = Hardware(WLAN=None)


def board(root, board, cause):
    # What each board offers, on hardware of the kind that it expects.
    pretend(cause)
    sys.path[:0] = [root + "/boards/" + board, root + "/boards"]
    import board

    board.led(True)
    board.led(False)
    emit("board", board.UID, round(board.temperature(), 1), board.resetcause(), Pin.names, Pin.values)
    board.reset()


class Ticks:
    # The module `time` in the hands of the test.
    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, end, start):
        return end - start


def pico_watchdog(root, board):
    # A timer feeds the chip's watchdog for as long as the program fed this one not too long ago.
    pretend(1)
    sys.path[:0] = [root + "/boards/" + board, root + "/boards"]
    import board_rp2
    import machine
    from board import Watchdog

    ticks = board_rp2.time = Ticks()
    watchdog = Watchdog(60)
    timer = Timer.made
    emit("begins", Wdt.log, timer.id, timer.period)
    for seconds in range(1, 101):
        ticks.now = seconds * 1000
        if seconds == 30:
            watchdog.feed()
        timer.tick()
    emit("fed", Wdt.log.count("fed"))
    watchdog.stop()
    emit("stopped", timer.running, ["%x %x" % item for item in machine.mem32.items()])


def esp32_watchdog(root):
    pretend(1)
    sys.path[:0] = [root + "/boards/esp32", root + "/boards"]
    from board import Watchdog

    watchdog = Watchdog(60)
    watchdog.feed()
    watchdog.stop()
    emit("log", Wdt.log)


class Store:
    # A state folder in memory.
    def __init__(self, wifi):
        self.wifi = wifi

    def get(self, name, default=""):
        return self.wifi if name == "wifi" else default

    def put(self, name, text):
        pass


def wifi(root, answer, then, timeout):
    # Joins a network that answers so, and, after the error, another time, when it answers otherwise.
    store = sys.modules["_host"] = Store(answer)
    sys.path.insert(0, root + "/tools/virtual")
    import network

    sys.path[0] = root + "/boards"
    import wifi

    wifi.RETRY = 0
    made = wifi.WiFi("home", "password1", "DE", "kitchen", True, timeout)
    emit("first", error_of_oserror(made.join), made.rssi(), network.country(), network.hostname())
    store.wifi = then
    # The attempt that is under way was answered already: the next one will do.
    while not made.isup():
        time.sleep_ms(1)
    emit("then", error_of(made.join), made.rssi(), made.problem, made.wlan.config("pm") == network.WLAN.PM_POWERSAVE)


def wifi_lost(root):
    # Loses a network that is still there, and waits for no second attempt.
    sys.modules["_host"] = Store("on")
    sys.path.insert(0, root + "/tools/virtual")
    import network  # noqa: F401 - to stay

    sys.path[0] = root + "/boards"
    import wifi

    wifi.RETRY = 3600
    made = wifi.WiFi("home")
    made.join()
    made.wlan.disconnect()
    emit("up", made.isup(), made.isup())


def error_of_oserror(function):
    try:
        return function()
    except OSError as error:
        return str(error)
