# What becomes of a client whose broker breaks the protocol, once for each connection.
import mqtt
from kit import Box, emit, until


def _each(url, count, ready):
    client = mqtt.createclient()
    for _ in range(count):
        results, losses = Box(), Box()
        client.onconnect(results)
        client.onconnectionlost(losses)
        client.connect(url, "c", cleansession=False, timeout=5)
        ready(client, results)
        until(lambda: losses or results and results.last[0], client)
        while client.poll(0):
            pass
        emit("outcome", [code for (code,) in results.calls], [code for (code,) in losses.calls], client.lasterror)


def after_connack(url, count):
    # Each connection is a new client's, so that its SUBSCRIBE has identifier 1.
    def ready(client, results):
        until(lambda: results, client)
        client.subscribe("a")

    for _ in range(count):
        _each(url, 1, ready)


def before_connack(url, count):
    # One client goes through them all.
    _each(url, count, lambda client, results: None)
