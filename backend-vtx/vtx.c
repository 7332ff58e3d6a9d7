/*
 * vtx.c - the backend's table of operations, and the life of a VM on /dev/kvm.
 *
 * Guest code runs in non-root mode at its own privilege level (0D); KVM is the root-mode VMM (0P). Memory is one slot over
 * core's memfd; interrupt controllers are core's own, in user space, unless the variant was asked for. Everything that
 * needs a file is opened here, before the CLI closes the jail. Read next: vtx_run.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vtx.h"

/* Where KVM keeps three pages of its own on Intel CPUs without unrestricted guest (KVM API, KVM_SET_TSS_ADDR): below
 * 4 GiB, above all RAM. */
#define VTX_TSS_ADDR 0xfffbd000ul

int vtx_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	do
		r = ioctl(fd, request, arg);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* The system file /dev/kvm, with an API that is the one there is; or -errno. */
static int kvm_open(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (vtx_ioctl(fd, KVM_GET_API_VERSION, NULL) != KVM_API_VERSION) {
		close(fd);
		return -EPROTO;
	}
	return fd;
}

static const char *vtx_probe(char *engine, size_t n)
{
	int fd = kvm_open();

	snprintf(engine, n, "%s", vtx_engine_name(fd == -ENOENT || fd == -ENODEV ? ENGINE_NONE : vtx_engine_detect()));
	if (fd >= 0) {
		close(fd);
		return NULL;
	}
	switch (fd) {
	case -ENOENT:
	case -ENODEV:
		return "/dev/kvm does not exist: this machine has no hardware virtualization, or no KVM module is loaded";
	case -EACCES:
	case -EPERM:
		return "/dev/kvm is there, but this user may not open it: join the group that owns it (usually kvm)";
	case -EPROTO:
		return "/dev/kvm speaks another API version than 12";
	default:
		return "/dev/kvm cannot be opened";
	}
}

/* What KVM does for the sake of old guests, and the other engines do not (KVM API, KVM_CAP_DISABLE_QUIRKS2). */
static void vm_no_quirks(int vm)
{
	int known = vtx_ioctl(vm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_DISABLE_QUIRKS2);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DISABLE_QUIRKS2 };

	if (known <= 0)
		return;
	cap.args[0] = (unsigned)known & (KVM_X86_QUIRK_CD_NW_CLEARED | KVM_X86_QUIRK_OUT_7E_INC_RIP |
		KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS | KVM_X86_QUIRK_FIX_HYPERCALL_INSN);
	vtx_ioctl(vm, KVM_ENABLE_CAP, &cap);
}

static int vm_memory(struct vm *vm, int fd)
{
	struct kvm_userspace_memory_region region = { .memory_size = vm->mem.size, .userspace_addr = (uintptr_t)vm->mem.host };
	struct kvm_userspace_memory_region shared = { .slot = 1, .guest_phys_addr = MEM_SHARED_BASE, .memory_size = vm->mem.shared_size,
		.userspace_addr = (uintptr_t)vm->mem.shared };
	int r = vtx_ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region);

	return r || !vm->mem.shared ? r : vtx_ioctl(fd, KVM_SET_USER_MEMORY_REGION, &shared);
}

/*
 * The variant with KVM's own 8259 pair, I/O APIC and local APIC (which stays disabled: the CPU model has none). HLT and the
 * controllers' ports then never reach us; the devices are core's all the same.
 */
static int vm_irqchip(struct vm *vm, struct vtx_vm *x)
{
	x->irqchip = vm->cfg.user_kvm_irqchip;
	return x->irqchip ? vtx_ioctl(x->vm, KVM_CREATE_IRQCHIP, NULL) : 0;
}

static void vtx_irq_line(struct vm *vm, unsigned line, bool level)
{
	struct kvm_irq_level irq = { .irq = line, .level = level };

	vtx_ioctl(vtx_vm(vm)->vm, KVM_IRQ_LINE, &irq);
}

static int vtx_vm_init(struct vm *vm)
{
	struct vtx_vm *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->engine = vtx_engine_detect();
	x->kvm = r = kvm_open();
	if (r < 0)
		goto no_kvm;
	x->vm = r = vtx_ioctl(x->kvm, KVM_CREATE_VM, NULL);
	if (r < 0)
		goto no_vm;
	fcntl(x->vm, F_SETFD, FD_CLOEXEC);
	vm->priv = x;
	vm_no_quirks(x->vm);
	vtx_ioctl(x->vm, KVM_SET_TSS_ADDR, (void *)VTX_TSS_ADDR); /* refused where there is no need */
	if ((r = vm_memory(vm, x->vm)) || (r = vtx_msr_filter(vm)) || (r = vm_irqchip(vm, x)))
		goto no_slot;
	return 0;
no_slot:
	close(x->vm);
no_vm:
	close(x->kvm);
no_kvm:
	free(x);
	vm->priv = NULL;
	return r;
}

static void vtx_vm_fini(struct vm *vm)
{
	struct vtx_vm *x = vtx_vm(vm);

	close(x->vm);
	close(x->kvm);
	free(x);
	vm->priv = NULL;
}

static int vtx_vcpu_init(struct vcpu *v)
{
	struct vtx_vm *x = vtx_vm(v->vm);
	struct vtx_vcpu *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->engine = x->engine;
	c->shadow = vtx_shadow_paging(x->engine);
	c->time = !getenv("RINGLAB_NESTED");
	c->fd = r = vtx_ioctl(x->vm, KVM_CREATE_VCPU, NULL);
	if (r < 0)
		goto no_vcpu;
	fcntl(c->fd, F_SETFD, FD_CLOEXEC);
	r = vtx_ioctl(x->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	if (r < 0)
		goto no_map;
	c->run_size = (size_t)r;
	c->run = mmap(NULL, c->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->run == MAP_FAILED) {
		r = -errno;
		goto no_map;
	}
	v->priv = c;
	if ((r = vtx_stats_open(v)))
		goto no_stats;
	return 0;
no_stats:
	munmap(c->run, c->run_size);
no_map:
	close(c->fd);
no_vcpu:
	free(c);
	v->priv = NULL;
	return r;
}

static void vtx_vcpu_fini(struct vcpu *v)
{
	struct vtx_vcpu *c = vtx_vcpu(v);

	vtx_stats_close(v);
	munmap(c->run, c->run_size);
	close(c->fd);
	free(c);
	v->priv = NULL;
}

static int vtx_start(struct vcpu *v)
{
	int r = vtx_set_cpuid(v);

	if (!r)
		r = vtx_push(v, REGS_ALL);
	if (!r)
		vtx_stats_start(v);
	return r;
}

/* ioctl does everything here; the rest reads KVM's counters and comes back from the kick. */
static const int vtx_syscalls[] = { SYS_ioctl, SYS_pread64, SYS_rt_sigreturn, -1 };

const struct backend_ops vtx_backend = {
	.name = "vtx",
	.title = "hardware virtualization through KVM",
	.rules = vtx_rules,
	.rule_count = VTX_RULES,
	.probe = vtx_probe,
	.describe = vtx_describe,
	.vm_init = vtx_vm_init,
	.vm_fini = vtx_vm_fini,
	.vcpu_init = vtx_vcpu_init,
	.vcpu_fini = vtx_vcpu_fini,
	.start = vtx_start,
	.run = vtx_run,
	.pull = vtx_pull,
	.push = vtx_push,
	.inject = vtx_inject,
	.ready = vtx_ready,
	.irq_line = vtx_irq_line,
	.kick = vtx_kick,
	.collect = vtx_stats_collect,
	.jail_syscalls = vtx_syscalls,
};
