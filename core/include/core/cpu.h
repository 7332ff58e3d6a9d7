/*
 * cpu.h - the shared form of a vCPU's architectural state (SDM vol. 3, ch. 2 and 3).
 *
 * A backend holds the truth while the vCPU runs and pulls it into this form, by register group, when core asks. `bt` and
 * the interpreter work on it directly. Plain data: no pointers, so that it can be hashed, compared and written out.
 */
#pragma once
#include "core/types.h"

enum gpr { R_EAX, R_ECX, R_EDX, R_EBX, R_ESP, R_EBP, R_ESI, R_EDI, R_R8, R_R15 = 15, GPR_COUNT };

/* Numbered as in ModRM.reg; LDTR and TR follow. */
enum sreg { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS, S_LDTR, S_TR, SREG_COUNT };

/*
 * attr is the VMX access-rights format (SDM vol. 3, 24.4.1), without the "unusable" bit: P=0 says unusable.
 *   3..0 type | 4 S | 6..5 DPL | 7 P | 11..8 zero | 12 AVL | 13 L | 14 D/B | 15 G
 * limit is the effective limit in bytes, granularity applied.
 */
struct segment {
	uint64_t base;
	uint32_t limit;
	uint16_t sel;
	uint16_t attr;
};

#define SEG_TYPE(s) ((s)->attr & 15)
#define SEG_S  0x0010u
#define SEG_DPL(s) (((s)->attr >> 5) & 3)
#define SEG_P  0x0080u
#define SEG_L  0x2000u
#define SEG_DB 0x4000u
#define SEG_G  0x8000u

struct dtable {
	uint64_t base;
	uint16_t limit;
};

struct cpu_state {
	uint64_t gpr[GPR_COUNT];
	uint64_t rip;
	uint64_t rflags;
	struct segment seg[SREG_COUNT];
	struct dtable gdtr, idtr;
	uint64_t cr0, cr2, cr3, cr4, efer;
	uint64_t dr[8];
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base; /* 64-bit guests only */
	uint64_t pat, misc_enable; /* IA32_PAT (xor its reset value), IA32_MISC_ENABLE (its writable part) */
	uint64_t tsc_offset; /* guest TSC = host TSC + tsc_offset */
	uint8_t int_shadow;  /* INT_SHADOW_*: interrupts are blocked for one instruction */
	uint8_t halted;      /* after HLT, until an interrupt */
	_Alignas(16) uint8_t fx[512]; /* FXSAVE image (SDM vol. 1, 10.5.1) */
};

#define INT_SHADOW_STI   1
#define INT_SHADOW_MOVSS 2

#define CPL(s) (SEG_DPL(&(s)->seg[S_SS]))

/* EFLAGS */
#define FL_CF 0x1u
#define FL_PF 0x4u
#define FL_AF 0x10u
#define FL_ZF 0x40u
#define FL_SF 0x80u
#define FL_TF 0x100u
#define FL_IF 0x200u
#define FL_DF 0x400u
#define FL_OF 0x800u
#define FL_IOPL 0x3000u
#define FL_NT 0x4000u
#define FL_RF 0x10000u
#define FL_VM 0x20000u
#define FL_AC 0x40000u
#define FL_VIF 0x80000u
#define FL_VIP 0x100000u
#define FL_ID 0x200000u
#define FL_ARITH (FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF)
#define FL_FIXED 0x2u

/* CR0, CR4, EFER */
#define CR0_PE 0x1u
#define CR0_MP 0x2u
#define CR0_EM 0x4u
#define CR0_TS 0x8u
#define CR0_ET 0x10u
#define CR0_NE 0x20u
#define CR0_WP 0x10000u
#define CR0_AM 0x40000u
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u
#define CR4_VME 0x1u
#define CR4_TSD 0x4u
#define CR4_DE 0x8u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define CR4_PGE 0x80u
#define CR4_PCE 0x100u
#define CR4_OSFXSR 0x200u
#define CR4_OSXMMEXCPT 0x400u
#define EFER_SCE 0x1u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define EFER_NX 0x800u

/* Exception vectors (SDM vol. 3, table 6-1) */
enum vector { VEC_DE, VEC_DB, VEC_NMI, VEC_BP, VEC_OF, VEC_BR, VEC_UD, VEC_NM, VEC_DF, VEC_TS = 10, VEC_NP, VEC_SS,
	VEC_GP, VEC_PF, VEC_MF = 16, VEC_AC, VEC_MC, VEC_XM };

/* Page-fault error code (not PF_*: those are elf.h's) */
#define PFEC_P 1u
#define PFEC_W 2u
#define PFEC_U 4u
#define PFEC_RSVD 8u
#define PFEC_I 16u

/* Register groups, for backend_ops.pull and .push */
#define REGS_GPR 1u /* gpr, rip, rflags, int_shadow, halted */
#define REGS_SYS 2u /* segments, tables, control and debug registers, MSRs */
#define REGS_FPU 4u /* fx */
#define REGS_ALL 7u
#define REGS_DEBUG 8u /* push only: vcpu->debug (debug.h); -ENOTSUP where the backend has no way to do it */

/* The state after INIT, and after it the state that Multiboot 1 section 3.2 demands. */
void cpu_reset(struct cpu_state *s);
void cpu_enter_flat32(struct cpu_state *s, uint32_t eip);

/* Fills a flat segment: base 0, limit 4 GiB, D/B and G set. type as in the descriptor (0xb code, 0x3 data). */
struct segment segment_flat32(uint16_t sel, unsigned type, unsigned dpl);
