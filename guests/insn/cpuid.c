/*
 * cpuid.c - CPUID shows the one machine that all engines present, in kernel and user mode.
 */
#include "insn.h"

/* core/include/core/cpuid.h: a Pentium M with PAE, NX and SSE2, and no APIC, SSE3, XSAVE or long mode. */
#define FPU (1u << 0)
#define PSE (1u << 3)
#define TSC (1u << 4)
#define MSR (1u << 5)
#define PAE (1u << 6)
#define CX8 (1u << 8)
#define APIC (1u << 9)
#define SEP (1u << 11)
#define CMOV (1u << 15)
#define FXSR (1u << 24)
#define SSE (1u << 25)
#define SSE2 (1u << 26)
#define WANTED (FPU | PSE | TSC | MSR | PAE | CX8 | SEP | CMOV | FXSR | SSE | SSE2)
#define LM (1u << 29)
#define NX (1u << 20)
#define ECX_NO (1u << 0 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28) /* SSE3, x2APIC, XSAVE, OSXSAVE, AVX */

static USER_CODE void user_cpuid(uint32_t leaf)
{
	uint32_t ebx, ecx = 0, edx;
	truth_add(CPUID, 1);
	__asm__ volatile("cpuid" : "+a"(leaf), "=b"(ebx), "+c"(ecx), "=d"(edx));
	user_exit(edx);
}

int guest_main(void)
{
	struct cpuid one = cpuid(1, 0);
	expect("max-leaf-at-least-1", cpuid(0, 0).a >= 1, 1);
	expect_model("family-and-model", one.a & 0x0fff0ff0, 0x6d0);
	expect("features-wanted", one.d & WANTED, WANTED);
	expect_model("apic", one.d & APIC, 0);
	expect_model("features-not-wanted", one.c & ECX_NO, 0);
	expect("long-mode", cpuid(0x80000000, 0).a >= 0x80000001 ? cpuid(0x80000001, 0).d & LM : 0, 0);
	expect_model("nx", cpuid(0x80000001, 0).d & NX, NX);
	expect_user("user-sees-the-same", user_cpuid, 1, one.d);
	return insn_end();
}
