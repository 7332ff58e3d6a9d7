#!/bin/busybox sh
# init of the machine that shows a VMCS: kvm_intel with dump_invalid_vmcs, vmcs, the kernel's log. Packed by scripts/record-lectures.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
exec >/dev/console 2>&1
word() { tr ' ' '\n' </proc/cmdline | sed -n "s/^ringlab\.$1=//p" | tail -1; }
echo "@@ init $(uname -r)"
insmod /mod/msr.ko
insmod /mod/irqbypass.ko
insmod /mod/kvm.ko
insmod /mod/kvm-intel.ko ept=$(word ept) dump_invalid_vmcs=1 emulate_invalid_guest_state=0
[ -c /dev/kvm ] || echo "@@ fail no /dev/kvm: kvm_intel did not load"
echo "@@ ready kvm_intel"
echo "@@ job 0"
mkdir -p /out
/ringlab >/out/vmcs
echo $? >/out/status
dmesg >/out/dmesg
tar -C /out -c . | gzip -9 >/bundle
stty -F /dev/ttyS1 raw -echo 115200 2>/dev/null
{
	echo "@@ bundle $(stat -c %s /bundle) $(sha256sum </bundle | cut -d' ' -f1)"
	cat /bundle
	head -c 8192 /dev/zero
} >/dev/ttyS1
sleep 0.5
echo "@@ done"
poweroff -f
