/*
 * console_end_test.c - an interactive Linux guest that is ended before its kernel listens: by SIGTERM, and by Ctrl-A X.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>
#include "machine.h"

/* The terminal is as it was also when ringlab is told to end. */
static void sigterm(void)
{
	static struct machine m;
	struct termios t;

	machine_start(&m, "linux-i386", "quiet");
	cr_assert(machine_expect(&m, "Ctrl-A X quits", 20));
	usleep(500000);
	kill(m.pid, SIGTERM);
	cr_assert_eq(machine_end(&m, 10), 225);
	cr_assert(!tcgetattr(m.tty, &t));
	cr_assert((t.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG), "the terminal was not restored");
}

/* A key is seen although the kernel is not yet listening: it is still unpacking itself. */
static void early(void)
{
	static struct machine m;

	machine_start(&m, "linux-i386", "quiet");
	cr_assert(machine_expect(&m, "Ctrl-A X quits", 20));
	machine_type(&m, "\001x");
	cr_assert(machine_expect(&m, "quit by Ctrl-A X", 20));
	cr_assert_eq(machine_end(&m, 10), 225);
}

Test(debian, console_end, .timeout = 240)
{
	machine_need();
	sigterm();
	early();
}
