# Request and response, the other end: answers what boards with asking_board.py ask, each under the topic it names.
# Needs the files of `make deploy`. Edit the constants, or give them on the command line:
# answering_board.py [url device]
import gc
import json
import sys

import board
import mqtt

SSID = "my network"
PASSWORD = "its password"
URL = "tcp://192.168.1.10"
DEVICE = "boiler"  # client id, and what its topics begin with
url, device = sys.argv[1:] or (URL, DEVICE)
KNOWN = {"temperature": board.temperature, "memory": gc.mem_free}


def onquestion(message):
    # {"question": "temperature", "id": 7, "replyto": "display/answer"} is answered {"id": 7, "answer": 21.5}.
    # With QoS 1 it may come twice. That does no harm where one only asks; what opens a gate wants EXACTLY_ONCE.
    try:
        request = json.loads(message.message)
        known = KNOWN.get(request["question"], lambda: "I don't know")
        answer = {"id": request["id"], "answer": known()}
        client.publish(request["replyto"], json.dumps(answer), mqtt.AT_LEAST_ONCE)
    except (ValueError, KeyError, TypeError) as error:
        print("not answered: %s (%r)" % (message.message, error))


wifi = board.WiFi(SSID, PASSWORD)
client = mqtt.createclient()
client.onconnect(lambda code: print(client.lasterror if code else "connected"))
client.onmessage(onquestion, device + "/question")
client.connect(url, device, reconnect=True, linkup=wifi.isup)
client.subscribe(device + "/question", mqtt.AT_LEAST_ONCE, lambda code, qos: print("listening"))
mqtt.run(client)
