/*
 * pv_keys.c - --user-isolation keys: what the host must have for it, and what is set up so that it holds.
 *
 * Three protection keys: 0 for everything that is the VMM's, one for guest pages that user mode may touch, one for the rest of
 * the guest. Guest code runs with rights to its own keys only, so that not even 64-bit code of its making reads a byte of the
 * VMM. That holds only while guest code cannot raise its rights: pv_scan.c keeps WRPKRU and XRSTOR out of its pages, this
 * file overwrites those in the VMM's own text and libraries, and pv_gate.S has the few that remain. And while it cannot ask
 * the host kernel: Syscall User Dispatch lets a call from above 4 GiB pass only where the selector byte, which is VMM memory,
 * can be read with the caller's rights. Called by pv.c. SDM vol. 3, 4.6.2; Linux: pkeys(7), syscall-user-dispatch.rst.
 */
#include "pv.h"
#include "pv_scan.h"
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GATE_PAGES 4 /* code; data with the guest's key, read-only; the same, the VMM's; where the gate leads to */
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

_Static_assert(offsetof(struct pv_gate, guest) == G_GUEST && offsetof(struct pv_gate, pkru) == G_PKRU, "gate");
_Static_assert(offsetof(struct pv_gate, neg) == G_NEG && offsetof(struct pv_gate, regs) == G_RAX, "gate");
_Static_assert(offsetof(struct pv_gate, iret) == G_IRET && offsetof(struct pv_gate, esp) == G_ESP, "gate");
_Static_assert(offsetof(struct pv_gate, far) == G_FAR, "gate");

bool pv_keys_cpu(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_OSPKE);
}

static uint32_t rdpkru(void)
{
	uint32_t a, d;

	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(a), "=d"(d) : "c"(0));
	return a;
}

/* ---- does the host write signal frames where the interrupted code could not? (Linux 6.12 does) ---- */

/* The host writes there on behalf of whatever code runs, and guest code has no right to. 0 or -errno. */
static int rseq_off(void)
{
	struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

	return __rseq_size && syscall(SYS_rseq, r, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) ? -errno : 0;
}

/* In a child: no right at all, then an undefined instruction; the handler can run only if its frame could be written. */
static void probe_child(void)
{
	size_t len = (size_t)(pv_probe_end - pv_probe_begin);
	uint8_t *page = mmap(NULL, 5 * PAGE_SIZE + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t ss = { .ss_sp = page + 5 * PAGE_SIZE, .ss_size = 65536 };
	struct sigaction sa = { .sa_flags = SA_ONSTACK | SA_SIGINFO };

	if (page == MAP_FAILED || rseq_off())
		_exit(1);
	memcpy(page, pv_probe_begin, len);
	sa.sa_sigaction = (void (*)(int, siginfo_t *, void *))(page + (pv_probe_handler - pv_probe_begin));
	if (mprotect(page, PAGE_SIZE, PROT_READ | PROT_EXEC) || sigaltstack(&ss, NULL) || sigaction(SIGILL, &sa, NULL))
		_exit(1);
	((void (*)(void))page)();
	_exit(1);
}

static bool probe_once(void)
{
	int status = 1;
	pid_t child = fork();

	if (!child)
		probe_child();
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A child may die of other things, as was seen once in QEMU; only a frame that was written makes one end well. */
static bool frames_reach_us(void)
{
	return probe_once() || probe_once() || probe_once();
}

/* ---- no WRPKRU and no XRSTOR in the VMM's own text and libraries ---- */

static const char *seal_range(uint8_t *from, uint8_t *to, bool ours)
{
	for (uint8_t *p = from; (p = pv_scan_bytes(p, to)); p++) {
		uint8_t *page = (uint8_t *)((uintptr_t)p & PAGE_MASK);
		if (!ours)
			return "the vDSO holds WRPKRU or XRSTOR";
		if (mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC))
			return "the host does not let the VMM write its own text";
		*p = 0xcc;
		if (mprotect(page, PAGE_SIZE, PROT_READ | PROT_EXEC))
			return "the host does not let the VMM close its own text";
	}
	return NULL;
}

/*
 * Those of libc (pkey_set) are never called. Those of the dynamic linker run when a function is bound on its first call: so
 * all must be bound already, which core/main.c sees to. Bytes that merely look like one, inside another instruction, are
 * overwritten too: code that then runs into the INT3 is reported as our own bug, by address.
 */
static const char *seal(void)
{
	unsigned long from, to;
	char perms[8], line[512], name[256];
	const char *why = NULL;
	FILE *f;

	if (!getenv("LD_BIND_NOW"))
		return "functions are bound lazily, for which the dynamic linker needs XRSTOR: set LD_BIND_NOW=1";
	if (!(f = fopen("/proc/self/maps", "re")))
		return "/proc/self/maps is missing, by which the VMM finds its own executable pages";
	while (!why && fgets(line, sizeof(line), f)) {
		name[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to, perms, name) < 3 || perms[2] != 'x' || perms[0] != 'r')
			continue; /* [vsyscall] cannot be read; it holds three system calls and RET */
		why = seal_range((uint8_t *)from, (uint8_t *)to, strcmp(name, "[vdso]"));
	}
	fclose(f);
	return why;
}

/* ---- keys ---- */

static uint32_t rights(int key, int other)
{
	uint32_t pkru = 0x55555555; /* AD for every key, the VMM's own too */

	pkru &= ~(3u << (2 * key));
	return other < 0 ? pkru : pkru & ~(3u << (2 * other));
}

const char *pv_keys_init(struct pv *pv)
{
	const char *why;

	if (!pv_keys_cpu())
		return "this CPU, or the host kernel, has no protection keys";
	if (!frames_reach_us())
		return "the host kernel writes signal frames with the interrupted code's rights: Linux 6.12 or newer is needed";
	pv->pkey_user = (int)syscall(SYS_pkey_alloc, 0, 1 /* PKEY_DISABLE_ACCESS: the VMM has a view of its own */);
	pv->pkey = (int)syscall(SYS_pkey_alloc, 0, 1);
	if (pv->pkey < 0 || pv->pkey_user < 0)
		return "no two protection keys are free";
	if (rdpkru() != VMM_PKRU)
		return "this process does not have the default rights to its keys";
	if ((why = seal()))
		return why;
	pv->pkru_user = rights(pv->pkey_user, -1);
	pv->pkru_kernel = rights(pv->pkey_user, pv->pkey);
	return NULL;
}

void pv_keys_fini(struct pv *pv)
{
	if (pv->gate)
		munmap(pv->gate, GATE_PAGES * PAGE_SIZE);
	pv->gate = NULL;
	pv_scan_fini(pv);
	if (pv->pkey >= 0)
		syscall(SYS_pkey_free, pv->pkey);
	if (pv->pkey_user >= 0)
		syscall(SYS_pkey_free, pv->pkey_user);
}

/* ---- the gate ---- */

int pv_keys_gate(struct pv *pv)
{
	uint8_t *p = mmap(NULL, GATE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint8_t *ro = p + PAGE_SIZE, *rw = p + 2 * PAGE_SIZE;
	struct pv_cpu *c = pv->cpu;

	if (p == MAP_FAILED)
		return -errno;
	pv->gate = p;
	if (pv_scan_init(pv))
		return -ENOMEM;
	_Static_assert(sizeof(struct pv_gate) <= PAGE_SIZE, "one page");
	memset(p, 0xcc, PAGE_SIZE);
	memcpy(p, pv_gate_begin, (size_t)(pv_gate_end - pv_gate_begin));
	*(void **)(p + 3 * PAGE_SIZE) = pv_resumed;
	if (mprotect(p, PAGE_SIZE, PROT_READ | PROT_EXEC) || mprotect(p + 3 * PAGE_SIZE, PAGE_SIZE, PROT_READ) ||
	    mremap(rw, 0, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, ro) == MAP_FAILED ||
	    syscall(SYS_pkey_mprotect, ro, PAGE_SIZE, PROT_READ, pv->pkey_user))
		return -errno;
	c->gate = (struct pv_gate *)rw;
	c->gate_exit = p + (pv_gate_exit - pv_gate_begin);
	c->gate_fast = p + (pv_gate_fast - pv_gate_begin);
	c->gate_resume = p + (pv_gate_resume - pv_gate_begin);
	return 0;
}

bool pv_keys_in_gate(const struct pv *pv, uint64_t rip)
{
	return pv->gate && (rip & PAGE_MASK) == (uintptr_t)pv->gate;
}

/*
 * The trampoline of the hypercall page under keys: EAX, ECX and EDX to r8d..r10d, the VMM's rights, and a check that takes
 * no flags: whoever jumps to WRPKRU with another EAX ends at UD2.
 */
void pv_keys_trampoline(const struct pv *pv, uint8_t *at)
{
	static const uint8_t code[] = {
		0x41, 0x89, 0xc0, 0x41, 0x89, 0xc9, 0x41, 0x89, 0xd2,       /* mov %eax,%r8d; mov %ecx,%r9d; mov %edx,%r10d */
		0xb8, 0x54, 0x55, 0x55, 0x55, 0xb9, 0, 0, 0, 0, 0xba, 0, 0, 0, 0, /* mov $VMM_PKRU,%eax; mov $0,%ecx; mov $0,%edx */
		0x0f, 0x01, 0xef,                                           /* wrpkru */
		0x8d, 0x88, 0xac, 0xaa, 0xaa, 0xaa,                         /* lea -VMM_PKRU(%rax),%ecx */
		0x67, 0xe3, 0x02, 0x0f, 0x0b,                               /* jecxz +2; ud2 */
		0x49, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0,                         /* movabs $cpu,%r15 */
		0x49, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xff, 0xe6,       /* movabs $pv_keys_hc,%r14; jmp *%r14 */
	};
	uint64_t cpu = (uint64_t)(uintptr_t)pv->cpu, to = (uint64_t)(uintptr_t)pv_keys_hc;

	_Static_assert(VMM_PKRU == 0x55555554 && sizeof(code) == 61, "the bytes above");
	memcpy(at, code, sizeof(code));
	memcpy(at + 40, &cpu, 8);
	memcpy(at + 50, &to, 8);
}

/* On the vCPU's thread, once nothing but the run loop makes system calls. 0 or -errno. */
int pv_keys_lock(struct pv *pv)
{
	int r = rseq_off();

	if (r)
		return r;
	/* Calls from the low 4 GiB stay the jail's business. */
	return prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0ul, 1ul << 32, &pv->cpu->dispatch) ? -errno : 0;
}
