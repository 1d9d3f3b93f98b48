# What the double does, one behaviour a function. Runs over it: `socket` is the double, and each port a peer's that does
# what the first line says, see fidelity/peer.py.
import select
import socket

import lwip_time as clock
from kit import emit
from lwip_stack import stack
from pattern import pattern


def attempt(call, *args):
    # What a call returns, or the number of its error.
    try:
        return call(*args)
    except OSError as e:
        return "error %d" % e.errno


def wait(sock, event):
    poller = select.poll()
    poller.register(sock, event)
    ready = poller.poll(15000)
    if not ready:
        raise RuntimeError("nothing within 15 s")
    return ready[0][1]


def begin(port):
    sock = socket.socket()
    sock.setblocking(False)
    return sock, attempt(sock.connect, socket.getaddrinfo("127.0.0.1", port)[0][-1])


def connect(port, command, nodelay=False):
    # A connected socket, whose command is acknowledged.
    sock, _ = begin(port)
    wait(sock, select.POLLOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
    before = stack.segments()
    sock.write(command + b"\n")
    while stack.segments() > before:
        clock.sleep_ms(1)
        stack.run()
    return sock


def read(sock, count):
    data = b""
    buf = bytearray(count)
    while len(data) < count:
        wait(sock, select.POLLIN)
        data += buf[: sock.readinto(buf, count - len(data))]
    return data


def counted(*names):
    return [stack.counts[name] for name in names]


def options(port):
    sock = connect(port, b"hush")
    emit("option", socket.IPPROTO_TCP, socket.TCP_NODELAY, *counted("nodelay", "warnings"))
    sock.setsockopt(6, 1, 1)
    emit("warned", *counted("nodelay", "warnings"))


def names():
    emit("found", socket.getaddrinfo("127.0.0.1", 1883, 0, socket.SOCK_STREAM))
    for name in ("a..b", "", 256 * "a"):  # none of them is looked up in the DNS
        emit("failed", attempt(socket.getaddrinfo, name, 1883))


def connecting(port, release):
    # A write before there is a connection.
    stack.release = release
    stack.link(False)
    sock, result = begin(port)
    emit("connect", result, sock.ioctl(3, select.POLLIN | select.POLLOUT), sock.readinto(bytearray(1)))
    emit("early", sock.write(b"echo\n"), attempt(sock.connect, ("127.0.0.1", port)))
    stack.link(True)
    wait(sock, select.POLLOUT)
    sock.write(b"hello" if release < 25 else b"echo\nhello")
    emit("answer", read(sock, 5), attempt(sock.connect, ("127.0.0.1", port)))


def refused(port):
    sock, result = begin(port)
    event = wait(sock, select.POLLOUT)
    emit("refused", result, bool(event & select.POLLHUP), bool(event & select.POLLERR))
    emit("then", attempt(sock.readinto, bytearray(1)), attempt(sock.write, b"x"))
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except RuntimeError:
        emit("crash")
    sock.close()
    emit("closed", attempt(sock.readinto, bytearray(1)), attempt(sock.write, b"x"))


def five(port):
    socks = [connect(port, b"hush") for _ in range(5)]
    emit("sixth", attempt(socket.socket))
    socks.pop().close()
    socks.append(socket.socket())
    # One that still holds what it has not sent counts, until lwIP gives it up.
    stack.link(False)
    socks[0].write(b"unsent")
    socks[0].close()
    emit("held", attempt(socket.socket))
    clock.skip(10000)
    socks[0] = socket.socket()
    emit("given up", attempt(socket.socket))


def nagle(port):
    # Small writes: the second waits for the acknowledgement of the first, and the others go with it.
    sock = connect(port, b"records 5")
    before = stack.counts["segments"]
    start = clock.ticks_ms()
    stack.link(False)  # no acknowledgement comes, however slow this machine is
    for byte in b"abcde":
        sock.write(bytes([byte]))
    emit("written", stack.counts["segments"] - before)
    stack.link(True)
    read(sock, 1)
    late = clock.ticks_diff(clock.ticks_ms(), start) >= 40
    emit("arrived", late, stack.counts["segments"] - before, *counted("delayed"))


def answered(port):
    # The answer acknowledges: nothing ever waits.
    sock = connect(port, b"echo")
    for byte in b"abcde":
        sock.write(bytes([byte]))
        read(sock, 1)
    emit("delayed", *counted("delayed"))


def nodelay(port):
    sock = connect(port, b"hush", True)
    before = stack.counts["segments"]
    for _ in range(5):
        sock.write(b"x")
    emit("segments", stack.counts["segments"] - before, *counted("delayed"))


def silent(port, size, nodelay, most):
    # Nothing is acknowledged any more: writes until one is refused or blocks, and what of it arrives later.
    sock = connect(port, b"echo", nodelay)
    stack.link(False)
    written = 0
    writes = 0
    while not stack.counts["blocked"] and writes < most:
        count = sock.write(pattern(size))
        written += count or 0
        if count != size:
            break
        writes += 1
    emit("full", writes, written, count, bool(sock.ioctl(3, select.POLLOUT)), *counted("blocked", "dropped"))
    stack.link(True)
    arriving = written - stack.counts["dropped"]
    emit("arrived", read(sock, arriving) == (pattern(size) * (writes + 1))[:arriving])


def unread(port, drain):
    # Closes with data that has not left, and with input that is or is not read.
    sock = connect(port, b"say 10")
    wait(sock, select.POLLIN)
    if drain:
        read(sock, 10)
    stack.link(False)
    sock.write(b"a")
    sock.write(b"b")
    sock.close()
    emit("closed", *counted("resets", "unsent"), len(stack.pcbs))
    clock.skip(5000)
    stack.run()
    emit("before 10 s", *counted("resets", "unsent"), len(stack.pcbs))
    clock.skip(5000)
    stack.run()
    emit("after 10 s", *counted("resets", "unsent"), len(stack.pcbs))


def held(port, pause):
    # A connection ended with unsent data; the next one begins to write after `pause` ms.
    sock = connect(port, b"hush")
    stack.link(False)
    sock.write(bytes(6400))
    sock.close()
    stack.link(True)
    clock.skip(pause)
    sock = connect(port, b"echo")
    count = sock.write(bytes(6000))
    blocked, dropped = counted("blocked", "dropped")
    emit("written", count, blocked > 0, blocked <= 10000 - pause, dropped)
    emit("arrived", read(sock, 6000) == bytes(6000))


def reset(port, release):
    # The peer sends something, and a reset behind it, before anything is read.
    stack.release = release
    sock = connect(port, b"say-reset 3")
    while not sock.ioctl(3, select.POLLIN) & select.POLLHUP:
        clock.sleep_ms(1)
    buf = bytearray(9)
    emit("read", attempt(sock.readinto, buf), attempt(sock.readinto, buf), bool(sock.ioctl(3, 0) & select.POLLHUP))


def ended(port):
    # The peer closes.
    sock = connect(port, b"say-close 3")
    emit("data", read(sock, 3))
    wait(sock, select.POLLIN)
    emit("end", sock.readinto(bytearray(1)), sock.readinto(bytearray(1)), sock.ioctl(3, select.POLLIN | select.POLLOUT))
