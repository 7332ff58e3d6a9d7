/*
 * ring-compression.c - a user program reads and writes its kernel's memory; what happens, and what a system call costs.
 *
 * The guest of `ringlab demo ring-compression`. The kernel's page is marked so in the page tables: without U/S. Prints "NAME VALUE" lines;
 * cost-syscall is the least that a null system call took, in TSC cycles, as the guest measures it.
 * Builds: XEN PREVIRT
 */
#include "hal.h"

volatile uint32_t kernel_secret = 0x5ec4e7;
static uint32_t least USER_DATA = UINT32_MAX;

static USER_CODE void user_read(uint32_t arg)
{
	__asm__ volatile("movl kernel_secret, %0" : "=r"(arg));
	user_exit(arg);
}

static USER_CODE void user_write(uint32_t arg)
{
	__asm__ volatile("movl %0, kernel_secret" : : "r"(arg) : "memory");
	user_exit(0);
}

static USER_CODE void user_calls(uint32_t n)
{
	while (n--) {
		uint32_t t0 = raw_tsc32();
		__asm__ volatile("int $0x80" : : "a"(SYSCALL_NULL) : "memory");
		uint32_t t = raw_tsc32() - t0;
		least = t < least ? t : least;
	}
	user_exit(0);
}

struct attempt {
	void (*fn)(uint32_t arg);
	uint32_t arg, result;
};

static void attempt(void *arg)
{
	struct attempt *a = arg;

	a->result = user_run(a->fn, a->arg);
}

/* True when it faulted, and says how. */
static bool tried(const char *name, struct attempt *a)
{
	struct fault f;

	if (!trap_try(&f, attempt, a))
		return false;
	printf("%s %s(0x%x)\n", name, trap_name(f.vector), f.error);
	return true;
}

int guest_main(void)
{
	struct attempt read = { .fn = user_read }, write = { .fn = user_write, .arg = 0x41414141 };
	uint32_t n = hal_number("n", 100);

	if (!tried("user-read", &read))
		printf("user-read 0x%x\n", read.result);
	if (!tried("user-write", &write))
		printf("user-write done\n");
	printf("kernel-finds 0x%x\n", kernel_secret);
	truth_add(RDTSC, 2 * n);
	user_run(user_calls, n);
	printf("cost-syscall %7u\n", least);
	return 0;
}
