/*
 * limits.c - the question of ../limits.c to the processor itself, by a program of the host: built once for 32 bits and once for 64.
 *
 * For the demonstration 64-bit. Loads a data segment of sixteen bytes from its LDT and reads at, and behind, its end. In 32-bit
 * code the processor checks the limit of every segment; in 64-bit code of none.
 */
#include <asm/ldt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The one that libc does not use for its thread pointer. */
#ifdef __x86_64__
#define SEG "gs"
#define ADDRESS "q1"
#else
#define SEG "fs"
#define ADDRESS "1"
#endif

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, 1);
}

/* 1: the read through the segment at offset faulted. */
static int read_faults(uint32_t offset)
{
	uint32_t v;

	if (sigsetjmp(back, 1))
		return 1;
	__asm__ volatile("movl %%" SEG ":(%" ADDRESS "), %0" : "=r"(v) : "r"((uintptr_t)offset) : "memory");
	return 0;
}

int main(void)
{
	/* Low, for a descriptor's base has 32 bits. */
	void *words = mmap((void *)0x20000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	struct user_desc d = { .entry_number = 1, .base_addr = 0x20000000, .limit = 15, .seg_32bit = 1, .useable = 1 };

	if (words == MAP_FAILED || syscall(SYS_modify_ldt, 1, &d, sizeof(d))) {
		fprintf(stderr, "limits: the kernel gives no local descriptor here\n");
		return 1;
	}
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	__asm__ volatile("mov %0, %%" SEG : : "r"(1 << 3 | 4 | 3));
	printf("bits %u\nfault-at-12 %d\nfault-at-13 %d\nfault-at-64 %d\n", (unsigned)sizeof(void *) * 8, read_faults(12), read_faults(13),
		read_faults(64));
	return 0;
}
