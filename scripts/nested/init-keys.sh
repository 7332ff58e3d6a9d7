#!/bin/busybox sh
# init of the machine with protection keys: runs the lines of /jobs one after the other, and sends what they said.
#
# Packed by nested-keys as /init; a line of /jobs is: number, seconds, then the words of the command (tabs between). What
# nested-keys reads of the console: "@@ up FLAGS", "@@ job N", each line of a job's output behind "N| ", "@@ status N S", "@@ done".
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
exec >/dev/console 2>&1
echo "@@ up $(uname -r) $(grep -m1 -ow -e ospke /proc/cpuinfo) $(grep -m1 vendor_id /proc/cpuinfo | sed 's/.*: //')"

tab=$(printf '\t')
while IFS="$tab" read -r n t command; do
	echo "@@ job $n"
	mkdir -p /tmp/run && cd /tmp/run
	IFS="$tab"
	timeout -s KILL "$t" $command </dev/null >/tmp/out 2>&1
	s=$?
	unset IFS
	sed "s/^/$n| /" /tmp/out
	# What a guest may have left outside its process: files, processes.
	echo "@@ status $n $s files=$(find /tmp/run -type f | wc -l) processes=$(ps | grep -c '[r]inglab')"
	cd / && rm -rf /tmp/run
done </jobs
echo "@@ done"
sleep 0.2
poweroff -f
