#!/bin/bash
# devices.sh RINGLAB DIR - the devices guest on every engine, and under QEMU: each way to the disk must read the same bytes.
#
# QEMU's IDE disk, virtio-blk-pci (transitional), virtio console and ivshmem-plain are the oracle for the guest's drivers; the
# same image then runs on ours. The image's checksum is worked out here, too. Then the ways write, and what is in
# the file afterwards must be what they wrote, and nothing else. Exit status 77: not run, and why.
set -u
ringlab=${1:?usage: devices.sh RINGLAB DIR} dir=${2:?}
work=$(mktemp -d) failed=0
trap 'rm -rf "$work"' EXIT

fail() {
	echo "FAILED: $*"
	failed=1
}

# Adler-32 of the first 32 pages, as the guest works it out.
adler() {
	head -c 131072 "$1" | od -An -v -tu1 | awk '{ for (i = 1; i <= NF; i++) { a = (a + $i) % 65521; b = (b + a) % 65521 } }
		BEGIN { a = 1; b = 0 } END { printf "%04x%04x\n", b, a }'
}

head -c 1048576 /dev/urandom >"$work/image"
want=$(adler "$work/image")

# WHAT DISKS OUTPUT: so many disks, all with the same bytes, and no complaint.
judge() {
	local sums
	sums=$(sed -n 's/^DISK [a-z-]* sectors=[0-9]* sum=\([0-9a-f]*\).*$/\1/p' <<<"$3" | sort -u | tr '\n' ' ')
	if ! grep -q "^OK disks=$2" <<<"$3" || [ "$sums" != "$want " ] || grep -q FAIL <<<"$3"; then
		fail "$1: wanted $2 disks of checksum $want, got $sums
$3"
	fi
}

# The last pages of the disk were written by each way in turn: the last one's pattern is there, and the rest is as it was.
judge_file() {
	local what=$1 file=$2 offset=$3 letter=$4 have
	have=$(od -An -tu1 -j "$offset" -N 1 "$file" | tr -d ' ')
	[ "$have" = "$(printf '%d' "'$letter")" ] || fail "$what: byte $offset of the file is $have, and was to be '$letter'"
	cmp -s -n "$offset" "$work/image" "$file" || fail "$what: bytes before the written ones have changed"
}

run() { # NAME DISKS LETTER IMAGE OPTION...
	local name=$1 disks=$2 letter=$3 elf=$4 out
	shift 4
	if ! "$ringlab" run --timeout 20 "$@" "$dir/${elf/devices/hello}" >/dev/null 2>&1 </dev/null; then
		echo "skipped on $name: it cannot run here ($("$ringlab" run "$@" "$dir/${elf/devices/hello}" 2>&1 </dev/null | tail -n 1))"
		return
	fi
	cp "$work/image" "$work/disk"
	cp "$work/image" "$work/shared"
	out=$("$ringlab" run "$@" --timeout 60 --disk "$work/disk" --shmem "$work/shared" --append "n=64 write" "$dir/$elf" 2>&1 </dev/null)
	judge "$name" "$disks" "$out"
	judge_file "$name, disk" "$work/disk" 1032192 "$letter"
	# the console's text goes to the first bytes of the shared memory, and so is not compared
	[ "$(od -An -tu1 -j 245760 -N 1 "$work/shared" | tr -d ' ')" = 100 ] || fail "$name: shared memory was not written"
	grep -q sixty-four "$work/shared" || fail "$name: no text in the shared memory"
	cp "$work/image" "$work/disk"
	out=$("$ringlab" run "$@" --timeout 60 --disk "$work/disk,ro" --append "n=32 write" "$dir/$elf" 2>&1 </dev/null)
	[ "$(grep -c '^FAIL [a-z-]* write' <<<"$out")" = $((disks - 1)) ] || fail "$name: a write to a read-only disk was not refused
$out"
	cmp -s "$work/image" "$work/disk" || fail "$name: a read-only disk has changed"
}

qemu() {
	local out status
	if ! command -v qemu-system-i386 >/dev/null; then
		echo "skipped on QEMU: qemu-system-i386 is not installed (Debian: qemu-system-x86)"
		return
	fi
	cp "$work/image" "$work/disk"
	cp "$work/image" "$work/shared"
	out=$(timeout 100 qemu-system-i386 -accel tcg -cpu qemu32 -kernel "$dir/devices.elf" -append "n=64 write" -m 16 -display none -monitor none \
		-chardev stdio,id=c,mux=on -serial chardev:c -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 \
		-drive "if=ide,format=raw,file=$work/disk,snapshot=on" \
		-drive "if=none,id=d,format=raw,file=$work/disk,snapshot=on" -device virtio-blk-pci,drive=d,disable-legacy=off,disable-modern=off \
		-object "memory-backend-file,id=m,share=on,mem-path=$work/shared,size=1M" -device ivshmem-plain,memdev=m \
		-device virtio-serial-pci,disable-legacy=off,disable-modern=off -device virtconsole,chardev=c </dev/null 2>&1)
	status=$?
	[ $status = 1 ] || fail "QEMU ended with status $status instead of 1"
	judge QEMU 4 "$out"
	grep -q sixty-four "$work/shared" || fail "QEMU: no text in the shared memory"
}

qemu
run bt 4 v devices.elf --backend bt
run interp 4 v devices.elf --backend interp
run pv-trap 4 v devices.elf --backend pv --interface trap
run pv-patch 4 v devices.elf --backend pv --interface patch
[ -e "$dir/devices-previrt.elf" ] && run pv-previrt 4 v devices-previrt.elf --backend pv --interface previrt
[ -e "$dir/devices-xen.elf" ] && run pv-xen 3 x devices-xen.elf --backend pv --interface xen
[ $failed = 0 ] && echo "all ways read checksum $want"
exit $failed
