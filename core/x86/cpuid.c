/*
 * cpuid.c - the CPU that every backend presents.
 *
 * A Pentium M (family 6, model 13, stepping 8) with PAE, NX and SSE2, and nothing that some backend could not give: no
 * APIC, no VME, no SSE3, no XSAVE, no RDRAND. A guest sees the same on all of them, or their counts would not compare.
 * SDM vol. 2A, CPUID. Read next: msr.c.
 */
#include "core/cpuid.h"

#define F_FPU (1u << 0)
#define F_DE (1u << 2)
#define F_PSE (1u << 3)
#define F_TSC (1u << 4)
#define F_MSR (1u << 5)
#define F_PAE (1u << 6)
#define F_CX8 (1u << 8)
#define F_SEP (1u << 11)
#define F_PGE (1u << 13)
#define F_CMOV (1u << 15)
#define F_PAT (1u << 16)
#define F_CLFSH (1u << 19)
#define F_MMX (1u << 23)
#define F_FXSR (1u << 24)
#define F_SSE (1u << 25)
#define F_SSE2 (1u << 26)
#define F_HYPERVISOR (1u << 31) /* ECX */

#define X_SYSCALL (1u << 11)
#define X_NX (1u << 20)
#define X_LM (1u << 29)
#define X_LAHF (1u << 0) /* ECX */

static const uint32_t leaves[] = {
	0, 1, 2,
	0x40000000,
	0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x80000004, 0x80000005, 0x80000006, 0x80000007, 0x80000008,
};

unsigned cpuid_leaves(const uint32_t **out)
{
	*out = leaves;
	return sizeof(leaves) / sizeof(leaves[0]);
}

/* Four characters, the first in the low byte. */
static uint32_t chars(const char *p)
{
	return (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[1] << 8 | (uint32_t)(uint8_t)p[2] << 16 | (uint32_t)(uint8_t)p[3] << 24;
}

static struct cpuid_regs brand(unsigned part)
{
	static const char name[48] = "Ringlab virtual CPU (Pentium M, PAE, NX, SSE2)";
	const char *p = name + part * 16;

	return (struct cpuid_regs){ chars(p), chars(p + 4), chars(p + 8), chars(p + 12) };
}

static struct cpuid_regs extended(uint32_t leaf, bool long_mode)
{
	switch (leaf) {
	case 0x80000000:
		return (struct cpuid_regs){ 0x80000008, 0, 0, 0 };
	case 0x80000001:
		return (struct cpuid_regs){ 0, 0, long_mode ? X_LAHF : 0, X_NX | (long_mode ? X_LM | X_SYSCALL : 0) };
	case 0x80000002: case 0x80000003: case 0x80000004:
		return brand(leaf - 0x80000002);
	case 0x80000008: /* no linear width without long mode: KVM refuses one of 32 (QEMU leaves it out too) */
		return (struct cpuid_regs){ long_mode ? 36 | 48 << 8 : 36, 0, 0, 0 };
	default:
		return (struct cpuid_regs){ 0, 0, 0, 0 };
	}
}

struct cpuid_regs cpuid_model(uint32_t leaf, uint32_t subleaf, bool long_mode)
{
	(void)subleaf; /* no leaf of this model has one */
	if (leaf >= 0x80000000 && leaf <= 0x80000008)
		return extended(leaf, long_mode);
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){ 2, chars("Genu"), chars("ntel"), chars("ineI") };
	case 1: /* CLFLUSH line 64 bytes, one logical processor */
		return (struct cpuid_regs){ 0x6d8, 8 << 8, F_HYPERVISOR, F_FPU | F_DE | F_PSE | F_TSC | F_MSR | F_PAE | F_CX8 |
			F_SEP | F_PGE | F_CMOV | F_PAT | F_CLFSH | F_MMX | F_FXSR | F_SSE | F_SSE2 };
	case 0x40000000:
		return (struct cpuid_regs){ 0x40000000, chars("Ring"), chars("LabR"), chars("ingL") };
	default: /* leaf 2; and above the highest leaf, the highest basic leaf's data, as Intel CPUs answer */
		return (struct cpuid_regs){ leaf > 0x40000000 && leaf < 0x50000000 ? 0 : 1, 0, 0, 0 };
	}
}
