/*
 * cpu.c - the CPU's own ways as a process sees them: system calls, exceptions, TF, debug registers, LDT, FPU.
 */
#include "stress.h"
#include <asm/ldt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* INT 0x80, and the vDSO's __kernel_vsyscall, which is SYSENTER where the CPU has it. */
void case_syscalls(void)
{
	uint32_t vsyscall = (uint32_t)getauxval(AT_SYSINFO);
	int pid = getpid();

	check(vsyscall, "there is no AT_SYSINFO");
	for (int i = 0; i < 2000; i++) {
		int a = SYS_getpid, b = SYS_getpid, flags = 0;

		__asm__ volatile("int $0x80" : "+a"(a) : : "memory");
		__asm__ volatile("stc; call *%2; pushfl; popl %1" : "+a"(b), "=r"(flags) : "r"(vsyscall) : "memory");
		check(a == pid && b == pid, "getpid gave %d and %d, not %d", a, b, pid);
	}
	check(syscall(100000) == -1, "a system call that does not exist worked");
}

static sigjmp_buf resume;
static volatile int got_signal, got_code;
static volatile uintptr_t got_eip;

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	got_signal = sig;
	got_code = info->si_code;
	got_eip = (uintptr_t)((ucontext_t *)ctx)->uc_mcontext.gregs[REG_EIP];
	siglongjmp(resume, 1);
}

static void expect(int sig, void (*run)(void), const char *what)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(sig, &sa, NULL);
	got_signal = 0;
	if (!sigsetjmp(resume, 1))
		run();
	check(got_signal == sig, "%s gave signal %d, not %d", what, got_signal, sig);
	signal(sig, SIG_DFL);
}

static void do_divide(void) { __asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx" : : : "eax", "ecx", "edx", "cc"); }
static void do_overflow_divide(void) { __asm__ volatile("movl $0x80000000, %%eax; cltd; movl $-1, %%ecx; idivl %%ecx" : : : "eax", "ecx", "edx", "cc"); }
static void do_ud2(void) { __asm__ volatile("ud2"); }
static void do_int3(void) { __asm__ volatile("int3"); }
static void do_into(void) { __asm__ volatile("movb $0x7f, %%al; addb $1, %%al; into" : : : "eax", "cc"); }
static void do_hlt(void) { __asm__ volatile("hlt"); }
static void do_cli(void) { __asm__ volatile("cli"); }
static void do_in(void) { __asm__ volatile("inb $0x70, %%al" : : : "eax"); }
static void do_segment(void) { __asm__ volatile("movl $0x1234, %%eax; movl %%eax, %%es" : : : "eax"); }
static void do_bound(void) { static const int b[2] = { 1, 5 }; __asm__ volatile("boundl %0, %1" : : "r"(9), "m"(b)); }
static void do_cr(void) { __asm__ volatile("movl %%cr3, %%eax" : : : "eax"); }
static void do_int_gate(void) { __asm__ volatile("int $0x20"); }
static void do_sse(void)
{
	unsigned csr = 0x1f80 & ~0x200; /* division by zero unmasked */
	float z = 0;

	__asm__ volatile("ldmxcsr %0; movss %1, %%xmm0; movss %1, %%xmm1; divss %%xmm1, %%xmm0" : : "m"(csr), "m"(z) : "xmm0", "xmm1");
	csr = 0x1f80 & ~0x80;
	__asm__ volatile("ldmxcsr %0; movss %1, %%xmm0; divss %%xmm0, %%xmm0" : : "m"(csr), "m"(z) : "xmm0");
}
static void do_x87(void)
{
	unsigned short cw = 0x37b; /* zero divide unmasked */

	__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait; fninit" : : "m"(cw));
}

void case_exceptions(void)
{
	for (int i = 0; i < 20; i++) {
		expect(SIGFPE, do_divide, "division by zero");
		expect(SIGFPE, do_overflow_divide, "a quotient too large");
		expect(SIGILL, do_ud2, "UD2");
		expect(SIGTRAP, do_int3, "INT3");
		expect(SIGSEGV, do_into, "INTO");
		expect(SIGSEGV, do_bound, "BOUND");
		expect(SIGSEGV, do_hlt, "HLT");
		expect(SIGSEGV, do_cli, "CLI");
		expect(SIGSEGV, do_in, "IN");
		expect(SIGSEGV, do_segment, "a selector beyond the GDT");
		expect(SIGSEGV, do_cr, "MOV from CR3");
		expect(SIGSEGV, do_int_gate, "INT through a kernel gate");
		expect(SIGFPE, do_sse, "an SSE exception");
		expect(SIGFPE, do_x87, "an x87 exception");
	}
}

static volatile int steps;
static volatile uintptr_t last_step;

static void on_step(int sig, siginfo_t *info, void *ctx)
{
	steps++;
	last_step = (uintptr_t)((ucontext_t *)ctx)->uc_mcontext.gregs[REG_EIP];
}

/* A process that sets its own trap flag: one signal for each instruction after the POPF, system calls included. */
void case_trap_flag(void)
{
	struct sigaction sa = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };

	sigaction(SIGTRAP, &sa, NULL);
	for (int round = 0; round < 20; round++) {
		steps = 0;
		__asm__ volatile("pushfl; orl $0x100, (%%esp); popfl; nop; movl $20, %%eax; int $0x80; nop; pushfl; andl $~0x100, (%%esp); popfl; nop"
			: : : "eax", "memory", "cc");
		check(steps >= 6 && steps <= 8, "%d steps were counted", steps);
	}
}

static int traced(void)
{
	pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		volatile int x = 0;
		for (int i = 0; i < 60; i++)
			x += i;
		_exit(x == 1770 ? 7 : 1);
	}
	check(WIFSTOPPED(wait_for(child)), "the traced child does not stop");
	return child;
}

/* Single steps by ptrace: the kernel sets TF in another process. */
void case_ptrace(void)
{
	pid_t child = traced();
	int status, n;
	long last = 0, moved = 0;

	for (n = 0; n < 300; n++) {
		struct user_regs_struct regs;

		check(!ptrace(PTRACE_SINGLESTEP, child, 0, 0), "PTRACE_SINGLESTEP");
		status = wait_for(child);
		check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "step %d ended with status %#x", n, status);
		check(!ptrace(PTRACE_GETREGS, child, 0, &regs), "PTRACE_GETREGS");
		moved += regs.eip != last;
		last = regs.eip;
	}
	check(moved > 250, "%ld of %d steps went anywhere", moved, n);
	ptrace(PTRACE_CONT, child, 0, 0);
	check(wait_for(child) == 7 << 8, "the stepped child computed something else");
}

static volatile int watched;

/* A data breakpoint by debug registers in a traced child. */
void case_breakpoint(void)
{
	pid_t child = fork();
	int status, hits = 0;

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		for (int i = 0; i < 5; i++)
			watched = i;
		_exit(7);
	}
	wait_for(child);
	check(!ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[0]), &watched), "debug register 0 cannot be set");
	check(!ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[7]), 0x000d0101), "debug register 7 cannot be set");
	for (;;) {
		ptrace(PTRACE_CONT, child, 0, 0);
		status = wait_for(child);
		if (!WIFSTOPPED(status))
			break;
		check(WSTOPSIG(status) == SIGTRAP, "the child stopped by signal %d", WSTOPSIG(status));
		hits++;
	}
	check(status == 7 << 8, "the watched child ended with status %#x", status);
	check(hits == 5, "%d of 5 writes hit the data breakpoint", hits);
}

static int ldt_set(unsigned entry, void *base, unsigned limit, bool code, bool wide)
{
	struct user_desc d = { .entry_number = entry, .base_addr = (unsigned)(uintptr_t)base, .limit = limit, .seg_32bit = wide,
		.contents = code ? MODIFY_LDT_CONTENTS_CODE : MODIFY_LDT_CONTENTS_DATA, .useable = 1 };

	return (int)syscall(SYS_modify_ldt, 0x11, &d, sizeof(d));
}

static uint32_t ldt_data[16];

static void read_past_limit(void)
{
	__asm__ volatile("movl $15, %%eax; movl %%eax, %%es; movl %%es:64, %%eax" : : : "eax");
}

/* Data through a segment with base and limit, here and in a child that inherits the LDT and changes it. */
void case_ldt(void)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 16; i++)
		ldt_data[i] = 0x1000 + i;
	check(!ldt_set(1, ldt_data, sizeof(ldt_data) - 1, false, true), "modify_ldt");
	__asm__ volatile("movl $15, %%eax; movl %%eax, %%es; movl %%es:20, %0; pushl %%ds; popl %%es" : "=r"(v) : : "eax");
	check(v == 0x1005, "through the LDT came %#x", v);
	expect(SIGSEGV, read_past_limit, "a read past the limit");
	__asm__ volatile("pushl %%ds; popl %%es" : : : "memory");
	pid_t child = fork();
	if (!child) {
		ldt_set(1, ldt_data + 4, 40, false, true);
		__asm__ volatile("movl $15, %%eax; movl %%eax, %%es; movl %%es:20, %0; pushl %%ds; popl %%es" : "=r"(v) : : "eax");
		_exit(v == 0x1009 ? 0 : 1);
	}
	check(!wait_for(child), "the child's own LDT");
	__asm__ volatile("movl $15, %%eax; movl %%eax, %%es; movl %%es:20, %0; pushl %%ds; popl %%es" : "=r"(v) : : "eax");
	check(v == 0x1005, "after the child's change of its LDT the parent reads %#x", v);
}

/* 16-bit code in a segment of its own: mov $0x1234,%ax; add %bx,%ax; loop of 100; lret to 32-bit code. */
void case_code16(void)
{
	static const unsigned char code[] = { 0xb8, 0x34, 0x12, 0x01, 0xd8, 0xb9, 0x64, 0x00, 0x40, 0xe2, 0xfd, 0x66, 0xcb };
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct { uint32_t offset; uint16_t sel; } __attribute__((packed)) target = { 0, 2 << 3 | 7 };

	memcpy(p, code, sizeof(code));
	check(!ldt_set(2, p, 4095, true, false), "modify_ldt");
	for (int i = 0; i < 20; i++) {
		uint32_t a = 0xaaaa0000, b = (uint32_t)i;
		__asm__ volatile("lcall *%2" : "+a"(a), "+b"(b) : "m"(target) : "ecx", "memory", "cc");
		check(a == 0xaaaa0000 + 0x1234 + (uint32_t)i + 100, "16-bit code gave %#x", a);
	}
}

/* Four processes with different FPU and SSE state, and a signal handler that destroys it. */
static void on_fpu_alarm(int sig)
{
	__asm__ volatile("fninit; fldpi; fldpi; pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7" : : : "memory");
}

static int fpu_child(int seed)
{
	unsigned short cw = (unsigned short)(0x37f | (seed << 10 & 0xc00)), cw2;
	double in = 1.0 + seed, out;
	uint32_t x = 0x01010101u * (unsigned)(seed + 1), y;

	signal(SIGALRM, on_fpu_alarm);
	ualarm(1000 + (unsigned)seed * 300, 1000);
	for (int i = 0; i < 3000; i++) {
		__asm__ volatile("fninit; fldcw %3; fldl %4; movd %5, %%xmm7; pshufd $0, %%xmm7, %%xmm7\n"
			"movl $3000, %%ecx\n1: loop 1b\n"
			"fstpl %0; fnstcw %1; pshufd $0x1b, %%xmm7, %%xmm7; movd %%xmm7, %2"
			: "=m"(out), "=m"(cw2), "=r"(y) : "m"(cw), "m"(in), "r"(x) : "ecx", "xmm7", "memory");
		if (out != in || cw2 != cw || x != y)
			return 1;
	}
	return 0;
}

void case_fpu(void)
{
	pid_t pid[4];

	for (int i = 0; i < 4; i++)
		if (!(pid[i] = fork()))
			_exit(fpu_child(i));
	for (int i = 0; i < 4; i++)
		check(!wait_for(pid[i]), "process %d lost its FPU state", i);
}
