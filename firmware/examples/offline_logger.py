# A logger for places where network and power come and go: every record is stored in flash before it is sent, and
# arrives exactly once (QoS 2) when there is a way to the broker again, also after a power cut.
# Needs the files of `make deploy`, and a broker that keeps sessions (mosquitto: persistence true). Edit the constants,
# or give them on the command line: offline_logger.py [url device seconds]
import json
import sys
import time

import board
import mqtt
from clock import Clock
from mqtt.store import FileStore

SSID = "my network"
PASSWORD = "its password"
URL = "tcp://192.168.1.10"
DEVICE = "greenhouse"  # client id, what its topics begin with, and the name of its store
SECONDS = 60  # from one record to the next; each wears the flash a little
WAITING = 200  # records that wait at most, in memory as well; then the oldest goes
url, device, seconds = sys.argv[1:] or (URL, DEVICE, SECONDS)
wifi = board.WiFi(SSID, PASSWORD)
clock = Clock("pool.ntp.org")
count = 0  # records since the start


def record():
    global count
    count += 1
    now = "%04d-%02d-%02dT%02d:%02d:%02dZ" % time.gmtime()[:6] if clock.isset() else None
    text = json.dumps({"count": count, "time": now, "temperature": board.temperature()})
    client.publish(device + "/log", text, mqtt.EXACTLY_ONCE)
    print("recorded: %s; %d waiting, %d lost" % (text, client.pending(), client.dropped))


client = mqtt.createclient(FileStore(device + ".session"))
client.onconnect(lambda code: print("not connected: " + client.lasterror if code else "connected"))
options = {"cleansession": False, "overflow": "dropold", "maxqueued": WAITING, "maxqueuedbytes": 100 * WAITING}
client.connect(url, device, options, reconnect=True, linkup=wifi.isup)

due = time.ticks_ms()
while True:
    if wifi.isup():
        clock.keep()
    if time.ticks_diff(time.ticks_ms(), due) >= 0:
        due = time.ticks_add(due, int(float(seconds) * 1000))
        record()
    client.poll(min(100, max(0, time.ticks_diff(due, time.ticks_ms()))))
