/*
 * vtx_reasons.c - the hardware's exit reasons: number, name, and what each means in our taxonomy.
 *
 * VMX basic exit reasons are SDM vol. 3, appendix C; SVM exit codes are AMD APM vol. 2, appendix C. Engines that are
 * neither have no hardware reason: there KVM's own exit numbers stand in, named so. Called by vtx_stats.c and rules tests.
 */
#include "vtx.h"

/*
 * Reasons that a guest of ours can cause, and those that explain a failure. The kind is for exits that KVM handles alone: an
 * I/O exit that never reaches us moved nothing (a REP with a count of 0, a fault first).
 */
static const struct vtx_reason vmx[] = {
	{ 0, "exception or NMI", EV_EXCEPTION },
	{ 1, "external interrupt", EV_KICK },
	{ 2, "triple fault", EV_OTHER },
	{ 7, "interrupt window", EV_IRQ_WINDOW },
	{ 8, "NMI window", EV_OTHER },
	{ 9, "task switch", EV_FAR_BRANCH },
	{ 10, "CPUID", EV_CPUID },
	{ 12, "HLT", EV_HLT },
	{ 13, "INVD", EV_CACHE_CTL },
	{ 14, "INVLPG", EV_TLB_FLUSH },
	{ 15, "RDPMC", EV_OTHER },
	{ 16, "RDTSC", EV_RDTSC },
	{ 18, "VMCALL", EV_HYPERCALL },
	{ 28, "control register access", EV_CR_WRITE },
	{ 29, "MOV DR", EV_DR_ACCESS },
	{ 30, "I/O instruction", EV_OTHER },
	{ 31, "RDMSR", EV_MSR_READ },
	{ 32, "WRMSR", EV_MSR_WRITE },
	{ 33, "entry failure: guest state", EV_OTHER },
	{ 34, "entry failure: MSR loading", EV_OTHER },
	{ 36, "MWAIT", EV_OTHER },
	{ 37, "monitor trap flag", EV_OTHER },
	{ 39, "MONITOR", EV_OTHER },
	{ 40, "PAUSE", EV_OTHER },
	{ 43, "TPR below threshold", EV_OTHER },
	{ 44, "APIC access", EV_MMIO },
	{ 46, "GDTR or IDTR access", EV_DT_LOAD },
	{ 47, "LDTR or TR access", EV_DT_LOAD },
	{ 48, "EPT violation", EV_SHADOW_FILL },
	{ 49, "EPT misconfiguration", EV_MMIO },
	{ 51, "RDTSCP", EV_RDTSC },
	{ 52, "preemption timer", EV_KICK },
	{ 54, "WBINVD", EV_CACHE_CTL },
	{ 55, "XSETBV", EV_OTHER },
	{ 58, "INVPCID", EV_TLB_FLUSH },
};

static const struct vtx_reason svm[] = {
	{ 0x00, "read of CR0", EV_CR_READ },
	{ 0x03, "read of CR3", EV_CR_READ },
	{ 0x04, "read of CR4", EV_CR_READ },
	{ 0x10, "write of CR0", EV_CR_WRITE },
	{ 0x13, "write of CR3", EV_CR3_WRITE },
	{ 0x14, "write of CR4", EV_CR_WRITE },
	{ 0x41, "#DB", EV_EXCEPTION },
	{ 0x43, "#BP", EV_EXCEPTION },
	{ 0x46, "#UD", EV_EXCEPTION },
	{ 0x4d, "#GP", EV_EXCEPTION },
	{ 0x4e, "#PF", EV_SHADOW_FILL },
	{ 0x51, "#AC", EV_EXCEPTION },
	{ 0x60, "physical interrupt", EV_KICK },
	{ 0x64, "virtual interrupt", EV_IRQ_WINDOW },
	{ 0x65, "selective CR0 write", EV_CR_WRITE },
	{ 0x6f, "RDPMC", EV_OTHER },
	{ 0x72, "CPUID", EV_CPUID },
	{ 0x74, "IRET", EV_IRET },
	{ 0x76, "INVD", EV_CACHE_CTL },
	{ 0x77, "PAUSE", EV_OTHER },
	{ 0x78, "HLT", EV_HLT },
	{ 0x79, "INVLPG", EV_TLB_FLUSH },
	{ 0x7b, "I/O instruction", EV_OTHER },
	{ 0x7c, "MSR access", EV_MSR_READ },
	{ 0x7d, "task switch", EV_FAR_BRANCH },
	{ 0x7f, "shutdown", EV_OTHER },
	{ 0x81, "VMMCALL", EV_HYPERCALL },
	{ 0x89, "WBINVD", EV_CACHE_CTL },
	{ 0x8d, "XSETBV", EV_OTHER },
	{ 0x400, "nested page fault", EV_SHADOW_FILL },
};

static const struct vtx_reason soft[] = {
	{ KVM_EXIT_IO, "KVM_EXIT_IO, no hardware exit", EV_PORT_OUT },
	{ KVM_EXIT_HLT, "KVM_EXIT_HLT, no hardware exit", EV_HLT },
	{ KVM_EXIT_MMIO, "KVM_EXIT_MMIO, no hardware exit", EV_MMIO },
	{ KVM_EXIT_IRQ_WINDOW_OPEN, "KVM_EXIT_IRQ_WINDOW_OPEN", EV_IRQ_WINDOW },
	{ KVM_EXIT_X86_RDMSR, "KVM_EXIT_X86_RDMSR", EV_MSR_READ },
	{ KVM_EXIT_X86_WRMSR, "KVM_EXIT_X86_WRMSR", EV_MSR_WRITE },
};

static const struct vtx_reason *table(enum vtx_engine engine, size_t *n)
{
	switch (engine) {
	case ENGINE_INTEL:
		*n = ARRAY_LEN(vmx);
		return vmx;
	case ENGINE_AMD:
		*n = ARRAY_LEN(svm);
		return svm;
	default:
		*n = ARRAY_LEN(soft);
		return soft;
	}
}

const struct vtx_reason *vtx_reason_find(enum vtx_engine engine, uint32_t number)
{
	size_t n;
	const struct vtx_reason *t = table(engine, &n);

	for (size_t i = 0; i < n; i++)
		if (t[i].number == number)
			return &t[i];
	return NULL;
}

/*
 * KVM tells its own reason, not the hardware's, so the hardware's follows from the event. One case is a choice: the first
 * touch of an MMIO page is an EPT violation, all later ones are misconfigurations (on SVM: all are nested page faults; with
 * shadow paging: ordinary ones).
 */
const struct vtx_reason *vtx_reason_of(enum vtx_engine engine, bool shadow, enum event_kind k)
{
	bool intel = engine == ENGINE_INTEL, amd = engine == ENGINE_AMD;

	if (!intel && !amd) {
		static const int exits[EV_COUNT] = { [EV_PORT_IN] = KVM_EXIT_IO, [EV_PORT_OUT] = KVM_EXIT_IO, [EV_MMIO] = KVM_EXIT_MMIO,
			[EV_HLT] = KVM_EXIT_HLT, [EV_IRQ_WINDOW] = KVM_EXIT_IRQ_WINDOW_OPEN, [EV_MSR_READ] = KVM_EXIT_X86_RDMSR,
			[EV_MSR_WRITE] = KVM_EXIT_X86_WRMSR };
		return exits[k] ? vtx_reason_find(engine, (uint32_t)exits[k]) : NULL;
	}
	switch (k) {
	case EV_PORT_IN:
	case EV_PORT_OUT: return vtx_reason_find(engine, intel ? 30 : 0x7b);
	case EV_MMIO:
		if (shadow)
			return vtx_reason_find(engine, intel ? 0 : 0x4e);
		return vtx_reason_find(engine, intel ? 49 : 0x400);
	case EV_HLT: return vtx_reason_find(engine, intel ? 12 : 0x78);
	case EV_IRQ_WINDOW: return vtx_reason_find(engine, intel ? 7 : 0x64);
	case EV_MSR_READ: return vtx_reason_find(engine, intel ? 31 : 0x7c);
	case EV_MSR_WRITE: return vtx_reason_find(engine, intel ? 32 : 0x7c);
	case EV_CR_WRITE: return vtx_reason_find(engine, intel ? 28 : 0x65);
	default: return NULL;
	}
}
