"""The device program where something is wrong with it, its configuration, its flash, its clock or the broker."""

import select
import socket
import struct
import threading
import time

import pytest
from harness.broker import USERS
from harness.device import KILLED, Device
from harness.net import HOST

DAY = 86_400_000  # ms; what a watchdog is given that nobody feeds any more


@pytest.fixture
def device(runtime, broker, witness, name, tmp_path):
    """A device, not yet switched on."""
    made = Device(runtime, tmp_path, broker.url, name)
    made.watch(witness(broker.port))
    return made


def led_on(device):
    """The command that meets a bug."""
    device.wait_for("status", b"online")
    device.witness.publish(device.topic + "command", "led on", 1)


# -- the program


def test_a_hang_is_ended_by_the_watchdog(device):
    device.start("firmware.failing", how="hang", watchdog=3)
    led_on(device)
    assert device.program.wait() == KILLED
    assert device.shows("reset") == "watchdog"
    device.start()
    device.wait_for_cause("watchdog")


def test_the_watchdog_is_fed_whatever_the_network_does(device):
    """The same short time as above, while there is WiFi, while there is none, and while there is nothing to do."""
    device.start(watchdog=3)
    device.wait_for("status", b"online")
    device.order("interval 0.5")
    device.wait("telemetry", 4)
    device.set("wifi", "off")
    device.wait_for_stored(7)
    device.set("wifi", "on")
    device.wait_for("status", b"online", 2)
    device.order("interval 3.5")
    device.wait("telemetry", len(device.said("telemetry")) + 1)


def test_a_bug_is_shown_and_ends_in_a_reset(device):
    program = device.start("firmware.failing", how="fail")
    led_on(device)
    assert program.wait() == KILLED
    assert device.shows("reset") == "hard"
    shown = "\n".join(program.lines)
    assert "no LED in reach" in shown and "app.py" in shown
    assert program.lines[-1] == "main.py: reset in 10 s; Ctrl-C prevents it"


def test_ctrl_c_leads_to_the_repl_and_leaves_no_watchdog(device):
    program = device.start("firmware.failing", how="interrupt")
    led_on(device)
    program.expect("interrupted", DAY)


# -- the configuration


def test_without_a_usable_configuration_there_is_the_repl(device):
    device.configure('{"wifi_ssid": "virtual", "url": "tcp://127')
    program = device.start()
    assert program.finish() == []
    assert list(program.lines) == [
        "config.json: it is no JSON: a comma or a quote is missing or too many, or it is cut off",
        "config.json: not enough to connect with; see docs/boards.md",
    ]


def test_a_damaged_setting_is_named_and_the_default_used(device, broker, name):
    device.configure({"wifi_ssid": "virtual", "url": broker.url, "device": name, "interval": "often", "colour": 1})
    program = device.start()
    device.wait_for("status", b"online")
    assert "config.json: interval: 'often' is not a number; 60 is used" in program.lines
    assert any(line.startswith("config.json: colour: is no setting; there are cafile, ") for line in program.lines)


def test_a_ca_file_that_is_not_there_is_named(device, name):
    device.configure({"wifi_ssid": "virtual", "url": "ssl://127.0.0.1", "device": name, "cafile": "ca.der"})
    program = device.start()
    program.finish()
    assert program.lines[-1] == "config.json: cafile: the file 'ca.der' cannot be read (error 2)"


@pytest.mark.parametrize("right", [True, False])
def test_passwords_are_not_shown(runtime, broker_auth, tmp_path, name, right):
    password = USERS["imp"] if right else "not the right one"
    secrets = {"wifi_password": "a secret of the house", "password": password}
    device = Device(runtime, tmp_path, broker_auth.url, name, username="imp", **secrets)
    program = device.start()
    program.expect_line("mqtt: connected" if right else "connection refused: not authorised")
    assert not [line for line in program.lines for secret in secrets.values() if secret in line]


# -- the flash


def test_a_store_that_is_none_is_made_anew(device, name):
    (device.folder / f"{name}.session").write_bytes(b"something else" * 9)
    program = device.start()
    assert device.wait("telemetry", 1)
    assert any("is not a session store; it is made anew" in line for line in program.lines)


def test_without_a_file_system_to_write_to_it_works_all_the_same(device, name):
    (device.folder / f"{name}.session.new").mkdir()
    program = device.start()
    assert device.wait("telemetry", 1)
    assert any("unsent messages won't survive a power cut" in line for line in program.lines)


# -- the clock


class NtpServer:
    """Ignores the first request, and tells the time to all that follow."""

    def __init__(self):
        self.requests = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self.wakeup, self.stop = socket.socketpair()
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        while self.wakeup not in (ready := select.select([self.socket, self.wakeup], [], [])[0]):
            assert ready
            request, client = self.socket.recvfrom(100)
            self.requests += 1
            if self.requests > 1 and len(request) == 48 and request[0] == 0x1B:
                self.socket.sendto(bytes(40) + struct.pack("!I", int(time.time()) + 2208988800) + bytes(4), client)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_exc):
        self.stop.close()
        self.thread.join()
        self.wakeup.close()
        self.socket.close()


def test_tls_waits_for_the_clock(runtime, tls_broker, certificates, witness, name, tmp_path):
    url = tls_broker.tls_url("ecdsa")
    device = Device(runtime, tmp_path, url, name, cafile=certificates.ca.der_path, ntp_server=HOST)
    device.watch(witness(tls_broker.port))
    with NtpServer() as server:
        program = device.start("firmware.unset", port=server.port)
        device.wait_for("status", b"online")
    assert server.requests == 2
    shown = [line.split(" ")[:2] for line in program.lines if not line.startswith("wifi")]
    assert shown == [["clock:", "no"], ["clock:", time.strftime("%Y-%m-%d", time.gmtime())], ["mqtt:", "connected"]]


def test_without_tls_nobody_asks_for_the_time(device):
    with NtpServer() as server:
        device.start("firmware.unset", port=server.port)
        device.wait_for("status", b"online")
    assert server.requests == 0
