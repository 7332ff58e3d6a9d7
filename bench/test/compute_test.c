/*
 * compute_test.c - the kernels compute the same on every engine as natively. Speed is the benchmark's business, not ours.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERNELS_MAX 32

struct sums {
	unsigned n;
	char name[KERNELS_MAX][32];
	unsigned sum[KERNELS_MAX];
	bool ended;
};

static void sums_of(const char *command, struct sums *s)
{
	char line[200];
	FILE *p = popen(command, "r");

	memset(s, 0, sizeof(*s));
	cr_assert(p);
	while (fgets(line, sizeof(line), p)) {
		unsigned sum;
		char name[32];

		if (sscanf(line, "COMPUTE %31s rep=0 cycles=%*u sum=%x", name, &sum) == 2 && s->n < KERNELS_MAX) {
			strcpy(s->name[s->n], name);
			s->sum[s->n++] = sum;
		}
		s->ended |= !strncmp(line, "COMPUTE-END status=0", 20);
	}
	pclose(p);
}

static bool have(const char *backend)
{
	char cmd[600];

	snprintf(cmd, sizeof(cmd), "%s doctor --json | tr -d ' \\n' | grep -q '\"backend\":\"%s\",[^}]*\"available\":true'",
		RINGLAB_BINARY, backend);
	return system(cmd) == 0;
}

static void compare_with_native(const char *backend, const char *interface, const char *words)
{
	struct sums native, guest;
	char cmd[1000];

	if (!have(backend))
		cr_skip_test("backend %s cannot run here", backend);
	snprintf(cmd, sizeof(cmd), "%s/compute-native reps=1 %s", RINGLAB_GUESTS, words);
	sums_of(cmd, &native);
	snprintf(cmd, sizeof(cmd), "%s run --backend %s %s%s --timeout 60 --append 'reps=1 %s' compute </dev/null", RINGLAB_BINARY,
		backend, interface ? "--interface " : "", interface ? interface : "", words);
	sums_of(cmd, &guest);
	cr_assert(native.ended && native.n, "compute-native did not run");
	cr_assert(guest.ended, "compute did not end well on %s %s", backend, interface ? interface : "");
	cr_assert_eq(guest.n, native.n);
	for (unsigned i = 0; i < native.n; i++)
		cr_expect(!strcmp(native.name[i], guest.name[i]) && native.sum[i] == guest.sum[i], "%s: native %08x, %s %08x",
			native.name[i], native.sum[i], backend, guest.sum[i]);
}

Test(compute, bt, .timeout = 90) { compare_with_native("bt", NULL, ""); }
Test(compute, bt_user_mode, .timeout = 90) { compare_with_native("bt", NULL, "ring=3"); }
Test(compute, pv_trap, .timeout = 90) { compare_with_native("pv", "trap", ""); }
Test(compute, pv_xen, .timeout = 90) { compare_with_native("pv", "xen", ""); }
Test(compute, interpreter, .timeout = 90) { compare_with_native("interp", NULL, "only=fib"); }
