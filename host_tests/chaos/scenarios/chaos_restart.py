# Messages both ways while the broker goes away and comes back.
import mqtt
from kit import disconnect, emit, subscribe, until


def run(url, clientid, rounds, count):
    # In each round, publishes so many messages of QoS 1 and of QoS 2 to its own topic, says so, and goes on when a
    # round's last message (of QoS 2) is acknowledged. After the last round, waits for "stop".
    client = mqtt.createclient()
    heard, codes, stop = [], [], []

    def onmessage(message):
        heard.append([message.message, message.qos])
        if message.message == b"stop":
            stop.append(1)

    def noting(payload):
        return lambda code: codes.append((payload, code))

    client.onmessage(onmessage)
    client.onconnect(lambda code: None if code else emit("connected", client.sessionpresent))
    options = {"cleansession": False, "reconnect": {"min": 0.01, "max": 0.05}, "maxqueued": 500}
    client.connect(url, clientid, options)
    subscribe(client, clientid, 2)
    for number in range(rounds):
        for i in range(count):
            for qos in (1, 2):
                payload = b"%d-%d-%d" % (number, i, qos)
                client.publish(clientid, payload, qos, callback=noting(payload))
        emit("sending", number)
        until(lambda: not client.pending(), client)
    emit("sent")
    until(lambda: stop, client)
    emit("heard", heard)
    emit("codes", codes)
    disconnect(client)
