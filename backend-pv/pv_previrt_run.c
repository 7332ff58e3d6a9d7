/*
 * pv_previrt_run.c - the `previrt` interface at run time: what a site asks for, and what must hold whenever the guest is left.
 *
 * While guest code runs, the truth about IF is in the shared page; pv_previrt_left and pv_previrt_enter move it to v->state and back. A
 * site's hypercall executes the instruction that stood there, by the reference interpreter. Outside patched code nobody ever sees a
 * half-done site: pv_previrt_settle undoes what a stub had begun when a signal came, and executes the instruction in its stead. Called by
 * pv_run.c and pv_trap.c; read next: pv_previrt_pte.c.
 */
#include "pv_previrt.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core/walk.h"

static uint32_t linear(const struct vcpu *v)
{
	return (uint32_t)(v->state.seg[S_CS].base + v->state.rip);
}

static void rip_set(struct vcpu *v, uint32_t la)
{
	v->state.rip = (uint32_t)(la - v->state.seg[S_CS].base);
}

/* ---- one instruction that stood at a site ---- */

static enum interp_result site_execute(struct vcpu *v, struct previrt_site *s, enum event_mech mech)
{
	struct previrt *p = previrt_of(v);
	enum event_mech was = v->interp.mech;
	enum interp_result r;

	rip_set(v, s->addr + s->insn_at);
	v->interp.mech = mech;
	stat_count_at(&v->stats, EV_INTERPRET, mech, GVA(s->addr));
	if (s->kind == AB_STI) /* patched code has set it already, and then there would be no shadow */
		v->state.rflags &= ~(uint64_t)FL_IF;
	if (s->kind == AB_PTE) {
		p->written = 0;
		v->interp.hooks.phys_write = previrt_store;
	}
	r = interp_step_code(v, &s->code);
	v->interp.hooks.phys_write = NULL;
	v->interp.mech = was;
	if (s->kind == AB_PTE)
		previrt_table_written(v);
	return r;
}

/* As interp_step, where the instruction at EIP may have been overwritten. */
enum interp_result pv_previrt_step(struct vcpu *v)
{
	uint32_t la = linear(v);
	struct previrt_site *s = previrt_find(previrt_of(v), la);

	if (!s || (la != s->addr && la != s->addr + s->insn_at))
		return interp_step(v);
	return site_execute(v, s, v->interp.mech);
}

/* ---- hypercalls ---- */

/* Guest user code has come to a site's entry: as if it had jumped to the site. 0: it may execute there. */
static uint32_t user_may(struct vcpu *v, const struct previrt_site *s)
{
	struct walk w;

	return CPL(&v->state) == 3 ? walk_page(&v->state, &v->vm->mem, GVA(s->addr + s->insn_at), ACCESS_X | ACCESS_USER, false, &w) : 0;
}

enum step pv_previrt_hypercall(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;
	struct previrt *p = pv->previrt;
	uint32_t n = pv->cpu->site, fault;
	struct previrt_site *s = n < p->n ? &p->site[n] : NULL;

	if (p->stop) {
		p->stop = false;
		return pv_step_result(v, e, p->stopped);
	}
	if (!s || s->form == FORM_REFUSED) /* no site leads there: the guest has jumped into our code by itself */
		return pv_step_result(v, e, interp_deliver(v, VEC_GP, DELIVER_EXC, true, 0x30));
	if ((fault = user_may(v, s))) {
		rip_set(v, s->addr + s->insn_at);
		v->state.cr2 = s->addr + s->insn_at;
		return pv_step_result(v, e, interp_deliver(v, VEC_PF, DELIVER_EXC, true, fault & 0xffff));
	}
	return pv_step_result(v, e, site_execute(v, s, MECH_HYPERCALL));
}

/* Which of DS, ES, FS, GS (c->sel's order) an instruction loads; -1: none of these, or more than that. */
static int loads_data_segment(const struct previrt_site *s)
{
	static const int8_t index[8] = { [S_ES] = 1, [S_CS] = -1, [S_SS] = -1, [S_DS] = 0, [S_FS] = 2, [S_GS] = 3, -1, -1 };
	const uint8_t *o = s->orig;

	if (s->kind == AB_SEG_LOAD && o[0] == 0x8e)
		return index[o[1] >> 3 & 7];
	if (s->kind != AB_SEG_POP)
		return -1;
	return o[0] == 0x1f ? 0 : o[0] == 0x07 ? 1 : o[0] == 0x0f && o[1] == 0xa1 ? 2 : o[0] == 0x0f && o[1] == 0xa9 ? 3 : -1;
}

/* The register itself gets the stand-in of what v->state has: as pv_enter would, without leaving. false: leave. */
static bool data_segment_reload(struct pv_cpu *c, int i)
{
	static const uint8_t sreg[4] = { S_DS, S_ES, S_FS, S_GS };
	int sel = pv_ldt_select(c->pv, sreg[i], &c->st->seg[sreg[i]]);

	if (sel < 0)
		return false;
	c->sel[i] = (uint16_t)sel;
	switch (i) {
	case 0: __asm__ volatile("mov %0, %%ds" : : "r"(sel)); break;
	case 1: __asm__ volatile("mov %0, %%es" : : "r"(sel)); break;
	case 2: /* the base is libc's again at once, and the guest's on the way back */
		c->guest_fs = pv_ldt_base(c->pv, (uint16_t)sel);
		__asm__ volatile("mov %0, %%fs; wrfsbase %1" : : "r"(sel), "r"(c->host_fs));
		break;
	case 3: __asm__ volatile("mov %0, %%gs" : : "r"(sel)); break;
	}
	return true;
}

/* A system call of ours has come back with the host's flat SS; no selector changes on the way back to the guest. */
static void stack_segment_restore(const struct pv_cpu *c)
{
	uint32_t now;

	__asm__ volatile("mov %%ss, %0" : "=r"(now));
	if ((uint16_t)now != c->far_ss)
		__asm__ volatile("mov %0, %%ss" : : "r"((uint32_t)c->far_ss));
}

/*
 * The short way, called by pv_entry.S through xen_hypercall.c with the guest's x87 and SSE state saved and its segment registers still
 * loaded. 0: go back to where far_eip says; else leave, as the code tells.
 */
int pv_previrt_medium(struct pv_cpu *c)
{
	struct vcpu *v = c->v;
	struct previrt *p = c->pv->previrt;
	struct previrt_site *s = c->site < p->n ? &p->site[c->site] : NULL;
	struct cpu_state *st = &v->state;
	uint16_t sel[S_GS + 1];

	if (!s || s->form == FORM_REFUSED || s->kind == AB_HLT || c->user || c->tf_seen || (c->raw_flags & FL_TF))
		return PVX_HYPERCALL;
	for (unsigned i = 0; i <= S_GS; i++)
		sel[i] = st->seg[i].sel;
	st->rflags = (st->rflags & ~(uint64_t)(FL_REAL | FL_IF)) | (c->raw_flags & FL_REAL) | (p->shared->vif & FL_IF);
	p->stopped = site_execute(v, s, MECH_HYPERCALL);
	p->stop = p->stopped != INTERP_DONE;
	c->far_eip = (uint32_t)st->rip;
	c->raw_flags = (st->rflags & FL_REAL) | FL_IF | FL_FIXED;
	previrt_publish(v);
	if (p->stop)
		return PVX_HYPERCALL; /* pv_previrt_hypercall tells */
	if (v->vm->end != END_NONE || st->int_shadow || (v->irq_window && pv_ready(v)) || CPL(st) == 3 || (st->rflags & FL_TF) || st->seg[S_SS].base)
		return PVX_FLUSH;
	if (sel[S_CS] != st->seg[S_CS].sel || sel[S_SS] != st->seg[S_SS].sel || s->kind == AB_LDS)
		return PVX_FLUSH;
	if (s->kind == AB_SEG_LOAD || s->kind == AB_SEG_POP) {
		int i = loads_data_segment(s);
		if (i < 0 || !data_segment_reload(c, i))
			return PVX_FLUSH;
	}
	stack_segment_restore(c);
	return 0;
}

/* ---- leaving and entering ---- */

void pv_previrt_left(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	struct previrt *p = pv->previrt;
	uint32_t la = linear(v);

	if (!pv->cpu->user)
		v->state.rflags = (v->state.rflags & ~(uint64_t)FL_IF) | (p->shared->vif & FL_IF);
	/* Linked elsewhere than it is loaded: patched once it runs where it was linked, and nothing stands in a site. */
	if (!p->applied && (v->state.cr0 & CR0_PG) && la >= p->lo && la < p->hi) {
		p->applied = true;
		bool busy = previrt_find(p, la);
		p->applied = false;
		if (!busy)
			previrt_apply(p, &v->vm->image, &v->vm->mem);
	}
}

static int shared_hide(struct pv *pv, struct previrt *p, bool hide)
{
	void *at = (void *)(pv->top - PAGE_SIZE);

	if (p->hidden == hide || !p->mapped)
		return 0;
	if (pv->iso == ISO_KEYS) { /* the key that guest user code may not use; once is enough */
		p->hidden = hide;
		return pv->pkey >= 0 && syscall(SYS_pkey_mprotect, at, (size_t)PAGE_SIZE, PROT_READ | PROT_WRITE, pv->pkey) ? -errno : 0;
	}
	p->hidden = hide;
	return mprotect(at, PAGE_SIZE, hide ? PROT_NONE : PROT_READ | PROT_WRITE) ? -errno : 0;
}

/* What patched code reads. */
void previrt_publish(struct vcpu *v)
{
	struct previrt_shared *sh = previrt_of(v)->shared;
	const struct cpu_state *s = &v->state;

	sh->vif = s->rflags & FL_IF;
	sh->pend = v->irq_window;
	sh->viopl = s->rflags & FL_IOPL;
	sh->vbase = sh->viopl - FL_IF;
	sh->cr[0] = (uint32_t)s->cr0;
	sh->cr[2] = (uint32_t)s->cr2;
	sh->cr[3] = (uint32_t)s->cr3;
	sh->cr[4] = (uint32_t)s->cr4;
	for (unsigned i = 0; i < SREG_COUNT; i++)
		sh->sel[i] = s->seg[i].sel;
}

int pv_previrt_enter(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;

	previrt_publish(v);
	return shared_hide(pv, pv->previrt, pv->cpu->user);
}

/*
 * Patched code reaches the shared page through SS at base 0. A kernel stack segment that is another one is left to the interpreter until the
 * guest loads a flat one again.
 */
bool pv_previrt_direct(struct vcpu *v)
{
	const struct segment *ss = &v->state.seg[S_SS];

	return CPL(&v->state) == 3 || !ss->base || !previrt_of(v)->applied;
}

/* ---- settling ---- */

/* What the stub had put away comes back. True: the deed is done, and EIP is behind the site. */
static bool stub_undo(struct vcpu *v, struct previrt *p, const struct previrt_site *s, uint8_t at)
{
	struct cpu_state *st = &v->state;

	if (s->k_saved != NOWHERE && at >= s->k_saved && at < s->k_restored)
		st->gpr[R_ECX] = p->shared->sk;
	if (s->c_saved != NOWHERE && at >= s->c_saved)
		st->gpr[R_ECX] = p->shared->sc;
	if (s->a_saved != NOWHERE && at >= s->a_saved)
		st->gpr[R_EAX] = p->shared->sa;
	if (at == s->low)
		st->gpr[R_ESP] = (uint32_t)(st->gpr[R_ESP] + 4);
	rip_set(v, s->addr + s->insn_at);
	/* POPF and STI have ways past their deed's place that lead to the VMM: they are not done. */
	return s->done != NOWHERE && at >= s->done && (s->kind == AB_PUSHF || at < s->done + 5);
}

/* The guest was left inside a stub: true, and the instruction has been executed or is left to do. */
static enum step stub_settle(struct vcpu *v, struct exit *e, struct previrt_site *s)
{
	struct previrt *p = previrt_of(v);
	uint8_t at = (uint8_t)(linear(v) - p->top - s->stub);
	bool counted = s->counted != NOWHERE && at >= s->counted && at < s->stub_len, was = v->interp.count;
	enum interp_result r;

	if (stub_undo(v, p, s, at)) {
		rip_set(v, s->addr + s->len);
		if (s->kind == AB_STI)
			v->state.int_shadow = INT_SHADOW_STI;
		return STEP_GO;
	}
	v->interp.count = was && !counted;
	r = site_execute(v, s, MECH_TRAP);
	v->interp.count = was;
	return pv_step_result(v, e, r);
}

static bool fault_on_shared(const struct pv *pv)
{
	const struct pv_cpu *c = pv->cpu;

	return c->trapno == VEC_PF && c->cr2 - (pv->top - PAGE_SIZE) < PAGE_SIZE;
}

/* True when why needs no more handling: *step says how to go on. */
bool pv_previrt_settle(struct vcpu *v, struct exit *e, enum pv_exit why, enum step *step)
{
	struct pv *pv = v->vm->priv;
	struct previrt *p = pv->previrt;
	uint32_t la = linear(v);
	struct previrt_site *s;

	if (why != PVX_FAULT && why != PVX_KICK)
		return false;
	if (la - p->top < p->area_used && (s = previrt_find_stub(p, la))) {
		*step = stub_settle(v, e, s);
		return true;
	}
	/* Right behind an STI: nobody knows whether it came that way, and one instruction more without interrupts is always right. */
	if (why == PVX_KICK && (s = previrt_find(p, la - 1)) && s->kind == AB_STI && (la == s->addr + s->len || la >= s->addr + afterburn_least[AB_STI])) {
		rip_set(v, s->addr + s->len);
		v->state.int_shadow = INT_SHADOW_STI;
		return false;
	}
	if (!(s = previrt_find(p, la)))
		return false;
	bool inside = s->kind == AB_STI && s->form == FORM_INLINE && la > s->addr && la < s->addr + afterburn_least[AB_STI];
	if (!inside && !(why == PVX_FAULT && la == s->addr && fault_on_shared(pv)))
		return false;
	*step = pv_step_result(v, e, site_execute(v, s, MECH_TRAP));
	return true;
}

/* ---- the end ---- */

void pv_previrt_collect(struct vcpu *v)
{
	static const uint8_t kind[4] = { [PC_INT_FLAG] = EV_INT_FLAG, [PC_FLAGS_IMAGE] = EV_FLAGS_IMAGE, [PC_CR_READ] = EV_CR_READ,
		[PC_SEG_READ] = EV_SEG_READ };
	struct previrt *p = previrt_of(v);

	for (unsigned i = 0; p && p->shared && p->count_inline && i < 4; i++) {
		v->stats.cell[kind[i]][MECH_INLINE].count += p->shared->count[i];
		p->shared->count[i] = 0;
	}
}
