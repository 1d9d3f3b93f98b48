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
INTERVAL = 5  # seconds from one report to the next
BASE = "devices"


def seconds(value):
    try:
        number = float(value)
    except ValueError:
        number = 0
    if not 0.1 <= number <= 86400:
        raise ValueError("interval: %r is not 0.1 to 86400 seconds" % value)
    return number


class Device:
    def __init__(self, url, name, interval):
        self.topic = "%s/%s/" % (BASE, name)
        self.interval = seconds(interval)
        self.running = True
        self.count = self.uptime = 0  # reports; ms, until the last one
        self.last = time.ticks_ms()
        self.client = mqtt.createclient()
        self.client.onconnect(self.onconnect)
        self.client.onconnectionlost(lambda reason: print("connection lost:", self.client.lasterror))
        self.client.onmessage(self.oncommand, self.topic + "command")
        will = {"willtopic": self.topic + "status", "willmessage": "offline", "willqos": 1, "willretain": True}
        # Without a connection reports queue up; when the queue is full, the oldest goes.
        self.client.connect(url, name, will, reconnect=True, overflow="dropold", maxmessage=1024)
        self.client.subscribe(self.topic + "command", mqtt.AT_LEAST_ONCE)

    def run(self):
        while self.running:
            left = self.interval * 1000 - time.ticks_diff(time.ticks_ms(), self.last)
            if left >= 1:
                self.client.poll(int(left))
            else:
                self.send("telemetry", self.reading())
        self.client.publish(self.topic + "status", "offline", mqtt.AT_LEAST_ONCE, retain=True)
        while self.client.isconnected() and self.client.pending():
            self.client.poll(1000)
        self.client.disconnect()
        mqtt.run(self.client)

    def send(self, topic, values):
        self.client.publish(self.topic + topic, json.dumps(values), mqtt.AT_LEAST_ONCE)

    def reading(self):
        now = time.ticks_ms()
        self.uptime += time.ticks_diff(now, self.last)
        self.last = now
        self.count += 1
        return {"count": self.count, "free": gc.mem_free(), "uptime": self.uptime // 1000}

    def onconnect(self, code):
        print("not connected: " + self.client.lasterror if code else "connected")
        if not code:
            self.client.publish(self.topic + "status", "online", mqtt.AT_LEAST_ONCE, retain=True)
            self.send("telemetry", self.reading())

    def oncommand(self, message):
        print("command:", message.message)
        self.send("answer", self.obey(message.message))

    def obey(self, command):
        if command == b"ping":
            return {"ping": "pong"}
        if command == b"report":
            return {"report": self.reading()}
        if command == b"stop":
            self.running = False
            return {"stop": "bye"}
        if command.startswith(b"interval "):
            # Nothing else is caught: a bad command is the sender's business, anything else a bug that has to show.
            try:
                self.interval = seconds(command[9:])
                return {"interval": self.interval}
            except ValueError as error:
                return {"error": str(error)}
        return {"error": "command: %r is none of ping, report, interval <seconds>, stop" % command}


if __name__ == "__main__":
    given = sys.argv[1:4]
    Device(*given + [URL, DEVICE, INTERVAL][len(given) :]).run()
