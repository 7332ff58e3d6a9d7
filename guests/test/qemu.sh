#!/bin/bash
# qemu.sh DIR - runs hello, nano and every insn guest of DIR/guests.cfg under QEMU's TCG, and checks what they print.
#
# It is the oracle that the guests are right: QEMU's devices and instruction semantics are not ours. `model=any` leaves
# out what only our CPU model promises and what TCG does not check (segment limits). Exit status 77: not run, and why.
# RINGLAB_BUILD=-previrt: the pre-virtualized builds, which nobody has patched here.
set -u
build=${RINGLAB_BUILD:-}
dir=${1:?usage: qemu.sh DIR}

if [ "${2:-}" != "" ]; then # one guest, called below: DIR NAME
	name=$2 args=model=any image=$2 cpu=qemu32
	case $name in
	nano) args=n=200 ;;
	space/*) args="mode=${name#space/}" image=space/storm cpu=max ;; # a CPU that has NX
	esac
	out=$(timeout 60 qemu-system-i386 -accel tcg -cpu $cpu -kernel "$dir/$image$build.elf" -append "$args" -m 16 -display none -monitor none \
		-serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null 2>&1)
	status=$? # isa-debug-exit gives (value << 1) | 1
	wrong=""
	[ $status = 1 ] || wrong="status $status instead of 1"
	case $name in
	hello) grep -q '^hello from a native guest$' <<<"$out" && grep -q '^MEM kib=1[56][0-9]* ' <<<"$out" || wrong="$wrong; text" ;;
	nano) [ "$(grep -c '^NANO [a-z0-9-]* n=[0-9]* first=[0-9]* steady=[0-9]*$' <<<"$out")" -ge 20 ] || wrong="$wrong; cells" ;;
	*) [ "$(tail -n 1 <<<"$out")" = OK ] && grep -q '^SAW ' <<<"$out" || wrong="$wrong; no OK" ;;
	esac
	[ -z "$wrong" ] && exit 0
	printf 'guest %s under QEMU: %s\n%s\n' "$name" "$wrong" "$out"
	exit 1
fi

if ! command -v qemu-system-i386 >/dev/null; then
	echo "skipped: qemu-system-i386 is not installed (Debian: qemu-system-x86)"
	exit 77
fi
[ -z "$build" ] && space='space\/[a-z0-9-]*' || space=none
names=$(sed -n "s/^\(hello\|nano\|insn\/[a-z0-9-]*\|$space\) |.*/\1/p" "$dir/guests.cfg")
# Not with NOPs: hardware breakpoints counted from one instruction to the next, and the address behind HLT.
[ -n "$build" ] && names=$(grep -vE '^insn/(debug-registers|hlt)$' <<<"$names")
count=$(wc -w <<<"$names")
[ "$count" -gt 40 ] || { echo "only $count guests in $dir/guests.cfg"; exit 1; }
echo "$names" | xargs -P 2 -n 1 "$0" "$dir" || exit 1
echo "$count guests$build as expected under $(qemu-system-i386 --version | head -1)"
