# A sensor on a battery: it wakes up, measures, publishes with QoS 1, and sleeps deeply as soon as the broker has the
# message. Every waking is a new start of this program, so it stands in main.py.
# Needs the files of `make deploy`. Edit the constants, or give them on the command line:
# sleeping_sensor.py [url device seconds awake]
import sys
import time

import board
import machine
import mqtt

SSID = "my network"
PASSWORD = "its password"
URL = "tcp://192.168.1.10"
DEVICE = "cellar"  # client id, and what its topics begin with
SECONDS = 600  # of sleep
AWAKE = 20  # seconds that it tries at most: a network that is gone must not empty the battery
url, device, seconds, awake = sys.argv[1:] or (URL, DEVICE, SECONDS, AWAKE)

start = time.ticks_ms()
wifi = board.WiFi(SSID, PASSWORD)
client = mqtt.createclient()
client.connect(url, device, reconnect=True, linkup=wifi.isup)

# Retained: whoever comes while the board sleeps gets the last reading at once.
client.publish(device + "/temperature", str(board.temperature()), mqtt.AT_LEAST_ONCE, True)

# Something is pending until the broker has acknowledged it.
while client.pending() and time.ticks_diff(time.ticks_ms(), start) < int(awake) * 1000:
    client.poll(100)
if client.pending():
    print("not delivered: " + (client.lasterror or wifi.problem))

client.disconnect()
mqtt.run(client)  # until DISCONNECT has left
wifi.wlan.active(False)
print("asleep for %s s" % seconds)
machine.deepsleep(int(seconds) * 1000)
