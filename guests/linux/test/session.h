/* The scripted session, which the tests of both kernels run. */
#pragma once
#include <criterion/criterion.h>
#include "machine.h"

/* Boots the guest, which runs all of guests/linux/session/check; its status is the number of verdicts that were bad. */
static inline void session_check(const char *guest)
{
	struct machine m;
	int status;

	machine_need();
	machine_start(&m, guest, "quiet ringlab.session=check");
	cr_assert(machine_expect(&m, "ringlab: init", 180), "the kernel did not start init");
	bool ended = machine_expect(&m, "session check ends with status", 360);
	status = machine_end(&m, 10);
	cr_assert(ended, "the session did not end in time (status %d)", status);
	cr_assert_eq(status, 0, "the session ended with status %d:\n%s", status, m.seen);
}
