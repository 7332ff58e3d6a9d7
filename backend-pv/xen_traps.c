/*
 * xen_traps.c - exceptions, upcalls and returns, as frames on the guest's stacks.
 *
 * Frames show the guest Xen's world: Xen's selectors, the upcall mask saved in the upper half of CS, and EFLAGS.IF as its
 * inverse (xen/arch-x86/xen-x86_32.h; struct trap_info in xen/arch-x86/xen.h). The guest kernel believes that it is at
 * ring 1, so CPL in v->state is 1 or 3. A host fault comes to xen_fault; what the guest may do after all goes to
 * xen_emul.c. Read next: xen_event.c.
 */
#include "xen.h"
#include <string.h>
#include "core/walk.h"

#define TI_DPL 3u
#define TI_MASK 4u

/* ---- frames ---- */

static struct vcpu_info_x86_32 *info_of(struct vcpu *v)
{
	return xen_of(v)->info;
}

/* Pushes the frame of an event and enters the kernel at cs:eip. False: the stack or the selectors are unusable. */
static bool frame_push(struct vcpu *v, uint16_t cs, uint32_t eip, bool has_error, uint32_t error, bool mask)
{
	struct cpu_state *s = &v->state;
	struct xen *x = xen_of(v);
	bool user = CPL(s) == 3;
	uint32_t frame[6], n = 0, sp = user ? x->kernel_sp : (uint32_t)s->gpr[R_ESP];
	uint8_t masked = info_of(v)->evtchn_upcall_mask;
	struct segment code, stack = s->seg[S_SS];

	if (!xen_segment(v, cs, &code) || !(code.attr & 8) || SEG_DPL(&code) == 3)
		return false;
	if (user && (!xen_segment(v, (uint16_t)x->kernel_ss, &stack) || SEG_DPL(&stack) == 3))
		return false;
	if (has_error)
		frame[n++] = error;
	frame[n++] = (uint32_t)s->rip;
	frame[n++] = s->seg[S_CS].sel | (uint32_t)masked << 16;
	frame[n++] = (uint32_t)(s->rflags & ~(uint64_t)(FL_IF | FL_IOPL)) | (masked ? 0 : FL_IF) | FL_FIXED;
	if (user) {
		frame[n++] = (uint32_t)s->gpr[R_ESP];
		frame[n++] = s->seg[S_SS].sel;
	}
	sp -= n * 4;
	if (!xen_guest_write(v, (uint32_t)stack.base + sp, frame, n * 4))
		return false;
	s->seg[S_CS] = code;
	s->seg[S_SS] = stack;
	s->gpr[R_ESP] = sp;
	s->rip = eip;
	s->rflags &= ~(uint64_t)(FL_TF | FL_NT | FL_RF | FL_AC);
	if (mask)
		info_of(v)->evtchn_upcall_mask = 1;
	return true;
}

static enum step frame_crash(struct vcpu *v, struct exit *e, uint8_t vector, uint32_t error)
{
	exit_crash(e, GVA(v->state.rip), "exception %u (error %#x, cr2 %#x) has no usable handler: cs %#x, kernel stack %#x:%#x, esp %#llx",
		vector, error, info_of(v)->arch.cr2, v->state.seg[S_CS].sel, xen_of(v)->kernel_ss, xen_of(v)->kernel_sp,
		(unsigned long long)v->state.gpr[R_ESP]);
	return STEP_EXIT;
}

enum step xen_bounce(struct vcpu *v, struct exit *e, uint8_t vector, bool has_error, uint32_t error)
{
	const struct trap_info_x86_32 *t = &xen_of(v)->trap[vector];
	enum event_kind k = vector == VEC_PF ? EV_PAGE_FAULT : EV_EXCEPTION;
	gva_t eip = GVA(v->state.rip);
	uint64_t t0 = stat_begin(&v->stats, k, MECH_TRAP);

	if (!t->address || !frame_push(v, t->cs, t->address, has_error, error, t->flags & TI_MASK))
		return frame_crash(v, e, vector, error);
	stat_end(&v->stats, k, MECH_TRAP, eip, t0);
	return STEP_GO;
}

/* INT n, INT3, INTO: EIP is after the instruction, and the gate must admit the current level. insn: where it starts. */
static enum step soft_int(struct vcpu *v, struct exit *e, uint8_t vector, uint32_t insn)
{
	const struct trap_info_x86_32 *t = &xen_of(v)->trap[vector];
	gva_t eip = GVA(insn);

	if ((t->flags & TI_DPL) < CPL(&v->state) || !t->address) {
		v->state.rip = insn;
		return xen_bounce(v, e, VEC_GP, true, (uint32_t)vector << 3 | 2);
	}
	uint64_t t0 = stat_begin(&v->stats, EV_SYSCALL_ENTRY, MECH_TRAP);
	if (!frame_push(v, t->cs, t->address, false, 0, t->flags & TI_MASK))
		return frame_crash(v, e, vector, 0);
	stat_end(&v->stats, EV_SYSCALL_ENTRY, MECH_TRAP, eip, t0);
	return STEP_GO;
}

bool xen_upcall(struct vcpu *v)
{
	struct xen *x = xen_of(v);
	gva_t eip = GVA(v->state.rip);
	enum event_mech m = x->last_mech;
	uint64_t t0 = stat_begin(&v->stats, EV_IRQ_DELIVERED, m);

	if (!frame_push(v, (uint16_t)x->event_cs, x->event_eip, false, 0, true))
		return false;
	stat_end(&v->stats, EV_IRQ_DELIVERED, m, eip, t0);
	return true;
}

/*
 * The return that IRET would be: esp_after is ESP once EIP, CS and EFLAGS are popped. False leaves v->state alone. The
 * selector decides the level; the guest kernel's own CS is at ring 1, where ESP and SS are not popped.
 */
bool xen_return(struct vcpu *v, uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t esp_after)
{
	struct cpu_state *s = &v->state;
	struct segment code, stack = s->seg[S_SS];
	bool outer = (cs & 3) == 3;
	uint32_t pop[2] = { esp_after };

	if (!xen_segment(v, (uint16_t)cs, &code) || !(code.attr & 8) || (SEG_DPL(&code) == 3) != outer)
		return false;
	if (outer && (!xen_guest_read(v, (uint32_t)stack.base + esp_after, pop, 8) || !xen_segment(v, (uint16_t)pop[1], &stack) ||
	    !(stack.attr & SEG_P) || SEG_DPL(&stack) != 3 || (stack.attr & 8)))
		return false;
	s->seg[S_CS] = code;
	s->seg[S_SS] = stack;
	s->rip = eip;
	s->gpr[R_ESP] = pop[0];
	s->rflags = (eflags & FL_REAL) | FL_IF | FL_FIXED;
	info_of(v)->evtchn_upcall_mask = !(eflags & FL_IF);
	return true;
}

/* ---- hypercalls ---- */

/* iret: on the stack EAX, EIP, CS, EFLAGS, and for user mode ESP, SS. */
int32_t xen_iret(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	struct cpu_state *s = &v->state;
	uint32_t esp = (uint32_t)s->gpr[R_ESP], f[4];
	gva_t eip = xen_caller(v);
	bool user;

	x->no_result = true;
	if (!xen_guest_read(v, (uint32_t)s->seg[S_SS].base + esp, f, sizeof(f)) || !xen_return(v, f[1], f[2], f[3], esp + 16)) {
		vm_stop(v->vm, END_CRASH, 0, "the iret hypercall's frame at esp %#x (eip %#x, cs %#x) cannot be returned to", esp, f[1], f[2]);
		return 0;
	}
	s->gpr[R_EAX] = f[0];
	user = CPL(s) == 3;
	stat_count_at(&v->stats, user ? EV_USER_RETURN : EV_IRET, MECH_HYPERCALL, eip);
	return 0;
}

/* set_trap_table(table): entries until one has address 0; NULL clears all. */
int32_t xen_set_trap_table(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	struct trap_info_x86_32 t;

	_Static_assert(sizeof(t) == 8, "trap_info");
	if (!a[0]) {
		memset(x->trap, 0, sizeof(x->trap));
		return 0;
	}
	for (uint32_t i = 0; i < 257; i++) {
		if (!xen_guest_read(v, a[0] + i * sizeof(t), &t, sizeof(t)))
			return -XEN_EFAULT;
		if (!t.address)
			return 0;
		x->trap[t.vector] = t;
	}
	return -XEN_EINVAL;
}

int32_t xen_stack_switch(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	struct segment s;

	if (!xen_segment(v, (uint16_t)a[0], &s) || !(s.attr & SEG_P) || SEG_DPL(&s) == 3)
		return -XEN_EPERM;
	x->kernel_ss = a[0] & 0xffff;
	x->kernel_sp = a[1];
	return 0;
}

int32_t xen_set_callbacks(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	x->event_cs = a[0];
	x->event_eip = a[1];
	x->failsafe_cs = a[2];
	x->failsafe_eip = a[3];
	return 0;
}

/* callback_op(cmd, arg): register (0) { u16 type, u16 flags, u32 cs, u32 eip } for events (0) and the failsafe (1). */
int32_t xen_callback_op(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	struct { uint16_t type, flags; uint32_t cs, eip; } r;

	if (a[0] != 0)
		return -XEN_ENOSYS;
	if (!xen_guest_read(v, a[1], &r, sizeof(r)))
		return -XEN_EFAULT;
	if (r.type == 0) {
		x->event_cs = r.cs;
		x->event_eip = r.eip;
	} else if (r.type == 1) {
		x->failsafe_cs = r.cs;
		x->failsafe_eip = r.eip;
	} else {
		return -XEN_ENOSYS;
	}
	return 0;
}

/* ---- host faults ---- */

static enum step on_page_fault(struct vcpu *v, struct exit *e)
{
	struct pv *pv = v->vm->priv;
	struct pv_cpu *c = pv->cpu;
	uint32_t la = (uint32_t)(c->cr2 - pv->shift), code = c->err & (PFEC_W | PFEC_I);
	bool user = CPL(&v->state) == 3;
	uint64_t t0 = __rdtsc();
	int r = FILL_EMULATE;

	if (la < XEN_M2P)
		r = pv_shadow_fill(pv, la, (code & PFEC_W ? ACCESS_W : 0) | (code & PFEC_I ? ACCESS_X : 0) | (user ? ACCESS_USER : 0));
	if (r == FILL_OK) {
		if (stat_begin(&v->stats, EV_SHADOW_FILL, MECH_TRAP))
			stat_sample(&v->stats, EV_SHADOW_FILL, MECH_TRAP, GVA(v->state.rip), t0, __rdtsc());
		return STEP_GO;
	}
	if (r < 0) {
		exit_crash(e, GVA(v->state.rip), "the host cannot map guest page %#x: %s", la, strerror(-r));
		return STEP_EXIT;
	}
	if (r & WALK_FAULT)
		code = (uint32_t)r & 0xffff;
	else
		code |= (user ? PFEC_U : 0) | (la >= XEN_M2P ? c->err & PFEC_P : 0); /* the hypervisor's area: what we mapped there */
	info_of(v)->arch.cr2 = la;
	v->state.cr2 = la;
	if (la < XEN_M2P)
		pv_refault_note(pv, la, (c->err & PFEC_W ? ACCESS_W : 0) | (c->err & PFEC_I ? ACCESS_X : 0) | (user ? ACCESS_USER : 0));
	return xen_bounce(v, e, VEC_PF, true, code);
}

static enum step on_gp(struct vcpu *v, struct exit *e, uint32_t err)
{
	uint32_t vector = err >> 3, insn = (uint32_t)v->state.rip;
	uint8_t op[2] = { 0 };

	if (!(err & 2)) /* not an IDT entry: an instruction, or a selector */
		return xen_privileged(v, e, err);
	if (!xen_guest_read(v, (uint32_t)v->state.seg[S_CS].base + insn, op, 2) || op[0] != 0xcd)
		return xen_bounce(v, e, VEC_GP, true, err);
	v->state.rip = insn + 2;
	if (vector == HYPERCALL_VECTOR && CPL(&v->state) != 3)
		return xen_hypercall_slow(v, e, MECH_TRAP);
	return soft_int(v, e, (uint8_t)vector, insn);
}

static enum step on_sigsys(struct vcpu *v, struct exit *e)
{
	struct pv_cpu *c = ((struct pv *)v->vm->priv)->cpu;

	if (c->raw_rip < PV_TOP)
		return soft_int(v, e, 0x80, (uint32_t)v->state.rip - 2);
	exit_crash(e, GVA(0), "SYSENTER or SYSCALL: the ABI has neither in 32-bit mode, and where it was executed is lost to the host kernel");
	return STEP_EXIT;
}

enum step xen_fault(struct vcpu *v, struct exit *e)
{
	struct pv_cpu *c = ((struct pv *)v->vm->priv)->cpu;
	uint32_t rip = (uint32_t)v->state.rip;

	xen_of(v)->last_mech = MECH_TRAP;
	if (c->sig == SIGSYS || pv_sysenter_landed(v->vm->priv))
		return on_sigsys(v, e);
	switch (c->trapno) {
	case VEC_PF:
		return on_page_fault(v, e);
	case VEC_GP:
		return on_gp(v, e, c->err);
	case VEC_BP:
	case VEC_OF:
		return soft_int(v, e, (uint8_t)c->trapno, rip - 1);
	case VEC_UD:
		return xen_undefined(v, e);
	case VEC_TS:
	case VEC_NP:
	case VEC_SS:
	case VEC_AC:
		return xen_bounce(v, e, (uint8_t)c->trapno, true, c->err);
	case VEC_DB:
		v->state.dr[6] |= 0x4000;
		return xen_bounce(v, e, VEC_DB, false, 0);
	default:
		return xen_bounce(v, e, (uint8_t)c->trapno, false, 0);
	}
}
