#!/bin/bash
# debian.sh RINGLAB GUESTS WORK SLOW - guests/kernel's programs under Debian's i386 kernel on bt: the same text once more.
#
# The programs, and the disk's files, go into a second archive behind the initial RAM disk of scripts/linux-guest. Exit
# status 77: not run, and why.
set -u
ringlab=$1 guests=$2 work=$3/debian
here=$(cd "$(dirname "$0")" && pwd)
linux=${RINGLAB_LINUX:-${XDG_CACHE_HOME:-$HOME/.cache}/ringlab/linux}

skip() { echo "SKIPPED $*"; exit 77; }
[ "${4:-0}" = 0 ] || [ -n "${RINGLAB_LINUX_ALL:-}" ] || skip "Linux boots too slowly in this preset; RINGLAB_LINUX_ALL=1 runs it all the same"
[ -r "$linux/vmlinuz-686-pae" ] && [ -r "$linux/initrd" ] || skip "Debian's kernels are not here: run scripts/linux-guest"
command -v cpio >/dev/null || skip "cpio is not installed (Debian: cpio)"
"$ringlab" run --backend bt hello >/dev/null 2>&1 </dev/null || skip "backend bt is not available here (ringlab doctor says why)"

rm -rf "$work"
mkdir -p "$work/tree/ringlab/root/home" "$work/tree/etc/session"
cp -r "$guests/kernel/bin" "$work/tree/ringlab/"
for dir in etc data; do
	/sbin/debugfs -R "rdump /$dir $work/tree/ringlab/root" "$guests/kernel/disk.img" 2>/dev/null
done
cat > "$work/tree/etc/session/programs" <<'END'
#!/bin/sh
cd /tmp
echo "=== stress"
env -i PATH=/ringlab/bin /ringlab/bin/stress 2>&1
echo "=== $?"
echo "=== session"
env -i PATH=/ringlab/bin ROOT=/ringlab/root /ringlab/bin/sh /ringlab/root/etc/session 2>&1
echo "=== $?"
END
chmod +x "$work/tree/etc/session/programs"
(cd "$work/tree" && find . | cpio -o -H newc --quiet) > "$work/add"
cat "$linux/initrd" "$work/add" > "$work/initrd"
timeout 100 "$ringlab" run --backend bt --kernel "$linux/vmlinuz-686-pae" --initrd "$work/initrd" \
	--append "console=ttyS0 quiet acpi=off pci=off noapic nolapic ringlab.session=programs" </dev/null 2>&1 | tr -d '\r' > "$work/out"

bad=0
for name in stress session; do
	want=0
	[ $name = session ] && want=5
	sed -n "/^=== $name\$/,/^=== [0-9]*\$/p" "$work/out" > "$work/$name"
	{ echo "=== $name"; cat "$here/$name.expected"; echo "=== $want"; } | diff - "$work/$name" || bad=1
done
[ $bad = 0 ] && echo "stress and session print the same under Debian's kernel" || echo "see $work/out"
exit $bad
