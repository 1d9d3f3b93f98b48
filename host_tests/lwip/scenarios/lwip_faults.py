# What must not happen over lwIP's sockets. Runs over the double.
import lwip_time as clock
import mqtt
from kit import Box, connect, connected, disconnect, emit, poll_for, until
from lwip_stack import stack
from pattern import pattern


def one_by_one(url, clientid, topic, size, count):
    # QoS 1 messages, each after the acknowledgement of the one before.
    client = connected(url, clientid)
    before = stack.counts["delayed"]
    for _ in range(count):
        client.createmessage(topic, pattern(size), {"qos": 1}).sendsync()
    emit("delayed", stack.counts["delayed"] - before)
    disconnect(client)


def in_pairs(url, clientid, topic, count):
    # A message without an answer, and one with an answer right behind it.
    client = connected(url, clientid)
    before = stack.counts["delayed"]
    for _ in range(count):
        client.publish(topic, b"first")
        client.createmessage(topic, b"second", {"qos": 1}).sendsync()
    emit("delayed", stack.counts["delayed"] - before)
    disconnect(client)


def silent(url, clientid, topic, size, qos):
    # Publishes until the client has to keep a message back, while nothing is acknowledged any more.
    client = connected(url, clientid, keepalive=0, maxqueuedbytes=1000000)
    stack.link(False)
    for _ in range(1000):
        client.publish(topic, pattern(size), qos)
        if client.pending() > (20 if qos else 1) or stack.counts["blocked"]:
            break
    emit("silent", client.pending(), stack.counts["blocked"], stack.counts["dropped"])


def leaving(url, clientid):
    # Disconnects right after a last message, with input that nobody has read.
    client = connected(url, clientid)
    client.publish("ready", b"")
    while not stack.pcbs[0].received:
        clock.sleep_ms(1)
        stack.run()
    client.publish("last", b"")
    disconnect(client)
    emit("gone", stack.counts["resets"], stack.counts["unsent"])


def again(url, clientid, topic):
    # The network goes away with data on its way, and comes back right after the connection was given up.
    client = connected(url, clientid, keepalive=1, timeout=1, reconnect={"min": 0.1, "max": 0.1})
    lost = Box()
    client.onconnectionlost(lost)
    stack.link(False)
    client.publish(topic, bytes(6000), 1)
    until(lambda: lost, client)
    stack.link(True)
    poll_for(client, 1000)
    emit("soon", len(stack.pcbs), client.isconnected())
    clock.skip(10000)
    until(lambda: client.isconnected() and not client.pending(), client)
    emit("later", stack.counts["blocked"])
    disconnect(client)


def refused(url, clientid):
    client = mqtt.createclient()
    emit("refused", connect(client, url, clientid), client.lasterror)
