# Many messages at a time, whose acknowledgements come as they like.
from kit import connected, disconnect, emit, until


def publish(url, clientid, count):
    client = connected(url, clientid, maxqueued=2 * count, maxinflight=max(2, count // 2))
    codes, delivered = [], []
    client.ondelivery(lambda message: delivered.append(int(message.message)))

    def noting(number):
        return lambda code: codes.append([number, code])

    for number in range(count):
        client.publish("t", b"%d" % number, 1 + number % 2, callback=noting(number))
    until(lambda: not client.pending(), client)
    client.publish("end", b"")
    disconnect(client)
    emit("codes", sorted(codes), sorted(delivered))
