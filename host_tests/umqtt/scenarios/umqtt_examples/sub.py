# Prints each message until it is told to stop.
import sys

from umqtt.simple import MQTTClient

server, port, client_id = sys.argv[1:4]
going = True


def on_message(topic, msg):
    global going
    print(topic.decode(), msg)
    going = msg != b"stop"


def main():
    c = MQTTClient(client_id, server, int(port), keepalive=60)
    c.set_callback(on_message)
    c.set_last_will(client_id + "/gone", b"oh", qos=1)
    c.connect()
    c.subscribe(client_id.encode() + b"/#", qos=1)
    print("subscribed")
    try:
        while going:
            c.wait_msg()
    finally:
        c.disconnect()
    print("end")


main()
