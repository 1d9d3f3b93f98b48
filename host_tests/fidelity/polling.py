"""select.poll: the registered object comes back, masks, modify, one-shot, what is not ready."""

import errno
import io
import select
import socket
import sys

ports = dict(arg.split("=") for arg in sys.argv[1:])
address = socket.getaddrinfo("127.0.0.1", int(ports["plain"]), 0, socket.SOCK_STREAM)[0][-1]


def connect(command):
    sock = socket.socket()
    sock.connect(address)
    sock.write(command + b"\n")
    return sock


def show(ready):
    print(sorted((names[id(obj)], events) for obj, events in ready))


talker = connect(b"say 1")
silent = connect(b"hush")
names = {id(talker): "talker", id(silent): "silent"}
print(select.POLLIN, select.POLLOUT, select.POLLERR, select.POLLHUP)

poller = select.poll()
print(poller.poll(0), poller.poll(5))
print(poller.register(talker, select.POLLIN))
show(poller.poll(-1))
print(poller.register(silent))
show(poller.poll(0))
show(poller.ipoll(0))
poller.register(silent, select.POLLIN)
show(poller.poll(0))
poller.modify(silent, select.POLLOUT)
show(poller.poll(1000))
poller.modify(talker, 0)
show(poller.poll(0))
poller.modify(talker, select.POLLIN | select.POLLOUT)
show(poller.poll(0))

print("-- one-shot")
for obj, _events in poller.ipoll(0, 1):
    print(names[id(obj)] in ("talker", "silent"))
show(poller.ipoll(0, 1))
poller.modify(talker, select.POLLIN)
show(poller.ipoll(0, 1))
show(poller.ipoll(0))

print("-- descriptors and strangers")
numbers = select.poll()
numbers.register(talker.fileno(), select.POLLIN)
print(numbers.poll(0) == [(talker.fileno(), select.POLLIN)])
numbers.register(talker, select.POLLOUT)
print(sorted((obj is talker, events) for obj, events in numbers.poll(0)))
try:
    poller.modify(ports, select.POLLIN)
except OSError as error:
    print("modify:", errno.errorcode[error.errno])
print("unregister:", poller.unregister(ports))

print("-- registered, then closed")
poller.modify(talker, select.POLLIN)
poller.modify(silent, select.POLLIN)
silent.close()
show(poller.poll(0))
poller.unregister(silent)
show(poller.poll(0))
poller.register(silent)
show(poller.poll(0))
talker.close()


class Stream(io.IOBase):
    """Has no descriptor: it tells what it is ready for, and is so at the third question."""

    asked = 0

    def ioctl(self, request, flags):
        if request != 3:
            return -1
        self.asked += 1
        return flags & select.POLLIN if self.asked > 2 else 0


print("-- a stream without a descriptor")
stream = Stream()
poller = select.poll()
poller.register(stream, select.POLLIN | select.POLLOUT)
print(poller.poll(0), [(obj is stream, events) for obj, events in poller.poll(-1)], stream.asked)
poller.modify(stream, select.POLLOUT)
print(poller.poll(1))
