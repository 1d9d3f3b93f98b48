# The ceiling: bytes made beforehand, written and read with nothing around them, and never parsed.
import select
import socket
import ssl

import kit
from kit import MESSAGE, TOPIC, TRIGGER, WINDOW

BODY = bytes([0, len(TOPIC)]) + TOPIC
HEADER = bytes([len(BODY) + len(MESSAGE)])
PUBLISH0 = b"\x30" + HEADER + BODY + MESSAGE
PUBLISH1 = bytes([0x32, len(BODY) + len(MESSAGE) + 2]) + BODY + b"\0\1" + MESSAGE
PUBLISH2 = b"\x34" + PUBLISH1[1:]


def connected(job):
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", job["port"])[0][-1])
    sock.setsockopt(6, 1, 1)  # TCP_NODELAY
    if job["ca"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        with open(job["ca"], "rb") as file:
            context.load_verify_locations(cadata=file.read())
        sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
    name = job["clientid"].encode()
    sock.write(bytes([0x10, 12 + len(name)]) + b"\0\4MQTT\4\2\0\0" + bytes([0, len(name)]) + name)
    sock.read(4)
    return sock


def publish0(job):
    sock = connected(job)

    def run(count):
        write, packet = sock.write, PUBLISH0
        for _ in range(count):
            write(packet)

    return run


def packed0(job):
    sock = connected(job)

    def run(count):
        write, packets = sock.write, PUBLISH0 * 20
        for _ in range(count // 20):
            write(packets)

    return run


def publish1(job):
    sock = connected(job)

    def run(count):
        write, readinto, packet, answer = sock.write, sock.readinto, PUBLISH1, bytearray(4)
        for _ in range(count):
            write(packet)
            readinto(answer)

    return run


def publish2(job):
    sock = connected(job)

    def run(count):
        write, readinto, packet, answer = sock.write, sock.readinto, PUBLISH2, bytearray(4)
        for _ in range(count):
            write(packet)
            readinto(answer)
            write(b"\x62\2\0\1")
            readinto(answer)

    return run


def window(job):
    sock = connected(job)
    sock.setblocking(False)
    poller = select.poll()
    poller.register(sock, select.POLLIN)

    def run(count):
        packets = PUBLISH1 * WINDOW
        size = len(PUBLISH1)
        answers = bytearray(4 * WINDOW)
        sent = min(count, WINDOW)
        write, readinto, poll = sock.write, sock.readinto, poller.poll
        write(packets, sent * size)
        done = 0
        while done < 4 * count:
            n = readinto(answers)
            if not n:
                poll(1000)
                continue
            done += n
            n = min(count, done // 4 + WINDOW) - sent
            if n:
                sent += n
                write(packets, n * size)

    return run


def receive(job, qos):
    sock = connected(job)
    sock.write(b"\x82\x0c\0\1\0\7bench/#" + bytes([qos]))
    sock.read(5)
    sock.setblocking(False)
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    size = len(PUBLISH1 if qos else PUBLISH0)
    acks = bytearray(4 * job["count"] if qos else 0)
    for i in range(0, len(acks), 4):
        acks[i] = 0x40
        acks[i + 1] = 2
        acks[i + 2] = i // 4 + 1 >> 8
        acks[i + 3] = i // 4 + 1 & 0xFF

    def run(count):
        number = b"%d" % count
        left = size * count
        buf = bytearray(1024)
        acked = 0
        readinto, poll, write = sock.readinto, poller.poll, sock.write
        write(bytes([0x30, 4 + len(number), 0, 2]) + TRIGGER + number)
        while left:
            n = readinto(buf)
            if not n:
                poll(1000)
                continue
            left -= n
            if qos:
                n = 4 * (count - (left + size - 1) // size) - acked
                if n:
                    acked += write(acks, acked, n) or 0

    return run


def receive0(job):
    return receive(job, 0)


def receive1(job):
    return receive(job, 1)


def latency(job):
    sock = connected(job)
    sock.write(b"\x82\x15\0\1\0\x10" + TOPIC + b"\0")
    sock.read(5)

    def run(count):
        answer = bytearray(len(PUBLISH0))
        for _ in range(count):
            sock.write(PUBLISH0)
            sock.readinto(answer)

    return run


kit.main(globals())
