/*
 * cells_user.c - system calls: user mode to kernel mode and back, by INT and by SYSENTER, in real ring-3 code.
 *
 * The loops run in user mode and write their samples there; the kernel's side is the shortest entry that is honest
 * (boot.S, xen_boot.S).
 */
#include "nano.h"

static USER_CODE void int_loop(uint32_t n)
{
	while (nano.done < n) {
		truth_add(RDTSC, 2);
		uint32_t t0 = fenced_tsc();
		__asm__ volatile("int $0x80" : : "a"(SYSCALL_NULL) : "memory");
		uint32_t t1 = fenced_tsc();
		nano_sample(t1 - t0, 1);
	}
	user_exit(0);
}

static void run_int(void *arg)
{
	(void)arg;
	user_run(int_loop, nano.n);
}

/* A fault in user mode, or calls that never reached the kernel, are what a hole looks like here. */
static void checked(void (*run)(void *), uint32_t extra)
{
	struct fault f;
	uint32_t before = ringlab_truth.count[EV_SYSCALL_ENTRY];
	if (trap_try(&f, run, NULL))
		nano.hole = true;
	else if (ringlab_truth.count[EV_SYSCALL_ENTRY] - before != nano.n + extra)
		nano.hole = true;
}

static const char *syscall_int(void)
{
	checked(run_int, 1);
	return NULL;
}

#ifdef HAL_XEN
static const char *syscall_sysenter(void)
{
	return "the Xen x86-32 interface gives guests no SYSENTER here";
}
#else
extern char sysenter_entry[], trap_stack_top[];

static USER_CODE void sysenter_loop(uint32_t n)
{
	while (nano.done < n) {
		truth_add(RDTSC, 2);
		uint32_t t0 = fenced_tsc();
		/* The kernel returns with SYSEXIT to EDX with the stack in ECX. */
		__asm__ volatile("mov %%esp, %%ecx; mov $1f, %%edx; sysenter; 1:" : : "a"(SYSCALL_NULL) : "ecx", "edx", "memory");
		uint32_t t1 = fenced_tsc();
		nano_sample(t1 - t0, 1);
	}
	user_exit(0);
}

static void run_sysenter(void *arg)
{
	(void)arg;
	user_run(sysenter_loop, nano.n);
}

static const char *syscall_sysenter(void)
{
	if (!(cpuid(1, 0).d & CPUID1_EDX_SEP))
		return "CPUID says that there is no SYSENTER";
	wrmsr(MSR_SYSENTER_CS, 0x80);
	wrmsr(MSR_SYSENTER_ESP, (uint32_t)trap_stack_top);
	wrmsr(MSR_SYSENTER_EIP, (uint32_t)sysenter_entry);
	checked(run_sysenter, 1);
	return NULL;
}
#endif

const struct cell cells_user[] = {
	{ .name = "syscall-int", .run = syscall_int },
	{ .name = "syscall-sysenter", .run = syscall_sysenter },
	{ .name = NULL },
};
