/*
 * cpuid.h - the one CPU model that every backend presents: a Pentium M (family 6, model 13) with PAE, NX, SSE2.
 *
 * No APIC, no SSE3, no XSAVE, no long mode for 32-bit guests: CPUID advertises only what works on every backend.
 */
#pragma once
#include "core/types.h"

struct cpuid_regs { uint32_t eax, ebx, ecx, edx; };

/* SDM vol. 2A, CPUID. long_mode: a 64-bit image is being run (vtx only). */
struct cpuid_regs cpuid_model(uint32_t leaf, uint32_t subleaf, bool long_mode);
/* The leaves cpuid_model knows, for KVM_SET_CPUID2. Returns how many. */
unsigned cpuid_leaves(const uint32_t **leaves);

/* One model of MSRs too. False: no such MSR, #GP(0). */
struct vcpu;
bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value);
