"""machine.py - boots the nested machine and brings its bundle back: Bochs with VMX, or QEMU with emulated SVM.

COM1 is the console, whose @@ lines are the machine's progress; COM2 carries the results, as a tar with its length and
SHA-256. The exit status of an emulator says nothing (Bochs leaves with 1 at power-off): only the @@ lines count.
Called by nested-vtx. Read next: init.sh, which is the other side of both serial lines.
"""
import ctypes
import os
import pty
import re
import shutil
import signal
import subprocess
import threading
import time

from common import Failure, sha256_bytes

HERE = os.path.dirname(os.path.abspath(__file__))
BOCHS_MODEL = "corei7_haswell_4770"
BOCHS_FILES = {
    "/usr/share/bochs/BIOS-bochs-latest": "bochsbios",
    "/usr/share/vgabios/vgabios.bin": "vgabios",
    "/usr/lib/ISOLINUX/isolinux.bin": "isolinux",
    "/usr/lib/syslinux/modules/bios/ldlinux.c32": "syslinux-common",
    "/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so": "bochs-term",
}
BOCHS_PROGRAMS = {"bochs": "bochs", "xorriso": "xorriso"}
QEMU_PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86"}
COMMON_PROGRAMS = {"busybox": "busybox-static", "strip": "binutils", "ldd": "libc-bin", "dpkg": "dpkg"}
KERNEL_ARGS = ("console=ttyS0,115200 nokaslr mitigations=off panic=-1 no_timer_check lpj=100000 loglevel=4 "
               "cryptomgr.notests random.trust_cpu=on audit=0 nmi_watchdog=0")


def missing_packages(engine):
    """Debian packages that this engine needs and that are not installed."""
    programs = {**COMMON_PROGRAMS, **(BOCHS_PROGRAMS if engine == "bochs" else QEMU_PROGRAMS)}
    files = BOCHS_FILES if engine == "bochs" else {}
    return sorted({p for c, p in programs.items() if shutil.which(c) is None}
                  | {p for f, p in files.items() if not os.path.exists(f)})


def emulator_version(engine):
    if engine == "bochs":
        out = subprocess.run(["bochs", "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        found = re.search(r"Bochs x86 Emulator (\S+)", out.stdout + out.stderr)
    else:
        out = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True)
        found = re.search(r"version (\S+)", out.stdout)
    return found.group(1) if found else "unknown"


class Machine:
    """One boot. work: a directory of its own; progress: a function of a sentence; jobs: names by job number."""

    def __init__(self, engine, kernel, initramfs, ept, work, progress, jobs):
        self.engine, self.kernel, self.initramfs, self.ept = engine, kernel, initramfs, ept
        self.work, self.progress, self.jobs = work, progress, jobs
        self.console = os.path.join(work, "console.log")
        self.serial = os.path.join(work, "bundle.raw")
        self.start = 0.0
        self.ended = False
        self.ready = None  # the module that init loaded, once it said so
        self.times = []    # (seconds since the start, @@ line)
        self.problem = None

    def run(self, seconds):
        """Boots, waits for the end, returns (bundle bytes, module). Raises Failure."""
        for f in (self.console, self.serial):
            open(f, "wb").close()
        command, env = self.bochs() if self.engine == "bochs" else self.qemu()
        self.start = time.monotonic()
        master, slave = pty.openpty()  # Bochs's term display wants a terminal
        child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
                                 preexec_fn=die_with_parent)
        os.close(slave)
        screen = threading.Thread(target=drain, args=(master, os.path.join(self.work, "screen.log")), daemon=True)
        screen.start()
        try:
            self.watch(child, seconds)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            screen.join(1)
            os.close(master)
        return self.bundle(seconds), self.ready

    def bochs(self):
        iso = os.path.join(self.work, "nested.iso")
        self.make_iso(iso)
        config, go = os.path.join(self.work, "bochsrc"), os.path.join(self.work, "go")
        with open(os.path.join(HERE, "bochsrc.in")) as f:
            text = f.read()
        for name, value in (("MODEL", BOCHS_MODEL), ("ISO", iso), ("CONSOLE", self.console), ("BUNDLE", self.serial),
                            ("LOG", os.path.join(self.work, "bochs.log"))):
            text = text.replace(f"@{name}@", value)
        write(config, text)
        write(go, "c\n")  # Debian's Bochs has its debugger built in, and starts in it
        return ["bochs", "-q", "-f", config, "-rc", go], {**os.environ, "TERM": "vt100"}

    def kernel_args(self):
        return f"{KERNEL_ARGS} ringlab.ept={self.ept}"

    def make_iso(self, iso):
        tree = os.path.join(self.work, "iso")
        os.makedirs(os.path.join(tree, "isolinux"), exist_ok=True)
        files = (("/usr/lib/ISOLINUX/isolinux.bin", "isolinux.bin"),
                 ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "ldlinux.c32"),
                 (self.kernel.image, "linux"), (self.initramfs, "initrd"))
        for source, name in files:
            shutil.copyfile(source, os.path.join(tree, "isolinux", name))
        write(os.path.join(tree, "isolinux", "isolinux.cfg"),
              f"DEFAULT l\nPROMPT 0\nLABEL l\n KERNEL linux\n INITRD initrd\n APPEND {self.kernel_args()}\n")
        done = subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", iso, "-b", "isolinux/isolinux.bin", "-c",
                               "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree],
                              capture_output=True, text=True)
        shutil.rmtree(tree)
        if done.returncode:
            raise Failure(f"xorriso could not write {iso}: {done.stderr.strip()}")

    def qemu(self):
        return ["qemu-system-x86_64", "-accel", "tcg", "-M", "pc", "-cpu", "max", "-m", "512", "-display", "none", "-no-reboot",
                "-net", "none", "-monitor", "none", "-serial", f"file:{self.console}", "-serial", f"file:{self.serial}",
                "-kernel", self.kernel.image, "-initrd", self.initramfs, "-append", self.kernel_args()], dict(os.environ)

    def watch(self, child, seconds):
        """Reads the console as it grows, until the emulator ends or time is up."""
        pending, said = b"", 0.0
        with open(self.console, "rb") as f:
            while True:
                over = child.poll() is not None
                pending += f.read()
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    self.line(line.decode("utf-8", "replace").strip())
                age = time.monotonic() - self.start
                if over:
                    return
                if self.ended:
                    self.power_off(child)
                    return
                if age > seconds:
                    self.problem = f"it did not end within {seconds} s"
                    return
                if age - said >= 10 and not self.times:
                    said = age
                    self.progress(f"booting the nested machine: {age:.0f} s (usually 40 to 70)")
                time.sleep(0.05)

    @staticmethod
    def power_off(child):
        """Lets the emulator end by itself, so that what it still holds for its serial files is written."""
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            pass  # the caller kills it

    def line(self, text):
        if not text.startswith("@@ "):
            return
        age = time.monotonic() - self.start
        self.times.append((age, text))
        words = text.split()
        if words[1] == "ready":
            self.ready = words[2]
            self.progress(f"nested machine up after {age:.0f} s, {self.ready} loaded")
        elif words[1] == "fail":
            self.problem = " ".join(words[2:])
        elif words[1] == "job":
            self.progress(f"guest {int(words[2]) + 1} of {len(self.jobs)}: {self.jobs[int(words[2])]} ({age:.0f} s)")
        elif words[1] == "done":
            self.ended = True

    def bundle(self, seconds):
        with open(self.serial, "rb") as f:
            raw = f.read()
        head = re.search(rb"@@ bundle (\d+) ([0-9a-f]{64})\r?\n", raw)
        if self.problem or not head:
            raise Failure(f"the nested machine ({self.engine}) brought no results: {self.problem or 'it ended early'}; "
                          f"{self.last_sign()}; its console is in {self.console}")
        data = raw[head.end():head.end() + int(head.group(1))]
        if sha256_bytes(data) != head.group(2).decode():
            raise Failure(f"the results were damaged on the nested machine's serial line ({len(data)} bytes of "
                          f"{int(head.group(1))}, wrong SHA-256): run again")
        return data

    def last_sign(self):
        """The last that was heard of it, for people: a guest that hung is named."""
        if not self.times:
            return "its console shows no sign of life"
        age, text = self.times[-1]
        words = text.split()
        if words[1] == "job":
            return f"guest {self.jobs[int(words[2])]} was running since {age:.0f} s: leave it out to get the others' results"
        return f"its last sign, after {age:.0f} s, was: {text[3:]}"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def die_with_parent():
    """In the emulator's process: no machine outlives the script that started it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def drain(fd, path):
    with open(path, "wb") as out:
        while True:
            try:
                data = os.read(fd, 4096)
            except OSError:
                return
            if not data:
                return
            out.write(data)
