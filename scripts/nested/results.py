"""results.py - the results of nested runs: cached by hash, exported as a directory with a manifest.

A result is reused only if binary (with its libraries), guest image, command line, kernel, emulator and EPT setting are the
same by hash. Called by nested-vtx. Read next: README.md, which is the reader's side of the format.
"""
import io
import json
import os
import re
import shutil
import tarfile
import time

import initramfs
from common import Failure, sha256_bytes, sha256_file

FORMAT = 1
KEEP = 1000  # results in the cache; the oldest go first
FILES = ("stats.json", "console", "stderr", "status", "hist")


class Job:
    """One guest to run: its label (a name of guests.cfg, or a file's), its ELF, its command line (None: guests.cfg's),
    and its line of guests.cfg, whose seventh field is a disk image."""

    def __init__(self, label, path, append, cfg=""):
        self.label, self.path, self.append, self.cfg = label, path, append, cfg
        fields = [f.strip() for f in cfg.split("|")]
        self.listed = fields[1] if cfg else ""
        self.disk_place = fields[6] if len(fields) > 6 else ""
        self.disk = path[:-len(self.listed)] + self.disk_place if self.disk_place else None
        self.sha256 = sha256_file(path) + (sha256_file(self.disk) if self.disk else "")

    def inside(self):
        """What the machine's ringlab is given: the name, or the file's place there."""
        return self.label if self.listed else "/guests/" + self.place()

    def place(self):
        """The ELF's path below /guests in the machine."""
        return self.listed or f"{self.sha256[:12]}/{os.path.basename(self.path)}"

    def directory(self):
        """Where the result goes below --out: the label, and the command line where one was given."""
        name = self.label if self.append is None else f"{self.label}:{self.append}"
        return re.sub(r"[^A-Za-z0-9._:=,+-]", "_", name.replace("/", "-"))


class Store:
    """The cache of results for one binary, kernel, emulator and setting."""

    def __init__(self, cache, binary, linux, args, version):
        self.base = os.path.join(cache, "runs")
        self.engine, self.ept, self.version, self.linux = args.engine, int(args.ept), version, linux
        self.timeout, self.mem, self.irqchip = args.timeout, args.mem, (args.kvm_irqchip, args.options)
        self.binary = binary_hash(binary)
        scripts = os.path.dirname(os.path.abspath(__file__))
        inside = [sha256_file(os.path.join(scripts, f)) for f in ("init.sh", "bochsrc.in")]
        self.machine = sha256_bytes("".join(inside).encode())

    def key(self, job):
        parts = (FORMAT, self.binary, self.linux.sha256, self.engine, self.version, self.ept, self.timeout, self.mem, self.irqchip,
                 self.machine, job.sha256, job.append, job.cfg)
        return sha256_bytes(json.dumps(parts).encode())

    def has(self, job):
        return os.path.exists(os.path.join(self.base, self.key(job), "result.json"))

    def save(self, jobs, bundle, module):
        """Unpacks a bundle (a tar of NUMBER/file) into the cache."""
        try:
            tar = tarfile.open(fileobj=io.BytesIO(bundle), mode="r:gz")
            content = {os.path.normpath(m.name): tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}
        except (tarfile.TarError, OSError) as e:
            raise Failure(f"the nested machine's bundle is no archive: {e}") from None
        facts = dict(line.split(" ", 1) for line in content.get("machine", b"").decode().splitlines() if " " in line)
        for n, job in enumerate(jobs):
            self.save_one(job, {f: content[f"{n}/{f}"] for f in FILES if f"{n}/{f}" in content}, module, facts)
        self.prune()

    def prune(self):
        runs = sorted((os.path.join(self.base, d) for d in os.listdir(self.base)), key=os.path.getmtime)
        for old in runs[:-KEEP]:
            remove(old)

    def save_one(self, job, files, module, facts):
        target = os.path.join(self.base, self.key(job))
        remove(target)
        os.makedirs(target)
        for name, data in files.items():
            with open(os.path.join(target, name), "wb") as f:
                f.write(data)
        status = int(files.get("status", b"-1").strip() or b"-1")
        result = {
            "guest": job.label, "append": job.append, "guest_sha256": job.sha256, "binary_sha256": self.binary,
            "kernel": self.linux.release, "kernel_sha256": self.linux.sha256, "engine": module, "emulator": self.engine,
            "emulator_version": self.version, "ept": self.ept, "mem": self.mem, "kvm_irqchip": self.irqchip,
            "status": status, "module_parameters": facts,
            "exit_reasons": histogram(files.get("hist", b"").decode("utf-8", "replace")),
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        write_json(os.path.join(target, "result.json"), result)  # last: it is what marks the entry as whole

    def export(self, jobs, out):
        """Copies the jobs' results to out, writes out/manifest.json, and returns sentences on what went wrong."""
        os.makedirs(out, exist_ok=True)
        bad, rows = [], []
        for job in jobs:
            source, target = os.path.join(self.base, self.key(job)), os.path.join(out, job.directory())
            remove(target)
            shutil.copytree(source, target)
            with open(os.path.join(target, "result.json")) as f:
                row = json.load(f)
            rows.append({"guest": job.label, "append": job.append, "directory": job.directory(), "status": row["status"],
                         "guest_sha256": job.sha256, "date": row["date"]})
            if not os.path.exists(os.path.join(target, "stats.json")):
                bad.append(f"{job.label}: no statistics came back (status {row['status']}): {first_line(target, 'stderr')}")
        write_json(os.path.join(out, "manifest.json"), {
            "format": FORMAT, "binary_sha256": self.binary, "kernel": self.linux.release, "kernel_sha256": self.linux.sha256,
            "emulator": self.engine, "emulator_version": self.version, "ept": self.ept, "mem": self.mem,
            "kvm_irqchip": self.irqchip, "engine": row["engine"], "runs": rows,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
        return bad


def binary_hash(binary):
    """One hash over the binary and every shared library that it is run with."""
    if not os.path.exists(binary):
        raise Failure(f"{binary}: no such file; build ringlab first")
    parts = [sha256_file(binary)]
    parts += [f"{path} {sha256_file(file)}" for path, file in sorted(initramfs.libraries(binary).items())]
    return sha256_bytes("\n".join(parts).encode())


def histogram(text):
    """{exit reason name or number: count} from tracefs's hist file."""
    found = re.findall(r"\{ exit_reason:\s*([^}]*?)\s*\} hitcount:\s*(\d+)", text)
    return {reason: int(count) for reason, count in found}


def first_line(directory, name):
    try:
        with open(os.path.join(directory, name), errors="replace") as f:
            return f.readline().strip() or "it said nothing"
    except OSError:
        return "it said nothing"


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=1, sort_keys=True)
        f.write("\n")


def remove_old(base, prefix):
    """Working directories of boots that failed, or were kept, more than a day ago."""
    for name in os.listdir(base):
        path = os.path.join(base, name)
        if name.startswith(prefix) and os.path.getmtime(path) < time.time() - 86400:
            remove(path)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
