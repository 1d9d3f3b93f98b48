# What scenarios share. MicroPython subset.
import json
import time

import mqtt

LIMIT = 45  # seconds; no wait in a scenario takes longer


def pack(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"hex": "".join("%02x" % byte for byte in value)}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    return value


def unpack(value):
    if isinstance(value, dict):
        if list(value) == ["hex"]:
            return bytes(int(value["hex"][i : i + 2], 16) for i in range(0, len(value["hex"]), 2))
        return {key: unpack(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unpack(item) for item in value]
    return value


def emit(name, *values):
    # Reports an event to the test: JSON, and bytes.
    print("EVENT " + json.dumps([name] + [pack(value) for value in values]))


def emitter(name):
    # A callback that reports its arguments.
    return lambda *values: emit(name, *values)


def emit_message(name, message):
    emit(name, message.topic, message.message, message.qos, message.retain, message.dup)


def until(done, *clients, limit=LIMIT):
    # Polls the clients until done().
    start = time.ticks_ms()
    while not done():
        if time.ticks_diff(time.ticks_ms(), start) > limit * 1000:
            raise RuntimeError("not done within %d s; lasterror: %s" % (limit, [c.lasterror for c in clients]))
        for client in clients:
            client.poll(20 if len(clients) == 1 else 1)


def poll_for(client, milliseconds):
    # Polls for so long, whatever happens.
    start = time.ticks_ms()
    while (left := milliseconds - time.ticks_diff(time.ticks_ms(), start)) > 0:
        client.poll(min(left, 20))


class Box:
    # Remembers what a callback was called with.
    def __init__(self):
        self.calls = []

    def __call__(self, *values):
        self.calls.append(values)

    def __len__(self):
        return len(self.calls)

    @property
    def last(self):
        return self.calls[-1]


def connect(client, url, clientid, options=None, **more):
    # Connects and waits for the result code.
    result = Box()
    client.onconnect(result)
    client.connect(url, clientid, options, **more)
    until(lambda: result, client)
    client.onconnect(None)
    return result.last[0]


def connected(url, clientid, **options):
    # A new client that is connected.
    client = mqtt.createclient()
    code = connect(client, url, clientid, **options)
    if code:
        raise RuntimeError("connect: %d %s" % (code, client.lasterror))
    return client


def subscribe(client, topics, qos=0):
    # Subscribes and waits for the SUBACK; the granted QoS.
    answer = Box()
    client.subscribe(topics, qos, answer)
    until(lambda: answer, client)
    code, granted = answer.last
    if code:
        raise RuntimeError("subscribe: %d" % code)
    return granted


def disconnect(client):
    gone = Box()
    client.disconnect(gone)
    until(lambda: gone, client)


def error_of(function, *args, **kwargs):
    # What a call raises, as (type name, text or code); None if it raises nothing.
    try:
        function(*args, **kwargs)
    except mqtt.MQTTError as error:
        return ["MQTTError", error.code]
    except (ValueError, TypeError) as error:
        return [type(error).__name__, str(error)]
