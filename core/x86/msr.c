/*
 * msr.c - the model-specific registers of the CPU that every backend presents.
 *
 * Few: what the CPUID model promises, and what kernels of its time touch without asking. Anything else is #GP(0).
 * SDM vol. 4, chapter 2. Read next: cpuid.c.
 */
#include <x86intrin.h>
#include "core/cpuid.h"
#include "core/vm.h"

enum {
	MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_BIOS_SIGN_ID = 0x8b, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175,
	MSR_SYSENTER_EIP = 0x176, MSR_MISC_ENABLE = 0x1a0, MSR_PAT = 0x277,
};
#define MSR_EFER 0xc0000080u

/* Fixed bits of IA32_MISC_ENABLE: neither BTS nor PEBS. */
#define MISC_ENABLE_FIXED 0x1800u
#define PAT_RESET 0x0007040600070406ull

bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	const struct cpu_state *s = &v->state;

	switch (msr) {
	case MSR_TSC: *value = vm_tsc(v->vm) + s->tsc_offset; return true;
	case MSR_PLATFORM_ID: *value = 0; return true;
	case MSR_BIOS_SIGN_ID: *value = 0; return true; /* no microcode update is loaded */
	case MSR_SYSENTER_CS: *value = s->sysenter_cs; return true;
	case MSR_SYSENTER_ESP: *value = s->sysenter_esp; return true;
	case MSR_SYSENTER_EIP: *value = s->sysenter_eip; return true;
	case MSR_MISC_ENABLE: *value = s->misc_enable | MISC_ENABLE_FIXED; return true;
	case MSR_PAT: *value = s->pat ^ PAT_RESET; return true; /* kept so that all zeroes is the reset value */
	case MSR_EFER: *value = s->efer; return true;
	default: return false;
	}
}

/* Each byte is a memory type: 0, 1, 4, 5, 6 or 7. */
static bool pat_valid(uint64_t v)
{
	for (unsigned i = 0; i < 8; i++, v >>= 8)
		if ((v & 0xff) > 7 || (v & 0xff) == 2 || (v & 0xff) == 3)
			return false;
	return true;
}

bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	struct cpu_state *s = &v->state;

	switch (msr) {
	case MSR_TSC: s->tsc_offset = value - vm_tsc(v->vm); return true;
	case MSR_BIOS_SIGN_ID: return true; /* software writes zero before it asks */
	case MSR_SYSENTER_CS: s->sysenter_cs = (uint32_t)value; return true;
	case MSR_SYSENTER_ESP: s->sysenter_esp = (uint32_t)value; return true;
	case MSR_SYSENTER_EIP: s->sysenter_eip = (uint32_t)value; return true;
	case MSR_MISC_ENABLE: s->misc_enable = value; return true;
	case MSR_PAT:
		if (!pat_valid(value))
			return false;
		s->pat = value ^ PAT_RESET;
		return true;
	case MSR_EFER:
		if (value & ~(uint64_t)EFER_NX)
			return false;
		if ((s->efer ^ value) & EFER_NX) {
			interp_tlb_flush(&v->interp);
			if (v->interp.hooks.tlb_flush)
				v->interp.hooks.tlb_flush(v->interp.hooks.ctx, GVA(0), true, true);
		}
		s->efer = value;
		return true;
	default:
		return false;
	}
}
