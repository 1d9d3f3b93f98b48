"""The packages to compare with, from PyPI: downloaded once into build/bench, digest checked, unpacked there."""

import hashlib
import re
import shutil
import tarfile
import zipfile

from tools.bench import FOLDER

UMQTT = ("micropython-umqtt.simple-1.3.4.tar.gz",)
CHUMICRO = (
    "chumicro_mqtt-0.30.3-py3-none-any.whl",
    "chumicro_sockets-0.21.3-py3-none-any.whl",
    "chumicro_timing-0.8.4-py3-none-any.whl",
)
DIGESTS = {
    "micropython-umqtt.simple-1.3.4.tar.gz": "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f",
    "chumicro_mqtt-0.30.3-py3-none-any.whl": "9752586bb10e29389e5f5c443594ce0b5f2f1343ba9aefb3fc9909e33d234482",
    "chumicro_sockets-0.21.3-py3-none-any.whl": "ade59b6045db5bdb03b7992748a8b1111efdda482c165d09bd6e7eb25b34f3b6",
    "chumicro_timing-0.8.4-py3-none-any.whl": "f637c0331a30659a77d98828cf3fb9608402204059934e73c916b0f82b33703c",
}


def folder(files):
    """A folder with the packages of these files, for MICROPYPATH."""
    target = FOLDER / "packages" / files[0]
    if not target.is_dir():
        unfinished = target.with_name(target.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        for name in files:
            unpack(download(name), unfinished)
        unfinished.rename(target)
    inner = target / files[0].removesuffix(".tar.gz")  # the one that a source archive has
    return inner if inner.is_dir() else target


def download(name):
    """The archive, fetched where it is not there yet. ValueError if it is not the one that was measured before."""
    archive = FOLDER / "downloads" / name
    if not archive.exists():
        from pypi_simple import PyPISimple  # only `make bench` installs it

        archive.parent.mkdir(parents=True, exist_ok=True)
        project = re.sub(r"-[0-9].*", "", name)
        with PyPISimple() as client:
            [package] = [p for p in client.get_project_page(project).packages if p.filename == name]
            client.download_package(package, archive)
    check(archive)
    return archive


def check(archive):
    if hashlib.sha256(archive.read_bytes()).hexdigest() != DIGESTS[archive.name]:
        archive.unlink()
        raise ValueError(f"{archive.name}: not the file that is expected, by its digest")


def unpack(archive, target):
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target)
    else:
        with tarfile.open(archive) as sdist:
            sdist.extractall(target, filter="data")
