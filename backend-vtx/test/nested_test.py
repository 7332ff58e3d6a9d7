"""nested_test.py - every guest on vtx, on real VMX semantics: one boot of the nested machine, then the checks.

1. Each guest ends as guests.cfg says.
2. Three counts of the same exits agree: ours, KVM's binary statistics, and the kvm_exit histogram that init.sh took.
3. What docs/exits.md demands of column vtx holds: what always leaves the guest is counted exactly as often as the guest did
   it (its own ground truth), what never leaves a guest under EPT is counted as 0.
4. Console, registers and memory at the end are those of the interpreter, against which core's test `engines` holds bt.
Run by ctest (label nested). Read next: scripts/nested/README.md.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

SKIP = 77
NANO = "n=20 det"
# Exits that the host's clock causes, not the guest: 1 external interrupt, 52 preemption timer (forced immediate exits).
HOST_CLOCK = {"1", "52"}
# String I/O: one exit and many elements, or none (a count of 0, a fault). KVM's emulator reads a port ahead up to the end of
# the page: what a fault then throws away is read again, and counted again, so INS has no exact count here.
STRING_IO = ("insn/ins", "insn/outs")
# In Bochs an external interrupt does not leave a guest that runs with IF=0, so nothing could end this one.
LEFT_OUT = {"hostile/loop-masked": "it spins with interrupts off, and Bochs has no exit for the host's timer then"}
NOT_EXACT = {("insn/ins", "port-in"): "KVM reads ahead of a page fault in REP INS, and reads those elements twice"}
# What a guest says and leaves behind that KVM decides.
NOT_ALIKE = {"insn/debug-registers": "KVM executes OUT in the CPU's place, and looks at no I/O breakpoint"}


class Checks:
    def __init__(self):
        self.bad, self.good = [], 0

    def equal(self, guest, what, got, want):
        if got == want:
            self.good += 1
        else:
            self.bad.append(f"{guest}: {what}: {got} instead of {want}")


def guests(build):
    """[(name, expected end)] of the guests that run alike everywhere."""
    out = []
    with open(os.path.join(build, "guests", "guests.cfg")) as f:
        for line in f:
            field = [x.strip() for x in line.split("|")]
            if len(field) < 6 or line.startswith("#") or field[1] == "-":
                continue
            if field[0] in LEFT_OUT:
                print(f"left out: {field[0]}: {LEFT_OUT[field[0]]}")
            elif field[0] in ("hello", "nano") or field[0].startswith(("insn/", "hostile/")):
                out.append((field[0], field[4]))
    return out


def total(stats, kind, handled_by=None):
    return sum(e["count"] for e in stats["events"] if e["kind"] == kind and handled_by in (None, e["handled_by"]))


def check_end(c, name, expect, stats):
    word = expect.split()
    c.equal(name, "how it ended", stats["end"], {"exit": "exit", "crash": "crash", "timeout": "timeout"}[word[0]])
    if word[0] == "exit":
        c.equal(name, "status", stats["status"], int(word[1]))


def check_counters(c, name, stats, histogram):
    notes = stats["notes"]
    ours = {k[len("exit_reason."):]: v for k, v in notes.items() if k.startswith("exit_reason.")}
    all_exits, dropped = ours.pop("total"), ours.pop("dropped")
    c.equal(name, "entries that the histogram dropped", dropped, 0)
    c.equal(name, "exits of our histogram, against KVM's statistic", all_exits, notes["kvm.exits"])
    c.equal(name, "exits by reason, against init's histogram", strip(ours), strip(histogram))
    if not name.startswith("hostile/"):  # those make KVM emulate what no honest guest does: one exit, many events
        check_reasons(c, name, stats, ours)


def check_reasons(c, name, stats, ours):
    notes = stats["notes"]
    if name not in STRING_IO:
        ports = total(stats, "port-in") + total(stats, "port-out")
        c.equal(name, "I/O exits (30), against port events", ours.get("30", 0), ports)
        c.equal(name, "KVM's io_exits, against port events", notes["kvm.io_exits"], ports)
    c.equal(name, "KVM's mmio_exits, against MMIO events", notes["kvm.mmio_exits"], total(stats, "mmio"))
    c.equal(name, "EPT violations (48), against KVM's pf_taken", ours.get("48", 0), notes["kvm.pf_taken"])
    c.equal(name, "HLT exits (12), against HLT events", ours.get("12", 0), total(stats, "hlt"))
    c.equal(name, "CPUID exits (10), against CPUID events", ours.get("10", 0), total(stats, "cpuid"))
    # A window that opens while a signal is pending is seen as a kick, so 7 is not exact; 30 and 12 are checked above.
    alone = sum(e["count"] for e in stats["events"] if e["handled_by"] == "kvm"
                and str(e["hw_reason"]["number"]) not in HOST_CLOCK | {"7", "30"})
    ours_only = total(stats, "mmio", "vmm") + total(stats, "msr-read", "vmm") + total(stats, "msr-write", "vmm")
    c.equal(name, "exits that KVM handled alone", alone,
            sum(n for r, n in ours.items() if r not in HOST_CLOCK | {"7", "12", "30"}) - ours_only)


def strip(histogram):
    return {r: n for r, n in sorted(histogram.items()) if r not in HOST_CLOCK}


def demands(source):
    """{kind: "exact" | "never"}: column vtx of the table "Counts against truth" in docs/exits.md."""
    out, column, inside = {}, None, False
    with open(os.path.join(source, "docs", "exits.md")) as f:
        for line in f:
            if line.startswith("#"):
                inside = "Counts against truth" in line
            if not inside or not line.startswith("|"):
                continue
            field = [x.strip(" `") for x in line.strip().strip("|").split("|")]
            if field[0] == "kind":
                column = field.index("vtx")
            elif column and field[column] in ("exact", "never"):
                out[field[0]] = field[column]
    return out


def check_truth(c, name, stats, demanded):
    truth = stats["truth"] or {}
    for kind, word in demanded.items():
        if word == "never":
            c.equal(name, f"{kind}, which never leaves the guest", total(stats, kind), 0)
        elif (name, kind) in NOT_EXACT:
            print(f"not compared: {kind} of {name}: {NOT_EXACT[name, kind]}")
        elif kind in truth:
            c.equal(name, f"{kind}, against the guest's own count", total(stats, kind), truth[kind])


def run_here(ringlab, backend, name, append, tmp):
    stats = os.path.join(tmp, "stats")
    command = [ringlab, "run", "--backend", backend, "--timeout", "60", "--stats", stats]
    command += ["--append", append] if append else []
    subprocess.run(command + [name], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    with open(stats) as f:
        return json.load(f)


def check_same(c, name, stats, other, backend):
    keys = ["end", "status", "image_sha256"]
    if name in NOT_ALIKE:
        print(f"not compared: console and memory of {name}: {NOT_ALIKE[name]}")
    else:
        keys += ["console_sha256", "memory_sha256"]
    for key in keys:
        c.equal(name, f"{key}, against {backend}", stats[key], other.get(key))
    for register, value in stats["registers"].items():
        c.equal(name, f"register {register}, against {backend}", value, other.get("registers", {}).get(register))


def skip(why):
    print(f"SKIPPED vtx-nested: {why}")
    sys.exit(SKIP)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--source", required=True)
    p.add_argument("--build", required=True)
    p.add_argument("--type", default="")
    p.add_argument("--sanitized", default="0")
    p.add_argument("--hostile", default="0")
    a = p.parse_args()
    if a.sanitized != "0" or a.hostile != "0":
        skip("only the release build is taken into the nested machine; a sanitizer's build would take minutes there")
    ringlab = os.path.join(a.build, "ringlab")
    names = guests(a.build)
    words = [f"nano:{NANO}" if n == "nano" else n for n, _ in names]
    c, demanded = Checks(), demands(a.source)
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "out")
        subprocess.run([os.path.join(a.source, "scripts", "nested-vtx"), "--build", a.build, "--out", out, "--timeout", "12",
                        "--wall", "840", *words], stdin=subprocess.DEVNULL, check=False)
        if not os.path.exists(os.path.join(out, "manifest.json")):
            print("the nested machine brought back nothing; its message is above")
            return 1
        with open(os.path.join(out, "manifest.json")) as f:
            runs = json.load(f)["runs"]
        for (name, expect), run in zip(names, runs):
            check_one(c, ringlab, name, expect, os.path.join(out, run["directory"]), tmp, demanded)
    for line in c.bad:
        print(line)
    print(f"{len(names)} guests: {c.good} checks hold, {len(c.bad)} do not")
    return 1 if c.bad or len(names) < 40 else 0


def check_one(c, ringlab, name, expect, directory, tmp, demanded):
    try:
        with open(os.path.join(directory, "stats.json")) as f:
            stats = json.load(f)
    except (OSError, ValueError):
        c.bad.append(f"{name}: no statistics came back from the nested machine")
        return
    with open(os.path.join(directory, "result.json")) as f:
        result = json.load(f)
    c.equal(name, "engine", stats["engine"], "kvm_intel")
    c.equal(name, "origin", stats["origin"], "nested")
    check_end(c, name, expect, stats)
    check_counters(c, name, stats, result["exit_reasons"])
    if name.startswith("hostile/"):
        return
    check_truth(c, name, stats, demanded)
    check_same(c, name, stats, run_here(ringlab, "interp", name, NANO if name == "nano" else None, tmp), "the interpreter")


if __name__ == "__main__":
    sys.exit(main())
