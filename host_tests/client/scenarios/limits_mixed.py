# overflow="dropold" with messages of different kinds.
import mqtt
from kit import Box, connected, disconnect, emit, poll_for, until


def dropold_mixed(url, clientid):
    # QoS 0 goes first, though it is not the oldest.
    client = mqtt.createclient()
    done = {}
    client.connect(url, clientid, maxqueued=3, overflow="dropold")
    for topic, qos in (("one", 1), ("zero", 0), ("two", 1), ("three", 1)):
        client.publish(topic, b"", qos, callback=lambda code, topic=topic: done.update({topic: code}))
    until(lambda: len(done) == 4 and not client.pending(), client)
    emit("done", done, client.dropped)
    disconnect(client)


def dropold_in_flight(url, clientid):
    # Nothing waits but what is in flight: the new message is refused.
    client = connected(url, clientid, maxqueued=2, overflow="dropold")
    done, third = Box(), Box()
    for topic in ("a", "b"):
        client.publish(topic, b"", 1, callback=lambda code, topic=topic: done(topic, code))
    poll_for(client, 20)
    client.publish("c", b"", 1, callback=third)
    until(lambda: third, client)
    emit("third", third.calls, client.pending())
    client.subscribe("told")
    until(lambda: len(done) == 2, client)
    emit("done", done.calls)
    disconnect(client)
