/*
 * x86.h - one inline function for each sensitive instruction, counting itself in the ground truth.
 *
 * For native guests, and for Xen guests as far as the ABI lets them (port I/O, CPUID, RDTSC). Read with hal.h.
 */
#pragma once
#include "hal.h"

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;
	truth_add(PORT_IN, 1);
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
	truth_add(PORT_OUT, 1);
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	truth_add(PORT_OUT, 1);
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;
	truth_add(PORT_IN, 1);
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

struct cpuid { uint32_t a, b, c, d; };

static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;
	truth_add(CPUID, 1);
#ifdef HAL_XEN
	/* xen/arch-x86/xen.h, XEN_EMULATE_PREFIX: UD2 and "xen" ask the VMM to do the instruction that follows. */
	__asm__ volatile(".byte 0x0f,0x0b,0x78,0x65,0x6e; cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "0"(leaf), "2"(sub));
#else
	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "0"(leaf), "2"(sub));
#endif
	return r;
}

struct __attribute__((packed)) dtable { uint16_t limit; uint32_t base; };

#define X86_READ_CR(n) \
	static inline uint32_t read_cr##n(void) \
	{ \
		uint32_t v; \
		truth_add(CR_READ, 1); \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)); \
		return v; \
	}
X86_READ_CR(0)
X86_READ_CR(2)
X86_READ_CR(3)
X86_READ_CR(4)

#define X86_WRITE_CR(n, kind) \
	static inline void write_cr##n(uint32_t v) \
	{ \
		truth_add(kind, 1); \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); \
	}
X86_WRITE_CR(0, CR_WRITE)
X86_WRITE_CR(2, CR_WRITE)
X86_WRITE_CR(3, CR3_WRITE)
X86_WRITE_CR(4, CR_WRITE)

static inline void invlpg(const void *va)
{
	truth_add(TLB_FLUSH, 1);
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline uint32_t pushf(void)
{
	uint32_t v;
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("pushfl; popl %0" : "=r"(v));
	return v;
}

static inline void popf(uint32_t v)
{
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("pushl %0; popfl" : : "r"(v) : "cc", "memory");
}

static inline void cli(void)
{
	truth_add(INT_FLAG, 1);
	__asm__ volatile("cli" : : : "memory");
}

static inline void sti(void)
{
	truth_add(INT_FLAG, 1);
	__asm__ volatile("sti; nop" : : : "memory"); /* the NOP ends the shadow: interrupts are open when this returns */
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;
	truth_add(MSR_READ, 1);
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	truth_add(MSR_WRITE, 1);
	__asm__ volatile("wrmsr" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(msr));
}

static inline struct dtable sgdt(void)
{
	struct dtable d = { 0 };
	truth_add(DT_STORE, 1);
	__asm__ volatile("sgdt %0" : "=m"(d));
	return d;
}

static inline struct dtable sidt(void)
{
	struct dtable d = { 0 };
	truth_add(DT_STORE, 1);
	__asm__ volatile("sidt %0" : "=m"(d));
	return d;
}

#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define CPUID1_EDX_SEP (1u << 11)
