# As small_ours.py.
import sys
import time

import chumicro_sockets
from chumicro_mqtt import MQTTClient

received = delivered = 0


def onmessage(topic, payload):
    global received
    received += 1


def ondelivery(topic, payload):
    global delivered
    delivered += 1


def connector():
    return chumicro_sockets.connector("127.0.0.1", int(sys.argv[1]))


def tick():
    client.handle(time.ticks_ms())
    if client.state == "failed":
        raise SystemExit(1)


client = MQTTClient(transport_factory=connector, client_id=sys.argv[2])
client.on_message = onmessage
client.subscribe("echo", 1)
client.connect()
for i in range(100):
    client.publish("echo", f"message {i}", qos=1, on_publish=ondelivery)
    while delivered <= i or received <= i:
        tick()
client.disconnect()
print("100 messages each way")
