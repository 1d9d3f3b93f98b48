# A whole program for a small heap: connect, subscribe, 100 messages each way with QoS 1. Arguments: port, client id.
import sys

import mqtt

received = delivered = 0


def onmessage(message):
    global received
    received += 1


def ondelivery(message):
    global delivered
    delivered += 1


def failed(code):
    if code:
        raise SystemExit(1)


client = mqtt.createclient()
client.onmessage(onmessage)
client.ondelivery(ondelivery)
client.onconnect(failed)
client.onconnectionlost(failed)
client.connect("tcp://127.0.0.1:" + sys.argv[1], sys.argv[2])
client.subscribe("echo", 1)
for i in range(100):
    client.publish("echo", f"message {i}", 1)
    while delivered <= i or received <= i:
        client.poll(1000)
client.disconnect()
mqtt.run(client)
print("100 messages each way")
