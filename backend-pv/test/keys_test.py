"""keys_test.py - --user-isolation keys, in a machine that has protection keys: QEMU's, for the hardware here has none.

Guests run as they do elsewhere, and hostile ones get nowhere: user mode does not reach the guest kernel, no page's WRPKRU or
XRSTOR works, and 64-bit code that guest code jumps to reads no byte of VMM memory and makes no system call.
Run by ctest (label nested); the machine's results are cached by scripts/nested-keys.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

SKIP = 77
RUN = "run --backend pv --user-isolation keys --timeout 40"
# A guest's own crash; a kill by the jail or by the host for want of rights. Nothing else may end a hostile guest.
CRASH, JAIL, HOST = 220, 224, 222

CASES = [
    # (options and guest, exit statuses, what the output must hold, what it must not)
    ("--interface xen /guests/hello-xen.elf", (0,), ["hello from a xen guest"], []),
    ("--interface trap /guests/hello.elf", (0,), ["hello from a native guest"], []),
    ("--append n=20 /guests/nano-xen.elf", (0,), ["NANO end"], ["HOLE"]),
    ("/guests/hostile/wrpkru-xen.elf", (CRASH,), ["user-wrpkru: #UD", "user-xrstor: #UD", "user-xsave: no fault", "user-hidden-wrpkru: #UD",
                                                  "ATTACK wrpkru: #UD", "ATTACK xrstor: #UD"], []),
    ("/guests/hostile/user-reaches-kernel-xen.elf", (CRASH,), ["ATTACK over"], ["escaped"]),
    ("--interface trap /guests/hostile/user-reaches-kernel.elf", (CRASH,), ["ATTACK over"], ["escaped"]),
    ("/guests/hostile/code64-read-xen.elf", (CRASH, JAIL), [], []),
    ("--append deref=rsp /guests/hostile/code64-read-xen.elf", (CRASH, JAIL), [], []),
    ("--append deref=r15 /guests/hostile/code64-read-xen.elf", (CRASH, JAIL), ["64-bit code segment and faulted there"], []),
    ("--append deref=fs /guests/hostile/code64-read-xen.elf", (CRASH, JAIL), [], []),
    ("--append nr=2 /guests/hostile/code64-xen.elf", (JAIL,), ["killed by the jail"], []),
    ("--append nr=15 /guests/hostile/code64-user-xen.elf", (JAIL,), ["killed by the jail"], []),
    ("--append offset=20 /guests/hostile/xen-trampoline-xen.elf", (CRASH, JAIL, HOST), [], []),
    ("/guests/hostile/write-code-xen.elf", (CRASH,), ["ATTACK over"], ["escaped"]),
]


def check(command, statuses, must, must_not, result):
    if result is None:
        return f"{command}: no result"
    text = "\n".join(result["output"])
    if result["status"] not in statuses:
        return f"{command}: status {result['status']}, expected {statuses}\n{text}"
    if result["files"]:
        return f"{command}: left {result['files']} files behind"
    missing = [m for m in must if m not in text]
    there = [m for m in must_not if m in text]
    return f"{command}: missing {missing}, unexpected {there}\n{text}" if missing or there else None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--source", required=True)
    p.add_argument("--build", required=True)
    p.add_argument("--sanitized", type=int, default=0)
    args = p.parse_args()
    if args.sanitized:
        print("SKIPPED: only the release build is taken into the nested machine; pv's direct execution cannot run under AddressSanitizer")
        return SKIP
    commands = [f"{RUN} {c[0]}" for c in CASES]
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "results.json")
        done = subprocess.run([os.path.join(args.source, "scripts", "nested-keys"), "--build", args.build, "--json", out, *commands],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode == 2:
            print(f"SKIPPED: {done.stderr.strip().splitlines()[-1]}")
            return SKIP
        with open(out) as f:
            found = json.load(f)
    bad = [b for b in (check(k, *c[1:], found.get(k)) for k, c in zip(commands, CASES)) if b]
    print("\n".join(bad) if bad else f"{len(CASES)} runs as they must be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
