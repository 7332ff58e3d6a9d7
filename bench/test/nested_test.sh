#!/bin/bash
# nested_test.sh RINGLAB SOURCE CHECKED - `ringlab bench --nested`: counts of the nested machine, what is modelled of them, and their schema.
#
# Two boots of the nested machine, with EPT and without, a minute each. Exit status 77: not run, and why.
set -u
ringlab=$1 source=$2

command -v bochs >/dev/null || { echo "SKIPPED bochs is not installed (scripts/compare names the packages)"; exit 77; }
[ "${3:-0}" = 0 ] || { echo "SKIPPED only the release build is taken into the nested machine"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
"$ringlab" bench nano --backends vtx --nested --only cpuid,cr3-write,page-fault --out r </dev/null >log 2>&1 ||
	{ echo "bench --nested: status $?"; cat log; exit 1; }

bad=0
row() { # file, row's beginning
	grep -qF -- "$2" "r/$1" || { echo "$1 has no row $2"; bad=1; }
}
row raw.csv 'nano,cpuid,,vtx,nested,exits,cpuid,VM exit,1/op,0,0,1,,,'
row raw.csv 'nano,cpuid,ept=0,vtx,nested,hw-exits,reason:CPUID,VM exit,1/op,0,0,1,,,'
row raw.csv 'nano,cr3-write,,vtx,nested,exits-total,,,1/op,0,0,0,,,'
row raw.csv 'nano,cr3-write,ept=0,vtx,nested,exits-total,,,1/op,0,0,1,,,'
row raw.csv 'nano,page-fault,,vtx,nested,exits-total,,,1/op,0,0,0,,,'
row raw.csv 'nano,page-fault,ept=0,vtx,nested,hw-exits,reason:exception or NMI,VM exit,1/op,0,0,2,,,' # the fault, and the shadow's fill
row modelled.csv 'nano,cpuid,nehalem,vtx,modelled,modelled-cycles,,,cycles/op,0,0,950,,,'
row modelled.csv 'nano,page-fault,merom,vtx,modelled,modelled-cycles,,,cycles/op,0,0,5043,,,'
[ -s r/modelled.svg ] || { echo 'modelled.svg was not drawn'; bad=1; }
"$source/scripts/check-results" r || bad=1
[ $bad = 0 ] && echo 'counts, and what is modelled of them, are as they should be'
exit $bad
