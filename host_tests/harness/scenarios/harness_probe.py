# Scenarios about the harness itself.
import time

from kit import emit


def fail():
    return 1 // 0


def echo(values):
    emit("echo", *values)


def wait_for_ever():
    emit("started")
    while True:
        time.sleep_ms(1000)
