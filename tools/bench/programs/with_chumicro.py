# chumicro-mqtt 0.30.3, driven as its runner does: a tick, then, if there is nothing more to do, a wait for the socket.
import select
import time

import chumicro_sockets
import kit
from chumicro_mqtt import MQTTClient
from kit import MESSAGE, TRIGGER, WINDOW

TOPIC = kit.TOPIC.decode()  # it takes no bytes


class Driven:
    def __init__(self, job):
        context = None
        if job["ca"]:
            with open(job["ca"], "rb") as file:
                context = chumicro_sockets.ssl_context_with_ca(file.read())
        make = chumicro_sockets.connector
        self.done = 0
        self.client = MQTTClient(
            transport_factory=lambda: make("127.0.0.1", job["port"], tls=bool(context), context=context),
            client_id=job["clientid"],
            max_tx_queue_size=WINDOW,
        )
        self.client.connect()
        while self.client.state != "connected":
            self.tick()
            if self.client.state == "failed":
                raise OSError(self.client.last_error)
        self.poller = select.poll()
        self.poller.register(self.client.io_socket.sock, select.POLLIN)

    def tick(self):
        self.client.handle(time.ticks_ms())

    def count(self, *_):
        self.done += 1

    def until(self, number):
        # An acknowledgement or message is due: send all, then wait for the socket and take what has come.
        while self.done < number:
            self.tick()
            if self.done < number and self.client.io_interest(time.ticks_ms()) == 1:
                self.poller.poll(1000)

    def subscribe(self, topic, qos):
        self.client.on_message = self.count
        granted = []
        self.client.subscribe(topic, qos, on_subscribe=lambda *args: granted.append(args))
        while not granted:
            self.tick()


def publish0(job):
    driven = Driven(job)

    def run(count):
        publish, tick, topic, message = driven.client.publish, driven.tick, TOPIC, MESSAGE
        for _ in range(count):
            publish(topic, message)
            tick()

    return run


def publish1(job):
    driven = Driven(job)

    def run(count):
        driven.done = 0
        for i in range(count):
            driven.client.publish(TOPIC, MESSAGE, qos=1, on_publish=driven.count)
            driven.until(i + 1)

    return run


def window(job):
    driven = Driven(job)

    def run(count):
        driven.done = sent = 0
        while driven.done < count:
            while sent < count and sent - driven.done < WINDOW:
                driven.client.publish(TOPIC, MESSAGE, qos=1, on_publish=driven.count)
                sent += 1
            driven.until(driven.done + 1)

    return run


def receive(job, qos):
    driven = Driven(job)
    driven.subscribe("bench/#", qos)

    def run(count):
        driven.done = 0
        tick = driven.tick
        driven.client.publish(TRIGGER.decode(), b"%d" % count)
        while driven.done < count:
            tick()

    return run


def receive0(job):
    return receive(job, 0)


def receive1(job):
    return receive(job, 1)


def latency(job):
    driven = Driven(job)
    driven.subscribe(TOPIC, 0)

    def run(count):
        driven.done = 0
        for i in range(count):
            driven.client.publish(TOPIC, MESSAGE)
            driven.until(i + 1)

    return run


kit.main(globals())
