import kit
import mqtt
from kit import MESSAGE, TOPIC, TRIGGER, WINDOW

BURST = 50  # messages between two looks at the queue, which takes 64


def connected(job, **options):
    url = f"{'ssl' if job['ca'] else 'tcp'}://127.0.0.1:{job['port']}"
    if job["ca"]:
        options["ssl"] = {"cafile": job["ca"]}
    results = []
    client = mqtt.createclient()
    client.onconnect(results.append)
    client.connect(url, job["clientid"], maxinflight=WINDOW, **options)
    while not results:
        client.poll(1000)
    if results[0]:
        raise OSError(client.lasterror)
    client.onconnect(None)
    return client


def publish0(job):
    client = connected(job)

    def run(count):
        publish, pending, topic, message = client.publish, client.pending, TOPIC, MESSAGE
        while count > 0:
            for _ in range(min(count, BURST)):
                publish(topic, message)
            count -= BURST
            while pending():  # the network is slower
                client.poll(1000)
        if client.dropped:
            raise RuntimeError("dropped")

    return run


def one_at_a_time(job, qos):
    client = connected(job)

    def run(count):
        options = {"qos": qos}
        for _ in range(count):
            if client.createmessage(TOPIC, MESSAGE, options).sendsync():
                raise RuntimeError("not delivered")

    return run


def publish1(job):
    return one_at_a_time(job, 1)


def publish2(job):
    return one_at_a_time(job, 2)


def window(job):
    client = connected(job)
    done = failed = 0

    def ondone(code):
        nonlocal done, failed
        done += 1
        if code:
            failed += 1

    def run(count):
        nonlocal done
        publish, poll, topic, message = client.publish, client.poll, TOPIC, MESSAGE
        done = sent = 0
        while done < count:
            while sent < count and sent - done < WINDOW:
                publish(topic, message, 1, False, ondone)
                sent += 1
            poll(1000)
        if failed:
            raise RuntimeError("not delivered")

    return run


def subscribed(job, topic, qos, onmessage):
    client = connected(job)
    client.onmessage(onmessage)
    granted = []
    client.subscribe(topic, qos, lambda code, qosmode: granted.append(code))
    while not granted:
        client.poll(1000)
    return client


def receive(job, qos):
    received = 0

    def onmessage(message):
        nonlocal received
        received += 1

    client = subscribed(job, "bench/#", qos, onmessage)

    def run(count):
        nonlocal received
        received = 0
        poll = client.poll
        client.publish(TRIGGER, b"%d" % count)
        while received < count:
            poll(1000)

    return run


def receive0(job):
    return receive(job, 0)


def receive1(job):
    return receive(job, 1)


def latency(job):
    received = 0

    def onmessage(message):
        nonlocal received
        received += 1

    client = subscribed(job, TOPIC, 0, onmessage)

    def run(count):
        nonlocal received
        received = 0
        for i in range(count):
            client.publish(TOPIC, MESSAGE)
            while received <= i:
                client.poll(1000)

    return run


kit.main(globals())
