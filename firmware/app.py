"""A device on MQTT: it reports, obeys, and shows whether it is there. Settings: config.json, see docs/boards.md.

Topics below devices/<device>/:
  status     "online" or "offline", retained; the will says it too, when the device can't any more
  telemetry  {"count": 7, "uptime": 31, "free": 98304, "temperature": 24.5, "rssi": -61, "reset": "power on"}:
             reports since the start, seconds since the start, bytes of free memory, degrees Celsius of the chip,
             dBm (null without WiFi), why the board started
  command    "ping", "report", "interval <seconds>", "led on", "led off" or "reboot"
  answer     {"ping": "pong"}, {"report": {...}}, {"interval": 5.0}, {"led": "on"}, {"reboot": "bye"}, {"error": "..."}
"""

import gc
import json
import os
import time

import board
import config
import mqtt
from clock import Clock
from mqtt.store import FileStore

WATCHDOG = 60  # seconds; nothing blocks for longer: looking up a name up to 20, one step of TLS 1
LEAVING = 5  # seconds for the last messages before a reboot


def createclient(path):
    """Return a client whose messages survive a power cut; without that if the file system fails."""
    try:
        return mqtt.createclient(FileStore(path))
    except ValueError as error:
        print("store: %s; it is made anew" % error)
        os.remove(path)
        return createclient(path)
    except mqtt.MQTTError as error:
        print("store: %s; unsent messages won't survive a power cut" % mqtt.errorstring(error.code))
        return mqtt.createclient()


class Device:
    """The device, connecting from its creation on. ValueError for settings that `connect` refuses."""

    def __init__(self, settings):
        name = settings["device"] or "board-" + board.UID
        self.topic = "devices/%s/" % name
        self.interval = settings["interval"] * 1000
        self.count = self.uptime = 0  # reports; ms, until the last reading
        self.read = self.reported = time.ticks_ms()
        self.leaving = False
        self.wifi = board.WiFi(
            settings["wifi_ssid"],
            settings["wifi_password"],
            settings["wifi_country"],
            settings["hostname"] or name[:32].replace("_", "-"),
            settings["wifi_powersave"],
        )
        self.clock = Clock(settings["ntp_server"]) if config.secure(settings) else None
        self.client = createclient(name + ".session")
        self.connect(settings, name)

    def connect(self, settings, name):
        client = self.client
        client.onconnect(self.onconnect)
        client.onconnectionlost(lambda reason: print("mqtt: connection lost: " + client.lasterror))
        client.onmessage(self.oncommand, self.topic + "command")
        # Without a connection reports queue up, in the store too; when the queue is full, the oldest goes.
        options = {
            "willtopic": self.topic + "status",
            "willmessage": "offline",
            "willqos": 1,
            "willretain": True,
            "cleansession": False,
            "reconnect": True,
            "linkup": self.isready,
            "overflow": "dropold",
            "maxmessage": 1024,
        }
        if settings["username"]:
            options["username"] = settings["username"]
            options["password"] = settings["password"]
        if settings["cafile"]:
            options["ssl"] = {"cafile": settings["cafile"]}
        client.connect(settings["url"], name, options)
        client.subscribe(self.topic + "command", mqtt.AT_LEAST_ONCE)

    def isready(self):
        # Asked by the client, several times a second.
        return self.wifi.isup() and (not self.clock or self.clock.isset())

    def run(self):
        """Work until a reboot is asked for."""
        watchdog = board.Watchdog(WATCHDOG)
        try:
            while not self.leaving:
                watchdog.feed()
                if self.clock and self.wifi.isup():
                    self.clock.keep()
                left = int(self.interval - time.ticks_diff(time.ticks_ms(), self.reported))
                if left > 0:
                    self.client.poll(min(left, 500))
                else:
                    self.report()
            self.leave()
        finally:
            watchdog.stop()  # whoever sits at the REPL then does not feed it

    def leave(self):
        self.client.publish(self.topic + "status", "offline", mqtt.AT_LEAST_ONCE, True)
        start = time.ticks_ms()
        while self.client.isconnected() and self.client.pending():
            self.client.poll(100)
            if time.ticks_diff(time.ticks_ms(), start) > LEAVING * 1000:
                break  # the store has the rest
        self.client.disconnect()
        mqtt.run(self.client)

    def send(self, topic, values):
        self.client.publish(self.topic + topic, json.dumps(values), mqtt.AT_LEAST_ONCE)

    def report(self):
        self.count += 1
        self.send("telemetry", self.reading())
        self.reported = self.read

    def reading(self):
        now = time.ticks_ms()
        self.uptime += time.ticks_diff(now, self.read)
        self.read = now
        gc.collect()
        return {
            "count": self.count,
            "uptime": self.uptime // 1000,
            "free": gc.mem_free(),
            "temperature": round(board.temperature(), 1),
            "rssi": self.wifi.rssi(),
            "reset": board.resetcause(),
        }

    def onconnect(self, code):
        print("mqtt: not connected: " + self.client.lasterror if code else "mqtt: connected as " + self.topic)
        if not code:
            self.client.publish(self.topic + "status", "online", mqtt.AT_LEAST_ONCE, True)
            self.report()

    def oncommand(self, message):
        print("command: %s" % message.message)
        # A retained one would come again after each reboot.
        self.send("answer", {"error": "command: is retained"} if message.retain else self.obey(message.message))

    def obey(self, command):
        if command == b"ping":
            return {"ping": "pong"}
        if command == b"report":
            return {"report": self.reading()}
        if command in (b"led on", b"led off"):
            board.led(command == b"led on")
            return {"led": str(command[4:], "utf-8")}
        if command == b"reboot":
            self.leaving = True
            return {"reboot": "bye"}
        if command.startswith(b"interval "):
            # Nothing else is caught: a bad command is the sender's business, anything else a bug that has to show.
            try:
                self.interval = config.seconds(command[9:]) * 1000
                return {"interval": self.interval / 1000}
            except ValueError as error:
                return {"error": str(error)}
        known = "ping, report, interval <seconds>, led on, led off, reboot"
        return {"error": "command: %r is none of %s" % (command, known)}


def main(path="config.json"):
    """Run the device, then reset the board. Returns, for the REPL, only if the configuration leaves nothing to do."""
    settings, problems = config.load(path)
    for problem in problems:
        print("%s: %s" % (path, problem))
    if not config.usable(settings):
        print("%s: not enough to connect with; see docs/boards.md" % path)
        return
    try:
        device = Device(settings)
    except ValueError as error:
        print("%s: %s" % (path, error))
        return
    device.run()
    board.reset()
