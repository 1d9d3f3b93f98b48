# Several sensors, each a task with a pace of its own, an alarm, and a lamp that obeys, all at the same time: asyncio.
# Needs the files of `make deploy`. Edit the constants, or give them on the command line:
# several_sensors.py [url device seconds limit]
import asyncio
import gc
import sys

import board
import mqtt.aio

SSID = "my network"
PASSWORD = "its password"
URL = "tcp://192.168.1.10"
DEVICE = "attic"  # client id, and what its topics begin with
SECONDS = 10  # from one temperature to the next; the others come less often
LIMIT = 60  # degrees Celsius: more is an alarm
url, device, seconds, limit = sys.argv[1:] or (URL, DEVICE, SECONDS, LIMIT)
wifi = board.WiFi(SSID, PASSWORD)


async def report(client, name, read, pause):
    while True:
        await client.connected()
        try:
            await client.publish(device + "/" + name, str(read()), mqtt.AT_MOST_ONCE)
        except mqtt.MQTTError:
            pass  # QoS 0: it was lost with its connection, and the next one follows soon
        await asyncio.sleep(pause * float(seconds))


async def guard(client):
    # QoS 1 and retained: an alarm must arrive, and be there for whoever comes later. Without a network it waits here.
    alarm = None
    while True:
        before, alarm = alarm, board.temperature() > float(limit)
        if alarm != before:
            await client.publish(device + "/alarm", "on" if alarm else "off", mqtt.AT_LEAST_ONCE, True)
        await asyncio.sleep_ms(500)


async def obey(client):
    await client.subscribe(device + "/lamp", mqtt.AT_LEAST_ONCE)
    async for message in client.messages(device + "/lamp"):
        board.led(message.message == b"on")
        print("lamp: %s" % message.message)


async def main():
    async with mqtt.aio.Client(url, device, reconnect=True, linkup=wifi.isup) as client:
        await asyncio.gather(
            report(client, "temperature", board.temperature, 1),
            report(client, "signal", wifi.rssi, 3),
            report(client, "memory", gc.mem_free, 6),
            guard(client),
            obey(client),
        )


asyncio.run(main())
