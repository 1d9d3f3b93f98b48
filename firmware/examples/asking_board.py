# Request and response, this end: asks another board, which runs answering_board.py, and waits for its answers.
# A question says under which topic its answer is awaited, and has a number, which the answer repeats.
# Needs the files of `make deploy`. Edit the constants, or give them on the command line:
# asking_board.py [url device other seconds patience]
import json
import os
import sys
import time

import board
import mqtt

SSID = "my network"
PASSWORD = "its password"
URL = "tcp://192.168.1.10"
DEVICE = "display"  # client id, and what its topics begin with
OTHER = "boiler"  # the DEVICE of the board that answers
SECONDS = 10  # from one round of questions to the next
PATIENCE = 5  # seconds until a question counts as not answered
url, device, other, seconds, patience = sys.argv[1:] or (URL, DEVICE, OTHER, SECONDS, PATIENCE)
answers = {}  # by the numbers of the open questions; None: it has not come yet
number = int.from_bytes(os.urandom(3), "big")  # an answer to what was asked before a restart fits none of them


def onanswer(message):
    try:
        answer = json.loads(message.message)
        if answers.get(answer["id"], answer) is None:
            answers[answer["id"]] = answer
    except (ValueError, KeyError, TypeError) as error:
        print("not understood: %s (%r)" % (message.message, error))


def wait(limit, done):
    start = time.ticks_ms()
    while not done() and time.ticks_diff(time.ticks_ms(), start) < float(limit) * 1000:
        client.poll(100)


def ask(question):
    global number
    number += 1
    answers[number] = None
    request = {"question": question, "id": number, "replyto": device + "/answer"}
    message = client.publish(other + "/question", json.dumps(request), mqtt.AT_LEAST_ONCE)
    wait(patience, lambda: answers[number])
    message.cancelsend()  # nobody waits for the answer any more
    answer = answers.pop(number)
    return answer.get("answer") if answer else "no answer from " + other


client = mqtt.createclient()
client.onmessage(onanswer, device + "/answer")
client.connect(url, device, reconnect=True, linkup=board.WiFi(SSID, PASSWORD).isup)
client.subscribe(device + "/answer", mqtt.AT_LEAST_ONCE)
while True:
    for question in ("temperature", "memory"):
        print("%s: %s" % (question, ask(question)))
    wait(seconds, lambda: False)
