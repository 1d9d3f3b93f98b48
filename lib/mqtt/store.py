"""Session stores: QoS 1 and 2 state that survives a power cut. Optional; `createclient(store=FileStore(path))`.

`Store` is the interface, `FileStore` keeps an append-only log in a file.
"""

import binascii
import os
import struct

from micropython import const

from .packets import Broken, MQTTError
from .session import Received, Session

_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)
_FAILURE = const(-1)
_PERSISTENCE_ERROR = const(-2)


class Store:
    """What a store has to do. A method raises OSError if it cannot; what it was told before is kept then.

    To keep a session elsewhere (RTC memory, an EEPROM), derive from this and write these methods. None may return
    before what it was told would be there after a power cut.
    """

    def load(self):
        """Return what is kept: (client id or None, last packet identifier, [inbound identifier], [message]).

        A message is (pid, released, first, topic, message): ints, a bool, an int with QoS and retain flag as in a
        PUBLISH's first byte, bytes, bytes; in the order in which they were put.
        """
        raise NotImplementedError

    def identify(self, clientid):
        """Keep the client id (bytes)."""
        raise NotImplementedError

    def put(self, pid, first, topic, message):
        """Keep an outgoing message."""
        raise NotImplementedError

    def release(self, pid):
        """Keep that the broker has the outgoing message (PUBREC came): from now on only PUBREL is sent."""
        raise NotImplementedError

    def remove(self, pid):
        """Forget an outgoing message."""
        raise NotImplementedError

    def received(self, pid):
        """Keep an inbound QoS 2 identifier."""
        raise NotImplementedError

    def forget(self, pid):
        """Forget an inbound identifier, or all of them (pid 0)."""
        raise NotImplementedError

    def session(self, deliver):
        """Return the engine of a client that uses this store. MQTTError(-2) if it cannot be read."""
        try:
            return _StoredSession(self, deliver)
        except OSError:
            raise MQTTError(_PERSISTENCE_ERROR)


class _Limits:
    # Before the first `connect`.
    maxqueued = 64
    maxqueuedbytes = 16384
    dropold = False


class _StoredSession(Session):
    # The engine, telling a store what it does before it does it.
    kept = True

    def __init__(self, store, deliver):
        super().__init__(deliver)
        self.config = _Limits()
        self._store = store
        self._clientid, self._last, inbound, messages = store.load()
        self._inbound.update(inbound)
        for pid, released, first, topic, message in messages:
            entry = Received(str(topic, "utf-8"), message)
            entry.pid = pid
            entry.qos = first >> 1 & 3
            entry.retain = first & 1
            entry.dup = 1  # it may have been sent before
            entry.size = len(topic) + len(message)
            if released:
                entry.awaits = _PUBCOMP
            self.entries.append(entry)
            self._bytes += entry.size
            self._ids[pid] = entry

    def identify(self, clientid):
        # Ties the store to a client id; ValueError for another's.
        if self._clientid is None:
            try:
                self._store.identify(clientid)
            except OSError:
                raise MQTTError(_PERSISTENCE_ERROR)
            self._clientid = clientid
        elif self._clientid != clientid:
            raise ValueError("clientid: %r is not %r, whose session the store keeps" % (clientid, self._clientid))

    def accept(self, entry):
        try:
            code = super().accept(entry)
        except Broken:
            return _PERSISTENCE_ERROR
        if not code and entry.pid:
            topic = entry.topic
            if isinstance(topic, str):
                topic = topic.encode()
            try:
                self._store.put(entry.pid, entry.qos << 1 | entry.retain, topic, entry.message)
            except OSError:
                self.entries.pop()
                self._bytes -= entry.size
                del self._ids[entry.pid]
                entry.awaits = -1
                return _PERSISTENCE_ERROR
        return code

    def cancel(self, entry):
        try:
            return super().cancel(entry)
        except Broken:
            raise MQTTError(_PERSISTENCE_ERROR)

    def finish(self, entry, code, qos):
        if entry.pid and entry.size:
            self._tell(self._store.remove, entry.pid)
        super().finish(entry, code, qos)

    def _control(self, first, at, length):
        if length == 2:
            pid = self._rx[at] << 8 | self._rx[at + 1]
            if first == _PUBREC and pid in self._ids and self._ids[pid].awaits == first:
                self._tell(self._store.release, pid)
            elif first == _PUBREL and pid in self._inbound:
                self._tell(self._store.forget, pid)
        super()._control(first, at, length)

    def _took(self, qos, pid):
        if qos == 2 and pid not in self._inbound:
            self._tell(self._store.received, pid)
        return super()._took(qos, pid)

    def _connack(self, present, code):
        if not present and not code and self._inbound:
            self._tell(self._store.forget, 0)
        super()._connack(present, code)

    def _tell(self, method, pid):
        # Where the store fails, the connection ends and nothing is acknowledged: the broker will say it again.
        try:
            method(pid)
        except OSError as e:
            self.lose(_FAILURE, 0, 0, e)


# A record of the log: CRC-32 of the rest, length of the data, kind, packet identifier; then the data.
_HEAD = "<IHBH"
_HEAD_SIZE = const(9)
_ID = const(0)  # begins a log: its format instead of an identifier, and the client id, empty until it is known
_PUT = const(1)  # first byte of the PUBLISH, length of the topic (2 bytes), topic, message
_RELEASE = const(2)
_REMOVE = const(3)
_RECEIVED = const(4)
_FORGET = const(5)
_LAST = const(6)  # the last packet identifier that was used

_FORMAT = const(1)
_LONGEST = const(65535)
_ENOSPC = const(28)
_COMPACT = const(8192)  # bytes: a shorter log is not worth the writing


class FileStore(Store):
    """A session store in the file `path` (str), on LittleFS, FAT or a host's file system.

    An append-only log with a checksum for each record: a power cut at any byte leaves a readable store. A message costs
    12 bytes besides topic and payload, and 9 when it is finished; see docs/reliability.md for the wear of the flash.
    A message may have up to 65,532 bytes. ValueError for a file that is no store or of a newer format.
    """

    def __init__(self, path):
        self._path = path
        self._file = None
        self._clientid = b""
        self._last = 0
        self._live = {}  # packet identifier: offset of its record, or -1 - offset when it is released
        self._inbound = set()
        self._size = 0
        self._limit = _COMPACT  # a longer log is written anew without what is finished
        self._torn = False  # what stands behind the last good record has to go

    def load(self):
        """See `Store.load`."""
        new = self._path + ".new"
        old = _exists(self._path)
        if not old and _exists(new):
            os.rename(new, self._path)  # FAT cannot replace a file in one step: the old one was gone already
        messages = {}
        if _exists(self._path):
            with open(self._path, "rb") as log:
                self._scan(log, messages)
            # The very first log may be torn anywhere: there was nothing in it.
            if not self._size and old:
                raise ValueError("path: %r is not a session store" % self._path)
        else:
            self._torn = True
        if self._torn:
            self._compact()
        else:
            self._file = open(self._path, "ab", 0)
        kept = [messages[pid] for pid in sorted(messages, key=self._offset)]
        return self._clientid or None, self._last, list(self._inbound), kept

    def _offset(self, pid):
        at = self._live[pid]
        return at if at >= 0 else -1 - at

    def _scan(self, log, messages):
        # Reads the log up to its end or to what a power cut has left of the last record.
        while True:
            head = log.read(_HEAD_SIZE)
            if not head:
                break
            data = None
            if len(head) == _HEAD_SIZE:
                crc, length, kind, pid = struct.unpack(_HEAD, head)
                data = log.read(length)
            if data is None or len(data) < length or binascii.crc32(data, binascii.crc32(head[4:])) != crc:
                self._torn = True
                break
            if not self._size and kind != _ID:
                self._torn = True
                break
            self._apply(kind, pid, data, messages)
            self._size += _HEAD_SIZE + length

    def _apply(self, kind, pid, data, messages):
        if kind == _ID:
            if pid > _FORMAT:
                raise ValueError("path: %r is a session store of format %d, this is %d" % (self._path, pid, _FORMAT))
            self._clientid = data
        elif kind == _PUT:
            self._live[pid] = self._size
            self._last = pid
            if messages is not None:
                topic = 3 + (data[1] << 8 | data[2])
                messages[pid] = (pid, False, data[0], data[3:topic], data[topic:])
        elif kind == _RELEASE:
            self._live[pid] = -1 - self._live[pid]
            messages[pid] = (pid, True) + messages[pid][2:]
        elif kind == _REMOVE:
            del self._live[pid]
            del messages[pid]
        elif kind == _RECEIVED:
            self._inbound.add(pid)
        elif kind == _FORGET:
            if pid:
                self._inbound.discard(pid)
            else:
                self._inbound.clear()
        elif kind == _LAST:
            self._last = pid

    def identify(self, clientid):
        """See `Store.identify`."""
        self._append(_ID, _FORMAT, clientid)
        self._clientid = bytes(clientid)

    def put(self, pid, first, topic, message):
        """See `Store.put`. OSError for a message that is too long for a record."""
        if len(topic) + len(message) > _LONGEST - 3:
            raise OSError("too long for the store")
        at = self._append(_PUT, pid, bytes((first, len(topic) >> 8, len(topic) & 0xFF)), topic, message)
        self._live[pid] = at
        self._last = pid

    def release(self, pid):
        """See `Store.release`."""
        if self._live.get(pid, -1) >= 0:
            self._append(_RELEASE, pid)
            self._live[pid] = -1 - self._live[pid]

    def remove(self, pid):
        """See `Store.remove`."""
        if pid in self._live:
            self._append(_REMOVE, pid)
            del self._live[pid]

    def received(self, pid):
        """See `Store.received`."""
        self._append(_RECEIVED, pid)
        self._inbound.add(pid)

    def forget(self, pid):
        """See `Store.forget`."""
        self._append(_FORGET, pid)
        self._apply(_FORGET, pid, b"", None)

    def _append(self, kind, pid, *parts):
        # Writes a record, all or nothing as far as `load` will see; returns its offset.
        if self._torn or self._file is None or self._size > self._limit:
            self._compact()
        at = self._size
        try:
            self._size += _write(self._file, kind, pid, b"".join(parts))
            self._file.flush()
            _sync()
        except OSError:
            self._torn = True
            self._size = at
            raise
        return at

    def _compact(self):
        # Writes what is still needed to a new file, which then takes the place of the log.
        new = self._path + ".new"
        live = {}
        try:
            with open(new, "wb", 0) as log:
                size = _write(log, _ID, _FORMAT, self._clientid)
                size += _write(log, _LAST, self._last, b"")
                for pid in self._inbound:
                    size += _write(log, _RECEIVED, pid, b"")
                for pid in sorted(self._live, key=self._offset):
                    live[pid] = size
                    size += _write(log, _PUT, pid, self._data(pid))
                    if self._live[pid] < 0:
                        live[pid] = -1 - live[pid]
                        size += _write(log, _RELEASE, pid, b"")
                log.flush()
        except OSError:
            if _exists(new):
                os.remove(new)
            raise
        if self._file:
            self._file.close()
            self._file = None
        _sync()
        os.rename(new, self._path)
        _sync()
        self._live = live
        self._size = size
        self._limit = max(_COMPACT, 2 * size)
        self._torn = False
        self._file = open(self._path, "ab", 0)

    def _data(self, pid):
        # What the record of a message holds.
        with open(self._path, "rb") as log:
            log.seek(self._offset(pid))
            return log.read(struct.unpack(_HEAD, log.read(_HEAD_SIZE))[1])


def _write(log, kind, pid, data):
    # Appends a record in one write; returns its size.
    head = struct.pack("<HBH", len(data), kind, pid)
    record = struct.pack("<I", binascii.crc32(data, binascii.crc32(head))) + head + data
    if log.write(record) != len(record):
        raise OSError(_ENOSPC, "no space left")
    return len(record)


def _exists(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def _sync():
    # Some ports buffer the flash below the file system.
    if hasattr(os, "sync"):
        os.sync()
