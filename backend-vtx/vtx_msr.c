/*
 * vtx_msr.c - which MSRs KVM answers for, and which core's one model does.
 *
 * All backends must show the same MSRs. Those that the CPU or KVM switches with the guest (TSC, SYSENTER_*, EFER, SYSCALL's
 * and the segment bases') stay with KVM: some never leave the guest. All others are filtered, so that RDMSR and WRMSR of
 * them come to us, and core/x86 says what they hold or that there is none (#GP). Called by vtx.c and vtx_run.c.
 */
#include <errno.h>
#include "core/cpuid.h"
#include "vtx.h"

/* KVM API, KVM_X86_SET_MSR_FILTER: a 1 bit lets KVM handle the access; what no range names is denied. */
int vtx_msr_filter(struct vm *vm)
{
	uint8_t all[8];
	struct kvm_msr_filter_range kept[] = {
		{ .base = 0x10, .nmsrs = 1 },        /* TSC */
		{ .base = 0x174, .nmsrs = 3 },       /* SYSENTER_CS, _ESP, _EIP */
		{ .base = 0xc0000080, .nmsrs = 5 },  /* EFER, STAR, LSTAR, CSTAR, SFMASK */
		{ .base = 0xc0000100, .nmsrs = 3 },  /* FS_BASE, GS_BASE, KERNEL_GS_BASE */
	};
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args[0] = KVM_MSR_EXIT_REASON_FILTER };
	struct kvm_msr_filter f = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };
	int fd = vtx_vm(vm)->vm, r;

	/* An older KVM has its own idea of every MSR; guests see the difference, and nothing else breaks. */
	if (vtx_ioctl(fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_X86_USER_SPACE_MSR) <= 0 ||
	    vtx_ioctl(fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_X86_MSR_FILTER) <= 0)
		return 0;
	r = vtx_ioctl(fd, KVM_ENABLE_CAP, &cap);
	if (r)
		return r;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = 0xff;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		f.ranges[i] = kept[i];
		f.ranges[i].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
		f.ranges[i].bitmap = all;
	}
	return vtx_ioctl(fd, KVM_X86_SET_MSR_FILTER, &f);
}

/* A nonzero run->msr.error makes KVM inject #GP(0) at the next entry. */
int vtx_msr_exit(struct vcpu *v)
{
	struct kvm_run *run = vtx_vcpu(v)->run;
	uint64_t value = run->msr.data;
	bool ok = run->exit_reason == KVM_EXIT_X86_RDMSR ? msr_read(v, run->msr.index, &value) :
		msr_write(v, run->msr.index, value);

	run->msr.data = value;
	run->msr.error = !ok;
	return 0;
}
