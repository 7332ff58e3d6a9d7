/*
 * vmcs.c - makes the nested machine's KVM show a VMCS: runs a small 32-bit guest on /dev/kvm, then asks for an entry that must fail.
 *
 * KVM prints the whole VMCS when VM entry fails and kvm_intel was loaded with dump_invalid_vmcs=1. The guest here runs well (paging
 * on, a CPUID and an OUT); then one field is broken on purpose, the present bit of TR, which must be 1 (SDM vol. 3, 27.3.1.2), and
 * entered again. So every field but that one is as KVM left it for a guest that works. Before that, what the CPU says of VMX:
 * CPUID and the capability MSRs. Static; run by init-vmcs.sh; scripts/record-lectures builds it and keeps what it printed.
 */
#include <cpuid.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM (4u << 20)
#define CODE 0x1000u
#define DIRECTORY 0x2000u

/* mov $1, %eax; cpuid; out %al, $0x80; jmp back */
static const uint8_t code[] = { 0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xe6, 0x80, 0xeb, 0xf5 };

static void cpu_print(void)
{
	static const unsigned msr[] = { 0x3a, 0x480, 0x481, 0x482, 0x483, 0x484, 0x485, 0x486, 0x487, 0x488, 0x489, 0x48a, 0x48b, 0x48c, 0x48d, 0x48e,
		0x48f, 0x490, 0x491 };
	unsigned a, b, c = 0, d;
	int fd = open("/dev/cpu/0/msr", O_RDONLY);

	__get_cpuid(1, &a, &b, &c, &d);
	printf("CPUID 1 ECX 0x%08x\n", c);
	for (size_t i = 0; i < sizeof(msr) / sizeof(msr[0]); i++) {
		uint64_t v;

		if (pread(fd, &v, sizeof(v), msr[i]) == sizeof(v))
			printf("MSR 0x%x 0x%016llx\n", msr[i], (unsigned long long)v);
	}
}

static struct kvm_segment segment(unsigned selector, unsigned type)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = (uint16_t)selector, .type = (uint8_t)type, .present = 1, .db = 1, .s = 1, .g = 1 };
}

/* Flat 32-bit protected mode at CPL 0, with paging: one 4-MiB page. */
static int vcpu_start(int vcpu)
{
	struct kvm_sregs s;
	struct kvm_regs r = { .rip = CODE, .rflags = 2, .rsp = 0x4000 };

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return -1;
	s.cs = segment(0x10, 11);
	s.ds = s.es = s.fs = s.gs = s.ss = segment(0x18, 3);
	s.cr3 = DIRECTORY;
	s.cr4 |= 0x10;       /* PSE */
	s.cr0 |= 0x80000011; /* PG, ET, PE */
	return ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &r);
}

static void exit_print(const char *when, const struct kvm_run *run)
{
	printf("%s: KVM_EXIT %u", when, run->exit_reason);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		printf(", hardware entry failure reason 0x%llx", (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	if (run->exit_reason == KVM_EXIT_IO)
		printf(", port 0x%x", run->io.port);
	putchar('\n');
}

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;
	uint8_t *ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region slot = { .memory_size = RAM, .userspace_addr = (uint64_t)(uintptr_t)ram };
	struct kvm_sregs s;
	struct kvm_run *run;

	cpu_print();
	if (vm < 0 || ram == MAP_FAILED)
		return 1;
	memcpy(ram + CODE, code, sizeof(code));
	*(uint32_t *)(ram + DIRECTORY) = 0x83; /* present, writable, 4 MiB */
	ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) || (vcpu = ioctl(vm, KVM_CREATE_VCPU, 0)) < 0)
		return 1;
	run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED || vcpu_start(vcpu))
		return 1;
	for (int i = 0; i < 100; i++)
		ioctl(vcpu, KVM_RUN, 0);
	exit_print("the guest runs", run);
	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return 1;
	/* present is what VM entry asks of TR */
	s.tr.present = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &s))
		return 1;
	ioctl(vcpu, KVM_RUN, 0);
	exit_print("TR made invalid", run);
	return run->exit_reason == KVM_EXIT_FAIL_ENTRY ? 0 : 1;
}
