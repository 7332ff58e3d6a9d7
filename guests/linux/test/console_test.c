/*
 * console_test.c - an interactive Linux guest through a pseudo-terminal: typing, Ctrl-C, idling, Ctrl-A, the terminal after.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "machine.h"

static void terminal(const struct machine *m, struct termios *t)
{
	cr_assert(!tcgetattr(m->tty, t)); /* the line discipline is one, whichever end is asked */
}

Test(debian, console, .timeout = 285)
{
	static struct machine m;
	struct termios before, during, after;

	machine_need();
	machine_start(&m, "linux-i386", "quiet");
	terminal(&m, &before);
	cr_assert(machine_expect(&m, "ringlab# ", 120));
	terminal(&m, &during);
	cr_assert(!(during.c_lflag & (ICANON | ECHO | ISIG)), "the terminal is not raw");

	machine_type(&m, "echo $((6 * 7)) guests\r");
	cr_assert(machine_expect(&m, "42 guests", 20));
	machine_type(&m, "sleep 1000\r");
	usleep(500000);
	machine_type(&m, "\003");
	cr_assert(machine_expect(&m, "ringlab# ", 20), "Ctrl-C does not reach the guest");

	sleep(1); /* what was typed may still be at work */
	long cpu = machine_cpu_ms(&m);
	sleep(3);
	cpu = machine_cpu_ms(&m) - cpu;
	cr_assert_lt(cpu, 600, "an idle guest took %ld ms of CPU time in 3 s: HLT does not sleep", cpu);

	machine_type(&m, "\001h");
	cr_assert(machine_expect(&m, "Ctrl-A X  quit", 20));
	machine_type(&m, "\001\001echo a\001aA\r"); /* Ctrl-A is ash's start of line, and arrives as the key it is */
	cr_assert(machine_expect(&m, "ringlab# ", 20));
	machine_type(&m, "\001x");
	cr_assert(machine_expect(&m, "quit by Ctrl-A X", 20));
	cr_assert_eq(machine_end(&m, 10), 225);
	terminal(&m, &after);
	cr_assert(after.c_lflag == before.c_lflag && after.c_iflag == before.c_iflag, "the terminal was not restored");
}
