/*
 * rules.c - how direct execution deals with each sensitive instruction, by interface: `ringlab explain` prints these rows.
 *
 * `trap`: what faults at ring 3 is executed by the reference interpreter on the virtual CPU; what does not fault runs on the
 * host's state, and is one of the holes of the technique (Robin and Irvine 2000). `xen`: the guest's source has been changed, so
 * that it asks instead of executing; rows say what happens if it executes the instruction all the same. Read next: pv_trap.c,
 * xen_emul.c.
 */
#include "pv.h"

#define TRAP(m, k, g, n) RULE(m, "trap", k, TRAP, pv_trap_interpret, "backend-pv/pv_trap.c", g, n)
#define XEN(m, k, fn, file, g, n) RULE(m, "xen", k, TRAP, fn, "backend-pv/" file, g, n)
#define XEN_NOT(m, k, g, n) RULE(m, "xen", k, TRAP, xen_privileged, "backend-pv/xen_emul.c", g, n)
#define UMIP(m, i, g, n) \
	{ .mnemonic = (m), .interface = (i), .kind = EV_DT_STORE, .mech = MECH_HOST_EMUL, .guest = (g), .note = (n) }

static const char umip[] = "wrong: the host's value, or with UMIP the host kernel's dummy; the guest sees neither its own nor a fault";
static const char umip32[] = "wrong: the host's value, or with UMIP a fault that Linux emulates with a dummy in some versions and reflects in others";
static const char query[] = "wrong: looks into the host's GDT and our LDT, where the guest's selectors mean nothing";
static const char leak[] = "wrong: shows the LDT selector with RPL 3 that stands in for the guest's";
static const char gp[] = "#GP at ring 3; executed on the virtual CPU";
static const char selector[] = "the guest's selectors fault here and are loaded from its own tables; one of the host's flat ones (0x23, 0x2b, 0x33) loads silently";
static const char xgp[] = "#GP at ring 3, and reflected to the guest: the ABI has a hypercall or nothing for it";

const struct backend_rule pv_rules[] = {
	UMIP("sgdt", "trap", "insn/sgdt", umip),
	UMIP("sidt", "trap", "insn/sidt", umip),
	UMIP("sldt", "trap", "insn/sldt", umip32),
	UMIP("str", "trap", "insn/str", umip32),
	UMIP("smsw", "trap", "insn/smsw", "wrong: the host's CR0, or with UMIP the host kernel's dummy of it"),
	TRAP("lgdt", DT_LOAD, "insn/lgdt", gp),
	TRAP("lidt", DT_LOAD, "insn/lidt", gp),
	TRAP("lldt", DT_LOAD, "insn/lldt", gp),
	TRAP("ltr", DT_LOAD, "insn/ltr", gp),
	TRAP("lmsw", CR_WRITE, "insn/lmsw", gp),
	TRAP("clts", CR_WRITE, "insn/clts", "#GP at ring 3; TS changes in the virtual CR0 only, for no #NM can be raised"),
	RULE_NATIVE("lar", "trap", SEG_QUERY, "insn/lar", query),
	RULE_NATIVE("lsl", "trap", SEG_QUERY, "insn/lsl", query),
	RULE_NATIVE("verr", "trap", SEG_QUERY, "insn/verr", query),
	RULE_NATIVE("verw", "trap", SEG_QUERY, "insn/verw", query),
	RULE_NATIVE("arpl", "trap", SEG_QUERY, "insn/arpl", "right by itself; wrong where the RPL it compares with was read from CS or SS"),
	RULE_NATIVE("mov from seg", "trap", SEG_READ, "insn/mov-from-cs", leak),
	RULE_NATIVE("push seg", "trap", SEG_READ, "insn/push-cs", leak),
	TRAP("mov to seg", SEG_LOAD, "insn/mov-to-ss", selector),
	TRAP("pop seg", SEG_LOAD, "insn/pop-ss", selector),
	TRAP("lds", SEG_LOAD, "insn/lds", selector),
	TRAP("far call", FAR_BRANCH, "insn/far-call", "faults on the guest's selector; to a stale LDT selector it succeeds silently, and pushes ours"),
	TRAP("far jmp", FAR_BRANCH, "insn/far-jmp", selector),
	TRAP("far ret", FAR_BRANCH, "insn/far-ret", selector),
	RULE_NATIVE("pushf", "trap", FLAGS_IMAGE, "insn/pushf", "wrong: IF is the host's, always set, and IOPL is 0"),
	RULE_NATIVE("popf", "trap", FLAGS_IMAGE, "insn/popf", "wrong: a change of IF or IOPL is ignored without a fault"),
	TRAP("cli", INT_FLAG, "insn/cli", gp),
	TRAP("sti", INT_FLAG, "insn/sti", gp),
	TRAP("int", SYSCALL_ENTRY, "insn/int", "#GP with the vector in the error code; int 0x80 is SIGSYS by the jail's i386 filter; through the guest's own IDT"),
	RULE("int3", "trap", SYSCALL_ENTRY, TRAP, pv_trap_fault, "backend-pv/pv_trap.c", "insn/int3", "SIGTRAP; through the guest's own IDT"),
	RULE("into", "trap", SYSCALL_ENTRY, TRAP, pv_trap_fault, "backend-pv/pv_trap.c", "insn/into", "SIGSEGV with trap 4; through the guest's own IDT"),
	TRAP("iret", IRET, "insn/iret", "faults on the guest's selector; a frame with a host selector returns silently, without a change of level"),
	TRAP("sysenter", SYSCALL_ENTRY, "insn/sysenter", "AMD: #UD, interpreted. Intel: enters the host kernel, which answers SIGSYS; done without the lost EIP"),
	TRAP("sysexit", USER_RETURN, "insn/sysenter", gp),
	TRAP("hlt", HLT, "insn/hlt", gp),
	TRAP("mov cr", CR_WRITE, "insn/mov-cr", gp),
	TRAP("mov dr", DR_ACCESS, "insn/mov-dr", gp),
	TRAP("invlpg", TLB_FLUSH, "insn/invlpg", gp),
	TRAP("wbinvd", CACHE_CTL, "insn/wbinvd", gp),
	TRAP("invd", CACHE_CTL, NULL, gp),
	TRAP("rdmsr", MSR_READ, "insn/rdmsr", gp),
	TRAP("wrmsr", MSR_WRITE, "insn/wrmsr", gp),
	TRAP("rdpmc", OTHER, NULL, gp),
	TRAP("in", PORT_IN, "insn/in", gp),
	TRAP("out", PORT_OUT, "insn/out", gp),
	TRAP("ins", PORT_IN, "insn/ins", gp),
	TRAP("outs", PORT_OUT, "insn/outs", gp),
	TRAP("cpuid", CPUID, "insn/cpuid", "traps where the host has CPUID faulting; elsewhere wrong: the host's CPUID, unseen"),
	RULE_NATIVE("rdtsc", "trap", RDTSC, "insn/rdtsc", "the host's TSC; CR4.TSD is not obeyed"),

	UMIP("sgdt", "xen", NULL, umip),
	UMIP("sidt", "xen", NULL, umip),
	UMIP("sldt", "xen", NULL, umip32),
	UMIP("str", "xen", NULL, umip32),
	UMIP("smsw", "xen", NULL, "the host's CR0, or with UMIP the host kernel's dummy of it"),
	XEN_NOT("lgdt", DT_LOAD, NULL, "#GP; the guest calls set_gdt"),
	XEN_NOT("lidt", DT_LOAD, NULL, "#GP; the guest calls set_trap_table"),
	XEN_NOT("lldt", DT_LOAD, NULL, "#GP; the guest calls mmuext_op, SET_LDT"),
	XEN_NOT("ltr", DT_LOAD, NULL, "#GP; the guest calls stack_switch"),
	XEN_NOT("lmsw", CR_WRITE, NULL, xgp),
	XEN("clts", CR_WRITE, xen_privileged, "xen_emul.c", NULL, "#GP, and done; or the guest calls fpu_taskswitch. No #NM is ever raised"),
	RULE_NATIVE("lar", "xen", SEG_QUERY, NULL, query),
	RULE_NATIVE("lsl", "xen", SEG_QUERY, NULL, query),
	RULE_NATIVE("verr", "xen", SEG_QUERY, NULL, query),
	RULE_NATIVE("verw", "xen", SEG_QUERY, NULL, query),
	RULE_NATIVE("arpl", "xen", SEG_QUERY, NULL, "as on hardware; the RPL of our selectors is 3"),
	RULE_NATIVE("mov from seg", "xen", SEG_READ, NULL, "leaks the LDT selector that stands in for Xen's"),
	RULE_NATIVE("push seg", "xen", SEG_READ, NULL, "leaks the LDT selector that stands in for Xen's; what it pops later loads silently"),
	XEN("mov to seg", SEG_LOAD, xen_privileged, "xen_emul.c", NULL, "a FLAT_* selector, or one of the guest's GDT or LDT, faults and becomes its LDT twin"),
	XEN("pop seg", SEG_LOAD, xen_privileged, "xen_emul.c", NULL, "a FLAT_* selector, or one of the guest's GDT or LDT, faults and becomes its LDT twin"),
	XEN_NOT("lds", SEG_LOAD, NULL, xgp),
	XEN_NOT("far call", FAR_BRANCH, NULL, xgp),
	XEN("far jmp", FAR_BRANCH, xen_privileged, "xen_emul.c", NULL, "to a FLAT_* selector: faults, and done"),
	XEN("far ret", FAR_BRANCH, xen_privileged, "xen_emul.c", NULL, "to a FLAT_* selector: faults, and done"),
	RULE_NATIVE("pushf", "xen", FLAGS_IMAGE, NULL, "IF is the host's; the guest reads evtchn_upcall_mask instead"),
	RULE_NATIVE("popf", "xen", FLAGS_IMAGE, NULL, "IF cannot be changed; the guest writes evtchn_upcall_mask instead"),
	XEN("cli", INT_FLAG, xen_privileged, "xen_emul.c", NULL, "#GP, and sets evtchn_upcall_mask; the guest writes the byte itself, without any exit"),
	XEN("sti", INT_FLAG, xen_privileged, "xen_emul.c", NULL, "#GP, and clears evtchn_upcall_mask; the guest writes the byte itself, without any exit"),
	XEN("int", SYSCALL_ENTRY, xen_fault, "xen_traps.c", "nano", "bounced through set_trap_table's entry; int 0x82 from the kernel is a hypercall"),
	XEN("int3", SYSCALL_ENTRY, xen_fault, "xen_traps.c", NULL, "SIGTRAP; bounced through set_trap_table's entry"),
	XEN("into", SYSCALL_ENTRY, xen_fault, "xen_traps.c", NULL, "SIGSEGV with trap 4; bounced through set_trap_table's entry"),
	RULE("iret", "xen", IRET, HYPERCALL, xen_iret, "backend-pv/xen_traps.c", "nano", "the iret hypercall; IRET itself, with Xen's selectors in its frame, faults and is done"),
	XEN_NOT("sysenter", SYSCALL_ENTRY, NULL, "AMD: #UD, reflected. Intel: enters the host kernel, which answers SIGSYS; a guest crash, for EIP is lost"),
	XEN_NOT("sysexit", USER_RETURN, NULL, xgp),
	XEN("hlt", HLT, xen_privileged, "xen_emul.c", NULL, "#GP, and blocks; the guest calls sched_op, block"),
	XEN("mov cr", CR_WRITE, xen_privileged, "xen_emul.c", NULL, "#GP, and done as far as the ABI goes; the guest calls mmuext_op, NEW_BASEPTR"),
	XEN_NOT("mov dr", DR_ACCESS, NULL, "#GP; debug registers are not virtualized"),
	XEN_NOT("invlpg", TLB_FLUSH, NULL, "#GP; the guest calls mmuext_op or passes a flag to update_va_mapping"),
	XEN("wbinvd", CACHE_CTL, xen_privileged, "xen_emul.c", NULL, "#GP, and skipped"),
	XEN("invd", CACHE_CTL, xen_privileged, "xen_emul.c", NULL, "#GP, and skipped"),
	XEN("rdmsr", MSR_READ, xen_privileged, "xen_emul.c", NULL, "#GP, and answered from the model of MSRs"),
	XEN("wrmsr", MSR_WRITE, xen_privileged, "xen_emul.c", NULL, "#GP, and kept in the model of MSRs"),
	XEN_NOT("rdpmc", OTHER, NULL, xgp),
	XEN("in", PORT_IN, xen_privileged, "xen_emul.c", "nano", "#GP, and the bus answers"),
	XEN("out", PORT_OUT, xen_privileged, "xen_emul.c", "nano", "#GP, and the bus takes it"),
	XEN_NOT("ins", PORT_IN, NULL, xgp),
	XEN_NOT("outs", PORT_OUT, NULL, xgp),
	XEN("cpuid", CPUID, xen_undefined, "xen_emul.c", "nano", "behind the ABI's prefix (ud2a; \"xen\"), or with CPUID faulting: the CPU model; else the host's CPUID, unseen"),
	RULE_NATIVE("rdtsc", "xen", RDTSC, "nano", "the host's TSC, which is what vcpu_time_info is relative to"),
};

_Static_assert(ARRAY_LEN(pv_rules) == PV_RULES, "pv.h: PV_RULES is the number of rows");
