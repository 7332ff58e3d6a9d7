/*
 * A child that merely exits is not a guest that ended: the parent believes an exit status with a fitting end record only.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char out[4096];

static int run(const char *mode, const char *options)
{
	char cmd[1500];
	size_t n = 0;
	int c;

	snprintf(cmd, sizeof(cmd), "timeout 20 env %s%s %s run --backend interp %s </dev/null 2>&1",
		mode ? "LD_PRELOAD=" EXIT_EARLY " RINGLAB_TEST_END=" : "", mode ? mode : "", RINGLAB_BINARY, options);
	FILE *p = popen(cmd, "r");
	cr_assert(p);
	while ((c = fgetc(p)) != EOF && n < sizeof(out) - 1)
		out[n++] = (char)c;
	out[n] = 0;
	return WEXITSTATUS(pclose(p));
}

Test(end, honest_ones_are_believed, .timeout = 60)
{
	cr_expect_eq(run(NULL, "hello"), 0, "%s", out);
	cr_expect_eq(run(NULL, "--append status=5 hello"), 5, "%s", out);
	cr_expect_eq(run(NULL, "--append status=4000 hello"), 219, "%s", out);
	cr_expect_eq(run(NULL, "hostile/triple-fault"), 220, "%s", out);
	cr_expect_eq(run(NULL, "--timeout 0.2 hostile/loop-masked"), 221, "%s", out);
	cr_expect_eq(run(NULL, "no-such-guest"), 223, "%s", out);
}

Test(end, an_exit_without_a_record_is_not, .timeout = 60)
{
	cr_expect_eq(run("exit", "hello"), 222, "%s", out);
	cr_expect(strstr(out, "did not say how the guest ended"), "%s", out);
	cr_expect_eq(run("noise", "hello"), 222, "%s", out);
	cr_expect(strstr(out, "no end record"), "%s", out);
}

Test(end, a_status_that_does_not_fit_is_not, .timeout = 60)
{
	cr_expect_eq(run("change", "hello"), 222, "%s", out);
	cr_expect(strstr(out, "not the one of the end that it told"), "%s", out);
}

/* The result file says so too. */
Test(end, stats_say_so, .timeout = 60)
{
	cr_expect_eq(run("exit", "--stats /tmp/ringlab-end-test.json hello"), 222, "%s", out);
	cr_expect_eq(system("grep -q host-failure /tmp/ringlab-end-test.json"), 0);
	remove("/tmp/ringlab-end-test.json");
}
