"""What the module takes on a board: as .py, as .mpy and frozen, with 8-byte and with 4-byte pointers."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.bench import FOLDER, counts
from tools.bench.subjects import micropython_command, ours

PACKAGE = "@micropython/micropython-webassembly-pyscript@1.27.0"
WASM = Path(__file__).with_name("wasm.mjs")
SETS = {
    "`import mqtt`": ["mqtt"],
    "a `tcp://` session": ["mqtt", "mqtt.link", "mqtt.transport"],
}
# In the order in which they import each other.
FROZEN = {
    "`import mqtt`": ["mqtt.packets", "mqtt.session", "mqtt.client", "mqtt"],
    "a `tcp://` session": ["mqtt.packets", "mqtt.session", "mqtt.client", "mqtt", "mqtt.transport", "mqtt.link"],
}
OBJECTS = {
    "a client": "mqtt.createclient()",
    "a message to send, topic and payload not counted": "client.createmessage(topic, payload)",
    "a message received, with a topic of 16 and a payload of 32 bytes": "Received(str(name, 'utf-8'), bytes(buf))",
}
# What MicroPython brings along is imported first: it is not ours.
TOTAL = "micropython.mem_info()"
START = "import errno, gc, random, select, socket, sys, time\ndef used():\n    return gc.mem_alloc()"


def import_steps(modules):
    """Print what stays after the import."""
    return [START, "gc.collect()", "before = used()", *imports(modules), "gc.collect()", "print(used() - before)"]


def imports(modules):
    return [f"import {name}" for name in modules]


def frozen_steps(modules):
    """Print what running the compiled code of the modules keeps. A frozen module's code itself is in flash.

    There are empty modules of these names in another folder: in these the code runs.
    """
    steps = [START, "codes = []", "total = 0"]
    for name in modules:
        path = f"source/{name.replace('.', '/')}"
        path += "/__init__.py" if "." not in name else ".py"
        steps += [
            f"codes.append(compile(open({path!r}).read(), {name!r}, 'exec'))", f"import {name}", "gc.collect()",
            "before = used()", f"exec(codes[-1], sys.modules[{name!r}].__dict__)", "gc.collect()",
            "total += used() - before",
        ]  # fmt: skip
    return [*steps, "print(total)"]


def object_steps(make):
    """Print the size of an object, in whole blocks of the heap."""
    return [
        START, "import mqtt", "from mqtt.session import Received", "client = mqtt.createclient()",
        "topic, payload = 'topic', bytes(32)", "name, buf = b'bench/topic/0016', bytearray(32)",
        "kept = [None] * 100", "gc.collect()", "before = used()",
        f"for i in range(100):\n    kept[i] = {make}", "gc.collect()", "print((used() - before) // 1600 * 16)",
    ]  # fmt: skip


class Unix:
    """The Unix port: 8-byte pointers."""

    def run(self, sources, steps):
        folder = FOLDER / "board"
        shutil.rmtree(folder, ignore_errors=True)
        for target, source in sources.items():
            path = folder / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(Path(source).read_bytes())
        argv, env = micropython_command("lib", "8M")
        # One after the other, so that nothing of a step is left on the stack for the collector to find.
        command = [*argv, "-c", f"for step in {steps!r}: exec(step)"]
        done = subprocess.run(command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True)
        return numbers(done)

    def peak(self, folder, modules):
        """Bytes that the heap must have for the import, beyond what MicroPython itself needs."""
        return counts.import_peak(folder, modules)


class WebAssembly:
    """The WebAssembly build from npm, run by node: 4-byte pointers, no sockets."""

    def __init__(self):
        folder = FOLDER / "npm"
        self.module = folder / "node_modules" / PACKAGE.rpartition("@")[0] / "micropython.mjs"
        if not self.module.exists():
            folder.mkdir(parents=True, exist_ok=True)
            npm = ["npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder), PACKAGE]
            subprocess.run(npm, check=True, capture_output=True)

    def run(self, sources, steps, heap=8 << 20):
        sources = {**sources, "lib/select.py": os.devnull, "lib/socket.py": os.devnull}
        job = {"files": {target: str(path) for target, path in sources.items()}, "steps": steps, "heap": heap}
        command = ["node", WASM, self.module, json.dumps(job)]
        return numbers(subprocess.run(command, capture_output=True, text=True))

    def peak(self, folder, modules):
        """Bytes that the heap must have for the import. Where they are too few, this build's heap grows.

        It collects no garbage before the import has ended: on a board the peak may be a little lower.
        """

        def enough(steps, heap):
            before, after = self.run(files(folder), [START, "import micropython", TOTAL, *steps, TOTAL], heap)
            return before == after

        empty = counts.least(lambda heap: enough([], heap), 1 << 15)
        return counts.least(lambda heap: enough(["\n".join(imports(modules))], heap), 1 << 19) - empty


def numbers(done):
    """The numbers that were printed; of mem_info, the size of the heap."""
    if done.returncode:
        raise RuntimeError(f"{done.stdout}\n{done.stderr[-1000:]}")
    return [int(number) for number in re.findall(r"^(?:GC: total: )?(\d+)\b", done.stdout, re.MULTILINE)]


def measure(progress):
    """{"8": …, "4": …} by the bytes of a pointer; the second only where there are node and npm."""
    subject = ours()
    compiled = counts.compiled(subject)
    forms = {"py": source_folder(subject, compiled), "mpy": compiled}
    found = {}
    for width, runner in runners().items():
        found[width] = {"imports": {}, "objects": {}}
        for name, modules in SETS.items():
            row = found[width]["imports"][name] = {}
            for form, folder in forms.items():
                progress(f"{width}-byte pointers, {name} as .{form}")
                row[form] = {
                    "kept": runner.run(files(folder), import_steps(modules))[0],
                    "peak": runner.peak(folder, modules),
                }
            row["frozen"] = {"kept": runner.run(frozen_files(subject), frozen_steps(FROZEN[name]))[0]}
        for name, make in OBJECTS.items():
            found[width]["objects"][name] = runner.run(files(compiled), object_steps(make))[0]
    return found


def source_folder(subject, compiled):
    """The library as .py, with the program that imports it."""
    folder = FOLDER / "py" / "lib"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(subject.lib, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(compiled / "imports.mpy", folder)
    return folder


def files(folder, prefix="lib"):
    """{name on the board: path here}."""
    return {f"{prefix}/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*.*py"))}


def frozen_files(subject):
    """The source, and empty modules of the same names."""
    source = files(subject.lib, "source")
    return {**source, **{name.replace("source/", "lib/"): os.devnull for name in source}}


def runners():
    found = {"8": Unix()}
    if shutil.which("node") and shutil.which("npm"):
        found["4"] = WebAssembly()
    return found


if __name__ == "__main__":
    json.dump(measure(lambda text: print(text, file=sys.stderr)), sys.stdout, indent=1)
