/*
 * The stub as a debugger sees it, packet by packet: breakpoints, registers, memory, steps, Ctrl-C, the ends.
 *
 * Every test runs the whole product, jail included. What is expected comes from the guests' own ELF files and sources.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "remote.h"
#include "spawn.h"

/* By value: a test runs in another process. */
static char engines[][8] = { "bt", "interp" };

static void need(const char *backend)
{
	if (!spawn_available(backend))
		cr_skip_test("backend %s is not available here (ringlab doctor says why)", backend);
}

static void attach(struct remote *r, const char *backend, const char *guest, const char *const *args)
{
	cr_assert(remote_start(r, backend, guest, args));
	cr_assert(remote_connect(r), "nobody listens at %s", r->path);
	cr_assert(strstr(remote_ask(r, "qSupported:swbreak+;hwbreak+"), "PacketSize="));
}

static void run_to(struct remote *r, uint32_t address)
{
	cr_assert_str_eq(remote_ask(r, "Z0,%x,1", address), "OK");
	cr_assert(strstr(remote_ask(r, "vCont;c"), "swbreak"), "%s", r->reply);
	cr_assert_eq(remote_reg(r, REG_EIP), address);
	cr_assert_str_eq(remote_ask(r, "z0,%x,1", address), "OK");
}

#define EACH_ENGINE(suite, test) \
	ParameterizedTestParameters(suite, test) { return cr_make_param_array(char[8], engines, 2); } \
	ParameterizedTest(const char *e, suite, test, .timeout = 60)

EACH_ENGINE(gdb, break_look_change_continue)
{
	uint32_t main = remote_symbol("hello", "guest_main"), printf = remote_symbol("hello", "hal_printf"), esp, ret, eax;
	struct remote r;
	unsigned frame;

	need(e);
	attach(&r, e, "hello", NULL);
	cr_assert(strstr(remote_ask(&r, "qXfer:features:read:target.xml:0,3ff"), "org.gnu.gdb.i386.core"));
	run_to(&r, main);
	/* sub $FRAME,%esp is how the compiler begins it; one step does it. */
	cr_assert_eq(sscanf(remote_ask(&r, "m%x,3", main), "83ec%2x", &frame), 1, "guest_main begins with %s", r.reply);
	esp = remote_reg(&r, REG_ESP);
	cr_assert_str_eq(remote_ask(&r, "s"), "T05thread:1;");
	cr_assert_eq(remote_reg(&r, REG_EIP), main + 3);
	cr_assert_eq(remote_reg(&r, REG_ESP), esp - frame);
	/* Its first call: code after it is translated by now. Make the function return 42 from there. */
	run_to(&r, printf);
	esp = remote_reg(&r, REG_ESP);
	ret = (uint32_t)strtoul(remote_ask(&r, "m%x,4", esp), NULL, 16);
	ret = __builtin_bswap32(ret);
	cr_assert(ret > main && ret < main + 200, "returns to %#x", ret);
	cr_assert_str_eq(remote_ask(&r, "M%x,9:b82a00000083c4%02xc3", ret, frame), "OK");
	eax = remote_reg(&r, REG_EAX);
	cr_assert_str_eq(remote_ask(&r, "P0=78563412"), "OK");
	cr_assert_eq(remote_reg(&r, REG_EAX), 0x12345678);
	cr_assert_str_eq(remote_ask(&r, "P0=%08x", __builtin_bswap32(eax)), "OK");
	cr_assert_str_eq(remote_ask(&r, "c"), "W2a");
	cr_assert_eq(WEXITSTATUS(remote_end(&r, 10)), 42);
}

/* A breakpoint is nowhere in guest memory; one on a page that is not mapped is taken as well. */
EACH_ENGINE(gdb, breakpoints_are_invisible)
{
	uint32_t main = remote_symbol("hello", "guest_main");
	struct remote r;
	char before[40];

	need(e);
	attach(&r, e, "hello", NULL);
	snprintf(before, sizeof(before), "%s", remote_ask(&r, "m%x,10", main));
	cr_assert_str_eq(remote_ask(&r, "Z0,%x,1", main), "OK");
	cr_assert_str_eq(remote_ask(&r, "Z1,%x,1", main + 3), "OK");
	cr_assert_str_eq(remote_ask(&r, "Z0,f0000000,1"), "OK");
	cr_assert_str_eq(remote_ask(&r, "m%x,10", main), before);
	cr_assert(strstr(remote_ask(&r, "c"), "swbreak"));
	cr_assert_str_eq(remote_ask(&r, "z0,%x,1", main), "OK");
	cr_assert(strstr(remote_ask(&r, "c"), "hwbreak"), "%s", r.reply);
	cr_assert_eq(remote_reg(&r, REG_EIP), main + 3);
	cr_assert_str_eq(remote_ask(&r, "z1,%x,1", main + 3), "OK");
	for (unsigned i = 0; i < 63; i++)
		cr_assert_str_eq(remote_ask(&r, "Z0,%x,1", 0x200000 + i), "OK");
	cr_assert_eq(remote_ask(&r, "Z0,300000,1")[0], 'E');
	cr_assert_str_eq(remote_ask(&r, "m%x,4", 0xfffff000u), "E0e");
	cr_assert_str_eq(remote_ask(&r, "c"), "W00");
	remote_end(&r, 10);
}

/* A breakpoint where code has run already, and so has been translated; and one that is gone from there. */
EACH_ENGINE(gdb, break_in_code_that_has_run)
{
	uint32_t printf = remote_symbol("hello", "hal_printf"), putc = remote_symbol("hello", "hal_putc");
	struct remote r;

	need(e);
	attach(&r, e, "hello", NULL);
	run_to(&r, printf);
	run_to(&r, putc);
	run_to(&r, printf); /* runs through putc without stopping */
	run_to(&r, putc);
	cr_assert_str_eq(remote_ask(&r, "c"), "W00");
	remote_end(&r, 10);
}

/* A watchpoint on what a function's first PUSH or CALL writes; the access is done when it is reported. */
EACH_ENGINE(gdb, watchpoints)
{
	uint32_t main = remote_symbol("hello", "guest_main"), esp, eip;
	char want[40];
	struct remote r;
	unsigned frame;

	need(e);
	attach(&r, e, "hello", NULL);
	run_to(&r, main);
	cr_assert_eq(sscanf(remote_ask(&r, "m%x,3", main), "83ec%2x", &frame), 1);
	esp = remote_reg(&r, REG_ESP) - frame - 4; /* where its first CALL leaves the return address */
	cr_assert_str_eq(remote_ask(&r, "Z2,%x,4", esp), "OK");
	snprintf(want, sizeof(want), "T05watch:%x;thread:1;", esp);
	cr_assert_str_eq(remote_ask(&r, "c"), want);
	cr_assert_eq(remote_reg(&r, REG_EIP), remote_symbol("hello", "hal_printf"));
	eip = __builtin_bswap32((uint32_t)strtoul(remote_ask(&r, "m%x,4", esp), NULL, 16));
	cr_assert(eip > main && eip < main + 100);
	cr_assert_str_eq(remote_ask(&r, "z2,%x,4", esp), "OK");
	cr_assert_str_eq(remote_ask(&r, "Z3,%x,4", esp), "OK");
	snprintf(want, sizeof(want), "T05rwatch:%x;thread:1;", esp);
	cr_assert_str_eq(remote_ask(&r, "c"), want, "the RET reads it: %s", r.reply);
	cr_assert_eq(remote_reg(&r, REG_EIP), eip);
	cr_assert_str_eq(remote_ask(&r, "z3,%x,4", esp), "OK");
	cr_assert_str_eq(remote_ask(&r, "c"), "W00");
	remote_end(&r, 10);
}

/* bt steps by the interpreter and continues translated; the interpreter is the interpreter: 300 states, one by one. */
Test(gdb, same_steps_on_both, .timeout = 60)
{
	uint32_t main = remote_symbol("hello", "guest_main");
	struct remote a, b;

	need("bt");
	attach(&a, "bt", "hello", NULL);
	attach(&b, "interp", "hello", NULL);
	for (unsigned i = 0; i < 300; i++) {
		if (i == 150) {
			run_to(&a, main);
			run_to(&b, main);
		}
		remote_ask(&a, "g");
		cr_assert_str_eq(remote_ask(&b, "g"), a.reply, "after %u steps", i);
		cr_assert_str_eq(remote_ask(&a, "s"), "T05thread:1;");
		cr_assert_str_eq(remote_ask(&b, "s"), "T05thread:1;");
	}
	remote_ask(&a, "vKill;1");
	remote_ask(&b, "vKill;1");
	cr_assert_eq(WEXITSTATUS(remote_end(&a, 10)), 225);
	cr_assert_eq(WEXITSTATUS(remote_end(&b, 10)), 225);
}

EACH_ENGINE(gdb, control_c_and_detach)
{
	const char *const args[] = { "--timeout", "1", NULL };
	struct remote r;

	need(e);
	attach(&r, e, "hostile/loop-masked", args);
	for (int i = 0; i < 3; i++) {
		remote_send(&r, "c");
		cr_assert_not(remote_receive(&r, 0.2), "stopped by itself: %s", r.reply);
		remote_write(&r, "\x03", 1);
		cr_assert(remote_receive(&r, 5));
		cr_assert_str_eq(r.reply, "T02thread:1;");
	}
	/* Held for longer than the guest's time-out: that does not count. */
	cr_assert_not(remote_receive(&r, 1.2));
	cr_assert_str_eq(remote_ask(&r, "?"), "T02thread:1;");
	cr_assert_str_eq(remote_ask(&r, "D"), "OK");
	cr_assert_eq(WEXITSTATUS(remote_end(&r, 10)), 221);
}

EACH_ENGINE(gdb, crash_can_be_looked_at)
{
	struct remote r;

	need(e);
	attach(&r, e, "hostile/triple-fault", NULL);
	cr_assert_eq(remote_ask(&r, "c")[0], 'O', "%s", r.reply);
	while (r.reply[0] == 'O')
		cr_assert(remote_receive(&r, 10));
	cr_assert_str_eq(r.reply, "T06thread:1;");
	cr_assert_neq(remote_reg(&r, REG_EIP), 0);
	cr_assert_str_eq(remote_ask(&r, "c"), "X06");
	cr_assert_eq(WEXITSTATUS(remote_end(&r, 10)), 220);
}

/* Linux would call the first a lost terminal: nobody is left who could let the guest run. */
EACH_ENGINE(gdb, lost_connection_ends_the_run)
{
	struct remote r;

	need(e);
	attach(&r, e, "hello", NULL);
	cr_assert_eq(WEXITSTATUS(remote_end(&r, 10)), 225);
	attach(&r, e, "hostile/loop-masked", NULL);
	remote_send(&r, "c");
	cr_assert_eq(WEXITSTATUS(remote_end(&r, 10)), 225);
}

Test(gdb, waiting_can_be_interrupted, .timeout = 30)
{
	struct remote r;

	cr_assert(remote_start(&r, "interp", "hello", NULL));
	cr_assert(remote_connect(&r)); /* accepted, and held */
	kill(r.pid, SIGTERM);
	cr_assert_eq(WEXITSTATUS(remote_wait(&r, 10)), 225);
}

Test(gdb, bad_addresses_are_refused, .timeout = 30)
{
	static const char *const bad[] = { ":99999", ":", ":x1", ":-1", "", "/", "/nonexistent-directory/socket" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char cmd[700];
		snprintf(cmd, sizeof(cmd), "timeout 10 %s run --backend interp --gdb '%s' hello 2>/dev/null >&2 </dev/null", RINGLAB_BINARY, bad[i]);
		cr_assert_eq(WEXITSTATUS(system(cmd)), 223, "--gdb '%s'", bad[i]);
	}
}

Test(gdb, pv_refuses_with_a_sentence, .timeout = 30)
{
	const char *const args[] = { "--interface", "trap", NULL };
	struct remote r;

	need("pv");
	attach(&r, "pv", "hello", args);
	cr_assert(strstr(remote_ask(&r, "Z0,100000,1"), "backend pv has no"), "%s", r.reply);
	cr_assert(strstr(remote_ask(&r, "s"), "backend pv cannot"), "%s", r.reply);
	cr_assert_neq(remote_reg(&r, REG_EIP), 0);
	cr_assert_str_eq(remote_ask(&r, "c"), "W00");
	remote_end(&r, 10);
}
