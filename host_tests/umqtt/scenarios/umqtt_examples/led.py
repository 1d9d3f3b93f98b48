# A lamp that is switched, tells how it is now, and goes on blinking meanwhile.
import select
import sys

from umqtt.simple import MQTTClient

server, port, client_id = sys.argv[1:4]
COMMANDS = client_id.encode() + b"/set"
STATE = client_id.encode() + b"/state"

lamp = False
blinks = 0


def command(topic, msg):
    global lamp
    if msg == b"on":
        lamp = True
    elif msg == b"off":
        lamp = False
    elif msg == b"toggle":
        lamp = not lamp
    c.publish(STATE, b"on" if lamp else b"off", retain=True, qos=1)
    if msg == b"quit":
        c.disconnect()
        print("blinked" if blinks else "stood still")
        sys.exit()


c = MQTTClient(client_id, server, int(port))
c.set_callback(command)
c.connect()
c.subscribe(COMMANDS)
print("ready")
tick = select.poll()
while True:
    c.check_msg()
    blinks += 1
    tick.poll(10)
