/*
 * events.h - the taxonomy: kinds of events and the mechanisms by which a VMM learns of them.
 *
 * Shared by the VMM and the guests, which count their own ground truth by these numbers. docs/exits.md explains each.
 */
#pragma once

/*
 * X(ID, "json name", "what the event is"). The order is also the order of rows in tables.
 * The numbers are an ABI between guests and VMM (abi/truth.h), not between releases.
 */
#define EVENT_KINDS(X) \
	X(PORT_IN, "port-in", "IN, INS: one per element") \
	X(PORT_OUT, "port-out", "OUT, OUTS: one per element") \
	X(MMIO, "mmio", "an access to an address that is not RAM") \
	X(CPUID, "cpuid", "CPUID") \
	X(RDTSC, "rdtsc", "RDTSC, RDTSCP") \
	X(CR_READ, "cr-read", "MOV from CR, SMSW not counted") \
	X(CR_WRITE, "cr-write", "MOV to CR0, CR2, CR4; CLTS; LMSW") \
	X(CR3_WRITE, "cr3-write", "MOV to CR3") \
	X(DR_ACCESS, "dr-access", "MOV to or from a debug register") \
	X(MSR_READ, "msr-read", "RDMSR") \
	X(MSR_WRITE, "msr-write", "WRMSR") \
	X(DT_LOAD, "dt-load", "LGDT, LIDT, LLDT, LTR") \
	X(DT_STORE, "dt-store", "SGDT, SIDT, SLDT, STR, SMSW") \
	X(SEG_LOAD, "seg-load", "MOV to and POP of a segment register, LDS and its kin") \
	X(SEG_READ, "seg-read", "MOV from and PUSH of a segment register") \
	X(SEG_QUERY, "seg-query", "LAR, LSL, VERR, VERW, ARPL") \
	X(FAR_BRANCH, "far-branch", "far CALL, JMP, RET") \
	X(INT_FLAG, "int-flag", "CLI, STI") \
	X(FLAGS_IMAGE, "flags-image", "PUSHF, POPF") \
	X(IRET, "iret", "IRET to the same privilege level") \
	X(SYSCALL_ENTRY, "syscall-entry", "INT n, INT3, INTO, SYSENTER") \
	X(USER_RETURN, "user-return", "IRET, RETF to an outer privilege level, SYSEXIT") \
	X(HLT, "hlt", "HLT") \
	X(CACHE_CTL, "cache-control", "WBINVD, INVD") \
	X(TLB_FLUSH, "tlb-flush", "INVLPG") \
	X(PT_WRITE, "page-table-write", "a write that changes a live page-table entry") \
	X(EXCEPTION, "exception", "an exception other than #PF delivered to the guest") \
	X(PAGE_FAULT, "page-fault", "#PF delivered to the guest") \
	X(IRQ_WINDOW, "irq-window", "the guest became ready for a pending interrupt") \
	X(IRQ_DELIVERED, "irq-delivered", "an external interrupt delivered to the guest") \
	X(HYPERCALL, "hypercall", "a hypercall of the paravirtual interface") \
	X(SHADOW_FILL, "shadow-fill", "the VMM mapped guest pages on demand; the guest sees nothing") \
	X(TRANSLATION, "translation", "a block of guest code translated") \
	X(CHAIN_MISS, "chain-miss", "a direct branch that was not yet chained") \
	X(INDIRECT_MISS, "indirect-miss", "an indirect branch or return that missed the inline cache and the table") \
	X(SMC, "self-modified-code", "a write to a page that holds translated or scanned code") \
	X(INTERPRET, "interpret", "an instruction run by the reference interpreter for an engine") \
	X(HOST_FAULT, "host-fault", "a host fault for another reason: adaptation, selector repair, guard zone") \
	X(KICK, "kick", "the host asked the vCPU to leave the guest") \
	X(OTHER, "other", "none of these")

#ifndef __ASSEMBLER__
enum event_kind {
#define X(id, name, text) EV_##id,
	EVENT_KINDS(X)
#undef X
	EV_COUNT
};
#endif

/* How the VMM came to know of the event, or that it did not. */
#define EVENT_MECHANISMS(X) \
	X(VMEXIT, "VM exit", "hardware left non-root mode") \
	X(TRAP, "host trap", "the host kernel delivered a signal") \
	X(CALLOUT, "callout", "translated code called the VMM") \
	X(HYPERCALL, "hypercall", "the guest called the VMM") \
	X(INLINE, "inline", "translated or patched code did it without leaving; counted with --count-inline only") \
	X(NATIVE, "native", "the CPU did it, unseen; counted never") \
	X(HOST_EMUL, "host-kernel emulation", "the host kernel emulated it, unseen (UMIP)") \
	X(INTERP, "interpreter", "the reference interpreter is the engine")

#ifndef __ASSEMBLER__
enum event_mech {
#define X(id, name, text) MECH_##id,
	EVENT_MECHANISMS(X)
#undef X
	MECH_COUNT
};
#endif
