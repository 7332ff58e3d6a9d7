#!/bin/bash
# jobs_test.sh - the job files of docs/running-on-many-machines.md: they are clean shell, GNU parallel's runs here, what it
# measured twice stands side by side in a report, a run that is there is not repeated, and one that was cut off is taken up.
#
# usage: jobs_test.sh RINGLAB SOURCE     exit status 77: skipped, with the reason
set -euo pipefail
RINGLAB=$1 source=$2
export RINGLAB
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
suite=(--rounds 1 --backends "bt,interp" --only cli-sti nano)

if command -v shellcheck >/dev/null; then
	shellcheck "$source"/scripts/jobs/* || fail 'scripts/jobs: shellcheck has something to say'
else
	echo 'SKIPPED: shellcheck is not installed: nobody has read the job files'
fi
if ! command -v parallel >/dev/null; then
	echo 'SKIPPED: GNU parallel is not installed (apt-get install parallel): its job file was not tried'
	exit 77
fi

export RESULTS=$dir/results
for run in a b; do
	RUN=$run "$source/scripts/jobs/bench.parallel" : "${suite[@]}" || fail "bench.parallel ended with status $?"
done
host=$(uname -n)
[[ -f $RESULTS/a-$host/raw.csv && -f $RESULTS/b-$host/env.json ]] || fail "no results: $(ls -R "$RESULTS")"
before=$(stat -c %Y "$RESULTS/a-$host/raw.csv")
said=$(RUN=a "$source/scripts/jobs/bench.parallel" : "${suite[@]}")
[[ $said == *'complete already'* ]] || fail 'a complete run is run again'
[[ $(stat -c %Y "$RESULTS/a-$host/raw.csv") == "$before" ]] || fail 'a complete result was changed'

timeout --signal=INT --kill-after=60 1.5 "$source/scripts/jobs/bench" "$RESULTS" c --rounds 300 --backends bt --only cli-sti nano || true
if [[ -e $RESULTS/c-$host/journal.tsv ]]; then
	said=$(timeout --signal=INT --kill-after=60 1.5 "$source/scripts/jobs/bench" "$RESULTS" c 2>&1 || true)
	[[ $said == *'of which '*' are done'* ]] || fail "what was cut off is not taken up: $said"
else
	echo 'SKIPPED: the run was not cut off within 1.5 s: taking up was not tried'
fi

"$RINGLAB" report -o "$dir/page.html" "$RESULTS"/[ab]-* || fail "report ended with status $?"
for run in a b; do
	grep -q "<strong>$run-$host</strong>" "$dir/page.html" || fail "the page lacks $run-$host"
done
echo 'job files: well'
