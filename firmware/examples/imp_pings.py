# The example of the documentation of Electric Imp's `mqtt`, line by line: subscribes to imp.mqtt.test.pings and
# prints each message that arrives there.
#
# Edit the four constants, or give them on the command line: imp_pings.py [url [username [password [clientid]]]]
import os
import sys
from binascii import hexlify

import mqtt

URL = "tcp://test.mosquitto.org:1884"
USERNAME = "rw"
PASSWORD = "readwrite"
CLIENTID = "imp.mqtt.test." + hexlify(os.urandom(4)).decode()
TOPIC = "imp.mqtt.test.pings"

url, username, password, cid = sys.argv[1:5] + [URL, USERNAME, PASSWORD, CLIENTID][len(sys.argv[1:5]) :]

ERRORS = {
    -1: "Socket Error",
    1: "Unsupported MQTT version",
    2: "Client ID rejected",
    3: "Server unavailable",
    4: "Invalid username/password",
    5: "Not authorized",
}


def onmessage(message):
    # Called on receipt of a message
    print("Message '%s' received under topic '%s'" % (str(message.message, "utf-8"), message.topic))


def onsubscribed(resultcode, qosmode):
    # This is the subscription acknowledgement callback
    if resultcode == 0 and qosmode != 0x80:
        client.onmessage(onmessage)
        print("Subscribed to '%s'" % TOPIC)
    else:
        print("Not subscribed to '%s'" % TOPIC)


def onconnect(resultcode):
    # Called when the client connects (or fails to connect) to the MQTT broker
    if resultcode == 0:
        print("Connected to " + url)
        client.subscribe(TOPIC, mqtt.AT_MOST_ONCE, onsubscribed)
    else:
        print("Failed to connect to %s. Error: %s" % (url, ERRORS[resultcode]))


# Instance an MQTT client, set up the initial handlers, connect with credentials
client = mqtt.createclient()
client.onconnect(onconnect)
client.connect(url, cid, {"username": username, "password": password})

# An imp has an event loop of its own; here the program runs it
mqtt.run(client)
