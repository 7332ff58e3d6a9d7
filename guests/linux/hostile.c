/*
 * hostile.c - a user process at its worst: random bytes as code, jumps to everywhere, all of memory.
 *
 * usage: hostile [SECONDS [SEED]]. Each attack is a child without privileges, under limits, whose death is expected.
 * A sibling computes all the while and checks itself, and so does the parent: they must come to no harm, as on real
 * hardware. The last line is "hostile: N attacks, unharmed" or says what was harmed; so does the status.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#define NOBODY 64000u
#define GUARD_PAGES 16

static uint32_t rnd_state;

static uint32_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 17;
	rnd_state ^= rnd_state << 5;
	return rnd_state;
}

/* No privileges, no files, no children to speak of, a second of CPU, some memory. */
static void shed(uint32_t megabytes)
{
	struct rlimit none = { 0, 0 }, few = { 8, 8 }, cpu = { 1, 1 }, as = { megabytes << 20, megabytes << 20 };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd >= 0 && write(fd, "1000", 4) != 4)
		perror("oom_score_adj");
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
	setrlimit(RLIMIT_NPROC, &few);
	setrlimit(RLIMIT_CPU, &cpu);
	if (megabytes)
		setrlimit(RLIMIT_AS, &as);
	for (int i = 0; i < 64; i++)
		close(i);
	setsid();
	if (!getuid() && (setgid(NOBODY) || setuid(NOBODY)))
		_exit(99);
	alarm(2);
}

static void random_registers(void (*at)(void))
{
	uint32_t r[7];

	for (int i = 0; i < 7; i++)
		r[i] = rnd() & 3 ? rnd() : (uint32_t)(uintptr_t)at + (rnd() & 0xffff);
	__asm__ volatile("pushl %0; movl 4(%1), %%ebx; movl 8(%1), %%ecx; movl 12(%1), %%edx; movl 16(%1), %%esi; movl 20(%1), %%edi;"
		"movl 24(%1), %%ebp; movl (%1), %%eax; ret" : : "r"(at), "a"(r) : "memory");
}

static volatile int handled;

/* A child that survives its faults for a while: every fault goes on a few bytes further. */
static void on_fault(int sig, siginfo_t *info, void *ctx)
{
	if (++handled > 200)
		_exit(3);
	random_registers((void (*)(void))(uintptr_t)(0x20000000 + (rnd() & 0xffff)));
}

static void stubborn(void)
{
	static char stack[16384];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };

	sigaltstack(&ss, NULL);
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
}

static void attack_bytes(void)
{
	unsigned char *p = mmap((void *)0x20000000, 0x10000, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	for (unsigned i = 0; i < 0x10000; i++)
		p[i] = (unsigned char)rnd();
	if (rnd() & 1)
		stubborn();
	random_registers((void (*)(void))(p + (rnd() & 0xffff)));
}

static void attack_jump(void)
{
	static const uint32_t near[] = { 0, 0xc0000000, 0xffffe000, 0xfffff000, 0xf8000000, 0x08048000, 0xbfff0000, 0x80000000 };

	if (rnd() & 1)
		stubborn();
	for (;;)
		random_registers((void (*)(void))(uintptr_t)(rnd() & 1 ? rnd() : near[rnd() & 7] + (rnd() & 0x1fff) - 0x1000));
}

static void attack_store(void)
{
	for (;;)
		*(volatile uint32_t *)(uintptr_t)(rnd() & 1 ? rnd() : 0xc0000000 + rnd() / 4) = rnd();
}

static void attack_memory(void)
{
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			_exit(4);
		memset(p, 0x55, 1 << 20);
	}
}

static uint32_t *guard;

static void guard_fill(void)
{
	for (uint32_t i = 0; i < GUARD_PAGES * 1024; i++)
		guard[i] = i * 2654435761u;
}

static bool guard_whole(void)
{
	for (uint32_t i = 0; i < GUARD_PAGES * 1024; i++)
		if (guard[i] != i * 2654435761u)
			return false;
	return true;
}

/* Integer, floating-point and memory, checked against itself until it is told to end. */
static volatile sig_atomic_t told;
static void on_term(int sig) { told = 1; }

static int sibling(void)
{
	guard_fill();
	signal(SIGTERM, on_term);
	while (!told) {
		double x = 1;
		uint32_t h = 1;
		for (int i = 0; i < 100000; i++) {
			x = x * 1.0000001;
			h = h * 31 + (uint32_t)i;
		}
		if (x < 1.010050 || x > 1.010051 || h != 1226182481u || !guard_whole()) {
			printf("sibling: x %.9f h %u guard %d\n", x, h, guard_whole());
			return 1;
		}
		usleep(1000);
	}
	return 42;
}

/* One attack in a child; whatever happens to it, it is over within seconds. Its processes are killed with it. */
static void attack(unsigned kind)
{
	static void (*const attacks[])(void) = { attack_bytes, attack_bytes, attack_jump, attack_store };
	pid_t child = fork();

	rnd();
	if (!child) {
		shed(kind == 15 ? 0 : 64);
		(kind == 15 ? attack_memory : attacks[kind & 3])();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	if (!getuid() && !(child = fork())) { /* what it may have left behind */
		if (!setgid(NOBODY) && !setuid(NOBODY))
			kill(-1, SIGKILL);
		_exit(0);
	}
	if (!getuid())
		waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 10, n = 0;
	time_t end = time(NULL) + (time_t)seconds;
	int status = -1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	rnd_state = argc > 2 ? (uint32_t)atoi(argv[2]) | 1 : 0x2545f491;
	guard = mmap(NULL, GUARD_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	guard_fill();
	pid_t other = fork();
	if (!other)
		_exit(sibling());
	while (time(NULL) < end) {
		attack(n % 64 == 63 && !getuid() ? 15 : rnd() >> 8 & 3);
		n++;
		if (!guard_whole())
			break;
	}
	kill(other, SIGTERM);
	waitpid(other, &status, 0);
	if (!guard_whole() || status != 42 << 8) {
		printf("hostile: after %u attacks %s\n", n, guard_whole() ? "the sibling was harmed" : "this process's memory had changed");
		return 1;
	}
	printf("hostile: %u attacks, unharmed\n", n);
	return 0;
}
