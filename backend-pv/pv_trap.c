/*
 * pv_trap.c - the `trap` interface: classic trap-and-emulate of an unmodified 32-bit kernel.
 *
 * v->state is the virtual CPU: its CPL is what the guest believes, while its code runs at ring 3. A privileged instruction
 * faults, and the reference interpreter executes that one instruction on v->state; a page fault fills a mapping or goes
 * to the guest's own IDT. What x86 does not trap (PUSHF, SGDT, MOV from CS ...) runs natively and shows the guest the
 * host's world: those are the holes that rules.c lists. Called by pv.c; read next: pv_shadow.c, core/x86.
 */
#include "pv.h"
#include <string.h>
#include "core/walk.h"

/* Where the guest's linear addresses below the host's minimum are its own code or data, everything moves up. */
void pv_trap_start(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	const struct image *img = &v->vm->image;
	uint64_t low = UINT64_MAX;

	for (unsigned i = 0; i < img->segs; i++)
		if (img->seg[i].memsz && img->seg[i].vaddr < low)
			low = img->seg[i].vaddr;
	if (low < pv->bottom) {
		pv->shift = (uint32_t)((pv->bottom + 0xffff) & ~0xffffull);
		say("pv: the image starts at %#llx, below vm.mmap_min_addr: segment bases are shifted by %#x", (unsigned long long)low, pv->shift);
	}
}

enum step pv_step_result(struct vcpu *v, struct exit *e, enum interp_result r)
{
	switch (r) {
	case INTERP_DONE:
		return STEP_GO;
	case INTERP_HLT:
		e->reason = EXIT_HLT;
		return STEP_EXIT;
	case INTERP_SHUTDOWN:
		e->reason = EXIT_SHUTDOWN;
		return STEP_EXIT;
	case INTERP_CRASH:
		break;
	}
	exit_crash(e, GVA(v->state.rip), "%s", v->interp.why);
	return STEP_EXIT;
}

/* One instruction by the book, on v->state. It counts what the instruction is; here is counted that it was interpreted. */
enum step pv_trap_interpret(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;
	struct pv_cpu *c = pv->cpu;

	stat_count_at(&v->stats, EV_INTERPRET, MECH_TRAP, GVA((uint32_t)(v->state.seg[S_CS].base + v->state.rip)));
	memcpy(v->state.fx, c->xsave, sizeof(v->state.fx));
	enum interp_result r = pv->previrt ? pv_previrt_step(v) : interp_step(v);
	memcpy(c->xsave, v->state.fx, sizeof(v->state.fx));
	return pv_step_result(v, e, r);
}

static enum step reflect(struct vcpu *v, struct exit *e, uint8_t vector, unsigned how, bool has_error, uint32_t error)
{
	return pv_step_result(v, e, interp_deliver(v, vector, how, has_error, error));
}

static enum step on_page_fault(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;
	struct pv_cpu *c = pv->cpu;
	uint32_t la = (uint32_t)(c->cr2 - pv->shift);
	unsigned access = (c->err & PFEC_W ? ACCESS_W : 0) | (c->err & PFEC_I ? ACCESS_X : 0) | (CPL(&v->state) == 3 ? ACCESS_USER : 0);
	uint64_t t0 = __rdtsc();

	if (pv->patch && (access & ACCESS_W) && pv_patch_text_write(v, la))
		return pv_trap_interpret(v, e);
	if (pv->patch && (access & ACCESS_X))
		pv_patch_fetch(v, la);
	int r = pv_shadow_fill(pv, la, access);

	if (r < 0) {
		exit_crash(e, GVA(v->state.rip), "the host cannot map guest page %#x: %s", la, strerror(-r));
		return STEP_EXIT;
	}
	if (r & WALK_FAULT) {
		v->state.cr2 = la;
		return reflect(v, e, VEC_PF, DELIVER_EXC, true, (uint32_t)r & 0xffff);
	}
	bool again = pv->repeat_eip == (uint32_t)v->state.rip && pv->repeat_cr2 == c->cr2;
	pv->repeat_n = again ? pv->repeat_n + 1 : 0;
	pv->repeat_eip = (uint32_t)v->state.rip;
	pv->repeat_cr2 = c->cr2;
	if (r == FILL_EMULATE || pv->repeat_n > 2) {
		pv->repeat_n = 0;
		return pv_trap_interpret(v, e);
	}
	if (stat_begin(&v->stats, EV_SHADOW_FILL, MECH_TRAP))
		stat_sample(&v->stats, EV_SHADOW_FILL, MECH_TRAP, GVA(v->state.rip), t0, __rdtsc());
	return STEP_GO;
}

/*
 * SYSENTER arrived in the host kernel, and the guest's EIP is gone; SYSENTER does not need it (SDM vol. 2, SYSENTER). The
 * host has put EBP where ESP was, and the word at EBP into EBP.
 */
static enum step on_sysenter(struct vcpu *v, struct exit *e)
{
	struct cpu_state *s = &v->state;
	uint16_t cs = (uint16_t)(s->sysenter_cs & 0xfffc);

	if (!cs) {
		exit_crash(e, GVA(0), "SYSENTER without SYSENTER_CS; where it was executed is lost to the host kernel");
		return STEP_EXIT;
	}
	uint64_t t0 = stat_begin(&v->stats, EV_SYSCALL_ENTRY, MECH_TRAP);
	s->gpr[R_EBP] = s->gpr[R_ESP];
	s->seg[S_CS] = segment_flat32(cs, 0xb, 0);
	s->seg[S_SS] = segment_flat32((uint16_t)(cs + 8), 3, 0);
	s->rip = (uint32_t)s->sysenter_eip;
	s->gpr[R_ESP] = (uint32_t)s->sysenter_esp;
	s->rflags &= ~(uint64_t)(FL_IF | FL_VM | FL_RF);
	stat_end(&v->stats, EV_SYSCALL_ENTRY, MECH_TRAP, GVA(0), t0);
	return STEP_GO;
}

bool pv_sysenter_landed(const struct pv *pv)
{
	const struct pv_cpu *c = pv->cpu;

	return c->cs == 0x23 && c->trapno == VEC_PF && (c->err & PFEC_I) && pv->landing && (uint32_t)c->raw_rip - pv->landing < 4 * PAGE_SIZE;
}

static enum step on_sigsys(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;
	struct pv_cpu *c = pv->cpu;

	if (c->raw_rip < PV_TOP)
		return reflect(v, e, 0x80, DELIVER_SOFT, false, 0);
	if (!pv->syscall32)
		return on_sysenter(v, e);
	exit_crash(e, GVA(0), "SYSCALL: this CPU has no such instruction in 32-bit mode, and where it was executed is lost to the host kernel");
	return STEP_EXIT;
}

/* #UD: what the host's compatibility mode lacks but the guest's CPU has goes to the interpreter. */
static enum step on_undefined(struct vcpu *v, struct exit *e)
{
	struct cpu_state *s = &v->state;
	uint8_t op[2] = { 0 };

	interp_read_virt(v, GVA((uint32_t)(s->seg[S_CS].base + s->rip)), op, 2, ACCESS_X);
	if (op[0] == 0x0f && (op[1] == 0x34 || op[1] == 0x35))
		return pv_trap_interpret(v, e);
	return reflect(v, e, VEC_UD, DELIVER_EXC, false, 0);
}

enum step pv_trap_fault(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;
	struct pv_cpu *c = pv->cpu;

	if (c->sig == SIGSYS)
		return on_sigsys(v, e);
	if (pv_sysenter_landed(v->vm->priv)) {
		exit_crash(e, GVA(0), "SYSENTER with EBP at an inaccessible address; where it was executed is lost to the host kernel");
		return STEP_EXIT;
	}
	enum step step;

	switch (c->trapno) {
	case VEC_PF:
		return on_page_fault(v, e);
	case VEC_BP:
		if (pv->patch && pv_patch_trap(v, e, &step))
			return step;
		/* fall through */
	case VEC_OF:
		return reflect(v, e, (uint8_t)c->trapno, DELIVER_SOFT, false, 0);
	case VEC_DB:
		v->state.dr[6] |= 0x4000;
		return reflect(v, e, VEC_DB, DELIVER_EXC, false, 0);
	case VEC_DE:
	case VEC_MF:
	case VEC_XM:
		return reflect(v, e, (uint8_t)c->trapno, DELIVER_EXC, false, 0);
	case VEC_UD:
		return on_undefined(v, e);
	default: /* #GP, #SS, #NP, #AC, #BR: the interpreter executes it, or raises what the guest deserves */
		return pv_trap_interpret(v, e);
	}
}
