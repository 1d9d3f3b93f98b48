# A whole program for a small heap: 100 messages each way. Compiled, as on a board; its arguments: URL and client id.
import sys

import mqtt

received = sent = offered = 0


def onmessage(message):
    global received
    received += 1


def ondone(code):
    global sent
    sent += code == 0


client = mqtt.createclient()
client.onmessage(onmessage)
client.connect(sys.argv[1], sys.argv[2])
client.subscribe("in", 1, lambda code, granted: print("subscribed", granted))
while received < 100 or sent < 100:
    if offered < 100 and client.pending() < 4:
        client.publish("out", "message %d" % offered, offered % 3, callback=ondone)
        offered += 1
    client.poll(0 if offered < 100 else 1000)
client.disconnect()
mqtt.run(client)
print("end", sent, received)
