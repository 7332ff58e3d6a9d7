/*
 * rules.c - how hardware virtualization deals with each sensitive instruction: `ringlab explain` prints these rows.
 *
 * Non-root mode has the whole instruction set at the guest's own privilege levels, so that most of what is sensitive runs
 * natively on the guest's own state; what the VMCS intercepts leaves the guest (SDM vol. 3, 25.1). The rows are for KVM's
 * settings on VT-x with EPT; notes say where shadow paging differs. Read next: vtx_run.c, docs/exits.md.
 */
#include "vtx.h"

/* The instruction leaves the guest, and KVM answers without us. */
#define RULE_KVM(m, k, g, n) \
	{ .mnemonic = (m), .kind = EV_##k, .mech = MECH_VMEXIT, .file = "Linux: arch/x86/kvm", .guest = (g), .note = (n) }

static const char native_table[] = "runs on the guest's own descriptor-table register; descriptor-table exiting is off";
static const char native_load[] = "loads the guest's own register; descriptor-table exiting is off";
static const char native_segment[] = "the guest's own descriptors, checked by the CPU at the guest's true privilege level";
static const char native_flags[] = "IF and IOPL are the guest's own: host interrupts leave the guest whatever IF says";
static const char native_gate[] = "through the guest's own IDT, stacks and privilege levels";

const struct backend_rule vtx_rules[] = {
	RULE_NATIVE("sgdt", NULL, DT_STORE, "insn/sgdt", native_table),
	RULE_NATIVE("sidt", NULL, DT_STORE, "insn/sidt", native_table),
	RULE_NATIVE("sldt", NULL, DT_STORE, "insn/sldt", native_table),
	RULE_NATIVE("str", NULL, DT_STORE, "insn/str", native_table),
	RULE_NATIVE("smsw", NULL, DT_STORE, "insn/smsw",
		"reads CR0, with the bits that KVM owns taken from the read shadow"),
	RULE_NATIVE("lgdt", NULL, DT_LOAD, "insn/lgdt", native_load),
	RULE_NATIVE("lidt", NULL, DT_LOAD, "insn/lidt", native_load),
	RULE_NATIVE("lldt", NULL, DT_LOAD, "insn/lldt", native_load),
	RULE_NATIVE("ltr", NULL, DT_LOAD, "insn/ltr", native_load),
	RULE_NATIVE("lar", NULL, SEG_QUERY, "insn/lar", native_segment),
	RULE_NATIVE("lsl", NULL, SEG_QUERY, "insn/lsl", native_segment),
	RULE_NATIVE("verr", NULL, SEG_QUERY, "insn/verr", native_segment),
	RULE_NATIVE("verw", NULL, SEG_QUERY, "insn/verw", native_segment),
	RULE_NATIVE("arpl", NULL, SEG_QUERY, "insn/arpl", "changes a selector in memory, and asks no privilege"),
	RULE_NATIVE("mov from seg", NULL, SEG_READ, "insn/mov-from-cs",
		"the selector's RPL is the true one: no ring is hidden"),
	RULE_NATIVE("push seg", NULL, SEG_READ, "insn/push-cs", "the selector's RPL is the true one: no ring is hidden"),
	RULE_NATIVE("mov to seg", NULL, SEG_LOAD, "insn/mov-to-ss", native_segment),
	RULE_NATIVE("pop seg", NULL, SEG_LOAD, "insn/pop-ss", native_segment),
	RULE_NATIVE("lds", NULL, SEG_LOAD, "insn/lds", native_segment),
	RULE_NATIVE("far call", NULL, FAR_BRANCH, "insn/far-call",
		"native, but a call to a task gate or TSS is a VM exit: a task switch, done by KVM"),
	RULE_NATIVE("far jmp", NULL, FAR_BRANCH, "insn/far-jmp",
		"native, but a jump to a task gate or TSS is a VM exit: a task switch, done by KVM"),
	RULE_NATIVE("far ret", NULL, FAR_BRANCH, "insn/far-ret", native_segment),
	RULE_NATIVE("pushf", NULL, FLAGS_IMAGE, "insn/pushf", native_flags),
	RULE_NATIVE("popf", NULL, FLAGS_IMAGE, "insn/popf", native_flags),
	RULE_NATIVE("cli", NULL, INT_FLAG, "insn/cli", native_flags),
	RULE_NATIVE("sti", NULL, INT_FLAG, "insn/sti", native_flags),
	RULE_NATIVE("int", NULL, SYSCALL_ENTRY, "insn/int", native_gate),
	RULE_NATIVE("int3", NULL, SYSCALL_ENTRY, "insn/int3", native_gate),
	RULE_NATIVE("into", NULL, SYSCALL_ENTRY, "insn/into", native_gate),
	RULE_NATIVE("iret", NULL, IRET, "insn/iret", native_gate),
	RULE_NATIVE("sysenter", NULL, SYSCALL_ENTRY, "insn/sysenter",
		"SYSENTER_CS, _ESP and _EIP are in the VMCS, switched at entry and exit"),
	RULE_NATIVE("sysexit", NULL, USER_RETURN, "insn/sysenter", "SYSENTER_CS is in the VMCS, switched at entry and exit"),
	RULE_NATIVE("rdtsc", NULL, RDTSC, "insn/rdtsc", "the CPU adds the VMCS's TSC offset"),
	RULE_NATIVE("clts", NULL, CR_WRITE, "insn/clts", "CR0.TS is the guest's own; no exit"),
	RULE_NATIVE("invlpg", NULL, TLB_FLUSH, "insn/invlpg",
		"with EPT it acts on the guest's own tags; with shadow paging it is a VM exit (14)"),
	RULE_NATIVE("mov cr2", NULL, CR_WRITE, "insn/mov-cr", "CR2 is never intercepted"),
	RULE_NATIVE("mov cr3", NULL, CR3_WRITE, "insn/mov-cr",
		"with EPT the guest owns CR3; with shadow paging it is a VM exit (28)"),
	RULE_KVM("mov cr", CR_WRITE, "insn/mov-cr",
		"by register: CR2 and (with EPT) CR3 never leave the guest, CR0 and CR4 do when a bit that KVM owns changes; reads never"),
	RULE_KVM("mov cr0", CR_WRITE, "insn/mov-cr",
		"VM exit (28) when a bit that KVM owns changes (PE, PG, NE, CD, ...); reads come from a shadow without exit"),
	RULE_KVM("mov cr4", CR_WRITE, "insn/mov-cr",
		"VM exit (28) when a bit that KVM owns changes (PSE, PAE, VMXE, ...); reads come from a shadow without exit"),
	RULE_KVM("lmsw", CR_WRITE, "insn/lmsw", "VM exit (28) when a bit that KVM owns changes"),
	RULE_KVM("mov dr", DR_ACCESS, "insn/mov-dr",
		"VM exit (29) at the first access; KVM then lets the guest have the registers until the next exit"),
	RULE_KVM("cpuid", CPUID, "insn/cpuid", "always a VM exit (10); KVM answers from the table that core/x86 gave it"),
	RULE_KVM("invd", CACHE_CTL, NULL,
		"always a VM exit (13); KVM does nothing, for the host's caches are not the guest's to throw away"),
	RULE_KVM("wbinvd", CACHE_CTL, "insn/wbinvd", "VM exit (54); KVM does nothing unless a device is passed through"),
	RULE_KVM("rdpmc", OTHER, NULL, "VM exit (15); the CPU model has no counters, so #GP"),
	RULE_KVM("vmcall", HYPERCALL, NULL, "VM exit (18); KVM answers -KVM_ENOSYS, for no hypercalls are advertised"),
	RULE("rdmsr", NULL, MSR_READ, VMEXIT, vtx_msr_exit, "backend-vtx/vtx_msr.c", "insn/rdmsr",
		"VM exit (31), and core's model of MSRs answers; TSC, SYSENTER and EFER stay with the CPU and KVM"),
	RULE("wrmsr", NULL, MSR_WRITE, VMEXIT, vtx_msr_exit, "backend-vtx/vtx_msr.c", "insn/wrmsr",
		"VM exit (32), and core's model of MSRs answers; TSC, SYSENTER and EFER stay with the CPU and KVM"),
	RULE("in", NULL, PORT_IN, VMEXIT, exit_handle, "core/exit.c", "insn/in", "VM exit (30); the bus answers"),
	RULE("out", NULL, PORT_OUT, VMEXIT, exit_handle, "core/exit.c", "insn/out", "VM exit (30); the bus takes it"),
	RULE("ins", NULL, PORT_IN, VMEXIT, exit_handle, "core/exit.c", "insn/ins",
		"one VM exit (30) for a repeated one, then KVM's emulator; counted by element"),
	RULE("outs", NULL, PORT_OUT, VMEXIT, exit_handle, "core/exit.c", "insn/outs",
		"one VM exit (30) for a repeated one, then KVM's emulator; counted by element"),
	RULE("hlt", NULL, HLT, VMEXIT, vtx_run, "backend-vtx/vtx_run.c", "insn/hlt",
		"VM exit (12); core sleeps until an interrupt"),
};

_Static_assert(ARRAY_LEN(vtx_rules) == VTX_RULES, "vtx.h: VTX_RULES is the number of rows");
