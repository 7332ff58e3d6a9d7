#!/usr/bin/env python3
"""perfetto_test.py - `run --trace FILE` against Perfetto's schema: protoc decodes it with perfetto.proto and knows every field; each slice
begins and ends on a track that has a name, and there are as many as --stats counted; the file keeps to its size.

usage: perfetto_test.py RINGLAB     exit status 77: skipped, with the reason
"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

UNTIMED = ("kick", "irq-window")  # counted, but no event of the guest's: a trace has never had them

def fail(text):
    sys.exit("FAILED: " + text)


def decode(path):
    """The packets, each a list of (name, value) in order of appearance, without their nesting."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(path, "rb") as f:
        p = subprocess.run(["protoc", "--proto_path=" + here, "--decode=perfetto.protos.Trace", "perfetto.proto"], stdin=f,
                           capture_output=True, text=True)
    if p.returncode:
        fail("protoc cannot decode it: " + p.stderr)
    unknown = re.search(r"^ *[0-9]+[:{ ].*", p.stdout, re.M)
    if unknown:
        fail("a field that the schema does not have: " + unknown.group())
    return [re.findall(r"^ +(\w+)(?:: (.*)| \{)$", part, re.M) for part in p.stdout.split("\npacket {")]


def check(packets):
    tracks, names, slices, open_slices, dropped = {}, {}, collections.Counter(), collections.Counter(), 0
    for packet in packets:
        fields = dict(packet)
        if "track_descriptor" in fields:
            tracks[fields["uuid"]] = fields.get("name", fields.get("process_name"))
        elif "event_names" in fields:
            names[fields["iid"]] = fields["name"]
        elif "track_event" in fields:
            if fields["track_uuid"] not in tracks or "timestamp" not in fields:
                fail("an event without a track or a time: %s" % packet)
            if fields["type"] == "TYPE_SLICE_BEGIN":
                name = [v for k, v in packet[:packet.index(("track_uuid", fields["track_uuid"]))] if k == "name_iid"][-1]
                if names[name] != tracks[fields["track_uuid"]]:
                    fail("a slice on the track of another kind: %s" % packet)
                slices[names[name].strip('"')] += 1
            if fields["type"].startswith("TYPE_SLICE"):
                open_slices[fields["track_uuid"]] += 1 if fields["type"] == "TYPE_SLICE_BEGIN" else -1
            if fields["type"] == "TYPE_INSTANT":
                dropped = int(fields["uint_value"])
    if any(open_slices.values()):
        fail("slices that do not end")
    return slices, dropped


def counts(path):
    counted = collections.Counter()
    with open(path) as f:
        for e in json.load(f)["events"]:
            if e["kind"] not in UNTIMED:
                counted[e["kind"]] += e["count"]
    return +counted


def main(ringlab):
    if not shutil.which("protoc"):
        print("SKIPPED: protoc is not installed (apt-get install protobuf-compiler): the trace was not decoded")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="ringlab-perfetto-") as d:
        run = [ringlab, "run", "--backend", "interp", "--append", "n=50", "--trace", d + "/t.pftrace", "--stats", d + "/stats"]
        subprocess.run(run + ["nano"], check=True, stdout=subprocess.DEVNULL, timeout=120)
        slices, dropped = check(decode(d + "/t.pftrace"))
        if dropped or slices != counts(d + "/stats"):
            fail("the trace has %s, and --stats counted %s" % (slices, counts(d + "/stats")))
        subprocess.run(run + ["--trace-size", "100K", "nano"], check=True, stdout=subprocess.DEVNULL, timeout=120)
        some, dropped = check(decode(d + "/t.pftrace"))
        size, all_events = os.path.getsize(d + "/t.pftrace"), sum(counts(d + "/stats").values())
        if size > 100 << 10 or not dropped or sum(some.values()) + dropped != all_events:
            fail("a bounded trace of %d bytes has %d events and dropped %d of %d" % (size, sum(some.values()), dropped, all_events))
    print("trace: %d events, all decoded" % sum(slices.values()))


main(sys.argv[1])
