# Far more is offered than the limits allow, while there is no network.
import mqtt
from kit import disconnect, emit, until


def offline(url, clientid, topic, count, **options):
    # Offers `count` messages of QoS 0, 1, 2, 0… whose payloads are their numbers; then the network comes. Emits how
    # many callbacks came in all, and the numbers of those that ended with 0.
    up = [False]
    client = mqtt.createclient()
    client.connect(url, clientid, reconnect={"min": 0.01, "max": 0.1}, linkup=lambda: up[0], **options)
    sent = []
    told = {}

    def noting(number):
        def note(code):
            told[code] = told.get(code, 0) + 1
            if code == 0:
                sent.append(number)

        return note

    most = 0
    for number in range(count):
        client.publish(topic, b"%d" % number, number % 3, callback=noting(number))
        most = max(most, client.pending())
        client.poll()
    emit("offered", most, {str(code): told[code] for code in told}, client.dropped)
    up[0] = True
    until(lambda: not client.pending(), client)
    emit("sent", sorted(sent), {str(code): told[code] for code in told})
    disconnect(client)
