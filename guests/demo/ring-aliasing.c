/*
 * ring-aliasing.c - a kernel that looks at its own selectors: PUSH CS, MOV from CS and SS, and the CS of its own exception frame.
 *
 * The guest of `ringlab demo ring-aliasing`. On the machine that it was written for they agree, and the low two bits are 0.
 * Prints "NAME VALUE" lines; cost-push-cs is in TSC cycles, as the guest measures it.
 * Builds: XEN PREVIRT
 */
#include "hal.h"

static __attribute__((noinline)) uint32_t push_cs(void)
{
	uint32_t cs;

	__asm__ volatile("pushl %%cs; popl %0" : "=r"(cs));
	return cs & 0xffff;
}

static __attribute__((noinline)) uint32_t mov_cs(void)
{
	uint32_t cs;

	__asm__ volatile("movl %%cs, %0" : "=r"(cs));
	return cs & 0xffff;
}

static __attribute__((noinline)) uint32_t mov_ss(void)
{
	uint32_t ss;

	__asm__ volatile("movl %%ss, %0" : "=r"(ss));
	return ss & 0xffff;
}

/* What a kernel asks when a trap has come: was it user mode that was interrupted? */
static __attribute__((noinline)) const char *where_am_i(uint32_t cs)
{
	return (cs & 3) == 0 ? "kernel" : "user";
}

static uint32_t frame_cs;

static bool on_invalid(struct trap_frame *f)
{
	frame_cs = f->cs & 0xffff;
	f->eip += 2;
	return true;
}

/* UD2 is no privileged instruction: every technique delivers #UD with the CS that it wants the kernel to see. */
static uint32_t trap_cs(void)
{
	trap_set(6, on_invalid);
	__asm__ volatile("ud2" : : : "memory");
	return frame_cs;
}

static USER_CODE void user_cs(uint32_t arg)
{
	__asm__ volatile("pushl %%cs; popl %%eax; movzwl %%ax, %0" : "=r"(arg) : : "eax");
	user_exit(arg);
}

/* Of one PUSH CS and POP, with the loop around them: the least of a few averages. */
static uint32_t cost(uint32_t n)
{
	uint32_t best = UINT32_MAX;

	truth_add(SEG_READ, 5 * n);
	for (unsigned round = 0; round < 5; round++) {
		uint32_t t0 = hal_tsc32();
		for (uint32_t i = 0; i < n; i++)
			__asm__ volatile("pushl %%cs; popl %%eax" : : : "eax");
		uint32_t t = (hal_tsc32() - t0) / n;
		best = t < best ? t : best;
	}
	return best;
}

int guest_main(void)
{
	uint32_t cs, user;

	truth_add(SEG_READ, 4);
	cs = push_cs();
	printf("push-cs 0x%x\nmov-cs 0x%x\nmov-ss 0x%x\n", cs, mov_cs(), mov_ss());
	printf("frame-cs 0x%x\n", trap_cs());
	user = user_run(user_cs, 0);
	printf("user-cs 0x%x\nconclusion %s\n", user, where_am_i(cs));
	printf("cost-push-cs %7u\n", cost(hal_number("n", 100)));
	return 0;
}
