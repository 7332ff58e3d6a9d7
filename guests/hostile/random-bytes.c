/*
 * random-bytes.c - user mode runs random bytes (fixed seed), thousands of times.
 */
#include "hostile.h"

#define ROUNDS 2000
#define LENGTH 64

static uint8_t room[PAGE] USER_DATA __attribute__((aligned(4096)));
static volatile uint32_t ticks, stuck;

static USER_CODE void enter(uint32_t where)
{
	__asm__ volatile("call *%0" : "+a"(where) : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory", "cc");
	user_exit(0);
}

/* Random code may loop for ever: at the third tick of one attempt it goes nowhere but out. */
static void tick(void)
{
	ticks++;
}

static USER_CODE void out(uint32_t arg)
{
	user_exit(arg);
}

static bool on_irq(struct trap_frame *f)
{
	bool done = timer_handle(f);
	if (ticks >= 3 && FRAME_USER(f)) {
		f->eip = (uint32_t)out;
		f->eflags = 0x202;
		stuck++;
	}
	return done;
}

int guest_main(void)
{
	uint32_t faults = 0, rounds = hal_number("rounds", ROUNDS);
	timer_start(200, tick);
	trap_set(0x20, on_irq);
	for (uint32_t r = 0; r < rounds; r++) {
		for (uint32_t i = 0; i < LENGTH; i += 4)
			*(uint32_t *)(room + i) = attack_random();
		ticks = 0;
		faults += attack_user_quiet(enter, (uint32_t)room);
	}
	timer_stop();
	attack_tally("random-bytes", faults, rounds);
	return hostile_end();
}
