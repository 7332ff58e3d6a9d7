/*
 * proc_test.c - a child's CPU time is also that of what it leaves behind, and nothing of it runs on beside the next child.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "bench.h"

static void pid_line(void *ctx, const char *text, pid_t pid)
{
	*(pid_t *)ctx = atoi(text);
}

Test(proc, what_a_child_leaves_behind, .timeout = 60)
{
	/* A session of its own, as `script` makes for Bochs: it outlives the child, and computes. */
	char *argv[] = { "sh", "-c", "setsid sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done' >/dev/null 2>&1 & echo $!", NULL };
	pid_t left = 0;
	struct child_run c = { .argv = argv, .cpu = -1, .timeout_s = 30, .line = pid_line, .ctx = &left };

	cr_assert_eq(child_run(&c), 0);
	cr_expect_eq(c.status, 0);
	cr_expect_gt(left, 0);
	cr_expect_gt(c.cpu_seconds, 0.02, "its CPU time is not counted: %g s", c.cpu_seconds);
	cr_expect(kill(left, 0) && errno == ESRCH, "process %d still runs", (int)left);
}
