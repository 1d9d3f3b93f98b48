# umqtt.simple 1.3.4, as it came from PyPI. It wants the module `ussl`, which MicroPython has no more.
import ssl
import sys

import kit
from kit import MESSAGE, TOPIC, TRIGGER


class ussl:
    @staticmethod
    def wrap_socket(sock, cadata):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=cadata)
        return context.wrap_socket(sock, server_hostname="127.0.0.1")


sys.modules["ussl"] = ussl

from umqtt.simple import MQTTClient  # noqa: E402  (it must find ussl)


def connected(job):
    tls = {}
    if job["ca"]:
        with open(job["ca"], "rb") as file:
            tls["cadata"] = file.read()
    client = MQTTClient(job["clientid"], "127.0.0.1", job["port"], ssl=bool(tls), ssl_params=tls)
    client.connect()
    return client


def publish0(job):
    client = connected(job)

    def run(count):
        publish, topic, message = client.publish, TOPIC, MESSAGE
        for _ in range(count):
            publish(topic, message)

    return run


def publish1(job):
    client = connected(job)

    def run(count):
        publish, topic, message = client.publish, TOPIC, MESSAGE
        for _ in range(count):
            publish(topic, message, False, 1)

    return run


def subscribed(job, topic, qos, onmessage):
    client = connected(job)
    client.set_callback(onmessage)
    client.subscribe(topic, qos)
    return client


def receive(job, qos):
    received = 0

    def onmessage(topic, message):
        nonlocal received
        received += 1

    client = subscribed(job, b"bench/#", qos, onmessage)

    def run(count):
        nonlocal received
        received = 0
        wait = client.wait_msg
        client.publish(TRIGGER, b"%d" % count)
        while received < count:
            wait()

    return run


def receive0(job):
    return receive(job, 0)


def receive1(job):
    return receive(job, 1)


def latency(job):
    received = 0

    def onmessage(topic, message):
        nonlocal received
        received += 1

    client = subscribed(job, TOPIC, 0, onmessage)

    def run(count):
        nonlocal received
        received = 0
        for i in range(count):
            client.publish(TOPIC, MESSAGE)
            while received <= i:
                client.wait_msg()

    return run


kit.main(globals())
