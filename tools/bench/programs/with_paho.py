# paho-mqtt on CPython, for reference. Its network loop runs in a thread of its own, as its documentation advises.
import gc
import json
import sys
import threading
import time

import paho.mqtt.client as mqtt
from kit import MESSAGE, TRIGGER
from kit import TOPIC as NAME

TOPIC = NAME.decode()


class Counter:
    """Counts calls, and waits for a number of them."""

    def __init__(self):
        self.count = 0
        self.wanted = 0
        self.reached = threading.Event()

    def __call__(self, *_):
        self.count += 1
        if self.count >= self.wanted:
            self.reached.set()

    def wait(self, wanted):
        self.wanted = wanted
        self.reached.clear()
        if self.count < wanted and not self.reached.wait(60):
            raise TimeoutError


def connected(job, **handlers):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, job["clientid"])
    ready = Counter()
    client.on_connect = client.on_subscribe = ready
    for name, handler in handlers.items():
        setattr(client, name, handler)
    if job["ca"]:
        client.tls_set(job["ca"])
    client.connect("127.0.0.1", job["port"])
    client.loop_start()
    ready.wait(1)
    return client, ready


def publish0(job):
    client, _ = connected(job)

    def run(count):
        for _ in range(count):
            last = client.publish(TOPIC, MESSAGE)
        last.wait_for_publish()

    return run


def one_at_a_time(job, qos):
    client, _ = connected(job)

    def run(count):
        for _ in range(count):
            client.publish(TOPIC, MESSAGE, qos).wait_for_publish()

    return run


def publish1(job):
    return one_at_a_time(job, 1)


def publish2(job):
    return one_at_a_time(job, 2)


def window(job):
    done = Counter()
    client, _ = connected(job, on_publish=done)  # its window is 20, too

    def run(count):
        before = done.count
        for _ in range(count):
            client.publish(TOPIC, MESSAGE, 1)
        done.wait(before + count)

    return run


def subscribed(job, topic, qos):
    received = Counter()
    client, ready = connected(job, on_message=received)
    client.subscribe(topic, qos)
    ready.wait(2)
    return client, received


def receive(job, qos):
    client, received = subscribed(job, "bench/#", qos)

    def run(count):
        before = received.count
        client.publish(TRIGGER.decode(), b"%d" % count)
        received.wait(before + count)

    return run


def receive0(job):
    return receive(job, 0)


def receive1(job):
    return receive(job, 1)


def latency(job):
    client, received = subscribed(job, TOPIC, 0)

    def run(count):
        for _ in range(count):
            before = received.count
            client.publish(TOPIC, MESSAGE)
            received.wait(before + 1)

    return run


def main():
    job = json.loads(sys.argv[1])
    run = globals()[job["work"]](job)
    run(job["warm"])
    gc.collect()
    cpu, start = time.process_time(), time.perf_counter()
    run(job["count"])
    took = time.perf_counter() - start
    print(json.dumps({"us": took * 1e6, "cpu": (time.process_time() - cpu) * 1e6}), flush=True)


main()
