"""initramfs.py - writes the nested machine's initramfs: a cpio archive (newc), made without root and without cpio(1).

busybox, KVM's modules, init.sh, the ringlab binary with its shared libraries and loader at their own paths, the guests and
the job list. No device nodes are needed: the kernel's built-in archive has /dev/console, and init mounts devtmpfs.
The same input gives the same bytes. Called by nested-vtx. Read next: machine.py.
"""
import os
import re
import shutil
import subprocess
import tempfile

from common import Failure

DIR, FILE, LINK = 0o040755, 0o100644, 0o120777


class Archive:
    """Collects entries, then writes them in newc format (kernel: Documentation/driver-api/early-userspace)."""

    def __init__(self):
        self.entries = {}

    def directory(self, path):
        parts = path.strip("/").split("/")
        for i in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:i]), (DIR, b""))

    def add(self, path, data, executable=False):
        path = path.strip("/")
        if "/" in path:
            self.directory(os.path.dirname(path))
        self.entries[path] = (FILE | (0o111 if executable else 0), data)

    def link(self, path, target):
        self.entries[path.strip("/")] = (LINK, target.encode())

    def write(self, path):
        with open(path, "wb") as f:
            for ino, name in enumerate(sorted(self.entries), 1):
                mode, data = self.entries[name]
                f.write(newc(ino, name, mode, data))
            f.write(newc(0, "TRAILER!!!", 0, b""))


def newc(ino, name, mode, data):
    fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % n for n in fields) + name.encode() + b"\0"
    return pad(head) + pad(data)


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise Failure(f"{path}: {e.strerror}") from None


def libraries(binary):
    """The shared libraries and the loader of a dynamic ELF, as {path in the machine: host file}; empty for others."""
    out = subprocess.run(["ldd", binary], capture_output=True, text=True)
    if out.returncode:
        return {}
    missing = re.findall(r"(\S+) => not found", out.stdout)
    if missing:
        raise Failure(f"{binary}: shared library {missing[0]} is not installed")
    return {p: os.path.realpath(p) for p in re.findall(r"(/\S+) \(0x", out.stdout)}


def stripped(path):
    """A module or program without debug information: half the size to load."""
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "stripped")
        done = subprocess.run(["strip", "--strip-debug", "-o", out, path], capture_output=True)
        return read(out if done.returncode == 0 else path)


def build(out, kernel, binary, guests, jobs, init="init.sh"):
    """Writes the archive to out. guests: {path below /guests: host file}; jobs: the text of /jobs."""
    a = Archive()
    for d in ("bin", "dev", "proc", "sys", "tmp", "mod"):
        a.directory(d)
    busybox = shutil.which("busybox")
    if busybox is None or libraries(busybox):
        raise Failure("a static busybox is needed: install busybox-static")
    a.add("bin/busybox", read(busybox), True)
    a.link("bin/sh", "busybox")
    a.add("init", read(os.path.join(os.path.dirname(os.path.abspath(__file__)), init)), True)
    for m in kernel.modules:
        a.add("mod/" + os.path.basename(m), stripped(m))
    a.add("ringlab", stripped(binary), True)
    for path, file in libraries(binary).items():
        a.add(path, stripped(file), True)
    for name, file in guests.items():
        a.add("guests/" + name, read(file))
    a.add("jobs", jobs.encode())
    a.write(out)
