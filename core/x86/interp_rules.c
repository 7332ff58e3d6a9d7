/*
 * interp_rules.c - how the reference interpreter handles each sensitive instruction: one function each, by the book.
 */
#include "interp_rules.h"
#include "core/backend.h"

#define ROW(m, k, fn, f, g, n) RULE(m, NULL, k, INTERP, fn, "core/x86/" f, g, n)
#define SYS "interp_system.c"
#define SEG "interp_seg.c"
#define CTL "interp_control.c"
#define CR "checks privilege and reserved bits, then changes the register and flushes the soft TLB where the SDM says so"
#define TABLE "reads or writes the register of v->state; a load is checked like any access"
#define SELECTOR "reads the descriptor through guest memory and checks it"
#define FAR_NOTE "reads code segment, gate or TSS from the guest's tables (far.c, task.c)"

const struct backend_rule interp_rules[] = {
	ROW("sgdt", DT_STORE, op_group7, SYS, "insn/sgdt", TABLE),
	ROW("sidt", DT_STORE, op_group7, SYS, "insn/sidt", TABLE),
	ROW("sldt", DT_STORE, op_group6, SYS, "insn/sldt", TABLE),
	ROW("str", DT_STORE, op_group6, SYS, "insn/str", TABLE),
	ROW("smsw", DT_STORE, op_group7, SYS, "insn/smsw", TABLE),
	ROW("lgdt", DT_LOAD, op_group7, SYS, "insn/lgdt", TABLE),
	ROW("lidt", DT_LOAD, op_group7, SYS, "insn/lidt", TABLE),
	ROW("lldt", DT_LOAD, op_group6, SYS, "insn/lldt", SELECTOR),
	ROW("ltr", DT_LOAD, op_group6, SYS, "insn/ltr", SELECTOR),
	ROW("lar", SEG_QUERY, op_lar, SEG, "insn/lar", SELECTOR),
	ROW("lsl", SEG_QUERY, op_lsl, SEG, "insn/lsl", SELECTOR),
	ROW("verr", SEG_QUERY, op_group6, SYS, "insn/verr", SELECTOR),
	ROW("verw", SEG_QUERY, op_group6, SYS, "insn/verw", SELECTOR),
	ROW("arpl", SEG_QUERY, op_arpl, SEG, "insn/arpl", "changes a selector in memory"),
	ROW("mov from seg", SEG_READ, op_mov_from_seg, SEG, "insn/mov-from-cs", "gives the selector, RPL and all"),
	ROW("push seg", SEG_READ, op_push_seg, SEG, "insn/push-cs", "writes 16 bits, moves ESP by the operand size"),
	ROW("mov to seg", SEG_LOAD, op_mov_to_seg, SEG, "insn/mov-to-ss", SELECTOR),
	ROW("pop seg", SEG_LOAD, op_pop_seg, SEG, "insn/pop-ss", SELECTOR),
	ROW("lds", SEG_LOAD, op_load_far, SEG, "insn/lds", SELECTOR),
	ROW("far call", FAR_BRANCH, op_call_far, CTL, "insn/far-call", FAR_NOTE),
	ROW("far jmp", FAR_BRANCH, op_jmp_far, CTL, "insn/far-jmp", FAR_NOTE),
	ROW("far ret", FAR_BRANCH, op_ret_far, CTL, "insn/far-ret", FAR_NOTE "; to an outer level it counts as user-return"),
	ROW("pushf", FLAGS_IMAGE, op_pushf, "interp_data.c", "insn/pushf", "the true flags: nothing is hidden"),
	ROW("popf", FLAGS_IMAGE, op_popf, "interp_data.c", "insn/popf", "IF and IOPL change only at sufficient privilege, without a fault"),
	ROW("cli", INT_FLAG, op_cli, SYS, "insn/cli", "#GP(0) above IOPL"),
	ROW("sti", INT_FLAG, op_sti, SYS, "insn/sti", "#GP(0) above IOPL; blocks interrupts for one instruction"),
	ROW("int", SYSCALL_ENTRY, op_int, CTL, "insn/int", "through the guest's IDT (deliver.c)"),
	ROW("int3", SYSCALL_ENTRY, op_int3, CTL, "insn/int3", "through the guest's IDT (deliver.c)"),
	ROW("into", SYSCALL_ENTRY, op_into, CTL, "insn/into", "through the guest's IDT (deliver.c), when OF is set"),
	ROW("iret", IRET, op_iret, CTL, "insn/iret", "far.c; to an outer level it counts as user-return"),
	ROW("sysenter", SYSCALL_ENTRY, op_sysenter, CTL, "insn/sysenter", "flat segments from IA32_SYSENTER_CS"),
	ROW("sysexit", USER_RETURN, op_sysexit, CTL, "insn/sysenter", "flat segments from IA32_SYSENTER_CS"),
	ROW("rdtsc", RDTSC, op_rdtsc, SYS, "insn/rdtsc", "the host's TSC and the guest's offset"),
	ROW("clts", CR_WRITE, op_clts, SYS, "insn/clts", CR),
	ROW("invlpg", TLB_FLUSH, op_group7, SYS, "insn/invlpg", "drops one page of the soft TLB"),
	ROW("mov cr", CR_WRITE, op_mov_to_cr, SYS, "insn/mov-cr", CR),
	ROW("mov cr0", CR_WRITE, op_mov_to_cr, SYS, "insn/mov-cr", CR),
	ROW("mov cr2", CR_WRITE, op_mov_to_cr, SYS, "insn/mov-cr", CR),
	ROW("mov cr3", CR3_WRITE, op_mov_to_cr, SYS, "insn/mov-cr", CR),
	ROW("mov cr4", CR_WRITE, op_mov_to_cr, SYS, "insn/mov-cr", CR),
	ROW("lmsw", CR_WRITE, op_group7, SYS, "insn/lmsw", CR),
	ROW("mov dr", DR_ACCESS, op_mov_to_dr, SYS, "insn/mov-dr", "stores the value; no breakpoint fires"),
	ROW("cpuid", CPUID, op_cpuid, SYS, "insn/cpuid", "the one CPU model (cpuid.c)"),
	ROW("invd", CACHE_CTL, op_wbinvd, SYS, NULL, "no caches: privilege is checked, nothing else"),
	ROW("wbinvd", CACHE_CTL, op_wbinvd, SYS, "insn/wbinvd", "no caches: privilege is checked, nothing else"),
	ROW("rdpmc", OTHER, op_rdpmc, SYS, NULL, "two counters that read zero; not counted"),
	ROW("vmcall", OTHER, op_ud, CTL, NULL, "not in the CPU model: #UD"),
	ROW("rdmsr", MSR_READ, op_rdmsr, SYS, "insn/rdmsr", "the one MSR model (msr.c)"),
	ROW("wrmsr", MSR_WRITE, op_wrmsr, SYS, "insn/wrmsr", "the one MSR model (msr.c)"),
	ROW("in", PORT_IN, op_in, "interp_io.c", "insn/in", "IOPL and the I/O bitmap, then the bus"),
	ROW("out", PORT_OUT, op_out, "interp_io.c", "insn/out", "IOPL and the I/O bitmap, then the bus"),
	ROW("ins", PORT_IN, op_ins, "interp_string.c", "insn/ins", "a bus access for each element, or for a run of them where the device is a disk"),
	ROW("outs", PORT_OUT, op_outs, "interp_string.c", "insn/outs", "a bus access for each element, or for a run of them where the device is a disk"),
	ROW("hlt", HLT, op_hlt, SYS, "insn/hlt", "leaves the run loop; core sleeps until an interrupt"),
};

_Static_assert(ARRAY_LEN(interp_rules) == INTERP_RULES, "interp_rules.h: INTERP_RULES is the number of rows");
