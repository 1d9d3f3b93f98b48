# A light that can be dimmed, for Home Assistant: announces itself (MQTT discovery), obeys, tells its state, and is
# shown as unavailable while the board is gone. Needs the files of `make deploy`, and an LED or a driver at PIN.
# Edit the constants, or give them on the command line: homeassistant_light.py [url device]
import json
import sys

import board
import machine
import mqtt

SSID = "my network"
PASSWORD = "its password"
URL = "tcp://192.168.1.10"
DEVICE = "desk_lamp"  # of letters, digits, - and _: client id, what its topics begin with, and who it is for ever
PIN = 15
url, device = sys.argv[1:] or (URL, DEVICE)

CONFIG = {
    "schema": "json",  # commands and states are {"state": "ON", "brightness": 128}
    "unique_id": device,
    "device": {"identifiers": [device], "name": device},
    "name": None,  # the device's
    "command_topic": device + "/set",
    "state_topic": device + "/state",
    "availability_topic": device + "/availability",
    "brightness": True,
    "qos": 1,
}
RETAINED = mqtt.AT_LEAST_ONCE, True  # Home Assistant may start later than the light
light = machine.PWM(machine.Pin(PIN), freq=1000, duty_u16=0)
state = {"state": "OFF", "brightness": 255}


def onconnect(code):
    print(client.lasterror if code else "connected")
    if not code:
        client.publish("homeassistant/light/%s/config" % device, json.dumps(CONFIG), *RETAINED)
        client.publish(CONFIG["state_topic"], json.dumps(state), *RETAINED)
        client.publish(CONFIG["availability_topic"], "online", *RETAINED)


def oncommand(message):
    try:
        command = json.loads(message.message)
        brightness = min(max(int(command.get("brightness", state["brightness"])), 1), 255)
        light.duty_u16({"ON": 257, "OFF": 0}[command["state"]] * brightness)
        state.update({"state": command["state"], "brightness": brightness})
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        print("not understood: %s (%r)" % (message.message, error))
    client.publish(CONFIG["state_topic"], json.dumps(state), *RETAINED)


client = mqtt.createclient()
client.onconnect(onconnect)
client.onmessage(oncommand, CONFIG["command_topic"])
will = {"willtopic": CONFIG["availability_topic"], "willmessage": "offline", "willqos": 1, "willretain": True}
client.connect(url, device, will, reconnect=True, linkup=board.WiFi(SSID, PASSWORD).isup)
client.subscribe(CONFIG["command_topic"], mqtt.AT_LEAST_ONCE)
mqtt.run(client)
