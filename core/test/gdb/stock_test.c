/*
 * The debugger that people have: gdb itself, in batch mode, against the hello guest.
 *
 * Skipped with a reason where gdb is not installed. vtx needs 32-bit paging to get to guest_main, which kvm_pvm does not
 * have: there it only steps, and breaks before that.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "remote.h"
#include "spawn.h"

static char out[65536];

/* All that gdb printed for these commands. */
static void gdb(const char *target, const char *commands)
{
	char cmd[2000];
	size_t n = 0, got;

	snprintf(cmd, sizeof(cmd), "timeout 60 gdb -nx -batch -ex 'set confirm off' -ex 'file %s/hello.elf' -ex 'target remote %s' %s 2>&1",
		RINGLAB_GUESTS, target, commands);
	FILE *p = popen(cmd, "r");
	cr_assert(p);
	while ((got = fread(out + n, 1, sizeof(out) - 1 - n, p)) > 0)
		n += got;
	out[n] = 0;
	pclose(p);
}

static void need_gdb(void)
{
	if (system("gdb --version >/dev/null 2>&1"))
		cr_skip_test("gdb is not installed");
}

static void session(const char *backend)
{
	struct remote r;

	need_gdb();
	if (!spawn_available(backend))
		cr_skip_test("backend %s is not available here (ringlab doctor says why)", backend);
	cr_assert(remote_start(&r, backend, "hello", NULL));
	for (int i = 0; i < 500 && access(r.path, F_OK); i++)
		usleep(10000);
	gdb(r.path, "-ex 'break guest_main' -ex continue -ex 'info registers cr0' -ex 'x/i $pc' -ex stepi -ex 'print (int)$pc - (int)guest_main'"
		" -ex 'hbreak hal_printf' -ex continue -ex bt -ex 'x/s *(char **)($esp + 4)' -ex 'monitor info' -ex 'monitor walk 0x100000'"
		" -ex 'delete' -ex continue");
	cr_expect(strstr(out, "Breakpoint 1, "), "%s", out);
	cr_expect(strstr(out, "cr0            0x8"), "%s", out);
	cr_expect(strstr(out, "sub    $0x1c,%esp"), "%s", out);
	cr_expect(strstr(out, "$1 = 3"), "%s", out);
	cr_expect(strstr(out, "in guest_main ()"), "%s", out);
	cr_expect(strstr(out, "hello from a %s guest"), "%s", out);
	cr_expect(strstr(out, "protected mode, 2-level paging, ring 0"), "%s", out);
	cr_expect(strstr(out, "00100000 -> 00100000"), "%s", out);
	cr_expect(strstr(out, "exited normally"), "%s", out);
	cr_expect_eq(remote_end(&r, 20), 0);
}

Test(gdb_stock, bt, .timeout = 120) { session("bt"); }
Test(gdb_stock, interp, .timeout = 120) { session("interp"); }

Test(gdb_stock, vtx, .timeout = 120)
{
	struct remote r;

	need_gdb();
	if (!spawn_available("vtx"))
		cr_skip_test("backend vtx is not available here (ringlab doctor says why)");
	cr_assert(remote_start(&r, "vtx", "hello", NULL));
	for (int i = 0; i < 500 && access(r.path, F_OK); i++)
		usleep(10000);
	gdb(r.path, "-ex 'print (int)$pc - (int)_start' -ex stepi -ex 'print (int)$pc > (int)_start' -ex 'stepi 2' -ex 'set $at = $pc'"
		" -ex 'break *($pc + 1)' -ex continue -ex 'print (int)$pc - (int)$at' -ex kill");
	cr_expect(strstr(out, "$1 = 0"), "%s", out);
	cr_expect(strstr(out, "$2 = 1"), "%s", out);
	cr_expect(strstr(out, "$3 = 1"), "push is one byte long: %s", out);
	cr_expect_eq(WEXITSTATUS(remote_end(&r, 20)), 225);
}
