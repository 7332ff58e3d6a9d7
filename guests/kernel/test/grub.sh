#!/bin/bash
# grub.sh GUESTS - boots the native kernel by GRUB, as Multiboot, on QEMU's PC, and runs its stress test from a RAM disk.
#
# GRUB reads both from an ISO image that grub-mkrescue makes: another loader than ours and QEMU's own, which takes the ELF file
# by its own rules and leaves the machine as a BIOS does. Exit status 77: not run, and why.
set -u
guests=${1:?usage: grub.sh GUESTS}
for tool in "grub-mkrescue grub-common" "xorriso xorriso" "mformat mtools" "qemu-system-i386 qemu-system-x86"; do
	set -- $tool
	command -v "$1" >/dev/null || { echo "skipped: $1 is not installed (Debian: $2)"; exit 77; }
done
[ -d /usr/lib/grub/i386-pc ] || { echo "skipped: GRUB for PCs is not installed (Debian: grub-pc-bin)"; exit 77; }
[ -e "$guests/kernel/disk.img" ] || { echo "skipped: there is no disk image (Debian: e2fsprogs)"; exit 77; }

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/iso/boot/grub"
cp "$guests/kernel.elf" "$dir/iso/boot/"
gzip -c "$guests/kernel/disk.img" >"$dir/iso/boot/disk.img.gz"
cat >"$dir/iso/boot/grub/grub.cfg" <<'END'
serial --unit=0
terminal_input serial
terminal_output serial
insmod gzio
multiboot /boot/kernel.elf kernel.elf run=/bin/stress
module /boot/disk.img.gz disk.img
boot
END
grub-mkrescue -o "$dir/iso.img" "$dir/iso" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
out=$(timeout 100 qemu-system-i386 -accel tcg -cpu pentium3 -cdrom "$dir/iso.img" -boot d -m 64 -display none -monitor none -serial stdio \
	-no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null 2>&1)
status=$? # isa-debug-exit gives (value << 1) | 1
last=$(tr -d '\r' <<<"$out" | tail -n 1)
if [ $status != 1 ] || ! grep -Eq '^stress total: [0-9]+ cases, [0-9]+ checks, 0 wrong' <<<"$last"; then
	printf 'the kernel under GRUB: status %s instead of 1\n%s\n' "$status" "$out"
	exit 1
fi
echo "$last, started by $(grub-mkrescue --version)"
