#!/bin/bash
# exhaust.sh RINGLAB SANITIZED ENGINE... - the kernel with all processes, memory and descriptors taken, twice: it must say no, and have every
# page back at the end; then under random system calls, which it must survive. ENGINE is a backend, or one of pv's interfaces as pv-xen.
set -u
ringlab=$1 sanitized=$2 bad=0
shift 2
want=$(for round in 1 2; do printf 'exhaust %s: ok\n' fork mmap 'fork without memory' open; done; yes 'exhaust the same once more: ok' | head -n 3)
for engine in "$@"; do
	if [ "$sanitized" = 1 ] && [ "${engine#pv}" != "$engine" ]; then
		echo "$engine: skipped: direct execution and sanitizers want the same addresses"
		continue
	fi
	options=(--backend "${engine%%-*}")
	[ "${engine#*-}" = "$engine" ] || options+=(--interface "${engine#*-}")
	out=$(timeout 60 "$ringlab" run "${options[@]}" --mem 16M --append "run=/bin/exhaust verbose" kernel </dev/null 2>&1)
	status=$?
	if [ $status != 0 ] || [ "$(grep '^exhaust ' <<<"$out")" != "$want" ] || ! grep -Eq '^kernel: all [0-9]+ pages are back$' <<<"$out"; then
		printf '%s: status %s\n%s\n' "$engine" "$status" "$out"
		bad=1
	else
		echo "$engine: $(tail -n 1 <<<"$out")"
	fi
	out=$(timeout 60 "$ringlab" run "${options[@]}" --mem 32M --append "run=/bin/fuzzcalls,${SEED:-1},20,1000 verbose" kernel </dev/null 2>&1)
	status=$?
	if [ $status != 0 ] || ! grep -q '^fuzzcalls: 20 of 20 ' <<<"$out" || ! grep -Eq '^kernel: all [0-9]+ pages are back$' <<<"$out"; then
		printf '%s, random calls: status %s\n%s\n' "$engine" "$status" "$out"
		bad=1
	fi
done
exit $bad
