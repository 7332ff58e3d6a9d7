/*
 * synth.c - synthetic result directories for tests: whole ones by formula, and files of any content.
 */
#include "synth.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const synth_engines[] = { "native", "bt", "pv-xen", "pv-previrt", "pv-patch", "pv-trap", "qemu-tcg" };
const char *const synth_cells[] = { "syscall-int", "in", "cli-sti", "page-fault", "pte-invlpg" };

void synth_make(char dir[200])
{
	strcpy(dir, "/tmp/ringlab-synth.XXXXXX");
	cr_assert(mkdtemp(dir));
}

void synth_remove(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[600];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static FILE *open_for(const char *dir, const char *name, const char *mode)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return fopen(path, mode);
}

void synth_bytes(const char *dir, const char *name, const void *bytes, size_t n)
{
	FILE *f = open_for(dir, name, "w");

	cr_assert(f, "%s/%s", dir, name);
	cr_assert_eq(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

void synth_file(const char *dir, const char *name, const char *text)
{
	synth_bytes(dir, name, text, strlen(text));
}

char *synth_read(const char *dir, const char *name)
{
	FILE *f = open_for(dir, name, "r");
	char *text = NULL;
	size_t room = 0;

	if (f && getdelim(&text, &room, 0, f) < 0) {
		free(text);
		text = strdup("");
	}
	if (f)
		fclose(f);
	return text;
}

void synth_env(const char *dir)
{
	synth_file(dir, "env.json",
		"{\"name\": \"2026-01-31-synth-0123456789\", \"date\": {\"start\": \"2026-01-31T12:00:00Z\", \"end\": \"2026-01-31T12:09:00Z\"},"
		" \"commit\": \"0123456789\", \"host\": \"synth\", \"command\": \"ringlab bench nano\", \"options\": {\"rounds\": 5}, \"complete\": true,"
		" \"tasks\": {\"planned\": 10, \"done\": 10}, \"rounds\": {\"nano\": 5},"
		" \"missing\": [{\"suite\": \"nano\", \"engine\": \"bochs\", \"part\": \"\", \"why\": \"it is not installed | at all\"}],"
		" \"tsc_hz\": 2600000000.0, \"cpu\": \"A CPU (synthetic)\", \"cpus\": 2, \"microcode\": \"0x1\", \"kernel\": \"6.1\","
		" \"kvm_module\": \"none\", \"governor\": null, \"huge_pages\": \"always [madvise] never\","
		" \"mitigations\": {\"meltdown\": \"Not affected\"}, \"packages\": {\"gnuplot-nox\": \"5.4\"}, \"peers\": {\"qemu-tcg\": \"7.2\"},"
		" \"doctor\": {}, \"steal_seconds\": 0.5,"
		" \"calibration\": {\"best\": 1000000, \"median\": 1010000, \"disturbed\": 1, \"samples\": 100}}\n");
}

double synth_cycles(unsigned w, unsigned e, unsigned r)
{
	return (10.0 + 7 * w) * (e * e + 1) * (1 + 0.01 * ((r * 3 + w) % 5)); /* rounds differ, in an order of their own */
}

static void timed_row(FILE *f, const char *suite, const char *workload, const char *variant, const char *engine, const char *metric, const char *unit,
	unsigned round, double value)
{
	fprintf(f, "%s,%s,%s,%s,measured,%s,,,%s,%u,0,%.10g,1000000,%d,%d\n", suite, workload, variant, engine, metric, unit, round, value,
		round == 4 ? 1200000 : 1001000, round == 4);
}

static void count_row(FILE *f, const char *suite, const char *workload, const char *engine, const char *origin, const char *kind, const char *mech,
	double value)
{
	fprintf(f, "%s,%s,,%s,%s,exits,%s,%s,1/op,0,0,%.10g,,,\n", suite, workload, engine, origin, kind, mech, value);
}

static void exits_rows(FILE *f, unsigned w, unsigned e)
{
	static const char *const kinds[] = { "port-in", "page-fault", "shadow-fill", "int-flag", "hypercall", "tlb-flush" };

	for (unsigned k = 0; k < 6; k++)
		if ((w + e + k) % 3 == 0)
			count_row(f, "nano", synth_cells[w], synth_engines[e], "measured", kinds[k], e == 1 ? "callout" : "host trap", 0.5 * (k + 1) * (w + 1));
	if (e == 1)
		fprintf(f, "nano,%s,,%s,measured,vmm-cycles,port-in,callout,cycles/op,0,0,%u,,,\n", synth_cells[w], synth_engines[e], 100 * w + 7);
	if (e == 1)
		count_row(f, "nano", synth_cells[w], "vtx", "nested", "port-in", "VM exit", w);
}

static void boot_rows(FILE *f, unsigned r)
{
	static const char *const stones[] = { "kernel entered", "\"kernel's first line\"", "init", "shell, at last" };
	static const char *const boots[] = { "boot 686", "boot 686-pae" };

	for (int b = 0; b < 2; b++)
		for (int e = 1; e < SYNTH_ENGINES; e += 5)
			for (int m = 0; m < 4; m++)
				fprintf(f, "linux,\"%s: %s%s\",,%s,measured,milestone,,,s,%u,0,%.4f,1000000,1001000,0\n", boots[b],
					m == 1 ? "kernel's first line" : stones[m], "", synth_engines[e], r, (m + 0.3) * 0.4 * (e == 1 ? 1 : 3) + 0.01 * r);
}

static void raw_write(const char *dir)
{
	FILE *f = open_for(dir, "raw.csv", "w");

	fputs(SYNTH_HEADER, f);
	for (unsigned r = 0; r < SYNTH_ROUNDS; r++) {
		for (unsigned w = 0; w < SYNTH_CELLS; w++)
			for (unsigned e = 0; e < SYNTH_ENGINES; e++) {
				timed_row(f, "compute", w % 2 ? "sieve" : "\"matmul, int\"", "", synth_engines[e], w < 2 ? "cycles" : "first-cycles", "cycles", r,
					1e6 * synth_cycles(w, e, r));
				if (!e)
					continue;
				timed_row(f, "nano", synth_cells[w], "", synth_engines[e], "cycles", "cycles", r, synth_cycles(w, e, r));
				timed_row(f, "kernel", synth_cells[w], "", synth_engines[e], "cycles", "cycles", r, 50 * synth_cycles(w, e, r));
				if (!r)
					exits_rows(f, w, e);
			}
		timed_row(f, "compute", "sieve", "no-chain", "bt", "cycles", "cycles", r, 3e6 * synth_cycles(1, 1, r));
		timed_row(f, "compute", "sieve", "no-superblocks", "bt", "cycles", "cycles", r, 1.2e6 * synth_cycles(1, 1, r));
		timed_row(f, "startup", "first instruction", "", "bt", "seconds", "s", r, 0.01 + 0.001 * r);
		fprintf(f, "startup,own memory,,bt,measured,bytes,,,B,%u,0,%u,,,\n", r, 5000000 + r);
		boot_rows(f, r);
	}
	cr_assert_eq(fclose(f), 0);
}

static void modelled_write(const char *dir)
{
	static const char *const generations[] = { "prescott", "nehalem", "haswell", "skylake" };
	FILE *f = open_for(dir, "modelled.csv", "w");

	fputs(SYNTH_HEADER, f);
	for (unsigned w = 1; w < SYNTH_CELLS; w++)
		for (unsigned g = 0; g < 4; g++)
			fprintf(f, "nano,%s,%s,vtx,modelled,modelled-cycles,,,cycles/op,0,0,%u,,,\n", synth_cells[w], generations[g], w * (4000 - 900 * g));
	cr_assert_eq(fclose(f), 0);
}

static void time_write(const char *dir)
{
	FILE *f = open_for(dir, "timeline.csv", "w");

	fputs(SYNTH_TIME_HEADER, f);
	for (int e = 1; e < 3; e++)
		for (int t = 0; t < 130; t++) {
			fprintf(f, "linux,boot 686,,%s,measured,%.2f,0.01,port-out,callout,%d\n", synth_engines[e], t * 0.01, 40 + t % 17);
			if (t > 30)
				fprintf(f, "linux,boot 686,,%s,measured,%.2f,0.01,page-fault,callout,%d\n", synth_engines[e], t * 0.01, 90 - t / 2);
			if (t % 10 == 0)
				fprintf(f, "linux,boot 686,,%s,measured,%.2f,0.01,irq-delivered,callout,%d\n", synth_engines[e], t * 0.01, 60);
		}
	cr_assert_eq(fclose(f), 0);
}

void synth_whole(const char *dir)
{
	synth_env(dir);
	raw_write(dir);
	modelled_write(dir);
	time_write(dir);
}
