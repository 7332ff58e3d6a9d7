/*
 * rules.c - how each sensitive instruction is handled: rewritten inline, by a callout of its own, or by the interpreter.
 *
 * `ringlab explain` prints it, and tests hold it against the symbols and guests that exist. What is not here runs as a
 * copy with its memory operand moved into the window (bt_generic.c).
 */
#include "bt_private.h"

#define ROW(m, k, me, fn, f, g, n) RULE(m, NULL, k, me, fn, "backend-bt/" f, g, n)
#define INTERP(m, k, g, n) ROW(m, k, CALLOUT, bt_co_interp, "bt_callout.c", g, n)
#define REWRITE(m, k, g, n) ROW(m, k, INLINE, rewrite, "bt_rewrite.c", g, n)
#define SYSTEM(m, k, fn, g, n) ROW(m, k, INLINE, fn, "bt_system.c", g, n)
#define GATE(m, k, fn, g, n) ROW(m, k, CALLOUT, fn, "bt_gate.c", g, n)
#define BY "a callout to the interpreter; "
#define TABLES BY "windows, segment bases and flags follow"

const struct backend_rule bt_rules[BT_RULES] = {
	INTERP("sgdt", DT_STORE, "insn/sgdt", BY "stores the guest's own table register"),
	INTERP("sidt", DT_STORE, "insn/sidt", BY "stores the guest's own table register"),
	INTERP("sldt", DT_STORE, "insn/sldt", BY "stores the guest's own selector"),
	INTERP("str", DT_STORE, "insn/str", BY "stores the guest's own selector"),
	INTERP("smsw", DT_STORE, "insn/smsw", BY "stores the guest's own CR0"),
	INTERP("lgdt", DT_LOAD, "insn/lgdt", BY "the table is read anew at each use"),
	INTERP("lidt", DT_LOAD, "insn/lidt", BY "the table is read anew at each use"),
	INTERP("lldt", DT_LOAD, "insn/lldt", BY "the descriptor is checked"),
	INTERP("ltr", DT_LOAD, "insn/ltr", BY "the descriptor is checked"),
	INTERP("lar", SEG_QUERY, "insn/lar", BY "reads the guest's descriptors"),
	INTERP("lsl", SEG_QUERY, "insn/lsl", BY "reads the guest's descriptors"),
	ROW("verr", SEG_QUERY, CALLOUT, bt_lt_verify, "bt_segment.c", "insn/verr", "reads the guest's descriptors"),
	ROW("verw", SEG_QUERY, CALLOUT, bt_lt_verify, "bt_segment.c", "insn/verw", "reads the guest's descriptors"),
	INTERP("arpl", SEG_QUERY, "insn/arpl", BY "63h is another instruction in 64-bit mode"),
	SYSTEM("mov from seg", SEG_READ, system_mov_from_sreg, "insn/mov-from-cs", "a load of the virtual selector: the guest sees the RPL it expects"),
	REWRITE("push seg", SEG_READ, "insn/push-cs", "a load of the virtual selector: the guest sees the RPL it expects"),
	ROW("mov to seg", SEG_LOAD, CALLOUT, bt_lt_seg_load, "bt_segment.c", "insn/mov-to-ss", "the descriptor is compared with the one parsed last; SS and rare forms by the interpreter"),
	ROW("pop seg", SEG_LOAD, CALLOUT, bt_lt_seg_load, "bt_segment.c", "insn/pop-ss", "the descriptor is compared with the one parsed last; SS and rare forms by the interpreter"),
	INTERP("lds", SEG_LOAD, "insn/lds", TABLES),
	INTERP("far call", FAR_BRANCH, "insn/far-call", TABLES),
	INTERP("far jmp", FAR_BRANCH, "insn/far-jmp", TABLES),
	INTERP("far ret", FAR_BRANCH, "insn/far-ret", TABLES),
	SYSTEM("pushf", FLAGS_IMAGE, system_pushf, "insn/pushf", "the host's arithmetic flags plus the virtual ones, IF and IOPL among them"),
	SYSTEM("popf", FLAGS_IMAGE, system_popf, "insn/popf", "inline in ring 0 while only arithmetic flags, DF and IF change; else a callout"),
	SYSTEM("cli", INT_FLAG, system_cli_sti, "insn/cli", "a store to the virtual IF; in ring 3 a callout that checks IOPL"),
	SYSTEM("sti", INT_FLAG, system_cli_sti, "insn/sti", "a store to the virtual IF and a test whether an interrupt waits; in ring 3 a callout"),
	GATE("int", SYSCALL_ENTRY, bt_lt_int, "insn/int", "gate, TSS and descriptors read from guest memory; no host trap, no signal"),
	GATE("int3", SYSCALL_ENTRY, bt_lt_int, "insn/int3", "gate, TSS and descriptors read from guest memory; no host trap, no signal"),
	INTERP("into", SYSCALL_ENTRY, "insn/into", BY "CEh does not exist in 64-bit mode"),
	GATE("iret", IRET, bt_lt_iret, "insn/iret", "flat forms directly, all others by the interpreter; another privilege is another window"),
	GATE("sysenter", SYSCALL_ENTRY, bt_lt_sysenter, "insn/sysenter", "flat segments from IA32_SYSENTER_CS; another window"),
	GATE("sysexit", USER_RETURN, bt_lt_sysexit, "insn/sysenter", "flat segments from IA32_SYSENTER_CS; another window"),
	SYSTEM("rdtsc", RDTSC, system_rdtsc, "insn/rdtsc", "copied, while the guest's TSC is the host's and CR4.TSD allows it; else a callout"),
	INTERP("clts", CR_WRITE, "insn/clts", BY "FPU code is translated anew when TS changes"),
	INTERP("invlpg", TLB_FLUSH, "insn/invlpg", BY "the shadow page is compared with the guest's tables"),
	SYSTEM("mov cr", CR_READ, system_mov_from_cr, "insn/mov-cr", "reads are a load from the virtual CPU; writes are below"),
	INTERP("mov cr0", CR_WRITE, "insn/mov-cr", BY "paging mode changes drop all windows"),
	INTERP("mov cr2", CR_WRITE, "insn/mov-cr", BY "nothing depends on it"),
	INTERP("mov cr3", CR3_WRITE, "insn/mov-cr", BY "another window; its pages are checked only if a traced table changed"),
	INTERP("mov cr4", CR_WRITE, "insn/mov-cr", BY "paging mode changes drop all windows"),
	INTERP("lmsw", CR_WRITE, "insn/lmsw", BY "FPU code is translated anew when TS changes"),
	INTERP("mov dr", DR_ACCESS, "insn/mov-dr", BY "the value is kept; no breakpoint fires"),
	ROW("cpuid", CPUID, CALLOUT, bt_co_cpuid, "bt_callout.c", "insn/cpuid", "the one CPU model"),
	INTERP("invd", CACHE_CTL, NULL, BY "nothing to do"),
	INTERP("wbinvd", CACHE_CTL, "insn/wbinvd", BY "nothing to do"),
	INTERP("rdpmc", OTHER, NULL, BY "counters that read zero"),
	INTERP("vmcall", OTHER, NULL, BY "not in the CPU model: #UD; never copied, or it would reach a hypervisor below us"),
	INTERP("rdmsr", MSR_READ, "insn/rdmsr", BY "the one MSR model"),
	INTERP("wrmsr", MSR_WRITE, "insn/wrmsr", BY "the one MSR model"),
	ROW("in", PORT_IN, CALLOUT, bt_co_in, "bt_callout.c", "insn/in", "calls the device; in ring 3 the interpreter checks IOPL and the bitmap first"),
	ROW("out", PORT_OUT, CALLOUT, bt_co_out, "bt_callout.c", "insn/out", "calls the device; in ring 3 the interpreter checks IOPL and the bitmap first"),
	INTERP("ins", PORT_IN, "insn/ins", BY "the device is called for each element, or a disk for a run of them"),
	INTERP("outs", PORT_OUT, "insn/outs", BY "the device is called for each element, or a disk for a run of them"),
	INTERP("hlt", HLT, "insn/hlt", BY "leaves to the run loop, which sleeps until an interrupt"),
};

_Static_assert(ARRAY_LEN(bt_rules) == BT_RULES, "bt_private.h: BT_RULES is the number of rows");
