#!/bin/bash
# nested.sh SOURCE BUILD WORK - guests/kernel's programs on vtx, in the nested machine with real VMX semantics: the same text.
#
# One boot of the nested machine for both, two to four minutes. Exit status 77: not run, and why.
set -u
source=$1 build=$2 out=$3/nested
here=$(cd "$(dirname "$0")" && pwd)

command -v bochs >/dev/null || { echo "SKIPPED bochs is not installed (scripts/compare names the packages)"; exit 77; }
[ "${4:-0}" = 0 ] || { echo "SKIPPED only the release build is taken into the nested machine"; exit 77; }
rm -rf "$out"
"$source/scripts/nested-vtx" --build "$build" --out "$out" --timeout 150 --wall 840 kernel:stress kernel:run=/bin/sh,/etc/session </dev/null

bad=0 n=0
for name in stress session; do
	want=0
	[ $name = session ] && want=5
	dir=$(ls -d "$out"/*"$name"* 2>/dev/null | head -n 1)
	n=$((n + 1))
	if [ -z "$dir" ] || [ "$(cat "$dir/status")" != $want ]; then
		echo "$name: status $(cat "$dir/status" 2>/dev/null || echo unknown) instead of $want; see $out"
		bad=1
	fi
	tr -d '\r' < "$dir/console" | diff "$here/$name.expected" - || bad=1
done
[ $bad = 0 ] && echo "$n sessions print the same on vtx (nested)"
exit $bad
