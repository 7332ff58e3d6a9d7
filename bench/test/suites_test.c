/*
 * suites_test.c - the suites devices, kernel and linux of `ringlab bench`: what they make of a guest's lines and of what the VMM counted.
 *
 * For linux a shell script stands in for ringlab and plays the guest, so that the figures are known; devices and kernel run for real, and
 * the bar of docs/devices.md is held: at depth 32 the paravirtual way takes at most a tenth of the exits of the emulated one.
 */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

/* Plays a Linux guest; its counts are a different number with an ablation. */
static const char script[] =
	"#!/bin/sh\n"
	"stats=/dev/null t=7\n"
	"case \"$*\" in doctor*) echo '{\"backends\": []}'; exit 0 ;; esac\n"
	"while [ $# -gt 0 ]; do\n"
	"	case $1 in --stats) stats=$2 ;; --no-traces) t=70 ;; esac\n"
	"	shift\n"
	"done\n"
	"cat >$stats <<END\n"
	"{\"events\":[{\"kind\":\"shadow-fill\",\"mechanism\":\"host trap\",\"count\":$t,\"cycles\":{\"median\":100}},"
	"{\"kind\":\"interpret\",\"mechanism\":\"callout\",\"count\":5}],\n"
	"\"timeline\":[{\"t_s\":0.5,\"width_s\":0.25,\"events\":[{\"kind\":\"hlt\",\"mechanism\":\"callout\",\"count\":3}]}],\n"
	"\"phases\":[{\"line\":\"lat-phase fork-exec begin n=0\",\"events\":[]},\n"
	"{\"line\":\"lat-phase fork-exec first n=10\",\"events\":[{\"kind\":\"shadow-fill\",\"mechanism\":\"host trap\",\"count\":123,\"median\":9}]},\n"
	"{\"line\":\"lat-phase fork-exec steady n=100\",\"events\":[{\"kind\":\"shadow-fill\",\"mechanism\":\"host trap\",\"count\":400,\"median\":50},"
	"{\"kind\":\"interpret\",\"mechanism\":\"callout\",\"count\":10,\"median\":5}]}]}\n"
	"END\n"
	"echo '[    0.000000] Linux version 6.1.0-50-686'\n"
	"echo '[    0.100000] Memory: 235588K/261752K available'\n"
	"echo 'ringlab: init'\n"
	"echo 'lat getppid cycles 2500'\n"
	"echo 'COMPUTE sieve rep=0 cycles=9000000 sum=1'\n"
	"echo 'COMPUTE sieve rep=1 cycles=4000000 sum=1'\n";

static void file_write(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert(f && fputs(text, f) >= 0 && !fclose(f) && !chmod(path, 0755));
}

static void setup(void)
{
	strcpy(dir, "/tmp/ringlab-suites-XXXXXX");
	cr_assert(mkdtemp(dir));
}

static void teardown(void)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(suites, .init = setup, .fini = teardown, .timeout = 100);

/* A shell command in the test's directory; its output goes to the file "log". */
static int run(const char *fmt, ...)
{
	char words[1500], cmd[1800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	snprintf(cmd, sizeof(cmd), "cd %s && { %s ; } >log 2>&1 </dev/null", dir, words);
	return system(cmd);
}

/* The value of the one row of raw.csv that begins so: suite,workload,variant,engine,origin,metric,kind,mechanism,unit; else -1. */
static double value(const char *begin)
{
	char path[200], line[1000];
	double v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/r/raw.csv", dir);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, begin, strlen(begin)) && line[strlen(begin)] == ',')
			sscanf(line + strlen(begin), ",%*u,%*u,%lf", &v);
	if (f)
		fclose(f);
	return v;
}

#define EXPECT(begin, want) cr_expect_eq(value(begin), want, "%s: %g, not %g", begin, value(begin), (double)(want))

Test(suites, linux_figures)
{
	file_write("play", script);
	cr_expect_eq(run(RINGLAB_BINARY " bench linux --ringlab $PWD/play --linux $PWD --backends bt --rounds 1 --out e | grep scripts/linux-guest"), 0,
		"no hint where images come from");
	file_write("vmlinuz-686", "x");
	file_write("initrd", "x");
	cr_expect_eq(run(RINGLAB_BINARY " bench linux --ringlab $PWD/play --linux $PWD --backends bt,qemu-tcg --only boot-686,lat,user-compute,lat-counts,"
		"boot-counts --backends bt --rounds 1 --out r"), 0);
	EXPECT("linux,getppid,,bt,measured,cycles,,,cycles", 2500);
	EXPECT("linux,user sieve,,bt,measured,cycles,,,cycles", 4000000);
	EXPECT("linux,user sieve,,bt,measured,first-cycles,,,cycles", 9000000);
	EXPECT("linux,fork-exec,,bt,measured,exits,shadow-fill,host trap,1/op", 4);
	EXPECT("linux,fork-exec,,bt,measured,exits-total,,,1/op", 4);
	EXPECT("linux,fork-exec,,bt,measured,events,interpret,callout,1/op", 0.1);
	EXPECT("linux,fork-exec,,bt,measured,vmm-cycles,shadow-fill,host trap,cycles/op", 200);
	EXPECT("linux,boot 686,,bt,measured,exits,shadow-fill,host trap,1/run", 7);
	EXPECT("linux,boot 686,no-traces,bt,measured,exits,shadow-fill,host trap,1/run", 70);
	EXPECT("linux,boot 686,,bt,measured,vmm-cycles,shadow-fill,host trap,cycles/run", 700);
	cr_expect_gt(value("linux,boot 686,,bt,measured,seconds,,,s"), 0);
	cr_expect_gt(value("linux,boot 686,no-chain,bt,measured,seconds,,,s"), 0);
	cr_expect_gt(value("linux,boot 686: memory set up,,bt,measured,milestone,,,s"), 0);
	cr_expect_eq(value("linux,boot 686: shell has run a program,,bt,measured,milestone,,,s"), -1, "a milestone that did not come has no row");
	cr_expect_eq(run("grep -qx 'linux,boot 686,,bt,measured,0.5,0.25,hlt,callout,3' r/timeline.csv"), 0);
}

/* At depth 32 the paravirtual ways take at most a tenth of the exits of the emulated one; and all read the same bytes. */
Test(suites, devices_bar)
{
	static const char *const ways[] = { "bt,virtio", "bt,virtio-modern", "interp,virtio", "pv-trap,virtio", "pv-xen,xen" };

#ifdef __SANITIZE_ADDRESS__
	fprintf(stderr, "SKIPPED: pv: direct execution cannot run under AddressSanitizer\n");
	size_t n = 3;
	cr_assert_eq(run(RINGLAB_BINARY " bench devices --backends bt,interp --only counts --quick --out r"), 0);
#else
	size_t n = sizeof(ways) / sizeof(ways[0]);
	cr_assert_eq(run(RINGLAB_BINARY " bench devices --backends bt,interp,pv-trap,pv-xen --only counts --quick --out r"), 0);
#endif
	for (size_t i = 0; i < n; i++) {
		char engine[16], way[24], ata[100], other[100];

		sscanf(ways[i], "%15[^,],%23s", engine, way);
		snprintf(ata, sizeof(ata), "devices,read ata qd=32,,%s,measured,exits-total,,,1/op", engine);
		snprintf(other, sizeof(other), "devices,read %s qd=32,,%s,measured,exits-total,,,1/op", way, engine);
		cr_expect(value(ata) > 0 && value(other) > 0 && value(ata) >= 10 * value(other), "%s: ata takes %g exits a read, %s %g", engine,
			value(ata), way, value(other));
	}
}

/* The guest kernel's rows on bt and natively, and what a system call costs in exits: its entry, its return, three openings of interrupts. */
Test(suites, kernel_rows)
{
	cr_assert_eq(run(RINGLAB_BINARY " bench kernel --backends native,bt --quick --rounds 1 --out r"), 0);
	cr_expect_gt(value("kernel,page-fault-storm,,bt,measured,cycles,,,cycles"), 0);
	cr_expect_gt(value("kernel,fork-exec,,native,measured,cycles,,,cycles"), 0);
	cr_expect_gt(value("kernel,boot to a user program,,bt,measured,seconds,,,s"), 0);
	double entry = value("kernel,getpid,,bt,measured,exits,syscall-entry,callout,1/op");
	cr_expect(entry > 0.99 && entry < 1.01, "%g system calls in one getpid", entry);
	double faults = value("kernel,page-fault-storm,,bt,measured,exits,page-fault,callout,1/op");
	cr_expect(faults > 0.99 && faults < 1.1, "%g page faults for one page touched", faults);
}
