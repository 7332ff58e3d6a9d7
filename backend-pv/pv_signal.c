/*
 * pv_signal.c - what a host signal means: a guest event, a kick, a guest that broke out, or our own bug.
 *
 * Called by pv_entry.S on the alternate stack, with the FS base and flags restored. Built with general registers only:
 * it copies the guest's x87 and SSE state out of the signal frame with REP MOVS. It returns 1 to unwind to pv_enter's
 * caller, with the guest's registers in v->state, or 0 to resume the interrupted VMM code. Read next: pv_trap.c.
 */
#include "pv.h"
#include <sys/syscall.h>
#include <unistd.h>

#define OFFSET_IS(field, n) _Static_assert(offsetof(struct pv_cpu, field) == (n), #field)
OFFSET_IS(host_rsp, C_HOST_RSP);
OFFSET_IS(host_fs, C_HOST_FS);
OFFSET_IS(st, C_ST);
OFFSET_IS(guest_fs, C_GUEST_FS);
OFFSET_IS(iret, C_IRET);
OFFSET_IS(sel, C_SEL);
OFFSET_IS(in_guest, C_IN_GUEST);
OFFSET_IS(exit, C_EXIT);
OFFSET_IS(xsave, C_XSAVE);
OFFSET_IS(xinit, C_XINIT);
OFFSET_IS(xmask, C_XMASK);
OFFSET_IS(far_eip, C_FAR);
OFFSET_IS(far_ss, C_FAR_SS);
OFFSET_IS(attention, C_ATT);
OFFSET_IS(raw_flags, C_RAW_FLAGS);
OFFSET_IS(pkru, C_PKRU);
OFFSET_IS(site, C_SITE);
OFFSET_IS(gate, C_GATE);
OFFSET_IS(gate_exit, C_GATE_EXIT);
OFFSET_IS(gate_fast, C_GATE_FAST);
OFFSET_IS(gate_resume, C_GATE_RESUME);
_Static_assert(PVX_KICK == PVX_KICK_N && PVX_ABORT == PVX_ABORT_N && PVX_HYPERCALL == PVX_HYPERCALL_N, "exit codes");
_Static_assert(offsetof(struct cpu_state, gpr) == 0 && sizeof(((struct cpu_state *)0)->gpr[0]) == 8, "gpr");
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_R8]) == UC_R8, "ucontext");
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_RDI]) == UC_RDI, "ucontext");
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]) == UC_RSP, "ucontext");
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) == UC_RIP, "ucontext");
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_EFL]) == UC_EFL, "ucontext");
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_CSGSFS]) == UC_CS, "ucontext");
_Static_assert(offsetof(ucontext_t, uc_mcontext.fpregs) == UC_FPREGS, "ucontext");

#define HOST_CS64 0x33

static void copy_words(void *dst, const void *src, unsigned long words)
{
	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
}

/* The interrupted guest's registers into v->state, its x87 and SSE state into the XSAVE area. */
static void take_guest(struct pv_cpu *c, ucontext_t *uc)
{
	static const uint8_t from[8] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI };
	greg_t *g = uc->uc_mcontext.gregs;
	struct cpu_state *s = c->st;

	for (int i = 0; i < 8; i++)
		s->gpr[i] = (uint32_t)g[from[i]];
	c->raw_rip = (uint64_t)g[REG_RIP];
	s->rip = (uint32_t)g[REG_RIP];
	s->rflags = (s->rflags & ~(uint64_t)FL_REAL) | ((uint64_t)g[REG_EFL] & FL_REAL);
	c->cs = (uint16_t)g[REG_CSGSFS];
	c->ss = (uint16_t)((uint64_t)g[REG_CSGSFS] >> 48);
	c->true_flags = (uint64_t)g[REG_EFL];
	c->trapno = (uint32_t)g[REG_TRAPNO];
	c->err = (uint32_t)g[REG_ERR];
	c->cr2 = (uint64_t)g[REG_CR2];
	copy_words(c->xsave, uc->uc_mcontext.fpregs, 512 / 8);
	*(uint64_t *)(c->xsave + 512) = 3; /* XSTATE_BV: x87 and SSE */
	c->live = 1;
}

static bool in_range(uint64_t rip, const char *from, const char *to)
{
	return rip >= (uintptr_t)from && rip < (uintptr_t)to;
}

/* VMM code faulted: says so without libc, and lets the default action have it. */
static void own_bug(int sig, uint64_t rip)
{
	char line[] = "ringlab: internal error: host signal 00 in VMM code at rip 0000000000000000\n";
	struct { uint64_t handler, flags, restorer, mask; } dfl = { 0 };

	line[38] = (char)('0' + sig / 10);
	line[39] = (char)('0' + sig % 10);
	for (int i = 0; i < 16; i++)
		line[sizeof(line) - 3 - i] = "0123456789abcdef"[rip >> (4 * i) & 15];
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_write), "D"(2), "S"(line), "d"(sizeof(line) - 1) : "rcx", "r11", "memory");
	register uint64_t size __asm__("r10") = 8;
	__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_rt_sigaction), "D"(sig), "S"(&dfl), "d"(0), "r"(size) : "rcx", "r11", "memory");
}

static int unwind(struct pv_cpu *c, ucontext_t *uc, enum pv_exit why)
{
	take_guest(c, uc);
	c->exit = why;
	return 1;
}

/* ---- under --user-isolation keys: the VMM's rights are those of every handler, and nothing is resumed with the guest's ---- */

static void back_to(ucontext_t *uc, const struct pv_cpu *c, const char *label)
{
	greg_t *g = uc->uc_mcontext.gregs;

	g[REG_RIP] = (greg_t)(uintptr_t)label;
	g[REG_R15] = (greg_t)(uintptr_t)c;
	g[REG_EFL] &= ~(greg_t)(FL_AC | FL_NT | FL_TF | FL_DF);
}

static bool in_trampoline(const struct pv_cpu *c, uint64_t rip)
{
	return rip - c->pv->top < c->pv->trampoline;
}

/* Does by hand what the trampoline's first three instructions have not done yet; then the hypercall goes on. */
static void trampoline_finish(struct pv_cpu *c, ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;
	uint64_t at = (uint64_t)g[REG_RIP] - c->pv->top, flags = (uint64_t)g[REG_EFL];

	if (at >= PV_HEAD) { /* previrt: `mov $site,%r13d; jmp head`, one for each site */
		g[REG_R13] = *(const uint32_t *)(c->pv->top + at - (at - PV_HEAD) % PV_ENTRY + 2);
		at = 0;
	}
	if (at < 3)
		g[REG_R8] = g[REG_RAX];
	if (at < 6)
		g[REG_R9] = g[REG_RCX];
	if (at < 9)
		g[REG_R10] = g[REG_RDX];
	back_to(uc, c, pv_keys_hc);
	g[REG_EFL] = (greg_t)(flags & ~(uint64_t)FL_TF); /* the rest is the guest's, and kept by pv_keys_hc */
}

/* A kick in the keys' own crossings. True: it is dealt with, and *r is what pv_signal returns. */
static bool async_keys(struct pv_cpu *c, ucontext_t *uc, uint64_t rip, int *r)
{
	*r = 0;
	if (!c->gate)
		return false;
	if (in_range(rip, pv_keys_crit, pv_keys_crit_end) || in_range(rip, c->gate_exit, c->gate_fast)) {
		c->exit = PVX_ABORT;
		*r = 1;
	} else if (in_range(rip, pv_keys_check, pv_keys_check_end) || in_range(rip, c->gate_fast, c->gate_resume)) {
		back_to(uc, c, pv_keys_check);
	} else if (in_trampoline(c, rip)) {
		trampoline_finish(c, uc);
	} else {
		return in_range(rip, pv_keys_hc, pv_keys_check) || pv_keys_in_gate(c->pv, rip);
	}
	return true;
}

/* A signal from a timer, another thread or another process. */
static int on_async(struct pv_cpu *c, ucontext_t *uc, uint32_t was_in_guest)
{
	greg_t *g = uc->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)g[REG_RIP];
	int r;

	*c->attention = 1;
	if ((uint16_t)g[REG_CSGSFS] != HOST_CS64)
		return unwind(c, uc, PVX_KICK);
	if (async_keys(c, uc, rip, &r))
		return r;
	if (in_range(rip, pv_enter_crit, pv_enter_end)) {
		c->exit = PVX_ABORT; /* v->state is as it was: registers are only read there */
		return 1;
	}
	if (in_range(rip, pv_hc_check, pv_hc_end)) {
		g[REG_RIP] = (greg_t)(uintptr_t)pv_hc_check;
		g[REG_EFL] &= ~(greg_t)(FL_AC | FL_NT | FL_TF | FL_DF);
		return 0;
	}
	if (was_in_guest && !in_range(rip, pv_text_begin, pv_text_end) && rip - c->pv->top >= c->pv->trampoline)
		return unwind(c, uc, PVX_ESCAPE);
	return 0;
}

/* A fault in 64-bit code. */
static int on_fault64(struct pv_cpu *c, int sig, ucontext_t *uc, uint32_t was_in_guest)
{
	greg_t *g = uc->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)g[REG_RIP];

	if (sig == SIGTRAP && was_in_guest && c->gate && in_trampoline(c, rip)) {
		trampoline_finish(c, uc);
		c->tf_seen = 1;
		return 0;
	}
	if (sig == SIGTRAP && was_in_guest && !c->gate && (rip - c->pv->top < c->pv->trampoline || in_range(rip, pv_text_begin, pv_text_end))) {
		g[REG_EFL] &= ~(greg_t)FL_TF; /* single-stepping into the hypercall page ends there */
		c->tf_seen = 1;
		return 0;
	}
	if (in_range(rip, pv_enter_crit, pv_enter_end) || (c->gate && (in_range(rip, pv_keys_crit, pv_keys_crit_end) || pv_keys_in_gate(c->pv, rip)))) {
		c->trapno = (uint32_t)g[REG_TRAPNO];
		c->err = (uint32_t)g[REG_ERR];
		c->cr2 = (uint64_t)g[REG_CR2];
		c->raw_rip = rip - (uintptr_t)pv_enter_crit;
		c->exit = PVX_BADENTRY;
		return 1;
	}
	if (was_in_guest)
		return unwind(c, uc, PVX_ESCAPE);
	if (g[REG_TRAPNO] == VEC_GP && *(const uint16_t *)rip == 0xa20f && !c->cpuid_native) {
		c->cpuid_native = 1; /* CPUID, which faults for the guest's sake: pv_run turns that on again */
		long r;
		__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_arch_prctl), "D"(0x1012 /* ARCH_SET_CPUID */), "S"(1) : "rcx", "r11", "memory");
		return 0;
	}
	own_bug(sig, rip);
	return 0;
}

/*
 * A kick is masked while its handler runs: queued ones would otherwise nest until the stack is full. As no rt_sigreturn
 * follows, it is unmasked here; a kick that was waiting then nests once, and leaves the mask to us.
 */
static void kick_unmask(struct pv_cpu *c, int sig)
{
	uint64_t set = 1ull << (sig - 1);
	register uint64_t size __asm__("r10") = sizeof(set);
	long r;

	if (c->in_kick) {
		c->kick_again = 1;
		return;
	}
	c->in_kick = 1;
	do {
		c->kick_again = 0;
		__asm__ volatile("syscall" : "=a"(r)
			: "a"(SYS_rt_sigprocmask), "D"(1 /* SIG_UNBLOCK */), "S"(&set), "d"(0), "r"(size) : "rcx", "r11", "memory");
	} while (c->kick_again);
	c->in_kick = 0;
}

int pv_signal(struct pv_cpu *c, int sig, siginfo_t *si, ucontext_t *uc, uint32_t was_in_guest)
{
	if (si->si_code <= 0 || sig >= SIGRTMIN) {
		int r = on_async(c, uc, was_in_guest);
		if (sig >= SIGRTMIN)
			kick_unmask(c, sig);
		return r;
	}
	c->sig = (uint32_t)sig;
	if ((uint16_t)uc->uc_mcontext.gregs[REG_CSGSFS] == HOST_CS64)
		return on_fault64(c, sig, uc, was_in_guest);
	return unwind(c, uc, PVX_FAULT);
}
