/*
 * vtx_state.c - registers between core's form (core/cpu.h) and KVM's, by group, both ways.
 *
 * KVM holds the truth while the vCPU exists. A pull first lets KVM finish the instruction of the last exit, so that what is
 * read is the state at an instruction boundary, as on the other engines. Called by core through the ops, and by vtx_start.
 */
#include <errno.h>
#include <string.h>
#include "core/cpuid.h"
#include "vtx.h"

#define MSR_TSC 0x10u
#define MSR_SYSENTER_CS 0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SFMASK 0xc0000084u
#define MSR_KERNEL_GS_BASE 0xc0000102u

int vtx_set_cpuid(struct vcpu *v)
{
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entry[64]; } t = { 0 };
	bool long_mode = v->vm->image.kind == IMAGE_ELF64;
	const uint32_t *leaf;
	unsigned n = cpuid_leaves(&leaf);

	for (unsigned i = 0; i < n && i < ARRAY_LEN(t.entry); i++) {
		struct cpuid_regs r = cpuid_model(leaf[i], 0, long_mode);
		t.entry[i] = (struct kvm_cpuid_entry2){ .function = leaf[i], .eax = r.eax, .ebx = r.ebx, .ecx = r.ecx, .edx = r.edx };
		t.head.nent++;
	}
	return vtx_ioctl(vtx_vcpu(v)->fd, KVM_SET_CPUID2, &t);
}

/* MSRs that live in struct cpu_state: where, and their numbers. Those for 64-bit code come last. */
static const struct { uint32_t msr; size_t field; } state_msr[] = {
	{ MSR_SYSENTER_CS, offsetof(struct cpu_state, sysenter_cs) },
	{ MSR_SYSENTER_ESP, offsetof(struct cpu_state, sysenter_esp) },
	{ MSR_SYSENTER_EIP, offsetof(struct cpu_state, sysenter_eip) },
	{ MSR_STAR, offsetof(struct cpu_state, star) },
	{ MSR_LSTAR, offsetof(struct cpu_state, lstar) },
	{ MSR_CSTAR, offsetof(struct cpu_state, cstar) },
	{ MSR_SFMASK, offsetof(struct cpu_state, sfmask) },
	{ MSR_KERNEL_GS_BASE, offsetof(struct cpu_state, kernel_gs_base) },
};
#define STATE_MSRS_32BIT 3

struct msr_list { struct kvm_msrs head; struct kvm_msr_entry entry[ARRAY_LEN(state_msr)]; };

static uint64_t *msr_field(struct cpu_state *s, size_t i)
{
	return (uint64_t *)((char *)s + state_msr[i].field);
}

static int msr_transfer(struct vcpu *v, unsigned long request)
{
	struct msr_list l = { .head.nmsrs = v->vm->image.kind == IMAGE_ELF64 ? ARRAY_LEN(state_msr) : STATE_MSRS_32BIT };

	for (size_t i = 0; i < l.head.nmsrs; i++)
		l.entry[i] = (struct kvm_msr_entry){ .index = state_msr[i].msr, .data = *msr_field(&v->state, i) };
	int r = vtx_ioctl(vtx_vcpu(v)->fd, request, &l);
	if (r != (int)l.head.nmsrs)
		return r < 0 ? r : -EINVAL;
	for (size_t i = 0; i < l.head.nmsrs; i++)
		*msr_field(&v->state, i) = l.entry[i].data;
	return 0;
}

/* KVM keeps the offset itself (KVM API, KVM_VCPU_TSC_OFFSET); a KVM without it starts the guest's TSC where it likes. */
static void tsc_transfer(struct vcpu *v, unsigned long request)
{
	struct kvm_device_attr a = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)&v->state.tsc_offset };

	vtx_ioctl(vtx_vcpu(v)->fd, request, &a);
}

static struct kvm_segment segment_to_kvm(const struct segment *s)
{
	return (struct kvm_segment){
		.base = s->base, .limit = s->limit, .selector = s->sel, .type = SEG_TYPE(s), .s = !!(s->attr & SEG_S), .dpl = SEG_DPL(s),
		.present = !!(s->attr & SEG_P), .avl = s->attr >> 12 & 1, .l = !!(s->attr & SEG_L), .db = !!(s->attr & SEG_DB),
		.g = !!(s->attr & SEG_G), .unusable = !(s->attr & SEG_P),
	};
}

/* An unusable segment is all zeros but for its selector; only in 64-bit mode does its base still mean something. */
static struct segment segment_from_kvm(const struct kvm_segment *k, bool long_mode)
{
	struct segment s = { .sel = k->selector };

	if (k->unusable || !k->present) {
		s.base = long_mode ? k->base : 0;
		return s;
	}
	s.base = k->base;
	s.limit = k->limit;
	s.attr = (uint16_t)(k->type | k->s << 4 | k->dpl << 5 | SEG_P | k->avl << 12 | k->l << 13 | k->db << 14 | k->g << 15);
	return s;
}

/* VM entry wants a busy TSS in TR (SDM vol. 3, 26.3.1.2); the state after reset or from a loader may have none. */
static struct kvm_segment tr_to_kvm(const struct segment *tr)
{
	struct segment busy = *tr;

	if (!(busy.attr & SEG_P) || (SEG_TYPE(&busy) & 7) != 3)
		busy = (struct segment){ .limit = 0xffff, .attr = SEG_P | 0xb };
	return segment_to_kvm(&busy);
}

static struct kvm_segment *sreg_of(struct kvm_sregs *s, int i)
{
	struct kvm_segment *const seg[SREG_COUNT] = {
		[S_ES] = &s->es, [S_CS] = &s->cs, [S_SS] = &s->ss, [S_DS] = &s->ds, [S_FS] = &s->fs, [S_GS] = &s->gs,
		[S_LDTR] = &s->ldt, [S_TR] = &s->tr,
	};

	return seg[i];
}

static int pull_sys(struct vcpu *v)
{
	struct cpu_state *s = &v->state;
	struct kvm_debugregs dr;
	struct kvm_sregs k;
	int r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_SREGS, &k);

	if (r || (r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_DEBUGREGS, &dr)))
		return r;
	for (int i = 0; i < SREG_COUNT; i++)
		s->seg[i] = segment_from_kvm(sreg_of(&k, i), k.efer & EFER_LMA);
	s->gdtr = (struct dtable){ k.gdt.base, k.gdt.limit };
	s->idtr = (struct dtable){ k.idt.base, k.idt.limit };
	s->cr0 = k.cr0;
	s->cr2 = k.cr2;
	s->cr3 = k.cr3;
	s->cr4 = k.cr4;
	s->efer = k.efer;
	memcpy(s->dr, dr.db, sizeof(dr.db));
	s->dr[6] = dr.dr6;
	s->dr[7] = dr.dr7;
	tsc_transfer(v, KVM_GET_DEVICE_ATTR);
	return msr_transfer(v, KVM_GET_MSRS);
}

static int push_sys(struct vcpu *v)
{
	const struct cpu_state *s = &v->state;
	struct kvm_debugregs dr = { .dr6 = s->dr[6], .dr7 = s->dr[7] };
	struct kvm_sregs k = {
		.gdt = { .base = s->gdtr.base, .limit = s->gdtr.limit }, .idt = { .base = s->idtr.base, .limit = s->idtr.limit },
		.cr0 = s->cr0, .cr2 = s->cr2, .cr3 = s->cr3, .cr4 = s->cr4, .efer = s->efer,
	};
	int r;

	for (int i = 0; i < S_TR; i++)
		*sreg_of(&k, i) = segment_to_kvm(&s->seg[i]);
	k.tr = tr_to_kvm(&s->seg[S_TR]);
	/* apic_base stays 0: the machine has no APIC, and KVM shows its enable bit in CPUID leaf 1. */
	memcpy(dr.db, s->dr, sizeof(dr.db));
	r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_SET_SREGS, &k);
	if (r || (r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_SET_DEBUGREGS, &dr)))
		return r;
	tsc_transfer(v, KVM_SET_DEVICE_ATTR);
	return msr_transfer(v, KVM_SET_MSRS);
}

/* struct kvm_regs has rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8...; core numbers as ModRM does. */
static void regs_copy(struct kvm_regs *k, uint64_t *gpr, bool to_kvm)
{
	__u64 *const reg[GPR_COUNT] = { &k->rax, &k->rcx, &k->rdx, &k->rbx, &k->rsp, &k->rbp, &k->rsi, &k->rdi,
		&k->r8, &k->r9, &k->r10, &k->r11, &k->r12, &k->r13, &k->r14, &k->r15 };

	for (int i = 0; i < GPR_COUNT; i++) {
		if (to_kvm)
			*reg[i] = gpr[i];
		else
			gpr[i] = *reg[i];
	}
}

static int pull_gpr(struct vcpu *v)
{
	struct kvm_vcpu_events ev;
	struct kvm_regs k;
	int r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_REGS, &k);

	if (r || (r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_VCPU_EVENTS, &ev)))
		return r;
	regs_copy(&k, v->state.gpr, false);
	v->state.rip = k.rip;
	v->state.rflags = k.rflags;
	v->state.int_shadow = (ev.interrupt.shadow & KVM_X86_SHADOW_INT_STI ? INT_SHADOW_STI : 0) |
		(ev.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS ? INT_SHADOW_MOVSS : 0);
	return 0;
}

static int push_gpr(struct vcpu *v)
{
	const struct cpu_state *s = &v->state;
	struct kvm_regs k = { .rip = s->rip, .rflags = s->rflags | FL_FIXED };
	struct kvm_vcpu_events ev;
	int r;

	regs_copy(&k, v->state.gpr, true);
	r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_SET_REGS, &k);
	if (r || (r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_VCPU_EVENTS, &ev)))
		return r;
	ev.flags = KVM_VCPUEVENT_VALID_SHADOW;
	ev.interrupt.shadow = (s->int_shadow & INT_SHADOW_STI ? KVM_X86_SHADOW_INT_STI : 0) |
		(s->int_shadow & INT_SHADOW_MOVSS ? KVM_X86_SHADOW_INT_MOV_SS : 0);
	return vtx_ioctl(vtx_vcpu(v)->fd, KVM_SET_VCPU_EVENTS, &ev);
}

/*
 * struct kvm_fpu against the FXSAVE image (SDM vol. 1, table 10-2):
 *   0 FCW | 2 FSW | 4 abridged FTW | 6 FOP | 8 FIP | 16 FDP | 24 MXCSR | 28 mask | 32 ST0-7 | 160 XMM0-15
 */
static int pull_fpu(struct vcpu *v)
{
	uint8_t *fx = v->state.fx;
	struct kvm_fpu f;
	int r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_FPU, &f);

	if (r)
		return r;
	memcpy(fx, &f.fcw, 2);
	memcpy(fx + 2, &f.fsw, 2);
	fx[4] = f.ftwx;
	memcpy(fx + 6, &f.last_opcode, 2);
	memcpy(fx + 8, &f.last_ip, 8);
	memcpy(fx + 16, &f.last_dp, 8);
	memcpy(fx + 24, &f.mxcsr, 4);
	memcpy(fx + 32, f.fpr, sizeof(f.fpr));
	memcpy(fx + 160, f.xmm, sizeof(f.xmm));
	return 0;
}

static int push_fpu(struct vcpu *v)
{
	const uint8_t *fx = v->state.fx;
	struct kvm_fpu f = { .ftwx = fx[4] };

	memcpy(&f.fcw, fx, 2);
	memcpy(&f.fsw, fx + 2, 2);
	memcpy(&f.last_opcode, fx + 6, 2);
	memcpy(&f.last_ip, fx + 8, 8);
	memcpy(&f.last_dp, fx + 16, 8);
	memcpy(&f.mxcsr, fx + 24, 4);
	memcpy(f.fpr, fx + 32, sizeof(f.fpr));
	memcpy(f.xmm, fx + 160, sizeof(f.xmm));
	return vtx_ioctl(vtx_vcpu(v)->fd, KVM_SET_FPU, &f);
}

/*
 * The debugger's breakpoints, watchpoints and step, in the CPU's own debug registers (KVM API, KVM_SET_GUEST_DEBUG): the
 * guest's keep their values but do not fire meanwhile. DR7 (SDM vol. 3, 17.2.4): G0-3 at bits 1, 3, 5, 7; R/W and LEN from 16.
 */
static int push_debug(struct vcpu *v)
{
	const struct debug *d = &v->debug;
	struct kvm_guest_debug k = { .arch.debugreg[7] = 0x600 };
	unsigned n = 0;

	if (d->watches && vtx_vcpu(v)->engine == ENGINE_PVM)
		return -ENOTSUP; /* it takes them, and they never fire */
	if (d->breaks + d->watches > 4)
		return -ENOSPC;
	for (unsigned i = 0; i < d->breaks; i++, n++) {
		k.arch.debugreg[n] = d->brk[i];
		k.arch.debugreg[7] |= 2ull << 2 * n;
	}
	for (unsigned i = 0; i < d->watches; i++, n++) {
		const struct debug_watch *w = &d->watch[i];
		if ((w->len != 1 && w->len != 2 && w->len != 4) || (w->lin & (w->len - 1)))
			return -ENOTSUP;
		k.arch.debugreg[n] = w->lin;
		k.arch.debugreg[7] |= 2ull << 2 * n | (uint64_t)((w->access & DEBUG_READ ? 3 : 1) | (w->len - 1) << 2) << (16 + 4 * n);
	}
	if (debug_active(d))
		k.control = KVM_GUESTDBG_ENABLE | (n ? KVM_GUESTDBG_USE_HW_BP : 0) | (d->step ? KVM_GUESTDBG_SINGLESTEP : 0);
	tsc_transfer(v, KVM_SET_DEVICE_ATTR);
	return vtx_ioctl(vtx_vcpu(v)->fd, KVM_SET_GUEST_DEBUG, &k);
}

int vtx_pull(struct vcpu *v, unsigned groups)
{
	int r = vtx_finish(v);

	if (!r && groups & REGS_SYS)
		r = pull_sys(v);
	if (!r && groups & REGS_GPR)
		r = pull_gpr(v);
	if (!r && groups & REGS_FPU)
		r = pull_fpu(v);
	return r;
}

int vtx_push(struct vcpu *v, unsigned groups)
{
	int r = vtx_finish(v);

	vtx_vcpu(v)->not_ready = true;
	if (!r && groups & REGS_SYS)
		r = push_sys(v);
	if (!r && groups & REGS_GPR)
		r = push_gpr(v);
	if (!r && groups & REGS_FPU)
		r = push_fpu(v);
	if (!r && groups & REGS_DEBUG)
		r = push_debug(v);
	return r;
}
