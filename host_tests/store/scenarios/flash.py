# The file store on the file systems of boards, on a block device in RAM (MicroPython only).
import os

import mqtt
import mqtt.store
import vfs
from kit import emit

BLOCK = 512
PATH = "/flash/session"


class PowerCut(Exception):
    pass


class Flash:
    # Loses its power after so many blocks were written.
    def __init__(self, blocks):
        self.data = bytearray(blocks * BLOCK)
        self.written = 0
        self.last = None

    def readblocks(self, number, buf, offset=0):
        at = number * BLOCK + offset
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, number, buf, offset=0):
        if self.written == self.last:
            raise PowerCut
        self.written += 1
        at = number * BLOCK + offset
        self.data[at : at + len(buf)] = buf

    def ioctl(self, command, argument):
        return {4: len(self.data) // BLOCK, 5: BLOCK}.get(command, 0)


def mounted(system, flash, new=False):
    system = getattr(vfs, system)
    if new:
        system.mkfs(flash)
    vfs.mount(system(flash), "/flash")
    return mqtt.store.FileStore(PATH)


def offer(client, accepted, count):
    # Messages for the store; remembers those it took, and gives up every third one.
    for n in range(count):
        message = client.publish("a/b", "message %d" % n, 1 + n % 2)
        accepted.append(message.message)
        if n % 3 == 2:
            accepted.pop(0)
            client._session.finish(client._session.entries[0], 0, None)


def kept(client):
    return [entry.message for entry in client._session.entries]


def limits(system, blocks):
    # A long run with its compactions, then a full file system, then all of it read again.
    flash = Flash(blocks)
    store = mounted(system, flash, new=True)
    client = mqtt.createclient(store)
    for _ in range(700):
        client._session.finish(client.publish("a/b", bytes(20), 1), 0, None)
    emit("size", os.stat(PATH)[6], client.pending())
    emit("written", flash.written / 1400)
    codes = []
    for _ in range(20):
        client._session.config.maxqueuedbytes = 1 << 20
        client.publish("big", bytes(9000), 1, callback=codes.append)
    client.poll()
    emit("full", sorted(set(codes)), client.pending() + len(codes))
    before = kept(client)
    store._file.close()
    vfs.umount("/flash")
    emit("again", len(before) > 0 and kept(mqtt.createclient(mounted(system, flash))) == before)


def cuts(system, blocks, count):
    # The power goes after every single block that is written: what was accepted is there afterwards.
    last = 0
    while True:
        flash = Flash(blocks)
        store = mounted(system, flash, new=True)
        client = mqtt.createclient(store)
        accepted = []
        flash.last = flash.written + last
        try:
            offer(client, accepted, count)
            break
        except PowerCut:
            pass
        vfs.umount("/flash")
        flash.last = None
        found = kept(mqtt.createclient(mounted(system, flash)))
        # One more may be there: the message being accepted or given up at that moment.
        missing = [message for message in accepted if message not in found]
        if missing[1:] or missing and missing[0] != accepted[0] or len(found) > len(accepted) + 1:
            emit("lost", last, missing, found)
        vfs.umount("/flash")
        last += 1
    emit("cuts", last)
