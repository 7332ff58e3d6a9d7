#!/bin/busybox sh
# init of the nested machine: loads KVM, runs the jobs of /jobs one after the other, sends the results as one bundle.
#
# Packed by initramfs.py as /init; /jobs has a line for each guest: number, seconds, guest, memory, an option of ringlab run
# or -, and where one is given the command line (tabs between).
# Lines that begin with @@ on the console (COM1) are read by machine.py. The bundle, a compressed tar of /out, goes to COM2
# with its length and SHA-256. Everything a job leaves is in /out/NUMBER; scripts/nested/README.md says what is what.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=dumb RINGLAB_NESTED=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
mount -t tracefs trace /sys/kernel/tracing 2>/dev/null
exec >/dev/console 2>&1
TRACE=/sys/kernel/tracing/events/kvm/kvm_exit

word() { tr ' ' '\n' </proc/cmdline | sed -n "s/^ringlab\.$1=//p" | tail -1; }
up() { cut -d' ' -f1 /proc/uptime; }

echo "@@ init $(uname -r) up=$(up)"
insmod /mod/irqbypass.ko
insmod /mod/kvm.ko
if grep -qw vmx /proc/cpuinfo; then
	module=kvm_intel
	insmod /mod/kvm-intel.ko ept=$(word ept)
else
	module=kvm_amd
	insmod /mod/kvm-amd.ko npt=$(word ept)
fi
if [ ! -c /dev/kvm ]; then
	echo "@@ fail no /dev/kvm: $module did not load"
	dmesg | tail -5
	poweroff -f
fi
mkdir -p /out
{
	echo "module $module"
	for p in /sys/module/$module/parameters/*; do echo "$module.${p##*/} $(cat "$p" 2>/dev/null)"; done
	echo "kernel $(uname -r)"
} >/out/machine
echo "@@ ready $module"

# The exit-reason histogram of everything that runs meanwhile: taken here too, apart from the program under test.
hist_on() { [ -w $TRACE/trigger ] && echo 'hist:keys=exit_reason:size=128' >$TRACE/trigger; }
hist_off() {
	[ -r $TRACE/hist ] || return
	cat $TRACE/hist >"$1"
	echo '!hist:keys=exit_reason:size=128' >$TRACE/trigger
}

job() { # number seconds guest memory option append
	local d=/out/$1 t=$2 guest=$3 mem=$4 option=${5#-} append=$6
	mkdir -p "$d"
	echo "@@ job $1 up=$(up)"
	hist_on
	timeout -s KILL $((t + 5)) /ringlab run --backend vtx --timeout "$t" --mem "$mem" --stats "$d/stats.json" \
		${option:+-$option} ${append:+--append "$append"} "$guest" >"$d/console" 2>"$d/stderr" </dev/null
	echo $? >"$d/status"
	hist_off "$d/hist"
}

tab=$(printf '\t')
while IFS="$tab" read -r n t guest mem option append; do
	job "$n" "$t" "$guest" "$mem" "$option" "$append" </dev/null
done </jobs

echo "@@ sending up=$(up)"
tar -C /out -c . | gzip -9 >/bundle
stty -F /dev/ttyS1 raw -echo 115200 2>/dev/null
{
	echo "@@ bundle $(stat -c %s /bundle) $(sha256sum </bundle | cut -d' ' -f1)"
	cat /bundle
	# What is still in the UART's buffers when the power goes is lost: let that be zeros.
	head -c 8192 /dev/zero
} >/dev/ttyS1
sleep 0.5
echo "@@ done up=$(up)"
poweroff -f
