/*
 * bt_churn_test.c - nothing grows while Linux forks and executes: memory, host mappings, page tables of the process.
 *
 * The guest prints a line for each 50 processes; at each line the engine's memory is read from /proc. Runs for
 * RINGLAB_CHURN seconds of guest time (default 6; an hour is 3600). Needs what scripts/linux-guest fetched; skipped with
 * a reason without.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../../core/test/linux_images.h"

#define SAMPLES 1000000
#define ANON_MAX_KB (192u << 10)
#define WARM 500 /* samples, after which all views have been used */

struct sample {
	unsigned long anon_kb, pte_kb, maps;
};

static struct sample sample[SAMPLES];

/* What a process holds, into *s in addition. */
static void measure_one(pid_t pid, struct sample *s)
{
	char path[64], line[4096];
	unsigned long v;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "RssAnon: %lu", &v) == 1)
			s->anon_kb += v;
		if (sscanf(line, "VmPTE: %lu", &v) == 1)
			s->pte_kb += v;
	}
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		s->maps++;
	if (f)
		fclose(f);
}

/* The program and the processes that it jailed. */
static struct sample measure(pid_t pid)
{
	struct sample s = { 0, 0, 0 };
	char path[64];
	int child;
	FILE *f;

	measure_one(pid, &s);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "r");
	while (f && fscanf(f, "%d", &child) == 1)
		measure_one(child, &s);
	if (f)
		fclose(f);
	return s;
}

static struct sample peak(unsigned from, unsigned to)
{
	struct sample m = { 0, 0, 0 };

	for (unsigned i = from; i < to; i++) {
		m.anon_kb = sample[i].anon_kb > m.anon_kb ? sample[i].anon_kb : m.anon_kb;
		m.pte_kb = sample[i].pte_kb > m.pte_kb ? sample[i].pte_kb : m.pte_kb;
		m.maps = sample[i].maps > m.maps ? sample[i].maps : m.maps;
	}
	return m;
}

static FILE *start(unsigned seconds, pid_t *pid)
{
	char append[200], timeout[16];
	int p[2];

	snprintf(append, sizeof(append), "console=ttyS0 quiet acpi=off pci=off noapic nolapic panic=-1 ringlab.session=churn ringlab.churn=%u",
		seconds);
	snprintf(timeout, sizeof(timeout), "%u", seconds * 3 + 60);
	cr_assert_eq(pipe(p), 0);
	*pid = fork();
	if (*pid == 0) {
		dup2(p[1], 1);
		close(p[0]);
		execl(RINGLAB_BINARY, "ringlab", "run", "--backend", "bt", "--mem", "256M", "--timeout", timeout, "--kernel", kernel,
			"--initrd", initrd, "--append", append, NULL);
		_exit(127);
	}
	close(p[1]);
	return fdopen(p[0], "r");
}

Test(churn, nothing_grows, .timeout = 86400)
{
	const char *env = getenv("RINGLAB_CHURN");
	unsigned seconds = env ? (unsigned)atoi(env) : 6, n = 0;
	struct sample early, late;
	char line[512];
	int status;
	pid_t pid;
	FILE *f;

#if defined(RINGLAB_HOSTILE) || defined(__SANITIZE_ADDRESS__)
	if (!getenv("RINGLAB_LINUX_ALL")) {
		fprintf(stderr, "bt-churn: skipped: Linux boots too slowly in this preset; RINGLAB_LINUX_ALL=1 runs it all the same\n");
		cr_skip_test("Linux boots too slowly in this preset");
	}
#endif
	find_linux("686");
	f = start(seconds, &pid);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "churn: ", 7) && n < SAMPLES)
			sample[n++] = measure(pid);
	fclose(f);
	waitpid(pid, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ringlab ended with status %#x", status);
	cr_assert_geq(n, 6, "%u samples: too few processes", n);
	early = peak(n / 3, n * 2 / 3);
	late = peak(n * 2 / 3, n);
	printf("%u processes: anonymous %lu to %lu KiB, page tables %lu to %lu KiB, mappings %lu to %lu\n", n * 50, early.anon_kb,
		late.anon_kb, early.pte_kb, late.pte_kb, early.maps, late.maps);
	/* Views for address spaces are made until there are BT_VIEWS: that much memory is the price, and nothing comes after. */
	cr_expect_gt(early.anon_kb, 1000);
	cr_expect_leq(late.anon_kb, ANON_MAX_KB);
	if (n >= WARM)
		cr_expect_leq(late.anon_kb, early.anon_kb + early.anon_kb / 20 + 2048);
	cr_expect_leq(late.pte_kb, early.pte_kb + early.pte_kb / 20 + 2048);
	cr_expect_leq(late.maps, early.maps + early.maps / 10 + 500);
}
