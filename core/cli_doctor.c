/*
 * cli_doctor.c - `ringlab doctor`: what this machine can do, and what each backend would need.
 *
 * It reports; it changes nothing. What it says about a backend comes from the backend's own probe and describe.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "cli.h"

/* A word of /proc/cpuinfo's flags line: what the kernel lets us use, not only what CPUID says. */
static bool cpu_flag(const char *flags, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = flags; (p = strstr(p, name)); p += n)
		if ((p == flags || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\n' || !p[n]))
			return true;
	return false;
}

static void cpuinfo(char *model, size_t n, char *flags, size_t m)
{
	char line[4096];
	FILE *f = fopen("/proc/cpuinfo", "re");

	*model = *flags = 0;
	while (f && fgets(line, sizeof(line), f) && !(*model && *flags)) {
		char *v = strchr(line, ':');
		if (!v)
			continue;
		v += 2;
		v[strcspn(v, "\n")] = 0;
		if (!strncmp(line, "model name", 10))
			snprintf(model, n, "%s", v);
		else if (!strncmp(line, "flags", 5))
			snprintf(flags, m, "%s", v);
	}
	if (f)
		fclose(f);
}

static json_t *doctor_backends(void)
{
	json_t *list = json_array();

	for (const struct backend_ops *const *b = cli_backends; *b; b++) {
		char engine[64] = "", *text = NULL;
		size_t n = 0;
		const char *why = (*b)->probe(engine, sizeof(engine));
		FILE *f = open_memstream(&text, &n);
		if (f && (*b)->describe)
			(*b)->describe(NULL, f);
		if (f)
			fclose(f);
		json_array_append_new(list, json_pack("{s:s,s:s,s:b,s:s?,s:s?,s:s}", "backend", (*b)->name, "title", (*b)->title,
			"available", why == NULL, "why", why, "engine", *engine ? engine : NULL, "details", text ? text : ""));
		free(text);
	}
	return list;
}

static json_t *doctor_host(void)
{
	static const char *const wanted[] = { "vmx", "svm", "ept", "npt", "hypervisor", "pku", "ospke", "umip", "fsgsbase",
		"cpuid_fault", "bmi2", "erms", "nonstop_tsc" };
	char model[128], flags[4096];
	struct utsname u;
	json_t *features = json_object();

	cpuinfo(model, sizeof(model), flags, sizeof(flags));
	uname(&u);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		json_object_set_new(features, wanted[i], json_boolean(cpu_flag(flags, wanted[i])));
	return json_pack("{s:s,s:s,s:o}", "cpu", model, "kernel", u.release, "features", features);
}

static void doctor_print(json_t *j)
{
	json_t *host = json_object_get(j, "host"), *b, *v;
	const char *name;
	size_t i;

	printf("CPU       %s\nkernel    %s\nfeatures ", json_string_value(json_object_get(host, "cpu")),
		json_string_value(json_object_get(host, "kernel")));
	json_object_foreach(json_object_get(host, "features"), name, v)
		printf(" %s%s", json_is_true(v) ? "+" : "-", name);
	printf("\n\n");
	json_array_foreach(json_object_get(j, "backends"), i, b) {
		bool ok = json_is_true(json_object_get(b, "available"));
		printf("%-8s %s: %s%s\n", json_string_value(json_object_get(b, "backend")), json_string_value(json_object_get(b, "title")),
			ok ? "available, engine " : "", json_string_value(json_object_get(b, ok ? "engine" : "why")));
		char *text = strdup(json_string_value(json_object_get(b, "details"))), *save = NULL;
		for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			printf("           %s\n", line);
		free(text);
	}
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = { { "json", 0, 0, 'j' }, { "help", 0, 0, 'h' }, { 0 } };
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (c) {
		case 'j': json = true; break;
		case 'h':
			printf("usage: ringlab doctor [--json]\n\nSays what each backend can do on this machine, or why it cannot run.\n");
			return 0;
		default: return STATUS_USAGE;
		}
	json_t *j = json_pack("{s:o,s:o}", "host", doctor_host(), "backends", doctor_backends());
	if (json) {
		json_dumpf(j, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		doctor_print(j);
	}
	json_decref(j);
	return 0;
}
