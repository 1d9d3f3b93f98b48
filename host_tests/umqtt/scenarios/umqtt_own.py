# What mqtt.umqtt has beyond umqtt.simple: reconnecting, time limits, TLS that verifies.
import ssl as tls
import sys

import mqtt
from kit import connected, disconnect, emit

HOST = "127.0.0.1"


def client_of(clientid, port, **options):
    from mqtt.umqtt import MQTTClient

    client = MQTTClient(clientid, HOST, port, **options)
    client.seen = 0

    def show(topic, msg):
        client.seen += 1
        emit("callback", topic, msg)

    client.set_callback(show)
    return client


def wait_for(client, count):
    # Until so many messages have come in all, some of them perhaps while the client published.
    while client.seen < count:
        client.wait_msg()


def tell(function, *args, **more):
    # Reports what a call returns or raises.
    try:
        emit("returned", function(*args, **more))
    except OSError as error:
        emit("OSError", error.args[0])
    except ValueError as error:
        emit("ValueError", error.args[0])


def loading(url, clientid):
    # What importing and using the module loads.
    disconnect(connected(url, clientid))
    emit("loaded", sorted([name for name in sys.modules if name in ("mqtt.client", "mqtt.umqtt", "mqtt.aio")]))
    emit("error", mqtt.errorstring(0))


def failures(refused, silent):
    # What connect raises; the client can be used again each time.
    for port, timeout in ((refused, None), (silent, 0.2)):
        client = client_of("c", port)
        tell(client.connect, timeout=timeout)
        emit("why", client.lasterror)
        tell(client.connect, False, 0.2)
    from mqtt.umqtt import MQTTClient

    tell(MQTTClient("c", "::1", refused).connect, timeout=5)


def large(port, size, timeout):
    # A message that the network takes only bit by bit, or not at all.
    client = client_of("c", port)
    client.connect(timeout=timeout)
    tell(client.publish, "t", b"x" * size)
    tell(client.publish, "t", b"end", qos=1)


def secure(port, clientid, topic, cadata):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    context.load_verify_locations(cadata=cadata)
    for options in ({"ssl": context}, {"ssl": True, "ssl_params": {"cadata": cadata}}):
        client = client_of(clientid, port, **options)
        tell(client.connect)
        client.subscribe(topic, 1)
        client.publish(topic, b"x" * 5000, qos=1)
        client.publish(topic, b"end")
        wait_for(client, 2)
        client.disconnect()


def insecure(port, clientid, cadata):
    # Without an authority, and with one that is not the server's.
    tell(client_of(clientid, port, ssl=True).connect)
    client = client_of(clientid, port, ssl=True, ssl_params={"cadata": cadata})
    tell(client.connect)
    emit("why", client.lasterror)


def stay(port, clientid, count, reconnect):
    # As umqtt.robust: nothing is raised while the broker is away.
    client = client_of(clientid, port, reconnect=reconnect)
    emit("connected", client.connect(clean_session=True))
    client.subscribe(clientid + "/#", 1)
    for number in range(count):
        emit("ready")
        wait_for(client, 2 * number + 1)
        client.publish(clientid + "/out", "%d" % number, qos=number % 3)
        wait_for(client, 2 * number + 2)
    client.disconnect()


def away(port):
    # The first connection is the program's own affair, with `reconnect` too.
    client = client_of("c", port, reconnect={"min": 0.01, "max": 0.01})
    tell(client.connect)
    tell(client.publish, "t", b"")


def across(port):
    # Messages of one connection, acknowledged on no other.
    client = client_of("c", port)
    client.connect(False)
    client.subscribe("t", 1)
    client.wait_msg()
    client.connect(False)
    client.wait_msg()
    client.wait_msg()
    client.disconnect()


def dropping(port):
    # With `reconnect` a message that is too large is skipped, as by mqtt.Client, and acknowledged at once.
    client = client_of("c", port, reconnect=True)
    client.connect()
    client.subscribe("t", 1)
    wait_for(client, 2)
    client.disconnect()


def breaking(port):
    # A message, and behind it what breaks the protocol.
    client = client_of("c", port)
    client.connect()
    client.subscribe("t", 0)
    tell(client.wait_msg)
    tell(client.wait_msg)
    emit("why", client.lasterror)


def waiting(port):
    # With `reconnect` a call waits for longer than the time limit, if it has to.
    client = client_of("c", port, reconnect={"min": 0.01, "max": 0.01})
    client.connect(False, 1)
    tell(client.publish, "t", b"", qos=1)
    client.disconnect()


def failing_inside(port):
    # The connection ends while the callback publishes.
    client = client_of("c", port)

    def answer(topic, msg):
        emit("callback", topic, msg)
        tell(client.publish, "answer", msg, qos=1)

    client.set_callback(answer)
    client.connect(False)
    client.subscribe("t", 1)
    client.wait_msg()
    tell(client.wait_msg)
    tell(client.check_msg)
    tell(client.connect, False)
    tell(client.publish, "again", b"", qos=1)
    client.disconnect()
