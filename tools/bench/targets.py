"""The rows of the table: what each says of a subject, and what is asked of ours."""

import statistics
from typing import NamedTuple

from tools.bench.works import WORKS


class Row(NamedTuple):
    """`value(found, subject)`: a number or None. `met(found)`: whether the target is reached; None: there is none."""

    title: str
    unit: str
    value: object
    target: str = ""
    met: object = None


def rate(work):
    def value(found, name):
        values = found["rates"][work].get(name)
        return values and 1e6 / statistics.median(values["us"])

    return value


def micros(work):
    def value(found, name):
        values = found["rates"][work].get(name)
        return values and statistics.median(values["us"])

    return value


def times(found, work, name, other):
    """How many times as fast as another: the median of the rounds."""
    mine, others = (found["rates"][work][n]["us"] for n in (name, other))
    return statistics.median(b / a for a, b in zip(mine, others))


def number(kind, work):
    return lambda found, name: found[kind].get(work, {}).get(name)


def at_least(value, least):
    return lambda found: value(found, "ours") >= least


def at_most(value, most):
    def met(found):
        ours = value(found, "ours")
        return None if ours is None else ours <= most

    return met


def rated(work, target="", met=None):
    return Row(WORKS[work].title, "/s", rate(work), target, met)


def faster(work, target, least):
    return rated(work, target, at_least(rate(work), least))


def beside(work, target, least, other):
    return rated(work, target, lambda found: times(found, work, "ours", other) >= least)


def weighed(title, unit, value, target="", most=None):
    return Row(title, unit, value, target, at_most(value, most) if target else None)


def counted(title, kind, work, target="", most=None, unit="B"):
    return weighed(title, unit, number(kind, work), target, most)


def of_import(what):
    return lambda found, name: found["import"].get(name, {}).get(what)


def smallest(found, name):
    return found["smallest"][name] / 1024 if name in found["smallest"] else None


def loaded(found, name):
    return found["mpy"].get(name)


def everything(found, name):
    return found["mpy"]["everything"] if name == "ours" else None


ROWS = [
    beside("publish0", "≥ 2 × umqtt.simple", 2, "umqtt"),
    beside("publish1", "≥ 0.9 × raw", 0.9, "raw"),
    faster("window", "≥ 25k", 25000),
    faster("delay", "≥ 250", 250),
    beside("publish2", "≥ 0.85 × raw", 0.85, "raw"),
    faster("receive0", "≥ 300k", 300000),
    faster("receive1", "≥ 200k", 200000),
    faster("tls", "≥ 150k", 150000),
    rated("packed"),
    Row(WORKS["latency"].title, "µs", micros("latency")),
    counted("heap: publish QoS 0", "heap", "publish0", "0", 0),
    counted("heap: publish QoS 1", "heap", "publish1", "≤ 300", 300),
    counted("heap: publish QoS 2", "heap", "publish2"),
    counted("heap: receive, the last one's topic", "heap", "receive0", "≤ 230", 230),
    counted("heap: receive, another topic", "heap", "others", "≤ 300", 300),
    counted("heap: receive QoS 1", "heap", "receive1"),
    counted("system calls: publish QoS 0", "calls", "publish0", "1", 1.05, ""),
    counted("system calls: publish QoS 1", "calls", "publish1", "2", 2.05, ""),
    counted("system calls: receive QoS 0", "calls", "receive0", "≤ 0.3", 0.3, ""),
    counted("system calls: receive QoS 1", "calls", "receive1", unit=""),
    weighed("import: kept", "B", of_import("kept"), "core ≤ 20k", 20000),
    weighed("import: peak", "B", of_import("peak")),
    weighed("smallest heap, 100 messages each way", "KiB", smallest, "≤ 32", 32),
    weighed("bytes of .mpy that an import loads", "B", loaded, "core ≤ 11k", 11000),
    weighed("bytes of .mpy, everything", "B", everything, "≤ 26k", 26000),
]
