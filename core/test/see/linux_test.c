/*
 * linux_test.c - looking inside a Linux guest: its own symbol table, phases of its boot, a listing by symbol, a trace.
 *
 * One boot of Debian's 686 kernel under bt, to its init; where scripts/linux-guest has not fetched it, the test says so.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[4 << 20];

static int ringlab(const char *args)
{
	char command[1200];
	size_t n = 0;
	FILE *p;
	int w;

	snprintf(command, sizeof(command), "timeout 120 %s run --backend bt --mem 256M --timeout 100 %s linux-i386 2>&1 </dev/null",
		RINGLAB_BINARY, args);
	p = popen(command, "r");
	cr_assert(p);
	while (n < sizeof(text) - 1 && !feof(p) && !ferror(p))
		n += fread(text + n, 1, sizeof(text) - 1 - n, p);
	text[n] = 0;
	w = pclose(p);
	return WIFEXITED(w) ? WEXITSTATUS(w) : 1000 + WTERMSIG(w);
}

static bool rows_have(const char *symbol, const char *kind)
{
	char name[100], k[40];
	unsigned long count;

	for (const char *p = text; (p = strchr(p, '\n')); )
		if (sscanf(++p, "%99s %39s %*s %lu", name, k, &count) == 3 && !strcmp(name, symbol) && !strcmp(k, kind) && count)
			return true;
	return false;
}

Test(see, linux_from_its_own_symbols, .timeout = 240)
{
#if defined(RINGLAB_HOSTILE) || defined(__SANITIZE_ADDRESS__)
	if (!getenv("RINGLAB_LINUX_ALL")) {
		fprintf(stderr, "see-linux: skipped: Linux boots too slowly in this preset; RINGLAB_LINUX_ALL=1 runs it all the same\n");
		cr_skip_test("Linux boots too slowly in this preset");
	}
#endif
	char map[] = "/tmp/ringlab-map-XXXXXX", args[500];
	int fd = mkstemp(map), status;

	cr_assert_geq(fd, 0);
	close(fd);
	snprintf(args, sizeof(args), "--append 'nokaslr ringlab.session=true' --symbols guest --symbols-out %s --top 100000 "
		"--phase 'Linux version' --phase 'ringlab: init'", map);
	status = ringlab(args);
	if (strstr(text, "scripts/linux-guest fetches it")) {
		unlink(map);
		fprintf(stderr, "see-linux: skipped: %s", strstr(text, "ringlab: "));
		cr_skip_test("no Linux kernels: scripts/linux-guest fetches them");
	}
	cr_assert_eq(status, 0, "status %d: %s", status, text);
	cr_expect(rows_have("[user]", "translation"), "%s", text);
	cr_expect(rows_have("[boot]", "translation"));
	cr_expect(rows_have("start_kernel", "translation"));
	char *phases = strstr(text, "phase: up to the line");
	cr_expect(phases && strstr(phases, "ringlab: init"), "no phase at init");
	/* The map of that boot names code for a listing in the next: the kernel is not moved. */
	snprintf(args, sizeof(args), "--append 'nokaslr ringlab.session=true' --symbols %s --listing start_kernel", map);
	cr_expect_eq(ringlab(args), 0);
	cr_expect(strstr(text, "listing of start_kernel"), "%s", text);
	cr_expect(strstr(text, " start_kernel, kernel mode"), "%s", text);
	cr_expect(strstr(text, "inline CLI"), "start_kernel begins with interrupts off: %s", text);
	unlink(map);
}
