/*
 * check.h - how a guest of guests/xen says what it saw: `SAW key=value`, `WRONG ...` where that is not as it should be.
 *
 * Everything printed is the same on every run, but for what a line calls LEAK: there the host shows through.
 */
#pragma once
#include "x86.h"
#include "xen.h"

struct check {
	uint32_t wrong;
};
extern struct check check;

static inline void expect(const char *key, uint32_t got, uint32_t want)
{
	printf("SAW %s=0x%x\n", key, got);
	if (got != want) {
		printf("WRONG %s: 0x%x, expected 0x%x\n", key, got, want);
		check.wrong++;
	}
}

/* Runs fn(arg) in kernel mode, which must raise this exception with this error code. */
static inline void expect_fault(const char *key, void (*fn)(void *arg), void *arg, uint32_t vector, uint32_t error)
{
	struct fault f = { 0 };
	int r = trap_try(&f, fn, arg);
	printf("SAW %s: vector %d, error 0x%x\n", key, r - 1, f.error);
	if (r != (int)vector + 1 || f.error != error) {
		printf("WRONG %s: expected vector %u, error 0x%x\n", key, vector, error);
		check.wrong++;
	}
}

static inline int check_end(void)
{
	printf(check.wrong ? "WRONG %u checks failed\n" : "OK\n", check.wrong);
	return check.wrong != 0;
}
