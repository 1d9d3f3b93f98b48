# A program with a store that is killed, and started again: it says what it does before and after it does it.
import time

import mqtt
from kit import Box, disconnect, emit, subscribe, until
from mqtt.store import FileStore


class Stopping(FileStore):
    # Stands still before or after the record of a number, for the test to kill the process there.
    def __init__(self, path, number, after):
        FileStore.__init__(self, path)
        self.number = number
        self.after = after
        self.count = 0

    def _record(self, write, *args):
        self.count += 1
        if self.count == self.number and not self.after:
            stand()
        write(self, *args)
        if self.count == self.number:
            stand()

    def put(self, *args):
        self._record(FileStore.put, *args)

    def release(self, *args):
        self._record(FileStore.release, *args)

    def remove(self, *args):
        self._record(FileStore.remove, *args)

    def received(self, *args):
        self._record(FileStore.received, *args)

    def forget(self, *args):
        self._record(FileStore.forget, *args)


def stand():
    emit("standing")
    while True:
        time.sleep_ms(1000)


def run(url, clientid, path, messages, end, number=0, after=False):
    # Publishes the messages, [payload, QoS], to the topic `clientid`, which it subscribes to, then `end`; ends when
    # that has come back and all is acknowledged.
    store = Stopping(path, number, after)
    client = mqtt.createclient(store)
    connections, heard = Box(), Box()

    def onmessage(message):
        emit("heard", message.message, message.qos)
        if message.message == end:
            heard(1)

    def offer(payload, qos):
        emit("offer", payload)
        client.publish(clientid, payload, qos, callback=lambda code: emit("code", payload, code))
        emit("accepted", payload)

    client.onconnect(connections)
    client.onmessage(onmessage)
    client.connect(url, clientid, cleansession=False, reconnect={"min": 0.01, "max": 0.05}, maxinflight=3)
    until(lambda: connections, client)
    if not client.sessionpresent:
        subscribe(client, clientid, 2)
    emit("subscribed")
    for payload, qos in messages:
        offer(payload, qos)
        client.poll()
    offer(end, 2)
    until(lambda: heard and not client.pending(), client)
    disconnect(client)
    emit("records", store.count)
