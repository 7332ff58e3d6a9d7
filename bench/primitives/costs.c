/*
 * costs.c - medians over many repetitions, in TSC cycles, with the cost of reading the TSC left in.
 */
#include "primitives.h"
#include <asm/ldt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define REPS 301

static uint8_t *code;  /* one executable page */
static uint8_t *page;  /* one page of a memfd mapping */
static int memfd;

static void op_nothing(void) {}
static void op_rdtsc(void) { (void)__rdtsc(); }
static void op_getppid(void) { syscall(SYS_getppid); }

static void op_cpuid(void)
{
	uint32_t a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

/* Runs the bytes in `code`, which fault, and comes back by siglongjmp: delivery without sigreturn. */
static void op_fault(void)
{
	if (!sigsetjmp(caught.back, 0))
		__asm__ volatile("call *%0" ::"r"(code) : "memory", "cc");
}

static void op_mprotect(void)
{
	mprotect(page, 4096, PROT_READ);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void op_map_one(void)
{
	uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

	*(volatile uint8_t *)p = 1;
	munmap(p, 4096);
}

static void op_map_sixteen(void)
{
	uint8_t *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);

	*(volatile uint8_t *)p = 1;
	munmap(p, 65536);
}

static void op_modify_ldt(void)
{
	struct user_desc d = { .entry_number = 5, .base_addr = 0, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1 };

	syscall(SYS_modify_ldt, 0x11, &d, sizeof(d));
}

static void op_fxsave(void)
{
	static _Alignas(16) uint8_t fx[512];

	__asm__ volatile("fxsave64 %0; fxrstor64 %0" : "+m"(fx));
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(void (*op)(void))
{
	static uint64_t t[REPS];

	for (int i = 0; i < REPS; i++) {
		uint64_t a = __rdtsc();
		op();
		t[i] = __rdtsc() - a;
	}
	qsort(t, REPS, sizeof(*t), by_value);
	return t[REPS / 2];
}

static void print_cost(const char *name, void (*op)(void))
{
	printf("%-52s %8llu\n", name, (unsigned long long)median(op));
}

static void print_fault(const char *name, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		code[i] = bytes[i];
	print_cost(name, op_fault);
}

static volatile uint64_t looked, handled;

static void on_timer(int sig)
{
	handled = __rdtsc();
}

/* One way, from the last look at the TSC in a spinning loop to the handler: the floor of every engine's timer interrupts. */
static void print_timer(void)
{
	static uint64_t set[REPS], way[REPS];
	struct sigaction sa = { .sa_handler = on_timer }, old;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec at = { .it_value.tv_nsec = 200000 };
	timer_t timer;

	if (sigaction(SIGRTMIN, &sa, &old) || timer_create(CLOCK_MONOTONIC, &ev, &timer)) {
		perror("ringlab-primitives: no timer");
		return;
	}
	for (int i = 0; i < REPS;) {
		uint64_t t0 = __rdtsc();
		handled = 0;
		timer_settime(timer, 0, &at, NULL);
		set[i] = __rdtsc() - t0;
		do
			looked = __rdtsc();
		while (!handled);
		if (looked < handled)
			way[i++] = handled - looked;
	}
	timer_delete(timer);
	sigaction(SIGRTMIN, &old, NULL);
	qsort(set, REPS, sizeof(*set), by_value);
	qsort(way, REPS, sizeof(*way), by_value);
	printf("%-52s %8llu\n", "timer_settime", (unsigned long long)set[REPS / 2]);
	printf("%-52s %8llu\n", "host timer -> signal handler, one way", (unsigned long long)way[REPS / 2]);
}

static void op_raise(void)
{
	raise(SIGRTMIN);
}

static void print_raise(void)
{
	struct sigaction sa = { .sa_handler = on_timer }, old;

	sigaction(SIGRTMIN, &sa, &old);
	print_cost("raise -> handler, and back", op_raise);
	sigaction(SIGRTMIN, &old, NULL);
}

void costs_print(void)
{
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memfd = memfd_create("page", 0);
	if (code == MAP_FAILED || memfd < 0 || ftruncate(memfd, 65536)) {
		perror("ringlab-primitives: cannot map memory");
		exit(1);
	}
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
	printf("primitive (median of %d, TSC cycles)\n", REPS);
	print_cost("nothing (the cost of measuring)", op_nothing);
	print_cost("rdtsc", op_rdtsc);
	print_cost("cpuid", op_cpuid);
	print_cost("fxsave64 + fxrstor64", op_fxsave);
	print_cost("getppid", op_getppid);
	print_fault("int3 -> SIGTRAP, no sigreturn", (const uint8_t[]){ 0xcc }, 1);
	print_fault("cli -> #GP -> SIGSEGV, no sigreturn", (const uint8_t[]){ 0xfa }, 1);
	print_fault("load from address 0 -> #PF -> SIGSEGV", (const uint8_t[]){ 0x8b, 0x04, 0x25, 0, 0, 0, 0 }, 7);
	print_fault("ud2 -> SIGILL, no sigreturn", (const uint8_t[]){ 0x0f, 0x0b }, 2);
	print_timer();
	print_raise();
	print_cost("mprotect of one page, there and back", op_mprotect);
	print_cost("mmap + touch + munmap of one memfd page", op_map_one);
	print_cost("mmap of 16 populated memfd pages + munmap", op_map_sixteen);
	print_cost("modify_ldt of one entry", op_modify_ldt);
}
