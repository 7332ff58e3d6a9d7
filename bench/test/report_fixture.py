"""report_fixture.py - makes result directories for the tests of `ringlab report`.

The figures are made up and repeat (a fixed seed); names are hostile on purpose. Used by report_page_test.py; by hand:
python3 bench/test/report_fixture.py DIR [rows-per-figure]
"""
import csv
import json
import os
import random
import sys

HOSTILE = '<script>document.title="pwned"</script><img src=x onerror="alert(1)">"\'&amp;'
COLUMNS = ("suite,workload,variant,engine,origin,metric,kind,mechanism,unit,round,rep,value,"
           "calib_before,calib_after,disturbed").split(",")
ENGINES = ["native", "bt", "pv-xen", "pv-trap", "qemu-tcg"]
NANO = ["syscall-int", "in", "cli-sti", "pushf-popf", "cpuid", "page-fault", "pt-update-single", "call-ret", "divzero"]
COMPUTE = ["integer loop", "sieve", "sha256", "quicksort", "fib", "pointer chase", "hash", "matmul"]
KINDS = [("port-in", "callout"), ("page-fault", "host trap"), ("int-flag", "inline"), ("syscall-entry", "callout")]
SVG = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360"><script>parent.document.title="pwned"</script>'
       '<image href="http://192.0.2.1/x.png" width="9" height="9"/><rect width="640" height="360" fill="#fff"/>'
       '<g id="raw" stroke="#0b5a83" fill="none"><path d="M40 320H620M40 320V20"/><path d="M60 300L200 220L340 240L480 90L600 60"/></g>'
       '<text x="60" y="40" font-size="18">%s</text></svg>\n')


def rows_of(rng, speed, rounds, reps):
    for rnd in range(rounds):
        for at, engine in enumerate(ENGINES):
            noisy = rng.random() < 0.2
            before, after = 1000000 + rng.randrange(9000), 1000000 + rng.randrange(9000) + 200000 * noisy
            timed = [before, after, int(noisy)]
            for i, name in enumerate(NANO + [HOSTILE]):
                if engine == "pv-trap" and name == "cpuid":
                    continue
                for rep in range(reps):
                    value = speed * (3 + 17 ** (i % 4)) * (1 + at * at) * rng.lognormvariate(0, .02 + .3 * noisy)
                    yield ["nano", name, "", engine, "measured", "cycles", "", "", "cycles", rnd, rep, "%.1f" % value] + timed
                yield ["nano", name, "", engine, "measured", "first-cycles", "", "", "cycles", rnd, 0, "%.0f" % (value * 40)] + timed
            for i, name in enumerate(COMPUTE):
                value = speed * (.05 + .01 * i) * (1, 1.03, 1.01, 1.02, 4.2)[at] * rng.lognormvariate(0, .01 + .2 * noisy)
                yield ["compute", name, "", engine, "measured", "seconds", "", "", "s", rnd, 0, "%.6f" % value] + timed
                if engine == "bt":
                    yield ["compute", name, "no-chain", engine, "measured", "seconds", "", "", "s", rnd, 0, "%.6f" % (value * 1.9)] + timed
            if rnd == 0 and engine != "native":
                for i, name in enumerate(NANO):
                    for kind, mechanism in KINDS[:1 + (i + at) % 4]:
                        yield ["nano", name, "", engine, "measured", "exits", kind, mechanism, "1/op", 0, 0, "%.3f" % (at * .5), "", "", ""]
    yield ["nano", "pushf-popf", "", "pv-trap", "measured", "hole", "", "", "truth", 0, 0, "1", "", "", ""]
    for name in NANO[:6]:
        yield ["nano", name, "", "vtx", "nested", "exits", "port-in", "VM exit", "1/op", 0, 0, "1", "", "", ""]


def write_csv(path, rows):
    with open(path, "w", newline="") as f:
        w = csv.writer(f, lineterminator="\r\n")
        w.writerow(COLUMNS)
        w.writerows(rows)


def make(path, speed=1.0, rounds=5, reps=4, complete=True, cpu="AMD EPYC 9R14 (Zen 4)", seed=1):
    """Makes one result directory and returns the rows of its raw.csv, each with its line number first."""
    rng = random.Random(seed)
    os.makedirs(path)
    rows = list(rows_of(rng, speed, rounds, reps))
    write_csv(path + "/raw.csv", rows)
    modelled = [["nano", name, gen, "vtx", "modelled", "modelled-cycles", "", "", "cycles/op", 0, 0, str(cost), "", "", ""]
                for name in NANO[:5] for gen, cost in (("Nehalem", 1200), ("Haswell", 850), ("Ice Lake", 640))]
    write_csv(path + "/modelled.csv", modelled)
    env = {"name": os.path.basename(path), "date": {"start": "2026-01-31T12:00:00Z", "end": "2026-01-31T12:40:00Z"}, "commit": "0123abcd",
           "host": "vm", "command": "ringlab bench", "options": {"quick": False, "rounds": rounds, "cpu": 1}, "complete": complete,
           "tasks": {"planned": 120, "done": 120 if complete else 40},
           "missing": [{"suite": "nano", "engine": "vtx", "part": "", "why": "there is no VT-x behind /dev/kvm: <b>kvm_pvm</b> is"},
                       {"suite": "linux", "engine": "bochs", "part": "boot 686", "why": "bochs is not installed"}],
           "tsc_hz": 2.6e9 / speed, "cpu": cpu, "cpus": 2, "microcode": "0xa101148", "kernel": "6.1.0-44-amd64", "kvm_module": "kvm_pvm",
           "huge_pages": "madvise", "mitigations": {"meltdown": "Not affected", "spectre_v2": "Mitigation: Retpolines; " + HOSTILE},
           "packages": {"gcc": "12.2.0-14", "qemu-system-x86": "7.2", "libzydis4.0": "4.0.0" if speed == 1 else "4.0.1"},
           "peers": {"qemu-tcg": "QEMU emulator version 7.2"}, "doctor": {}, "calibration": {"best": 1000000, "median": 1020000,
           "disturbed": 300, "samples": len(rows)}}
    with open(path + "/env.json", "w") as f:
        json.dump(env, f)
    for name in ("exits-per-op", "cost-per-op", "compute"):
        with open(path + "/" + name + ".svg", "w") as f:
            f.write(SVG % name)
    return [[line + 2] + row for line, row in enumerate(rows)]


if __name__ == "__main__":
    make(sys.argv[1], reps=int(sys.argv[2]) if len(sys.argv) > 2 else 4)
