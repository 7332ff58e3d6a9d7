/*
 * hostile_test.c - a hostile user process in a Linux guest harms neither its siblings nor its kernel nor the VMM.
 *
 * 20 seconds of it; RINGLAB_HOSTILE_SECONDS=600 asks for more (then run the test program itself: ctest has a limit).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include "machine.h"

Test(debian, hostile_process)
{
	static struct machine m;
	const char *env = getenv("RINGLAB_HOSTILE_SECONDS");
	int seconds = env ? atoi(env) : 20;
	char append[100];

	machine_need();
	snprintf(append, sizeof(append), "quiet ringlab.session=hostile ringlab.args=%d:%d", seconds, seconds);
	machine_start(&m, "linux-i386-pae", append);
	cr_assert(machine_expect(&m, "ringlab: init", 180), "the kernel did not start init");
	bool ended = machine_expect(&m, "session hostile ends with status", seconds + 60);
	int status = machine_end(&m, 10);
	cr_assert(ended, "the session did not end in time (status %d)", status);
	cr_assert_eq(status, 0, "status %d:\n%s", status, m.seen);
}
