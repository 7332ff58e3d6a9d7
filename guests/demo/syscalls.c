/*
 * syscalls.c - system calls by INT and by SYSENTER: who is entered, with what, and what the way there and back costs.
 *
 * The guest of `ringlab demo guest-syscalls`. A user program makes n calls of each kind. The kernel's entries write down the selectors and flags
 * that they find; the program measures its calls in TSC cycles and keeps the median of the later ones. `only=int` or `only=sysenter` makes calls
 * of one kind, so that all counts are that kind's. The Xen build has no SYSENTER: the interface does not offer it here.
 * Builds: XEN PREVIRT
 */
#include "median.h"
#include "x86.h"
#ifndef HAL_XEN
#include "native.h"
#endif

#define SAMPLES_MAX 256

static uint32_t sample[SAMPLES_MAX] USER_DATA;
static uint32_t samples USER_DATA;

static __attribute__((always_inline)) inline void note(uint32_t cycles)
{
	if (samples < SAMPLES_MAX)
		sample[samples++] = cycles;
}

/* The median of the second half: the first calls pay for what is set up once. */
static uint32_t steady(void)
{
	return median(sample + samples / 2, samples - samples / 2);
}

static void result(const char *name, uint32_t n, bool fault)
{
	printf("%s-calls %u\n", name, fault ? 0 : n);
	printf("%s-cycles %u\n", name, steady());
	samples = 0;
}

/* ---- INT ---- */

/* A function of one instruction, to be shown. */
__asm__(".section .utext, \"ax\"; .globl call_by_int; .type call_by_int, @function; call_by_int: int $0x80; ret;"
	".size call_by_int, . - call_by_int; .text");

static USER_CODE void int_loop(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		truth_add(RDTSC, 2);
		uint32_t t0 = raw_tsc32();
		__asm__ volatile("call call_by_int" : : "a"(SYSCALL_NULL) : "memory");
		note(raw_tsc32() - t0);
	}
	user_exit(n);
}

/* Another call, once: its handler looks at the frame that the CPU, or who plays it, has made. */
static USER_CODE void int_looked_at(uint32_t arg)
{
	__asm__ volatile("int $0x80" : : "a"(77) : "memory");
	user_exit(arg);
}

static bool look(struct trap_frame *f)
{
	uint32_t cs;

	if (f->eax != 77)
		return false;
	truth_add(SEG_READ, 1);
	__asm__ volatile("pushl %%cs; popl %0" : "=r"(cs));
	printf("int-user-cs 0x%x\nint-user-ss 0x%x\nint-user-if %u\n", f->cs & 0xffff, f->ss & 0xffff, f->eflags >> 9 & 1);
	printf("int-kernel-cs 0x%x\n", cs & 0xffff);
	return true;
}

static void run_int(void *n)
{
	user_run(int_loop, (uint32_t)n);
}

static void by_int(uint32_t n)
{
	struct fault f;

	trap_set(SYSCALL_VECTOR, look);
	user_run(int_looked_at, 0);
	trap_set(SYSCALL_VECTOR, NULL);
	result("int", n, trap_try(&f, run_int, (void *)n));
}

/* ---- SYSENTER ---- */

#ifdef HAL_XEN
static void by_sysenter(uint32_t n)
{
	(void)n;
}
#else
extern char sysenter_entry[], sysenter_look[];
uint32_t found[4]; /* CS, SS, ESP and EFLAGS as the entry finds them; not static: assembly writes it */

__asm__(".text; sysenter_look: pushfl; popl found + 12; movl %esp, found + 8; movl %cs, %eax; movl %eax, found;"
	"movl %ss, %eax; movl %eax, found + 4; sysexit");
__asm__(".section .utext, \"ax\"; .globl call_by_sysenter; .type call_by_sysenter, @function;"
	"call_by_sysenter: movl %esp, %ecx; movl $1f, %edx; sysenter; 1: ret;"
	".size call_by_sysenter, . - call_by_sysenter; .text");

static USER_CODE void sysenter_loop(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		truth_add(RDTSC, 2);
		uint32_t t0 = raw_tsc32();
		__asm__ volatile("call call_by_sysenter" : : "a"(SYSCALL_NULL) : "ecx", "edx", "memory");
		note(raw_tsc32() - t0);
	}
	user_exit(n);
}

static USER_CODE void sysenter_once(uint32_t arg)
{
	uint32_t a = SYSCALL_NULL;

	__asm__ volatile("call call_by_sysenter" : "+a"(a) : : "ecx", "edx", "memory");
	user_exit(arg);
}

static void run_sysenter(void *n)
{
	user_run(sysenter_loop, (uint32_t)n);
}

static void run_once(void *arg)
{
	user_run(sysenter_once, (uint32_t)arg);
}

static void by_sysenter(uint32_t n)
{
	struct fault f;

	if (!(cpuid(1, 0).d & CPUID1_EDX_SEP)) {
		printf("sysenter-calls 0\n");
		return;
	}
	wrmsr(MSR_SYSENTER_CS, SEL_KCODE);
	wrmsr(MSR_SYSENTER_ESP, (uint32_t)trap_stack_top);
	wrmsr(MSR_SYSENTER_EIP, (uint32_t)sysenter_look);
	truth_add(SYSCALL_ENTRY, 1);
	truth_add(USER_RETURN, 1);
	truth_add(SEG_READ, 2);
	truth_add(FLAGS_IMAGE, 1);
	if (trap_try(&f, run_once, NULL)) {
		printf("sysenter-calls 0\nsysenter-fault %s\n", trap_name(f.vector));
		return;
	}
	printf("sysenter-kernel-cs 0x%x\nsysenter-kernel-ss 0x%x\n", found[0] & 0xffff, found[1] & 0xffff);
	printf("sysenter-kernel-if %u\n", found[3] >> 9 & 1);
	wrmsr(MSR_SYSENTER_EIP, (uint32_t)sysenter_entry);
	result("sysenter", n, trap_try(&f, run_sysenter, (void *)n));
}
#endif

int guest_main(void)
{
	uint32_t n = hal_number("n", 200);
	char only[12] = "";

	hal_word("only", only, sizeof only);
	if (strcmp(only, "sysenter"))
		by_int(n);
	if (strcmp(only, "int"))
		by_sysenter(n);
	return 0;
}
