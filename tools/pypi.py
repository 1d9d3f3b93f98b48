"""Fetches an archive or a wheel from PyPI and unpacks it into build/pypi: other people's modules, to compare with.

pip itself would run the setup.py of an archive. Its settings count here as well: index, certificates and proxy.
"""

import ast
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import requests
from pypi_simple import PYPI_SIMPLE_ENDPOINT, DigestMismatchError, NoSuchProjectError, PyPISimple

FOLDER = Path(__file__).resolve().parent.parent / "build" / "pypi"


class FetchError(Exception):
    """The archive could not be had; the text says which and why."""


def fetch(project, version, sha256):
    """The folder with the unpacked archive of that digest (hex); fetched once, then kept. FetchError without it."""
    target = FOLDER / f"{project}-{version}-{sha256[:12]}"
    if target.exists():
        return target
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        archive = Path(scratch) / "archive"
        try:
            download(project, sha256, archive)
        except (requests.RequestException, NoSuchProjectError, DigestMismatchError) as error:
            why = re.sub(r"//[^/\s]*@", "//", str(error))  # the index may have a password in its URL
            raise FetchError(f"{project} {version}: {why}") from None
        unpacked = unpack(archive, Path(scratch) / "unpacked")
        try:
            unpacked.rename(target)
        except OSError:
            if not target.exists():  # else somebody else was quicker
                raise
    return target


def settings():
    """pip's, from its files and variables: {name: value} of those that count when it installs."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    lines = re.findall(r"^(\S+)\.([\w-]+)=(['\"].*)$", listed, re.MULTILINE)
    sections = ("global", "install", ":env:")  # a later one counts more
    return {name: ast.literal_eval(value) for each in sections for section, name, value in lines if section == each}


class Session(requests.Session):
    """As pip has it: what is set for pip counts more than what is set for all of the machine."""

    def __init__(self, known):
        super().__init__()
        self.ours = known.get("cert"), known.get("proxy")

    def merge_environment_settings(self, url, proxies, stream, verify, cert):
        bundle, proxy = self.ours
        ours = dict.fromkeys(("http", "https"), proxy) if proxy else {}
        return super().merge_environment_settings(url, {**ours, **(proxies or {})}, stream, bundle or verify, cert)


def download(project, sha256, archive):
    """Download the one file of the project that has this digest, and check that it has."""
    known = settings()
    with PyPISimple(known.get("index-url") or PYPI_SIMPLE_ENDPOINT, session=Session(known)) as index:
        for package in index.get_project_page(project, timeout=60).packages:
            if package.digests.get("sha256") == sha256:
                return index.download_package(package, archive, timeout=60)
    raise FetchError(f"{project}: no file with the SHA-256 digest {sha256}")


def unpack(archive, folder):
    """Unpack; the folder of the modules: of a source archive, the one that it holds."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
        return folder
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # early releases of 3.10 and 3.11 have none
        tar.extractall(folder)
    (inner,) = folder.iterdir()
    return inner
