# Stays subscribed, whatever the network does.
import sys

from umqtt.robust import MQTTClient

server, port, client_id = sys.argv[1:4]
count = 0


def on_message(topic, msg):
    global count
    count += 1
    print(count, topic.decode(), msg)


c = MQTTClient(client_id, server, int(port))
c.DELAY = 0.1
c.set_callback(on_message)
if not c.connect(clean_session=False):
    c.subscribe(client_id.encode() + b"/in", qos=1)
print("ready")
while count < 3:
    c.wait_msg()
    c.publish(client_id + "/out", b"%d" % count, qos=1)
    print("published", count)
c.disconnect()
print("end")
