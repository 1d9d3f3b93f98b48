"""Fetching from a package index: the file of the right digest, unpacked once, and clear words for what goes wrong."""

import hashlib
import io
import os
import ssl
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import trustme
from harness.net import HOST

from tools import pypi


def archive(name, text):
    """A source archive with one module."""
    with io.BytesIO() as raw:
        with tarfile.open(fileobj=raw, mode="w:gz") as tar:
            member = tarfile.TarInfo(f"{name}/module.py")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        return raw.getvalue()


class Handler(SimpleHTTPRequestHandler):
    def translate_path(self, path):
        """Of a proxy everything is asked for by its whole URL."""
        return super().translate_path(urlsplit(path).path)

    def log_message(self, *_args):
        """Nobody reads it."""


@contextmanager
def serve(folder):
    with ThreadingHTTPServer((HOST, 0), partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index with the project `thing`, whose first file is not what its link says; the digests of both."""
    files = {"thing-1.tar.gz": archive("thing-1", b"bad"), "thing-2.tar.gz": archive("thing-2", b"good")}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files["thing-1.tar.gz"] += b"more"
    page = tmp_path / "index" / "thing"
    page.mkdir(parents=True)
    for name, data in files.items():
        (page / name).write_bytes(data)
    links = [f'<a href="{name}#sha256={digests[name]}">{name}</a>' for name in files]
    (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{' '.join(links)}</body></html>")
    monkeypatch.setattr(pypi, "FOLDER", tmp_path / "build")
    with serve(tmp_path / "index") as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://{HOST}:{server.server_port}/")
        yield list(digests.values())


def test_a_file_is_unpacked_and_kept(index, monkeypatch, free_port):
    folder = pypi.fetch("thing", "2", index[1])
    assert (folder / "module.py").read_bytes() == b"good"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{HOST}:{free_port}/")
    assert pypi.fetch("thing", "2", index[1]) == folder
    assert [path.name for path in pypi.FOLDER.iterdir()] == [folder.name], "nothing else is left"


def test_a_wheel_has_its_modules_at_the_top(index, tmp_path):
    with zipfile.ZipFile(tmp_path / "index" / "thing" / "thing-3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("module.py", b"good")
    data = (tmp_path / "index" / "thing" / "thing-3-py3-none-any.whl").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    page = tmp_path / "index" / "thing" / "index.html"
    link = f'<a href="thing-3-py3-none-any.whl#sha256={digest}">thing-3-py3-none-any.whl</a>'
    page.write_text(page.read_text().replace("</body>", f"{link}</body>"))
    assert (pypi.fetch("thing", "3", digest) / "module.py").read_bytes() == b"good"


def test_who_comes_second_takes_what_the_first_has_unpacked(index, monkeypatch):
    """Tests run side by side, and more than one of them needs the archive."""

    def slowly(archive, folder, unpack=pypi.unpack):
        monkeypatch.setattr(pypi, "unpack", unpack)
        pypi.fetch("thing", "2", index[1])  # somebody else's
        return unpack(archive, folder)

    monkeypatch.setattr(pypi, "unpack", slowly)
    folder = pypi.fetch("thing", "2", index[1])
    assert [path.name for path in folder.iterdir()] == ["module.py"]
    assert list(pypi.FOLDER.iterdir()) == [folder]


def test_another_file_is_refused(index):
    with pytest.raises(pypi.FetchError, match=r"thing 1: .*[Dd]igest"):
        pypi.fetch("thing", "1", index[0])
    with pytest.raises(pypi.FetchError, match="thing: no file with the SHA-256 digest 0123"):
        pypi.fetch("thing", "1", "0123")
    assert list(pypi.FOLDER.iterdir()) == []


def test_what_is_not_there_is_named(index, monkeypatch, free_port):
    with pytest.raises(pypi.FetchError, match=r"nothing 1: .*nothing"):
        pypi.fetch("nothing", "1", "0123")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{HOST}:{free_port}/")
    with pytest.raises(pypi.FetchError, match=r"thing 1: .*(refused|Connection)"):
        pypi.fetch("thing", "1", "0123")


def test_certificates_are_those_of_pips_settings(index, tmp_path, monkeypatch):
    """Of its variables and its files, before what is set for the whole machine."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(HOST).configure_cert(context)
    with serve(tmp_path / "index") as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        monkeypatch.setenv("PIP_INDEX_URL", f"https://{HOST}:{server.server_port}/")
        monkeypatch.delenv("PIP_CERT", raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        with pytest.raises(pypi.FetchError, match="CERTIFICATE_VERIFY_FAILED"):
            pypi.fetch("thing", "2", index[1])
        (tmp_path / "pip.conf").write_text(f"[global]\ncert = {tmp_path / 'ca.pem'}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        assert pypi.fetch("thing", "2", index[1])


def test_the_proxy_is_that_of_pips_settings(index, monkeypatch):
    monkeypatch.setenv("PIP_PROXY", pypi.settings()["index-url"])
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/")
    assert pypi.fetch("thing", "2", index[1])


def test_a_password_of_the_index_is_not_shown(index, monkeypatch, free_port):
    for url in (pypi.settings()["index-url"].replace("//", "//me:secret@"), f"http://me:secret@{HOST}:{free_port}/"):
        monkeypatch.setenv("PIP_INDEX_URL", url)
        with pytest.raises(pypi.FetchError) as raised:
            pypi.fetch("nothing", "1", "0123")
        assert "nothing 1" in str(raised.value) and "secret" not in str(raised.value)
