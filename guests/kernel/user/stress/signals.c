/*
 * signals.c - handlers, masks, waiting, timers, preemption, the FPU across all of them, and children that crash.
 */
#include "stress.h"

static volatile uint32_t count, order, depth, deepest;
static volatile int last_sig, last_code_pid;

static void note(int sig, struct linux_siginfo *info, struct linux_ucontext *context)
{
	count++;
	last_sig = sig;
	last_code_pid = info->pid;
	order = order * 10 + sig % 10;
}

static void nest(int sig, struct linux_siginfo *info, struct linux_ucontext *context)
{
	count++;
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (count < 5)
		kill(getpid(), sig);
	depth--;
}

/* The handler gets along with whatever registers and flags the interrupted code had; that one notices nothing. */
static void clobber(int sig, struct linux_siginfo *info, struct linux_ucontext *context)
{
	count++;
	__asm__ volatile("movl $-1, %%eax; movl %%eax, %%ecx; movl %%eax, %%edx; addl $1, %%eax; std; cld" : : : "eax", "ecx", "edx", "cc");
}

static void one_signal(pid_t me)
{
	count = order = 0;
	check(!signal_set(LSIGUSR1, note, 0, 0));
	check(!kill(me, LSIGUSR1));
	check(count == 1 && last_sig == LSIGUSR1 && last_code_pid == me);
	for (uint32_t i = 0; i < 50 * s.scale; i++)
		check(!kill(me, LSIGUSR1));
	check(count == 1 + 50 * s.scale);
}

/* A handler that sends itself its own signal. */
static void nested(pid_t me)
{
	count = deepest = 0;
	check(!signal_set(LSIGUSR2, nest, 0, 0)); /* blocked while it runs: one after the other */
	check(!kill(me, LSIGUSR2));
	check(count == 5 && deepest == 1);
	count = deepest = 0;
	check(!signal_set(LSIGUSR2, nest, LSA_NODEFER, 0)); /* inside each other */
	check(!kill(me, LSIGUSR2));
	check(count == 5 && deepest == 5);
}

static void dispositions(pid_t me)
{
	count = 0;
	check(!signal_set(LSIGUSR1, note, LSA_RESETHAND, 0));
	check(!kill(me, LSIGUSR1));
	check(count == 1);
	check(!signal_ignore(LSIGUSR1));
	check(!kill(me, LSIGUSR1));
	check(!kill(me, 0));
	check(count == 1);
	check_error(kill(me, 65), EINVAL);
	check_error(kill(0x3fffff, LSIGTERM), ESRCH);
	check_error(signal_set(LSIGKILL, note, 0, 0), EINVAL);
	check_error(signal_set(0, note, 0, 0), EINVAL);
}

/* All registers but ESP through a handler that clobbers them; EBP too. */
static void registers(pid_t me)
{
	uint32_t v[5];

	count = 0;
	check(!signal_set(LSIGUSR1, clobber, 0, 0));
	__asm__ volatile("pushl %%ebp; movl $37, %%eax; movl %5, %%ebx; movl $10, %%ecx; movl $0x11111111, %%edx; movl $0x22222222, %%esi;"
		"movl $0x33333333, %%edi; movl $0x44444444, %%ebp; stc; int $0x80; movl %%ebp, %%ebx; popl %%ebp;"
		"movl %%eax, %0; movl %%ebx, %1; movl %%edx, %2; movl %%esi, %3; movl %%edi, %4"
		: "=m"(v[0]), "=m"(v[1]), "=m"(v[2]), "=m"(v[3]), "=m"(v[4]) : "r"(me) : "eax", "ebx", "ecx", "edx", "esi", "edi", "memory", "cc");
	check(count == 1);
	check(v[0] == 0 && v[1] == 0x44444444 && v[2] == 0x11111111 && v[3] == 0x22222222 && v[4] == 0x33333333);
}

void case_signal(void)
{
	pid_t me = getpid();

	one_signal(me);
	nested(me);
	dispositions(me);
	registers(me);
	signal_default(LSIGUSR1);
	signal_default(LSIGUSR2);
	mix(count);
}

void case_signal_mask(void)
{
	uint64_t both = SIG_SET(LSIGUSR1) | SIG_SET(LSIGUSR2), old;
	pid_t me = getpid();

	count = 0;
	signal_set(LSIGUSR1, note, 0, SIG_SET(LSIGUSR2));
	signal_set(LSIGUSR2, note, 0, 0);
	old = signal_mask(LSIG_BLOCK, both);
	check(!(old & both));
	for (int i = 0; i < 3; i++) /* what is pending already counts once */
		kill(me, LSIGUSR1);
	kill(me, LSIGUSR2);
	check(count == 0);
	check(signal_pending() == both);
	check(signal_mask(LSIG_UNBLOCK, SIG_SET(LSIGUSR1)) == (old | both));
	check(count == 1 && last_sig == LSIGUSR1);
	check(signal_pending() == SIG_SET(LSIGUSR2));
	check(signal_suspend(0) == -1 && errno == EINTR);
	check(count == 2 && last_sig == LSIGUSR2);
	check(signal_mask(LSIG_SETMASK, old) == (old | SIG_SET(LSIGUSR2)));
	check(signal_mask(LSIG_BLOCK, SIG_SET(LSIGKILL) | SIG_SET(LSIGSTOP)) == old);
	check(signal_mask(LSIG_SETMASK, old) == old); /* those two cannot be blocked */
	signal_default(LSIGUSR1);
	signal_default(LSIGUSR2);
	mix(count);
}

static int sleeper(uint32_t fd)
{
	char c = 'r';

	while (write(fd, &c, 1) == 1)
		pause();
	return 1;
}

/* A read that a signal interrupts: with SA_RESTART it goes on, without it tells. */
static int interrupted(uint32_t arg)
{
	int fd = arg & 0xff, back = arg >> 8 & 0xff;
	bool restart = arg >> 16;
	char c = 0;
	ssize_t n;

	signal_set(LSIGUSR1, note, restart ? LSA_RESTART : 0, 0);
	count = 0;
	write(back, "r", 1);
	n = read(fd, &c, 1);
	if (restart)
		return n == 1 && c == 'z' && count ? 21 : 1;
	return n == -1 && errno == EINTR && count ? 22 : 2;
}

void case_signal_wait(void)
{
	static const int deadly[] = { LSIGTERM, LSIGKILL, LSIGHUP, LSIGINT, LSIGALRM, LSIGUSR1 };
	int ready[2], feed[2];
	pid_t pid;
	char c;

	check(!pipe(ready) && !pipe(feed));
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++) {
		pid = spawn(sleeper, ready[1]);
		check(read(ready[0], &c, 1) == 1);
		check(!kill(pid, deadly[i]));
		expect_signal(pid, deadly[i]);
	}
	for (uint32_t restart = 0; restart < 2; restart++) {
		pid = spawn(interrupted, (uint32_t)feed[0] | (uint32_t)ready[1] << 8 | restart << 16);
		check(read(ready[0], &c, 1) == 1);
		usleep(30000); /* so that it is in read by then */
		check(!kill(pid, LSIGUSR1));
		if (restart) {
			usleep(30000);
			check(write(feed[1], "z", 1) == 1);
		}
		expect_exit(pid, restart ? 21 : 22);
	}
	for (int i = 0; i < 2; i++)
		close(ready[i]), close(feed[i]);
	mix(c);
}

static int child_status(uint32_t n) { return n; }

void case_signal_child(void)
{
	uint64_t old = signal_mask(LSIG_BLOCK, SIG_SET(LSIGCHLD));
	uint32_t sum = 0, waited = 0;

	count = 0;
	signal_set(LSIGCHLD, note, 0, 0);
	for (uint32_t i = 0; i < 8; i++)
		spawn(child_status, i + 1);
	while (waited < 8) {
		int status;
		pid_t pid;

		while ((pid = waitpid(-1, &status, LWNOHANG)) > 0) {
			sum += WEXITSTATUS(status);
			waited++;
		}
		if (waited < 8)
			signal_suspend(old); /* a child may have ended since: then this comes back at once */
	}
	signal_mask(LSIG_SETMASK, old);
	check(count >= 1);
	check(sum == 36);
	signal_default(LSIGCHLD);
	mix(sum);
}

/* ---- timers and preemption ---- */

void case_preempt(void)
{
	enum { N = 3 };
	uint32_t rounds = 100000 * s.scale, want = busy(1, rounds), sum = 0;
	int ends[2];
	pid_t pid[N];

	check(!pipe(ends));
	for (uint32_t i = 0; i < N; i++)
		if (!(pid[i] = fork())) {
			uint32_t got = busy(i + 1, rounds);

			_exit(write(ends[1], &got, 4) != 4);
		}
	/* Alarms all the while: each interrupts a loop that has everything in registers. */
	count = 0;
	check(!signal_set(LSIGALRM, clobber, LSA_RESTART, 0));
	check(!timer_set(10000, 10000));
	while (count < 3) {
		if (busy(1, rounds) != want) {
			check(!"a loop that was interrupted gives something else");
			break;
		}
	}
	for (int i = 0; i < N; i++) {
		uint32_t got = 0;

		check(read_all(ends[0], &got, 4));
		sum += got;
	}
	for (int i = 0; i < N; i++)
		expect_exit(pid[i], 0);
	check(!timer_set(0, 0));
	signal_default(LSIGALRM);
	for (uint32_t i = 0; i < N; i++)
		sum -= busy(i + 1, rounds);
	check(sum == 0);
	close(ends[0]);
	close(ends[1]);
	check(alarm(100) == 0);
	check(alarm(0) > 90);
	mix(want);
}

/* ---- the FPU ---- */

static double series(double x, uint32_t n)
{
	double sum = x;

	for (uint32_t i = 1; i < n; i++)
		sum = sum * 0.999 + x / i;
	return sum;
}

static uint32_t bits(double d)
{
	uint32_t w[2];

	memcpy(w, &d, sizeof(w));
	return w[0] ^ w[1];
}

static int float_child(uint32_t n)
{
	uint32_t want = bits(series(n, 20000));

	for (int i = 0; i < 5; i++) {
		check(bits(series(n, 20000)) == want);
		sched_yield();
	}
	return 0;
}

void case_fpu(void)
{
	double held[4] = { 0 }; /* what stays on the register stack across a fork */
	uint16_t control = 0x0f7f, got = 0;
	pid_t pid[3], forked;

	for (uint32_t i = 0; i < 3; i++)
		pid[i] = spawn(float_child, i + 2);
	check(!float_child(9));
	for (int i = 0; i < 3; i++)
		expect_exit(pid[i], 0);
	__asm__ volatile("fldcw %0; fldpi; fldl2e; fld1; fchs" : : "m"(control));
	forked = syscall_raw(LNR_fork);
	__asm__ volatile("fstpl %0; fstpl %1; fstpl %2; fnstcw %3; fninit" : "=m"(held[0]), "=m"(held[1]), "=m"(held[2]), "=m"(got));
	check(held[0] == -1.0 && held[1] > 1.44269 && held[1] < 1.44270 && held[2] > 3.14159 && held[2] < 3.14160);
	check(got == control);
	if (!forked)
		_exit(s.wrong ? 99 : 0);
	expect_exit(forked, 0);
	mix(bits(series(3, 1000)));
}

static void float_handler(int sig, struct linux_siginfo *info, struct linux_ucontext *context)
{
	count++;
	__asm__ volatile("fninit; fldz; fldz; fldz; fldz; fldz; fldz; fldz; fldz");
}

/* A handler that uses the FPU does not disturb what it interrupts. */
void case_fpu_signal(void)
{
	double held[2] = { 0 };
	uint32_t want = bits(series(7, 20000));

	count = 0;
	check(!signal_set(LSIGUSR1, float_handler, 0, 0));
	__asm__ volatile("fldpi; fld1");
	syscall_raw(LNR_kill, getpid(), LSIGUSR1);
	__asm__ volatile("fstpl %0; fstpl %1" : "=m"(held[0]), "=m"(held[1]));
	check(count == 1);
	check(held[0] == 1.0 && held[1] > 3.14159 && held[1] < 3.14160);
	check(!signal_set(LSIGALRM, float_handler, 0, 0));
	check(!timer_set(10000, 10000));
	while (count < 4)
		if (bits(series(7, 20000)) != want) {
			check(!"a sum that was interrupted differs");
			break;
		}
	check(!timer_set(0, 0));
	signal_default(LSIGALRM);
	signal_default(LSIGUSR1);
	mix(want);
}

/* ---- crashes ---- */

static int overflow(uint32_t n)
{
	volatile char frame[4096];

	frame[0] = n;
	return n < 1u << 30 ? overflow(n + 1) + frame[0] : 0;
}

static int crash(uint32_t how)
{
	static volatile uint32_t low = 16; /* not a constant, or the compiler warns */
	void (*wild)(void) = (void (*)(void))low;

	switch (how) {
	case 0: return *(volatile int *)low;
	case 1: *(volatile int *)low = 1; break;
	case 2: *(volatile int *)(uint32_t)crash = 1; break; /* code is read-only */
	case 3: return *(volatile int *)0xc0100000;
	case 4: *(volatile int *)0xc0100000 = 1; break;
	case 5: wild(); break;
	case 6: __asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; movl %%edx, %%ecx; divl %%ecx" : : : "eax", "ecx", "edx"); break;
	case 7: __asm__ volatile("ud2"); break;
	case 8: __asm__ volatile("int3"); break;
	case 9: __asm__ volatile("hlt"); break;
	case 10: __asm__ volatile("cli"); break;
	case 11: __asm__ volatile("inb $0x60, %%al" : : : "eax"); break;
	case 12: __asm__ volatile("movl %%cr3, %%eax" : : : "eax"); break;
	case 13: __asm__ volatile("int $0x42"); break;
	case 14: return overflow(0);
	case 15: __asm__ volatile("movl $0x1234, %%eax; movw %%ax, %%ds" : : : "eax"); break;
	case 16: kill(getpid(), LSIGABRT); break;
	}
	return 50;
}

void case_crash(void)
{
	static const uint8_t want[] = {
		LSIGSEGV, LSIGSEGV, LSIGSEGV, LSIGSEGV, LSIGSEGV, LSIGSEGV, LSIGFPE, LSIGILL, LSIGTRAP, LSIGSEGV, LSIGSEGV, LSIGSEGV,
		LSIGSEGV, LSIGSEGV, LSIGSEGV, LSIGSEGV, LSIGABRT,
	};

	for (uint32_t i = 0; i < ARRAY_LEN(want); i++) {
		expect_signal(spawn(crash, i), want[i]);
		mix(want[i]);
	}
}
