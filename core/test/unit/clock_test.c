/* Timers fire once, in time, and can be armed again from their own handler. */
#include <criterion/criterion.h>
#include "core/clock.h"

struct tick {
	struct clock *c;
	struct clock_timer t;
	int fired;
};

static void tick_fire(void *ctx)
{
	struct tick *k = ctx;

	if (++k->fired < 3)
		clock_arm(k->c, &k->t, clock_now(k->c));
}

Test(clock, a_timer_fires_when_due_and_rearms)
{
	struct clock c;
	struct tick k = { .c = &c, .t = { .fire = tick_fire, .ctx = &k } };

	cr_assert_eq(clock_init(&c), 0);
	cr_assert_eq(clock_next(&c), CLOCK_NEVER);
	clock_arm(&c, &k.t, clock_now(&c) + 1000000000000ull);
	clock_run(&c);
	cr_assert_eq(k.fired, 0);
	clock_arm(&c, &k.t, 0);
	cr_assert_eq(clock_next(&c), 0);
	for (int i = 0; i < 5; i++)
		clock_run(&c);
	cr_assert_eq(k.fired, 3);
	cr_assert_eq(clock_next(&c), CLOCK_NEVER);
	clock_fini(&c);
}
