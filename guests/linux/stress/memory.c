/*
 * memory.c - mappings and their faults: what the guest kernel does with page tables, seen from above.
 */
#include "stress.h"
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

static sigjmp_buf resume;
static volatile uintptr_t fault_at;
static volatile int fault_code, faults;

static void on_segv(int sig, siginfo_t *info, void *ctx)
{
	fault_at = (uintptr_t)info->si_addr;
	fault_code = info->si_code;
	faults++;
	siglongjmp(resume, 1);
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static unsigned char *map(size_t pages, int prot)
{
	void *p = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED, "mmap of %zu pages", pages);
	return p;
}

/* True when the access faults; then fault_at and fault_code tell how. */
static bool read_faults(const volatile unsigned char *p)
{
	if (sigsetjmp(resume, 1))
		return true;
	(void)*p;
	return false;
}

static bool write_faults(volatile unsigned char *p)
{
	if (sigsetjmp(resume, 1))
		return true;
	*p = *p + 1;
	return false;
}

void case_mmap(void)
{
	catch_faults();
	for (int round = 0; round < 50; round++) {
		unsigned char *p = map(64, PROT_READ | PROT_WRITE);
		for (int i = 0; i < 64; i++) {
			check(p[i * PAGE] == 0, "a new page is not zero");
			p[i * PAGE + 7] = (unsigned char)(i + round);
		}
		munmap(p + 16 * PAGE, 16 * PAGE);
		check(read_faults(p + 20 * PAGE), "an unmapped page can be read");
		check(!read_faults(p + 15 * PAGE) && !read_faults(p + 32 * PAGE), "munmap took too much");
		for (int i = 32; i < 64; i++)
			check(p[i * PAGE + 7] == (unsigned char)(i + round), "page %d changed", i);
		munmap(p, 64 * PAGE);
	}
}

void case_mprotect(void)
{
	unsigned char *p = map(16, PROT_READ | PROT_WRITE);

	catch_faults();
	for (int round = 0; round < 200; round++) {
		unsigned char *q = p + (round & 15) * PAGE;
		*q = 1;
		mprotect(q, PAGE, PROT_READ);
		check(!read_faults(q), "a read-only page cannot be read");
		check(write_faults(q) && fault_at == (uintptr_t)q && fault_code == SEGV_ACCERR, "a write to a read-only page: fault at %#lx, "
			"code %d", (unsigned long)fault_at, fault_code);
		mprotect(q, PAGE, PROT_NONE);
		check(read_faults(q), "a page without access can be read");
		mprotect(q, PAGE, PROT_READ | PROT_WRITE);
		check(!write_faults(q) && *q == 2, "a page that may be written again: %d", *q);
	}
}

void case_mremap(void)
{
	unsigned char *p = map(8, PROT_READ | PROT_WRITE), *q;

	catch_faults();
	for (int i = 0; i < 8; i++)
		p[i * PAGE] = (unsigned char)(i + 1);
	for (int round = 0; round < 30; round++) {
		q = mremap(p, 8 * PAGE, (round & 1 ? 8 : 24) * PAGE, MREMAP_MAYMOVE);
		check(q != MAP_FAILED, "mremap");
		if (!(round & 1))
			q = mremap(q, 24 * PAGE, 8 * PAGE, 0);
		unsigned char *hole = map(8, PROT_READ);
		munmap(hole, 8 * PAGE);
		p = mremap(q, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
		check(p == hole && read_faults(q), "a moved mapping is still at its old place");
		for (int i = 0; i < 8; i++)
			check(p[i * PAGE] == i + 1, "page %d changed on its way", i);
	}
}

void case_cow(void)
{
	size_t n = 200;
	unsigned char *p = map(n, PROT_READ | PROT_WRITE), *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memset(p, 0x11, n * PAGE);
	for (int round = 0; round < 5; round++) {
		pid_t child = fork();
		if (!child) {
			for (size_t i = round; i < n; i += 3)
				p[i * PAGE + 5] = 0x22;
			for (size_t i = 0; i < n; i++)
				if (p[i * PAGE + 5] != (i >= (size_t)round && (i - round) % 3 == 0 ? 0x22 : 0x11))
					_exit(1);
			shared[round] = 0x33;
			_exit(0);
		}
		p[7] = (unsigned char)round;
		check(!wait_for(child), "the child sees wrong bytes");
		for (size_t i = 0; i < n; i++)
			check(p[i * PAGE + 5] == 0x11, "the child's write reached its parent");
		check(shared[round] == 0x33, "a shared page is not shared");
	}
}

/* Addresses that a fault reports, for bytes, page-crossing words, instruction fetches and system calls. */
void case_segv(void)
{
	unsigned char *p = map(3, PROT_READ | PROT_WRITE);
	static const uintptr_t wild[] = { 0, 0x1000, 0xc0000000, 0xffffffff, 0xfffff000, 0xdeadbeef };
	uint32_t v = 0;

	catch_faults();
	munmap(p + PAGE, PAGE);
	check(read_faults(p + PAGE + 123) && fault_at == (uintptr_t)p + PAGE + 123 && fault_code == SEGV_MAPERR, "fault at %#lx",
		(unsigned long)fault_at);
	if (!sigsetjmp(resume, 1)) {
		__asm__ volatile("movl (%1), %0" : "=r"(v) : "r"(p + PAGE - 2) : "memory");
		check(false, "a word that crosses into nothing was read: %x", v);
	}
	check(fault_at == (uintptr_t)p + PAGE, "a crossing read faults at %#lx", (unsigned long)fault_at);
	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++)
		check(read_faults((unsigned char *)wild[i]) && write_faults((unsigned char *)wild[i]), "%#lx can be reached",
			(unsigned long)wild[i]);
	if (!sigsetjmp(resume, 1)) {
		((void (*)(void))(p + PAGE))();
		check(false, "code ran where nothing is");
	}
	check(fault_at == (uintptr_t)p + PAGE, "a jump to nothing faults at %#lx", (unsigned long)fault_at);
	check(write(1, p + PAGE, 10) == -1, "the kernel read what is not there");
	memset(p, 1, PAGE);
	if (!sigsetjmp(resume, 1)) { /* rep stos runs into the hole with everything before it done */
		void *to = p;
		unsigned n = 2 * PAGE;
		__asm__ volatile("cld; rep stosb" : "+D"(to), "+c"(n) : "a"(0x77) : "memory");
		check(false, "rep stosb went over a hole");
	}
	check(fault_at == (uintptr_t)p + PAGE && p[PAGE - 1] == 0x77, "rep stosb faults at %#lx", (unsigned long)fault_at);
}

/* Code made, run, changed and run again, as a just-in-time compiler does. */
void case_code(void)
{
	unsigned char *p = map(2, PROT_READ | PROT_WRITE | PROT_EXEC);
	int (*f)(void) = (int (*)(void))(p + PAGE - 3); /* mov $imm, %eax lies across two pages */

	for (unsigned i = 0; i < 300; i++) {
		p[PAGE - 3] = 0xb8;
		memcpy(p + PAGE - 2, &i, 4);
		p[PAGE + 2] = 0xc3;
		check(f() == (int)i, "changed code gave %d, not %u", f(), i);
	}
	mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC);
	check(f() == 299, "code on a page that became read-only");
}

/* Nearly all memory is taken, written, checked and given back, three times. */
void case_pressure(void)
{
	unsigned long kib = meminfo_kib("MemAvailable:");

	kib = kib > 400 << 10 ? 400 << 10 : kib; /* on a large host the point is made sooner */
	size_t pages = kib / 4 * 85 / 100;
	for (int round = 0; round < 3; round++) {
		unsigned char *p = map(pages, PROT_READ | PROT_WRITE);
		for (size_t i = 0; i < pages; i++)
			*(size_t *)(p + i * PAGE) = i ^ (size_t)round;
		for (size_t i = 0; i < pages; i++)
			check(*(size_t *)(p + i * PAGE) == (i ^ (size_t)round), "page %zu of %zu changed", i, pages);
		munmap(p, pages * PAGE);
	}
}
