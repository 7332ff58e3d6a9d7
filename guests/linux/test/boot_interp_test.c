/*
 * boot_interp_test.c - the interpreter alone boots Debian's kernel to init: the oracle of the differential tests knows all
 * that a kernel executes. It takes minutes, so only by option: RINGLAB_LINUX_INTERP=1.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include "machine.h"

Test(debian, interp_to_init)
{
	static struct machine m;

	if (!getenv("RINGLAB_LINUX_INTERP"))
		cr_skip_test("the interpreter takes minutes to boot Linux; RINGLAB_LINUX_INTERP=1 runs it");
	machine_need();
	machine_start_on(&m, "interp", "linux-i386", "quiet ringlab.session=true");
	cr_assert(machine_expect(&m, "ringlab: init", 900), "the kernel did not start init");
	cr_assert(machine_expect(&m, "session true ends with status 0", 60));
	cr_assert_eq(machine_end(&m, 60), 0);
}
