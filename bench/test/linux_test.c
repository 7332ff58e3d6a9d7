/*
 * linux_test.c - the tables of `ringlab-bench linux`, with a shell script in the place of ringlab that plays a guest.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the script prints and counts; $o: the option of an ablation. */
static const char script[] =
	"#!/bin/sh\n"
	"stats=/dev/null t=7\n"
	"while [ $# -gt 0 ]; do\n"
	"	case $1 in --stats) stats=$2 ;; --no-traces) t=70 ;; esac\n"
	"	shift\n"
	"done\n"
	"cat >$stats <<END\n"
	"{\"events\":[{\"kind\":\"shadow-fill\",\"mechanism\":\"host trap\",\"count\":$t},{\"kind\":\"interpret\",\"mechanism\":\"callout\",\"count\":5}],\n"
	"\"phases\":[{\"line\":\"lat-phase fork-exec begin n=0\",\"cycles\":1,\"events\":[]},\n"
	"{\"line\":\"lat-phase fork-exec first n=10\",\"cycles\":50000,\"events\":[{\"kind\":\"shadow-fill\",\"mechanism\":\"host trap\",\"count\":123}]},\n"
	"{\"line\":\"lat-phase fork-exec steady n=100\",\"cycles\":100000,\"events\":[{\"kind\":\"shadow-fill\",\"mechanism\":\"host trap\",\"count\":400}]}]}\n"
	"END\n"
	"echo '[    0.000000] Linux version 6.1.0-50-686'\n"
	"echo 'ringlab: init'\n"
	"echo 'lat getppid cycles 2500'\n"
	"echo 'COMPUTE sieve rep=0 cycles=9000000 sum=1'\n"
	"echo 'COMPUTE sieve rep=1 cycles=4000000 sum=1'\n"
	"echo 'COMPUTE sieve rep=2 cycles=3000000 sum=1'\n";

static void file_write(const char *dir, const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
	chmod(path, 0755);
}

static char text[1 << 16];

static const char *output_of(const char *dir, const char *words)
{
	char cmd[1000];
	FILE *p;

	snprintf(cmd, sizeof(cmd), "timeout 60 %s/../ringlab-bench linux --ringlab %s/play --linux %s --engines bt %s 2>&1", RINGLAB_GUESTS, dir,
		dir, words);
	p = popen(cmd, "r");
	cr_assert(p);
	text[fread(text, 1, sizeof(text) - 1, p)] = 0;
	pclose(p);
	return text;
}

Test(linux_bench, tables)
{
	char dir[] = "/tmp/ringlab-linux-XXXXXX", cmd[100];

	cr_assert(mkdtemp(dir));
	cr_expect(strstr(output_of(dir, "--rounds 1 --only boot"), "scripts/linux-guest"), "no hint where images come from: %s", text);
	file_write(dir, "play", script);
	file_write(dir, "vmlinuz-686", "x");
	file_write(dir, "initrd", "x");
	output_of(dir, "--rounds 2");
	cr_expect(strstr(text, "process to init"), "%s", text);
	cr_expect(strstr(text, "getppid                           2500"), "%s", text);
	cr_expect(strstr(text, "sieve                             3.00"), "the quickest warm repetition: %s", text);
	cr_expect(strstr(text, "fork-exec        first         10      12.30"), "%s", text);
	cr_expect(strstr(text, "fork-exec        steady       100       4.00"), "%s", text);
	char *ablated = strstr(text, "\n--no-traces");
	cr_assert(ablated, "%s", text);
	cr_expect(strstr(ablated, "       70          5 "), "%s", ablated);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	cr_assert_eq(system(cmd), 0);
}
