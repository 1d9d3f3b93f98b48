# Mutual TLS: the board knows the broker by the authority that has signed its certificate, and the broker knows the
# board by a certificate, too. No password is needed.
# Needs the files of `make deploy`, and three of docs/tls.md ("Mutual TLS"): mpremote cp ca.der cert.der key.der :
# Edit the constants, or give them on the command line: mutual_tls.py [url device seconds]
import sys
import time

import board
import mqtt
from clock import Clock

SSID = "my network"
PASSWORD = "its password"
URL = "ssl://broker.local"
DEVICE = "kitchen"  # client id, and what its topics begin with
SECONDS = 60  # from one report to the next
url, device, seconds = sys.argv[1:] or (URL, DEVICE, SECONDS)
wifi = board.WiFi(SSID, PASSWORD)
clock = Clock("pool.ntp.org")  # certificates have dates, and a board starts years back


def isready():
    return wifi.isup() and clock.isset()


def onconnect(code):
    # lasterror says what is wrong: a certificate, the clock, the name in the URL ...
    print("not connected: " + client.lasterror if code else "connected to " + url)


client = mqtt.createclient()
client.onconnect(onconnect)
files = {"cafile": "ca.der", "cert": "cert.der", "key": "key.der"}
client.connect(url, device, reconnect=True, linkup=isready, ssl=files)

due = time.ticks_ms()
while True:
    if wifi.isup():
        clock.keep()
    if client.isconnected() and time.ticks_diff(time.ticks_ms(), due) >= 0:
        due = time.ticks_add(time.ticks_ms(), int(float(seconds) * 1000))
        client.publish(device + "/temperature", str(board.temperature()), mqtt.AT_LEAST_ONCE)
    client.poll(100)
