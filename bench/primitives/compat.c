/*
 * compat.c - what happens when 32-bit code at ring 3 executes the instructions that reach for a kernel or a hypervisor.
 *
 * Each runs in compatibility mode (selector 0x23) in a page below 4 GiB, under a seccomp filter that turns i386 system
 * calls into SIGSYS: the situation of guest code under pv.
 */
#include "primitives.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_AT 0x10000000u
#define ARCH_SET_CPUID 0x1012 /* asm/prctl.h */

static const struct attempt {
	const char *name;
	uint8_t bytes[6];
	uint32_t ebp; /* SYSENTER's sixth argument is read from there */
} attempts[] = {
	{ "int $0x80", { 0xcd, 0x80, 0x0f, 0x0b }, CODE_AT + 0x800 },
	{ "sysenter, good EBP", { 0x0f, 0x34, 0x0f, 0x0b }, CODE_AT + 0x800 },
	{ "sysenter, bad EBP", { 0x0f, 0x34, 0x0f, 0x0b }, 1 },
	{ "syscall", { 0x0f, 0x05, 0x0f, 0x0b }, CODE_AT + 0x800 },
	{ "vmcall", { 0x0f, 0x01, 0xc1, 0x0f, 0x0b }, 0 },
	{ "vmmcall", { 0x0f, 0x01, 0xd9, 0x0f, 0x0b }, 0 },
	{ "sgdt (then ud2)", { 0x0f, 0x01, 0x45, 0x00, 0x0f, 0x0b }, CODE_AT + 0x800 },
	{ "cli", { 0xfa }, 0 },
	{ "in", { 0xec }, 0 },
	{ "hlt", { 0xf4 }, 0 },
	{ "wrpkru", { 0x0f, 0x01, 0xef, 0x0f, 0x0b }, 0 },
	{ "int $0x82", { 0xcd, 0x82 }, 0 },
};

static int filter_i386(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof(f) / sizeof(*f), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
		return -errno;
	return 0;
}

/* Enters compatibility mode; comes back through the signal that the bytes raise. EAX = 20, getpid's i386 number. */
static void attempt_run(const struct attempt *a, uint8_t *page)
{
	static const struct { uint32_t off; uint16_t sel; } __attribute__((packed)) target = { CODE_AT, 0x23 };

	memset(page, 0xcc, 4096);
	memcpy(page, a->bytes, sizeof(a->bytes));
	if (sigsetjmp(caught.back, 1))
		return;
	__asm__ volatile("mov %1, %%esp\n\tmov %2, %%ebp\n\tmov $20, %%eax\n\txor %%ecx, %%ecx\n\txor %%edx, %%edx\n\tljmp *%0"
		:: "m"(target), "b"(CODE_AT + 0xc00), "S"(a->ebp) : "memory");
}

static void attempt_print(const struct attempt *a, uint8_t *page)
{
	char where[48];

	attempt_run(a, page);
	if (caught.rip - CODE_AT < 4096)
		snprintf(where, sizeof(where), "at +%llu", (unsigned long long)(caught.rip - CODE_AT));
	else
		snprintf(where, sizeof(where), "elsewhere (guest EIP is lost)");
	printf("%-20s SIG%-5s trap %2llu error %#5llx %s, eax %#llx\n", a->name, sigabbrev_np(caught.sig),
		(unsigned long long)caught.trapno, (unsigned long long)caught.err, where, (unsigned long long)(uint32_t)caught.rax);
}

void compat_print(void)
{
	uint8_t *page = mmap((void *)(uintptr_t)CODE_AT, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (page == MAP_FAILED || filter_i386()) {
		perror("ringlab-primitives: cannot set up compatibility-mode code");
		exit(1);
	}
	printf("\nARCH_SET_CPUID (CPUID faulting): %s\n", syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1) ? strerror(errno) : "available");
	printf("\nin compatibility mode at ring 3, under the i386 filter\n");
	for (unsigned i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		attempt_print(&attempts[i], page);
}
