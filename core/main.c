/*
 * main.c - the command line: finds the command and hands over. The only file that names all backends.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"

#ifdef HAVE_BACKEND_VTX
extern const struct backend_ops vtx_backend;
#endif
#ifdef HAVE_BACKEND_BT
extern const struct backend_ops bt_backend;
#endif
#ifdef HAVE_BACKEND_PV
extern const struct backend_ops pv_backend;
#endif
extern const struct backend_ops interp_backend;

const struct backend_ops *const cli_backends[] = {
#ifdef HAVE_BACKEND_VTX
	&vtx_backend,
#endif
#ifdef HAVE_BACKEND_BT
	&bt_backend,
#endif
#ifdef HAVE_BACKEND_PV
	&pv_backend,
#endif
	&interp_backend,
	NULL,
};

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{ "doctor", cmd_doctor, "what this machine can do: each backend, or why not" },
	{ "run", cmd_run, "run one guest on one backend" },
	{ "lockstep", cmd_lockstep, "run one guest on two engines and stop where they differ" },
	{ "compare", cmd_compare, "run guests on all backends and print one table" },
	{ "bench", cmd_bench, "measure suites on all backends and peers; a directory of results" },
	{ "diff", cmd_diff, "what explains the difference between two runs, or two result directories" },
	{ "demo", cmd_demo, "demonstrations for lectures: what each technique does, shown live" },
	{ "report", cmd_report, "result directories as one page: tables, plots, raw rows" },
	{ "explain", cmd_explain, "how each backend handles an instruction, and where" },
	{ "list", cmd_list, "the guests" },
};

const struct backend_ops *cli_backend(const char *name)
{
	for (const struct backend_ops *const *b = cli_backends; *b; b++)
		if (!strcmp((*b)->name, name))
			return *b;
	return NULL;
}

int cli_usage(const char *command, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	say("%s (see: ringlab %s%s--help)", line, command ? command : "", command ? " " : "");
	return STATUS_USAGE;
}

bool cli_parse_size(const char *s, uint64_t *bytes)
{
	char *end;
	unsigned shift = 0;

	errno = 0;
	unsigned long long v = strtoull(s, &end, 0);
	if (errno || end == s || *s == '-')
		return false;
	switch (*end) {
	case 'k': case 'K': shift = 10; end++; break;
	case 'm': case 'M': shift = 20; end++; break;
	case 'g': case 'G': shift = 30; end++; break;
	}
	if (*end || v > UINT64_MAX >> shift)
		return false;
	*bytes = v << shift;
	return true;
}

bool cli_parse_seconds(const char *s, uint64_t *ns)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !(v >= 0 && v < 1e9))
		return false;
	*ns = (uint64_t)(v * 1e9);
	return true;
}

static int help(FILE *out)
{
	fprintf(out, "usage: ringlab COMMAND [OPTION…] [ARGUMENT…]\n\n"
		"Runs a guest on interchangeable CPU backends, and counts and costs every trap and exit.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].text);
	fprintf(out, "\nBackends:\n");
	for (const struct backend_ops *const *b = cli_backends; *b; b++)
		fprintf(out, "  %-9s %s\n", (*b)->name, (*b)->title);
	fprintf(out, "\nringlab COMMAND --help tells more. docs/exits.md has the tables' columns and the exit statuses.\n");
	return 0;
}

/*
 * Binding functions on their first call takes an XRSTOR in the dynamic linker, which --user-isolation keys must be able to
 * remove from the process (backend-pv/pv_keys.c): where there are protection keys, all are bound at the start.
 */
static void bind_now(char **argv)
{
	unsigned a, b, c, d;

	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(c & bit_OSPKE) || getenv("LD_BIND_NOW"))
		return;
	setenv("LD_BIND_NOW", "1", 1);
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	bind_now(argv);
	if (argc < 2) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(stdout);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return cli_usage(NULL, "there is no command '%s'", argv[1]);
}
