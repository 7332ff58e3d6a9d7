/*
 * insn.c - the bookkeeping behind insn.h.
 */
#include "insn.h"

#define WRONG_MAX 16

static struct {
	const char *key;
	uint32_t got, want;
} wrong[WRONG_MAX];
static unsigned wrongs;
struct fault insn_fault;

static void note(const char *key, uint32_t got, uint32_t want)
{
	if (wrongs < WRONG_MAX) {
		wrong[wrongs].key = key;
		wrong[wrongs].got = got;
		wrong[wrongs].want = want;
	}
	wrongs++;
}

void expect(const char *key, uint32_t got, uint32_t want)
{
	printf("SAW %s=0x%x\n", key, got);
	if (got != want)
		note(key, got, want);
}

bool insn_our_machine(void)
{
	char word[8];
	return !hal_word("model", word, sizeof word) || strcmp(word, "any");
}

void expect_model(const char *key, uint32_t got, uint32_t want)
{
	expect(key, got, insn_our_machine() ? want : got);
}

struct call {
	void (*fn)(uint32_t arg);
	uint32_t arg, eflags, result;
};

static void call_kernel(void *arg)
{
	struct call *c = arg;
	c->fn(c->arg);
}

static void call_user(void *arg)
{
	struct call *c = arg;
	c->result = user_run_flags(c->fn, c->arg, c->eflags);
}

/* One number for "exception v with error e", so that expectations can be compared and listed. */
static uint32_t outcome(uint32_t vector, uint32_t error)
{
	return 0x80000000u | vector << 16 | (error & 0xffff);
}

static void compare(const char *key, int caught, uint32_t want)
{
	uint32_t got = caught ? outcome(insn_fault.vector, insn_fault.error) : 0;
	if (caught)
		printf("SAW %s=%s(0x%x)\n", key, trap_name(insn_fault.vector), insn_fault.error);
	else
		printf("SAW %s=no-fault\n", key);
	if (got != want)
		note(key, got, want);
}

void expect_fault(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t vector, uint32_t error)
{
	struct call c = { .fn = fn, .arg = arg };
	compare(key, trap_try(&insn_fault, call_kernel, &c), outcome(vector, error));
}

void expect_fine(const char *key, void (*fn)(uint32_t arg), uint32_t arg)
{
	struct call c = { .fn = fn, .arg = arg };
	compare(key, trap_try(&insn_fault, call_kernel, &c), 0);
}

struct value_call {
	uint32_t (*fn)(uint32_t arg);
	uint32_t arg, result;
};

static void call_value(void *arg)
{
	struct value_call *c = arg;
	c->result = c->fn(c->arg);
}

void expect_value(const char *key, uint32_t (*fn)(uint32_t arg), uint32_t arg, uint32_t want)
{
	struct value_call c = { .fn = fn, .arg = arg };
	if (trap_try(&insn_fault, call_value, &c))
		compare(key, 1, want);
	else
		expect(key, c.result, want);
}

void expect_user_fault(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t vector, uint32_t error)
{
	struct call c = { .fn = fn, .arg = arg, .eflags = 0x202 };
	int caught = trap_try(&insn_fault, call_user, &c);
	compare(key, caught && insn_fault.user ? caught : 0, outcome(vector, error));
}

void expect_user_flags(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t eflags, uint32_t want)
{
	struct call c = { .fn = fn, .arg = arg, .eflags = eflags };
	if (trap_try(&insn_fault, call_user, &c))
		compare(key, 1, want);
	else
		expect(key, c.result, want);
}

void expect_user(const char *key, void (*fn)(uint32_t arg), uint32_t arg, uint32_t want)
{
	expect_user_flags(key, fn, arg, 0x202, want);
}

int insn_end(void)
{
	for (unsigned i = 0; i < wrongs && i < WRONG_MAX; i++)
		printf("WRONG %s got 0x%x, architecturally 0x%x\n", wrong[i].key, wrong[i].got, wrong[i].want);
	memset(&insn_fault, 0, sizeof insn_fault); /* its EFLAGS hold undefined bits */
	if (!wrongs)
		printf("OK\n");
	return wrongs != 0;
}
