"""A private, real mosquitto on a free loopback port."""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
from pathlib import Path

from harness.net import HOST, free_port
from harness.process import Child, ChildError
from tools import mosquitto as finder

USERS = {"imp": "gaztakh1ghc0mmand"}  # of the fixture `broker_auth`
UNLIMITED = ("max_queued_messages 0", "max_inflight_messages 0", "set_tcp_nodelay true")


def password_hash(password: str) -> str:
    """A password as mosquitto keeps it: PBKDF2 with SHA-512."""
    salt, rounds = os.urandom(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


class Mosquitto:
    """`Mosquitto(folder)` starts it and waits until it listens.

    `config`: extra lines of the configuration. `users`: {name: password}; without it anyone may connect.
    `persistence`: keep sessions and retained messages over a restart. `listeners`: the extra lines of each
    further listener (its port is in `ports`), for instance one with TLS.
    """

    def __init__(self, folder: Path, config=UNLIMITED, users=None, persistence=False, listeners=()):
        self.folder = folder
        self.config = tuple(config)
        self.users = users
        self.persistence = persistence
        self.listeners = listeners
        self.child: Child | None = None
        self.logs: list[str] = []  # of the runs before this one
        folder.mkdir(parents=True, exist_ok=True)
        argv, self.env = finder.find()
        self.argv = [*argv, "-c", str(folder / "mosquitto.conf")]
        self._start_on_free_ports()

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def url(self) -> str:
        return f"tcp://{HOST}:{self.port}"

    def _start_on_free_ports(self) -> None:
        for _attempt in range(5):  # somebody may take a port between our look and mosquitto's bind
            self.ports = [free_port() for _ in range(1 + len(self.listeners))]
            self._write_config()
            try:
                return self.start()
            except ChildError as error:
                self.child = None
                if "Address already in use" not in str(error):
                    raise
                last = error
        raise last

    def _write_config(self) -> None:
        lines = [
            "per_listener_settings false",
            f"user {getpass.getuser()}",
            "log_dest stderr",
            *(f"log_type {kind}" for kind in ("error", "warning", "notice", "information")),
            f"allow_anonymous {'false' if self.users else 'true'}",
            *self.config,
        ]
        if self.users:
            lines.append(f"password_file {self._write_passwords()}")
        if self.persistence:
            lines += ["persistence true", f"persistence_location {self.folder}/", "autosave_interval 0"]
        for port, extra in zip(self.ports, ((), *self.listeners)):
            lines += [f"listener {port} {HOST}", *extra]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def _write_passwords(self) -> Path:
        path = self.folder / "passwords"
        path.write_text("".join(f"{name}:{password_hash(word)}\n" for name, word in self.users.items()))
        path.chmod(0o600)
        return path

    def start(self) -> None:
        self.child = Child(self.argv, env={**os.environ, **self.env})
        try:
            self.wait_for_log(" running")
        except ChildError:
            self.child.__exit__()
            raise

    def wait_for_log(self, text: str) -> None:
        self.child.wait_until(lambda: any(text in line for line in self.child.lines), f"{text!r} in the broker's log")

    def _ended(self) -> None:
        self.logs += self.child.lines
        self.child.__exit__()
        self.child = None

    def stop(self) -> None:
        """A clean end: sessions are saved when persistence is on."""
        if self.child:
            self.child.terminate()
            self._ended()

    def kill(self) -> None:
        """kill -9: nothing is saved."""
        if self.child:
            self.child.kill()
            self._ended()

    def restart(self) -> None:
        """Stop, and start again on the same ports."""
        self.stop()
        self.start()

    def transcript(self) -> str:
        lines = self.logs + list(self.child.lines if self.child else ())
        return f"mosquitto on port {self.port}\n" + "\n".join(lines[-200:])

    def __enter__(self):
        return self

    def __exit__(self, *_exc) -> None:
        self.kill()
