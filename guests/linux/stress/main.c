/*
 * main.c - `stress`: what an operating system makes of the CPU, exercised from user space, a verdict for each case.
 *
 * usage: stress [CASE...]. Each case runs in a process of its own with a time limit, so that one that dies is one that
 * failed. Prints "stress CASE pass" or "stress CASE FAIL: why"; the exit status is the number of failures. The same
 * binary runs natively: every case passes on real hardware. Read next: process.c, memory.c, cpu.c.
 */
#include "stress.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_S 180

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "fork", case_fork }, { "exec", case_exec }, { "pipe", case_pipe }, { "signals", case_signals },
	{ "sigaltstack", case_sigaltstack }, { "threads", case_threads }, { "tls", case_tls }, { "mmap", case_mmap },
	{ "mprotect", case_mprotect }, { "mremap", case_mremap }, { "cow", case_cow }, { "segv", case_segv },
	{ "code", case_code }, { "pressure", case_pressure }, { "syscalls", case_syscalls },
	{ "exceptions", case_exceptions }, { "trap-flag", case_trap_flag }, { "ptrace", case_ptrace },
	{ "breakpoint", case_breakpoint }, { "debug-registers", case_debug_registers }, { "ldt", case_ldt }, { "code16", case_code16 }, { "fpu", case_fpu },
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

void check(bool ok, const char *fmt, ...)
{
	va_list ap;

	if (ok)
		return;
	va_start(ap, fmt);
	fputs("FAIL: ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	fflush(stdout);
	_exit(1);
}

int wait_for(int pid)
{
	int status = -1;

	check(waitpid(pid, &status, 0) == pid, "waitpid lost a child");
	return status;
}

unsigned long meminfo_kib(const char *line)
{
	char buf[200];
	unsigned long v = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(buf, sizeof(buf), f))
		if (!strncmp(buf, line, strlen(line)))
			v = strtoul(buf + strlen(line), NULL, 10);
	if (f)
		fclose(f);
	return v;
}

static bool wanted(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

/* True when the case passed. */
static bool run_case(unsigned i)
{
	int status;

	printf("stress %s ", cases[i].name);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		alarm(LIMIT_S);
		cases[i].run();
		_exit(0);
	}
	status = wait_for(child);
	if (WIFSIGNALED(status))
		printf("FAIL: died of signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? " (too slow)" : "");
	else if (!status)
		puts("pass");
	fflush(stdout);
	return !status;
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc == 2 && !strcmp(argv[1], "--exec-me")) /* case_exec */
		return argc + 40; /* 42 */
	for (unsigned i = 0; i < CASES; i++)
		if (wanted(argc, argv, cases[i].name))
			bad += !run_case(i);
	printf("stress: %d failed\n", bad);
	return bad;
}
