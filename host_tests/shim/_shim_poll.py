"""MicroPython's `select.poll`, which reports the registered object, in place of CPython's, which reports its number.

A registered int is reported as that int, so `selectors` and `subprocess`, which register numbers, work unchanged.
"""

import errno
import select

_ALWAYS = select.POLLERR | select.POLLHUP | select.POLLNVAL
_ONESHOT = 1
_real_poll = select.poll


class _Entry:
    """One registered object. The descriptor is the one it had when it was registered, as on MicroPython."""

    def __init__(self, obj, mask):
        self.obj = obj
        self.mask = mask
        self.poll_state = getattr(obj, "poll_state", None)
        self.fd = None if self.poll_state else _descriptor(obj)


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
        """Returns the entries that are ready, each with its events. A stream on top of a socket (TLS) may be ready by
        itself, or may need its socket in another direction than the caller asks for: its `poll_state` tells."""
        masks, ready, waiting = {}, [], []
        for entry in self._entries.values():
            if entry.poll_state is None:
                fd, mask, translate = entry.fd, entry.mask, None
            else:
                now, fd, mask, translate = entry.poll_state(entry.mask)
                if now:
                    ready.append((entry, now))
                if fd is None:
                    continue
            masks[fd] = masks.get(fd, 0) | mask
            waiting.append((entry, fd, mask, translate))
        events = dict(_real_wait(masks, 0 if ready else timeout))
        merged = {id(entry): now for entry, now in ready}
        for entry, fd, mask, translate in waiting:
            got = events.get(fd, 0) & (mask | _ALWAYS)
            merged[id(entry)] = merged.get(id(entry), 0) | (translate(got) if translate else got)
        return [(entry, merged[id(entry)]) for entry in self._entries.values() if merged.get(id(entry))]


def _real_wait(masks, timeout):
    poller = _real_poll()
    for fd, mask in masks.items():
        if fd >= 0:  # closed before it was registered: never ready
            poller.register(fd, mask)
    return poller.poll(-1 if timeout is None or timeout < 0 else timeout)


def install():
    select.poll = poll
