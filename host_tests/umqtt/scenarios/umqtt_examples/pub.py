# Reports that a button was pressed, and leaves.
import sys

from umqtt.simple import MQTTClient

server, port, client_id = sys.argv[1:4]


def main():
    c = MQTTClient(client_id, server, int(port))
    c.connect()
    c.publish(b"%s/button" % client_id.encode(), b"pressed")
    c.publish(b"%s/presses" % client_id.encode(), b"1", True, 1)
    c.disconnect()


main()
