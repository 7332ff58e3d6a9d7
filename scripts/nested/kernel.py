"""kernel.py - Debian's cloud kernel for the nested machine: fetched with apt-get download, unpacked, never installed.

The metapackage linux-image-cloud-amd64 names the current kernel. Needs no root: where the system has no package lists, a
private set of lists in the cache directory is used. Called by nested-vtx. Read next: initramfs.py.
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile

from common import Failure, sha256_file

META = "linux-image-cloud-amd64"
MODULES = ("virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-intel.ko", "arch/x86/kvm/kvm-amd.ko")


class Kernel:
    """An unpacked kernel package: image, modules (paths), version and hash."""

    def __init__(self, root, modules=MODULES):
        images = glob.glob(os.path.join(root, "boot", "vmlinuz-*"))
        if len(images) != 1:
            raise Failure(f"{root}: {len(images)} kernel images instead of one; remove that directory and run again")
        self.image = images[0]
        self.release = os.path.basename(self.image)[len("vmlinuz-"):]
        base = os.path.join(root, "lib", "modules", self.release, "kernel")
        self.modules = [os.path.join(base, m) for m in modules]
        for m in self.modules:
            if not os.path.exists(m):
                raise Failure(f"{m}: the kernel package has no such module; remove {root} and run again")
        self.sha256 = sha256_file(self.image)


def apt(options, *args, cwd=None):
    return subprocess.run([*args[:1], *options, *args[1:]], cwd=cwd, capture_output=True, text=True)


def resolve(options):
    """The package that META depends on, or None when the lists do not know it."""
    out = apt(options, "apt-cache", "depends", META).stdout
    found = re.search(r"Depends: (linux-image-[0-9]\S*-cloud-amd64)", out)
    return found.group(1) if found else None


def private_lists(cache):
    """Options that give apt lists of its own under cache, freshly updated."""
    lists = os.path.join(cache, "apt", "lists")
    os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
    options = [f"-oDir::State::Lists={lists}", f"-oDir::Cache={os.path.join(cache, 'apt')}"]
    done = apt(options, "apt-get", "-q", "update")
    if done.returncode:
        raise Failure(f"apt-get update for the nested machine's kernel failed: {last_line(done.stderr)}")
    return options


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"


def unpacked(cache):
    """Kernels unpacked earlier, newest first."""
    return sorted(glob.glob(os.path.join(cache, "kernel", "linux-image-*")), key=os.path.getmtime, reverse=True)


def fetch(cache, progress):
    """The current cloud kernel, downloaded if the cache lacks it. Raises Failure with a sentence."""
    if shutil.which("apt-cache") is None:
        raise Failure("apt-cache is missing: the nested machine takes its kernel from Debian's packages")
    options = []
    name = resolve(options)
    old = unpacked(cache)
    if name is None and old:
        return Kernel(old[0])
    if name is None:
        progress("no package lists on this system: fetching lists of our own")
        options = private_lists(cache)
        name = resolve(options)
        if name is None:
            raise Failure(f"apt knows no {META}: add Debian's main archive for amd64 to the apt sources")
    root = os.path.join(cache, "kernel", name)
    if os.path.isdir(root):
        return Kernel(root)
    progress(f"fetching {name} (27 MB)")
    try:
        return Kernel(download(cache, name, options, root))
    except Failure:
        if not old:
            raise
        progress(f"{name} could not be fetched: using {os.path.basename(old[0])}")
        return Kernel(old[0])


def download(cache, name, options, root):
    os.makedirs(os.path.dirname(root), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as tmp:
        done = apt(options, "apt-get", "download", name, cwd=tmp)
        debs = glob.glob(os.path.join(tmp, "*.deb"))
        if done.returncode or not debs:
            raise Failure(f"apt-get download {name} failed: {last_line(done.stderr)}; run apt-get update and try again")
        part = os.path.join(tmp, "root")
        done = subprocess.run(["dpkg", "-x", debs[0], part], capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"dpkg -x {os.path.basename(debs[0])} failed: {last_line(done.stderr)}")
        os.rename(part, root)  # whole or not at all
    return root
