"""MicroPython's `select.poll`, which reports the registered object, in place of CPython's, which reports its number.

A registered int is reported as that int, so `selectors` and `subprocess`, which register numbers, work unchanged.
A stream without a descriptor, which has MicroPython's `ioctl`, is asked every millisecond, as MicroPython does.
"""

import errno
import select
import time

_ALWAYS = select.POLLERR | select.POLLHUP | select.POLLNVAL
_ONESHOT = 1
_IOCTL_POLL = 3
_real_poll = select.poll


class _Entry:
    """One registered object. The descriptor is the one it had when it was registered, as on MicroPython."""

    def __init__(self, obj, mask):
        self.obj = obj
        self.mask = mask
        self.poll_state = getattr(obj, "poll_state", None)
        self.fd = None if self.poll_state or asks(obj) else _descriptor(obj)

    def state(self):
        """Events that are there already; the descriptor (or the stream that is asked) to wait for, None for none;
        the events to wait for there; and how to translate those that come back."""
        if self.poll_state is None:
            return 0, self.obj if self.fd is None else self.fd, self.mask, None
        now, below, mask, translate = self.poll_state(self.mask)
        return now, below if below is None or asks(below) else below.fileno(), mask, translate


def asks(stream):
    """Whether a stream tells itself what it is ready for."""
    return hasattr(stream, "ioctl")


def ask(stream, mask):
    """What it is ready for."""
    return stream.ioctl(_IOCTL_POLL, mask)


def _descriptor(obj):
    if isinstance(obj, int):
        if obj < 0:
            raise ValueError(f"file descriptor {obj} is negative")
        return obj
    try:
        return obj.fileno()
    except AttributeError:
        raise OSError("stream operation not supported") from None


class poll:
    def __init__(self):
        self._entries = {}
        self._ready = iter(())

    def register(self, obj, eventmask=select.POLLIN | select.POLLOUT):
        known = self._entries.get(id(obj))
        if known:
            known.mask = eventmask
        else:
            self._entries[id(obj)] = _Entry(obj, eventmask)

    def unregister(self, obj):
        self._entries.pop(id(obj), None)

    def modify(self, obj, eventmask):
        if id(obj) not in self._entries:
            raise OSError(errno.ENOENT, "not registered")
        self._entries[id(obj)].mask = eventmask

    def poll(self, timeout=-1):
        return [(entry.obj, events) for entry, events in self._wait(timeout)]

    def ipoll(self, timeout=-1, flags=0):
        ready = self._wait(timeout)
        self._ready = self._results(ready, flags)
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._ready)

    def _results(self, ready, flags):
        for entry, events in ready:
            if flags & _ONESHOT:
                entry.mask = 0
            yield entry.obj, events

    def _wait(self, timeout):
        """Returns the entries that are ready, each with its events."""
        forever = timeout is None or timeout < 0
        end = None if forever else time.monotonic() + timeout / 1000
        while True:
            ready, asked = self._look(timeout)
            if ready or not asked or (end is not None and time.monotonic() >= end):
                return ready

    def _look(self, timeout):
        """One look at all of them, and whether any is of those that must be asked again. A stream on top of a socket
        (TLS) may be ready by itself, or may need its socket in another direction than the caller asks for."""
        masks, merged, waiting, asked = {}, {}, [], []
        for entry in self._entries.values():
            now, source, mask, translate = entry.state()
            merged[id(entry)] = now
            if source is None:
                continue
            if isinstance(source, int):
                masks[source] = masks.get(source, 0) | mask
                waiting.append((entry, source, mask, translate))
            else:
                asked.append((entry, source, mask, translate))
        found = [(entry, ask(stream, mask), translate) for entry, stream, mask, translate in asked]
        ready = any(merged.values()) or any(got for _entry, got, _translate in found)
        events = dict(_real_wait(masks, 0 if ready or timeout == 0 else 1 if asked else timeout))
        found += [(entry, events.get(fd, 0) & (mask | _ALWAYS), translate) for entry, fd, mask, translate in waiting]
        for entry, got, translate in found:
            merged[id(entry)] |= translate(got) if translate else got
        entries = [(entry, merged[id(entry)]) for entry in self._entries.values() if merged[id(entry)]]
        return entries, bool(asked)


def _real_wait(masks, timeout):
    poller = _real_poll()
    for fd, mask in masks.items():
        if fd >= 0:  # closed before it was registered: never ready
            poller.register(fd, mask)
    return poller.poll(-1 if timeout is None or timeout < 0 else timeout)


def install():
    select.poll = poll
