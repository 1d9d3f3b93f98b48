# A device on MQTT: publishes readings, obeys commands, and shows whether it is there. Topics below <BASE>/<device>/:
#   status     "online" or "offline", retained; as a will too, for when the device can't say it any more
#   telemetry  {"count": 7, "free": 98304, "uptime": 31}: reports so far, free bytes of memory, seconds since the start
#   command    "ping", "report", "interval <seconds>" or "stop"
#   answer     {"ping": "pong"}, {"interval": 5.0}, {"error": "..."}
# On a board, boot.py has to join the network first. Settings: the constants, or main.py [url [device [interval]]]
import gc
import json
import sys
import time

import mqtt

URL = "tcp://localhost:1883"
DEVICE = "board"
INTERVAL = 5  # seconds between two reports
BASE = "devices"


class BadInput(Exception):
    pass


def seconds(value):
    try:
        number = float(value)
    except ValueError:
        number = 0
    if not 0.1 <= number <= 86400:
        raise BadInput("interval: %r is not 0.1 to 86400 seconds" % value)
    return number


class Device:
    def __init__(self, url, name, interval):
        self.topic = "%s/%s/" % (BASE, name)
        self.running = True
        self.interval = seconds(interval)
        self.count = self.uptime = 0
        self.seen = self.due = time.ticks_ms()  # when uptime was brought up to date, when the next report is due
        self.client = mqtt.createclient()
        self.client.onconnect(self.onconnect)
        self.client.onconnectionlost(lambda reason: print("connection lost:", self.client.lasterror))
        self.client.onmessage(self.oncommand, self.topic + "command")
        # Reports wait for a connection; when the queue is full, the oldest goes.
        will = {"willtopic": self.topic + "status", "willmessage": "offline", "willqos": 1, "willretain": True}
        self.client.connect(url, name, will, reconnect=True, overflow="dropold", maxmessage=1024)
        self.client.subscribe(self.topic + "command", mqtt.AT_LEAST_ONCE)

    def run(self):
        self.reportin(self.interval)
        while self.running:
            left = time.ticks_diff(self.due, time.ticks_ms())
            if left > 0:
                self.client.poll(left)
            else:
                self.reportin(self.interval)
                self.send("telemetry", json.dumps(self.reading()))
        self.send("status", "offline", True)
        while self.client.isconnected() and self.client.pending():
            self.client.poll(1000)
        self.client.disconnect()
        mqtt.run(self.client)

    def send(self, topic, message, retain=False):
        self.client.publish(self.topic + topic, message, mqtt.AT_LEAST_ONCE, retain)

    def reportin(self, interval):
        self.due = time.ticks_add(time.ticks_ms(), int(interval * 1000))

    def reading(self):
        now = time.ticks_ms()
        self.uptime += time.ticks_diff(now, self.seen)
        self.seen = now
        self.count += 1
        return {"count": self.count, "free": gc.mem_free(), "uptime": self.uptime // 1000}

    def onconnect(self, code):
        print("not connected: " + self.client.lasterror if code else "connected")
        if not code:
            self.send("status", "online", True)
            self.reportin(0)

    def oncommand(self, message):
        # What is wrong with a command is the sender's business; whatever else goes wrong in here is a bug, and shows.
        print("command:", message.message)
        try:
            answer = self.obey(message.message)
        except BadInput as error:
            answer = {"error": str(error)}
        self.send("answer", json.dumps(answer))

    def obey(self, command):
        if command == b"ping":
            return {"ping": "pong"}
        if command == b"report":
            return {"report": self.reading()}
        if command == b"stop":
            self.running = False
            return {"stop": "bye"}
        if command.startswith(b"interval "):
            self.interval = seconds(command[9:])
            self.reportin(self.interval)
            return {"interval": self.interval}
        raise BadInput("command: %r is none of ping, report, interval <seconds>, stop" % command)


if __name__ == "__main__":
    given = sys.argv[1:4]
    Device(*given + [URL, DEVICE, INTERVAL][len(given) :]).run()
