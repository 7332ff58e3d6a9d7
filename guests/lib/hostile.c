/*
 * hostile.c - the bookkeeping behind hostile.h.
 */
#include "hostile.h"

struct fault attack_fault;

struct call {
	void (*fn)(uint32_t arg);
	uint32_t arg;
};

static void call_kernel(void *arg)
{
	struct call *c = arg;
	c->fn(c->arg);
}

static void call_user(void *arg)
{
	struct call *c = arg;
	user_run(c->fn, c->arg);
}

/* Whatever the attempt left in FS, GS and EFLAGS must not stay for the next. */
static bool attempt(void (*how)(void *), void (*fn)(uint32_t arg), uint32_t arg)
{
	struct call c = { fn, arg };
	trap_expect_poison();
	bool faulted = trap_try(&attack_fault, how, &c) != 0;
	__asm__ volatile("mov %0, %%fs; mov %0, %%gs; push $2; popf" : : "r"(0) : "cc", "memory");
	return faulted;
}

static bool report(const char *name, bool faulted)
{
	if (!faulted)
		printf("ATTACK %s: no fault\n", name);
	else if (attack_fault.vector < 20)
		printf("ATTACK %s: %s(0x%x)\n", name, trap_name(attack_fault.vector), attack_fault.error);
	else
		printf("ATTACK %s: vector 0x%x\n", name, attack_fault.vector);
	return faulted;
}

bool attack(const char *name, void (*fn)(uint32_t arg), uint32_t arg)
{
	return report(name, attempt(call_kernel, fn, arg));
}

bool attack_user(const char *name, void (*fn)(uint32_t arg), uint32_t arg)
{
	return report(name, attempt(call_user, fn, arg));
}

bool attack_quiet(void (*fn)(uint32_t arg), uint32_t arg)
{
	return attempt(call_kernel, fn, arg);
}

bool attack_user_quiet(void (*fn)(uint32_t arg), uint32_t arg)
{
	return attempt(call_user, fn, arg);
}

void attack_tally(const char *name, uint32_t faults, uint32_t attempts)
{
	printf("ATTACK %s: %u of %u attempts ended in a fault\n", name, faults, attempts);
}

int hostile_end(void)
{
	printf("ATTACK over: the guest crashes itself\n");
	hal_crash();
}

void hostile_escaped(const char *what)
{
	printf("ATTACK succeeded: %s\n", what);
	hal_exit(1);
}

uint32_t attack_random(void)
{
	static uint32_t state = 0x2545f491;
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}
