/*
 * bt_fault.c - host faults in translated code: from the signal to the guest's instruction and registers, and what to do.
 *
 * The handlers do little: find the instruction, copy its registers into struct cpu_state, and send the thread to
 * bt_fault_exit, so that everything else happens outside signal context, in fault_handle. A fault anywhere else is not
 * ours and goes to whoever handled the signal before us. Read next: bt_shadow.c (pages), bt_async.c (kicks).
 */
#include "bt_private.h"
#include <errno.h>
#include <stdlib.h>
#include <ucontext.h>

#define ALTSTACK (64u << 10)

static const int fault_signals[5] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };

/* Which vCPU this thread runs: a signal carries no pointer to it. Set while bt's run is on the stack. */
static _Thread_local struct bt *fault_current;

/*
 * No signal handler may run on the guest's stack, which is in rsp: this thread gets the alternate stack of the VM that it
 * runs now. (A program around us needs SA_ONSTACK for its own handlers, too.)
 */
void fault_bind(struct bt *b)
{
	if (fault_current != b)
		sigaltstack(&(stack_t){ .ss_sp = b->altstack, .ss_size = ALTSTACK }, NULL);
	fault_current = b;
}

static void pass_on(struct bt *b, int sig)
{
	for (unsigned i = 0; b && i < ARRAY_LEN(fault_signals); i++)
		if (fault_signals[i] == sig)
			sigaction(sig, &b->old[i], NULL);
	if (!b)
		signal(sig, SIG_DFL);
}

/* The guest's state at instruction im of block k, from the registers of the interrupted translated code. */
void fault_capture(struct bt *b, ucontext_t *uc, const struct block *k, const struct imap *im)
{
	static const uint8_t from[8] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI };
	struct cpu_state *s = &b->v->state;
	greg_t *g = uc->uc_mcontext.gregs;

	for (unsigned i = 0; i < 8; i++)
		s->gpr[i] = (uint32_t)g[from[i]];
	if ((uint64_t)g[REG_RSP] - b->hot->host_rsp + 8 <= 8)
		s->gpr[R_ESP] = (uint32_t)g[REG_R9]; /* amid PUSHF or POPF, on our stack */
	if (im->guest & IM_SWAP && (uint64_t)g[REG_RIP] != (uint64_t)(uintptr_t)(b->code + k->host + im->host)) {
		uint64_t *r = &s->gpr[im->guest >> IM_SWAPREG];
		*r = (*r & 0xffff0000u) | (*r & 0xff) << 8 | (*r >> 8 & 0xff);
	}
	s->rip = k->start + imap_guest(im);
	if (b->v->insns.on && (uint64_t)g[REG_RIP] - (uint64_t)(uintptr_t)(b->code + k->host + im->host) >= BT_COUNT_BYTES)
		b->v->insns.left++; /* it has been counted, and will be done again */
	b->hot->hflags = ((uint64_t)g[REG_EFL] & ~(uint64_t)FL_TF) | FL_IF;
	g[REG_EFL] &= ~(greg_t)(FL_TF | FL_DF);
	g[REG_RIP] = (greg_t)(uintptr_t)bt_fault_exit;
	g[REG_RSP] = (greg_t)b->hot->host_rsp;
	b->stepping = false;
}

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	struct bt *b = fault_current;
	ucontext_t *uc = ucontext;
	uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	struct block *k;
	const struct imap *im;

	if (b && sig == SIGTRAP && b->stepping) {
		async_step(b, uc);
		return;
	}
	k = b ? block_of_host(b, rip) : NULL;
	if (!k) {
		pass_on(b, sig);
		return;
	}
	im = block_insn(b, k, rip);
	b->fault = (struct bt_fault){ .sig = sig, .addr = (uint64_t)(uintptr_t)info->si_addr,
		.probe = im->guest & IM_PROBE, .trapno = (uint32_t)uc->uc_mcontext.gregs[REG_TRAPNO], .err = (uint32_t)uc->uc_mcontext.gregs[REG_ERR] };
	b->fault.cs = (uint16_t)uc->uc_mcontext.gregs[REG_CSGSFS];
	b->fault.ss = (uint16_t)((uint64_t)uc->uc_mcontext.gregs[REG_CSGSFS] >> 48);
	b->fault.eflags = (uint32_t)uc->uc_mcontext.gregs[REG_EFL];
	fault_capture(b, uc, k, im);
}

int fault_install(struct bt *b)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_size = ALTSTACK };

	b->altstack = malloc(ALTSTACK);
	if (!b->altstack)
		return -ENOMEM;
	ss.ss_sp = b->altstack;
	if (sigaltstack(&ss, &b->old_altstack))
		return -errno;
	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIG_KICK);
	for (unsigned i = 0; i < ARRAY_LEN(fault_signals); i++)
		if (sigaction(fault_signals[i], &sa, &b->old[i]))
			return -errno;
	b->installed = true;
	return 0;
}

void fault_remove(struct bt *b)
{
	for (unsigned i = 0; b->installed && i < ARRAY_LEN(fault_signals); i++)
		sigaction(fault_signals[i], &b->old[i], NULL);
	if (b->altstack) {
		if (!(b->old_altstack.ss_flags & SS_DISABLE) && b->old_altstack.ss_sp)
			sigaltstack(&b->old_altstack, NULL);
		else
			sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
		free(b->altstack);
	}
	fault_current = NULL;
}

/* The interpreter does the instruction, counted as a host trap; it will tell the guest of its fault. */
static enum interp_result by_interpreter(struct bt *b, enum event_kind k)
{
	struct vcpu *v = b->v;
	gva_t eip = GVA(v->state.rip);
	uint64_t t0 = k == EV_COUNT ? 0 : stat_begin(&v->stats, k, MECH_TRAP);

	if (v->insns.on)
		v->insns.left--;
	enum interp_result r = bt_interp(b, MECH_TRAP);

	if (k != EV_COUNT)
		stat_end(&v->stats, k, MECH_TRAP, eip, t0);
	return r;
}

/* In which window, or between its guards, a host address lies: the current one, or the user's while the kernel runs. */
static struct view *fault_view(const struct bt *b)
{
	uint64_t win = (uint64_t)(uintptr_t)b->uview->win;

	return !b->view->user && b->fault.addr - (win - GUARD) < GUARD + WINDOW + GUARD_HI ? b->uview : b->view;
}

/*
 * Kernel code at eip and a page of the user's. The first time its translation gets to choose the window by address; an
 * instruction that cannot choose, like a push, has the page in the kernel's window after all. True: try again.
 */
static bool user_site(struct bt *b, uint32_t eip, uint32_t lin)
{
	uint32_t side = lin >> 24;

	if ((b->mixed[side / 64] & 1ull << (side % 64)) || b->vm->cfg.bt.no_adapt || (site_flags(b, eip) & SITE_USER))
		return false;
	b->hot->side[side] = 1;
	site_mark(b, eip, SITE_USER);
	return true;
}

/* A page that user mode cannot reach, in the user's window: if the kernel can, these 16 MiB are mixed. True: try again. */
static bool mixed_side(struct bt *b, uint32_t lin, bool write)
{
	uint32_t side = lin >> 24;
	struct walk k;

	if (!b->hot->side[side] || walk_page(&b->v->state, &b->vm->mem, GVA(lin), write ? ACCESS_W : 0, false, &k))
		return false;
	b->hot->side[side] = 0;
	b->mixed[side / 64] |= 1ull << (side % 64);
	return true;
}

static enum fill fill(struct bt *b, struct view *w, uint32_t eip, uint32_t lin, bool write, uint32_t *error)
{
	enum fill f = shadow_fill(b, w, lin, write, false, error);

	if (f == FILL_USER && user_site(b, eip, lin))
		return f;
	return f == FILL_USER ? shadow_fill(b, w, lin, write, true, error) : f;
}

/* A page that was dropped lately and is back: it may not be worth host mappings, or its instruction may not. */
static void filled(struct bt *b, const struct view *w, uint32_t eip, uint32_t linpage)
{
	const struct drop *d = &b->drops[drop_slot(b, w, linpage)];
	uint32_t age = (uint32_t)(__rdtsc() >> DROP_CLOCK) - d->when;

	if (d->n >= DROPS_VOLATILE && age <= DROP_SOON)
		site_mark(b, eip, SITE_SOFT);
	else
		site_fault(b, eip, d->n && age <= DROP_LATELY ? SITE_GUEST : linpage);
}

/* The guest's own page fault. Its kernel will most often map the page and return: then the page is mapped here at once. */
static enum interp_result guest_fault(struct bt *b, struct view *w, uint32_t lin, bool write)
{
	struct prefill p = { w, (uint32_t)b->v->state.rip, lin, write, b->view->user };
	enum interp_result r = by_interpreter(b, EV_COUNT);

	if (!b->v->insns.on && (uint32_t)b->v->state.rip != p.eip && (uint32_t)b->v->state.cr2 == lin)
		b->prefill = p;
	return r;
}

void fault_prefill(struct bt *b)
{
	struct prefill p = b->prefill;
	uint32_t error;

	b->prefill.w = NULL;
	if (b->view && b->view->user == p.user && (p.w == b->view || p.w == b->uview) &&
	    shadow_fill(b, p.w, p.lin, p.write, false, &error) == FILL_OK)
		b->stat[BS_PREFILLS]++;
}

static enum interp_result memory_fault(struct bt *b)
{
	struct vcpu *v = b->v;
	struct view *w = fault_view(b);
	uint64_t win = (uint64_t)(uintptr_t)w->win, addr = b->fault.addr, t0;
	uint32_t eip = (uint32_t)v->state.rip, error;
	bool write = b->fault.err & PFEC_W;

	if (b->fault.probe) {
		if (addr - win < WINDOW && shadow_fill(b, w, (uint32_t)addr, false, true, &error) == FILL_OK)
			return INTERP_DONE;
		site_fault(b, eip, SITE_GUEST);
		return by_interpreter(b, EV_HOST_FAULT);
	}
	if (addr - win >= WINDOW) {
		/* A guard zone: the address wrapped around, or, if computing it in 32 bits did not help, a segment's limit has to be checked. */
		bool wrapped = addr - win >= (uint64_t)-(int64_t)(GUARD / 2) || addr - win < WINDOW + GUARD_HI;
		site_mark(b, eip, wrapped && !(site_flags(b, eip) & SITE_WRAP) ? SITE_WRAP : SITE_SOFT);
		return by_interpreter(b, EV_HOST_FAULT);
	}
	t0 = stat_begin(&v->stats, EV_SHADOW_FILL, MECH_TRAP);
	switch (fill(b, w, eip, (uint32_t)addr, write, &error)) {
	case FILL_OK:
		stat_end(&v->stats, EV_SHADOW_FILL, MECH_TRAP, GVA(eip), t0);
		filled(b, w, eip, (uint32_t)addr >> PAGE_SHIFT);
		return INTERP_DONE;
	case FILL_USER:
		v->stats.cell[EV_SHADOW_FILL][MECH_TRAP].count--;
		stat_count_at(&v->stats, EV_HOST_FAULT, MECH_TRAP, GVA(eip));
		return INTERP_DONE;
	case FILL_FAULT:
		v->stats.cell[EV_SHADOW_FILL][MECH_TRAP].count--;
		if (w != b->view && mixed_side(b, (uint32_t)addr, write)) {
			stat_count_at(&v->stats, EV_HOST_FAULT, MECH_TRAP, GVA(eip));
			return INTERP_DONE;
		}
		site_fault(b, eip, SITE_GUEST);
		return guest_fault(b, w, (uint32_t)addr, write);
	case FILL_MMIO:
	case FILL_PROTECTED:
	default:
		v->stats.cell[EV_SHADOW_FILL][MECH_TRAP].count--;
		site_mark(b, eip, SITE_SOFT);
		return by_interpreter(b, EV_COUNT);
	}
}

enum interp_result fault_handle(struct bt *b)
{
	if (b->fault.sig == SIGSEGV && b->fault.trapno == VEC_PF)
		return memory_fault(b);
	site_fault(b, (uint32_t)b->v->state.rip, SITE_GUEST);
	/* #DE, #UD, #GP of a misaligned SSE operand, #MF, #XM: the interpreter raises what the guest's CPU would. */
	return by_interpreter(b, EV_COUNT);
}
