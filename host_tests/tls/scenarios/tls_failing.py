# Attempts over TLS that fail.
import os
import time

import mqtt
from kit import connect, emit

FDS = "/dev/fd"  # where Linux and macOS list what a process has open


def attempt(url, ssl, **options):
    client = mqtt.createclient()
    start = time.ticks_ms()
    code = connect(client, url, "c", ssl=ssl, username="u", **options)
    emit("result", code, client.lasterror, time.ticks_diff(time.ticks_ms(), start))


def open_files():
    return len(os.listdir(FDS))


def many_attempts(attempts, rounds):
    # attempts: (url, ssl) pairs. How many files are open after the first round, and after the last.
    client = mqtt.createclient()
    for number in range(rounds):
        codes = [connect(client, url, "c", ssl=ssl, timeout=0.2) for url, ssl in attempts]
        # One given up half way.
        client.connect(attempts[0][0], "c", ssl=attempts[0][1])
        for _ in range(number):
            client.poll(1)
        client.disconnect()
        client.poll()
        if number in (0, rounds - 1):
            emit("round", codes, open_files())


class NoMemory:
    # A context on a board whose memory is used up: what mbedTLS runs out of shows in different ways.
    def __init__(self, error):
        self.error = error

    def wrap_socket(self, sock, **options):
        raise self.error


def without_memory(url):
    errors = [MemoryError(), OSError(12), OSError(16), OSError(-20864, "MBEDTLS_ERR_MD_ALLOC_FAILED")]
    errors.append(OSError(-17168, "RSA - The private key operation failed : BIGNUM - Memory allocation failed"))
    for error in errors:
        client = mqtt.createclient()
        emit("result", connect(client, url, "c", ssl=NoMemory(error)), client.lasterror)
