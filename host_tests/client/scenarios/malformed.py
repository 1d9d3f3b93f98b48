# What becomes of a client whose broker breaks the protocol, once for each connection.
import mqtt
from kit import Box, emit, until


def _once(client, url, ready):
    # One connection, to its end; False if it has not come to one.
    results, losses = Box(), Box()
    client.onconnect(results)
    client.onconnectionlost(losses)
    client.connect(url, "c", cleansession=False, timeout=5)
    ready(client, results)
    try:
        until(lambda: losses or results and results.last[0], client, limit=3)
    except RuntimeError:
        emit("outcome", "still", "connected", "")
        return False
    while client.poll(0):
        pass
    emit("outcome", [code for (code,) in results.calls], [code for (code,) in losses.calls], client.lasterror)
    return True


def _subscribe(client, results):
    until(lambda: results, client)
    client.subscribe("a")


def after_connack(url, count):
    # Each connection is a new client's, so that its SUBSCRIBE has identifier 1.
    while count and _once(mqtt.createclient(), url, _subscribe):
        count -= 1


def before_connack(url, count):
    # One client goes through them all.
    client = mqtt.createclient()
    while count and _once(client, url, lambda client, results: None):
        count -= 1
