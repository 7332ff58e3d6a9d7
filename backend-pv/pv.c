/*
 * pv.c - direct execution: what the host must offer, and how a VM and its vCPU come and go.
 *
 * The low 4 GiB, the LDT, the signal handlers with their stack: acquired here, before the jail closes, and given back in reverse.
 * Read next: pv_run.c (the run loop), pv_entry.S, pv_signal.c.
 */
#include "pv_holes.h"
#include "pv_scan.h"
#include "core/afterburn.h"
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BLOCK (64u << 10)
#define XSAVE_AREA (16u << 10) /* only the first 576 bytes hold anything, but XRSTOR may touch as much as XCR0 allows */

static const int fault_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };

static bool have_fsgsbase(void)
{
	return getauxval(AT_HWCAP2) & 2; /* HWCAP2_FSGSBASE: the kernel lets user code use it */
}

static bool have_xsave(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE);
}

/* AMD and its kin enter the host kernel by SYSCALL in compatibility mode; Intel by SYSENTER. No feature bit tells. */
static bool have_syscall32(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0, &a, &b, &c, &d) && (b == signature_AMD_ebx || b == 0x6f677948 /* "Hygo"nGenuine */);
}

__attribute__((target("xsave"))) static uint64_t xcr0(void)
{
	return _xgetbv(0);
}

static const char *pv_probe(char *engine, size_t n)
{
	char entry[8];

	snprintf(engine, n, "pv");
#ifdef __SANITIZE_ADDRESS__
	return "AddressSanitizer's shadow memory lies in the low 4 GiB, where guest code would run; use a build without it";
#endif
	if (!have_fsgsbase())
		return "the CPU or the kernel does not let user code set the FS base (FSGSBASE)";
	if (!have_xsave())
		return "the CPU or the kernel has no XSAVE";
	if (syscall(SYS_modify_ldt, 0, entry, sizeof(entry)) < 0)
		return "the kernel refuses modify_ldt (CONFIG_MODIFY_LDT_SYSCALL)";
	return NULL;
}

static void pv_describe(struct vcpu *v, FILE *out)
{
	if (v) {
		if (v->vm->cfg.coverage)
			pv_patch_describe(v, out);
		pv_holes_describe(v, out);
		pv_listing_describe(v, out);
		return;
	}
	fprintf(out, "user isolation: %s\n", pv_keys_cpu() ? "keys (default, if it holds when a guest starts), unmap, limits" :
		"unmap (default), limits; keys not: no protection keys");
	fprintf(out, "vm.mmap_min_addr: %llu\n", (unsigned long long)pv_low_min_addr());
	fprintf(out, "VMM memory: %s\n", pv_keys_cpu() ? "has a protection key of its own with keys, else contained by the jail only" : "contained by the jail only");
	fprintf(out, "CPUID faulting: %s\n", syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1) ? "no: guests see the host's CPUID" : "yes");
}

/* By enum pv_interface. */
static const char *const pv_interfaces[] = { [PV_TRAP] = "trap", [PV_PATCH] = "patch", [PV_PREVIRT] = "previrt", [PV_XEN] = "xen", NULL };

/* ---- life ---- */

static int isolation_choose(struct pv *pv)
{
	const char *want = pv->vm->cfg.user_isolation;

	bool patch = pv->vm->cfg.interface && !strcmp(pv->vm->cfg.interface, "patch");
	const char *why;

	pv->iso = ISO_UNMAP;
	pv->pkey = pv->pkey_user = -1;
	if (want && strcmp(want, "unmap") && strcmp(want, "limits") && strcmp(want, "keys")) {
		snprintf(pv->vm->why, sizeof(pv->vm->why), "--user-isolation %s: choose keys, unmap or limits", want);
		say("%s", pv->vm->why);
		return -EINVAL;
	}
	if (want && strcmp(want, "keys")) {
		pv->iso = *want == 'l' ? ISO_LIMITS : ISO_UNMAP;
		return 0;
	}
	why = patch ? "--interface patch has two versions of a code page, which would both have to be scanned" : pv_keys_init(pv);
	if (!why)
		pv->iso = ISO_KEYS;
	else if (want || (pv_keys_cpu() && !patch))
		say("--user-isolation keys: %s; %s", why, want ? "use unmap" : "unmap is used");
	return why && want ? -ENOTSUP : 0;
}

static int pv_vm_init(struct vm *vm)
{
	struct pv *pv = calloc(1, sizeof(*pv));
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	int r;

	if (!pv)
		return -ENOMEM;
	pv->vm = vm;
	pv->top = PV_TOP;
	pv->trampoline = PAGE_SIZE;
	pv->tsc_start = __rdtsc();
	pv->ns_start = clock_now(&vm->clock);
	pv->syscall32 = have_syscall32();
	pv->landing = (uint32_t)vdso & (uint32_t)PAGE_MASK;
	if ((r = isolation_choose(pv)))
		goto no_iso;
	if ((r = pv_low_reserve(&pv->bottom))) {
		if (r == -EBUSY)
			say("pv: the low 4 GiB are taken: another pv VM lives in this process, and there can be only one");
		goto no_low;
	}
	if ((r = pv_shadow_init(pv)))
		goto no_shadow;
	vm->priv = pv;
	if (vm->cfg.interface && !strcmp(vm->cfg.interface, "patch") && (r = pv_patch_init(pv)))
		goto no_patch;
	return 0;
no_patch:
	vm->priv = NULL;
	pv_shadow_fini(pv);
no_shadow:
	pv_low_release(pv->bottom);
no_low:
	pv_keys_fini(pv);
no_iso:
	free(pv);
	return r;
}

static void pv_vm_fini(struct vm *vm)
{
	struct pv *pv = vm->priv;

	if (!pv)
		return;
	xen_fini(pv);
	pv_patch_fini(pv);
	pv_previrt_fini(pv);
	pv_holes_fini(pv);
	pv_ldt_clear(pv);
	pv_shadow_fini(pv);
	pv_low_release(pv->bottom);
	pv_keys_fini(pv);
	free(pv);
	vm->priv = NULL;
}

static void hook_flush(void *ctx, gva_t gva, bool all, bool global)
{
	struct pv *pv = ctx;

	if (pv->previrt && pv_previrt_flush(pv, (uint32_t)gva.a, all))
		return;
	if (all)
		pv_shadow_flush_all(ctx, !global);
	else
		pv_shadow_flush(ctx, (uint32_t)gva.a);
}

static void hook_written(void *ctx, gpa_t gpa, unsigned len)
{
	struct pv *pv = ctx;

	if (pv->patch)
		pv_patch_written(pv, gpa, len);
	if (pv->scan)
		pv_scan_touched(pv, gpa, len);
}

static void pv_mem_written(struct vm *vm, gpa_t gpa, uint64_t len)
{
	struct pv *pv = vm->priv;

	hook_written(pv, gpa, (unsigned)len);
}

/* Handlers are installed before the jail, and stay until vcpu_fini. The previous ones come back then. */
static int signals_install(struct pv *pv)
{
	struct sigaction sa = { .sa_sigaction = (void (*)(int, siginfo_t *, void *))pv_signal_entry,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	stack_t ss = { .ss_sp = pv->block + 64, .ss_size = BLOCK - 64 };

	sigemptyset(&sa.sa_mask);
	if (sigaltstack(&ss, NULL))
		return -errno;
	for (unsigned i = 0; i < ARRAY_LEN(fault_signals); i++)
		sigaction(fault_signals[i], &sa, &pv->old[i]);
	sa.sa_flags &= ~SA_NODEFER;
	sigaction(SIG_KICK, &sa, &pv->old[ARRAY_LEN(fault_signals)]);
	pv->signals = true;
	return 0;
}

static void signals_remove(struct pv *pv)
{
	stack_t off = { .ss_flags = SS_DISABLE };

	if (!pv->signals)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(fault_signals); i++)
		sigaction(fault_signals[i], &pv->old[i], NULL);
	sigaction(SIG_KICK, &pv->old[ARRAY_LEN(fault_signals)], NULL);
	sigaltstack(&off, NULL);
	pv->signals = false;
}

static void cpu_setup(struct vcpu *v, struct pv_cpu *c, uint8_t *areas)
{
	c->st = &v->state;
	c->v = v;
	c->pv = v->vm->priv;
	c->attention = &v->attention;
	c->xmask = xcr0() & ~(1ull << 9); /* not PKRU */
	c->xsave = areas;
	c->xinit = areas + XSAVE_AREA;
	for (int i = 0; i < 2; i++) {
		uint8_t *x = areas + i * XSAVE_AREA;
		*(uint16_t *)x = 0x37f;          /* FCW after FNINIT */
		*(uint32_t *)(x + 24) = 0x1f80;  /* MXCSR */
	}
	*(uint64_t *)(c->xsave + 512) = 3;
	memcpy(v->state.fx, c->xsave, 512);
}

static int pv_vcpu_init(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	size_t size = 2 * BLOCK;
	/* One mapping, aligned to BLOCK: the signal stack, then struct pv_cpu and the XSAVE areas. */
	uint8_t *p = mmap(NULL, size + BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	uint8_t *block = (uint8_t *)(((uintptr_t)p + BLOCK - 1) & ~(uintptr_t)(BLOCK - 1));
	if (block > p)
		munmap(p, (size_t)(block - p));
	if (block + size < p + size + BLOCK)
		munmap(block + size, (size_t)(p + BLOCK - block));
	_Static_assert(sizeof(struct pv_cpu) + 2 * XSAVE_AREA <= BLOCK, "second half of the block");
	pv->block = block;
	pv->cpu = (struct pv_cpu *)(block + BLOCK);
	*(struct pv_cpu **)block = pv->cpu;
	cpu_setup(v, pv->cpu, block + 2 * BLOCK - 2 * XSAVE_AREA);
	v->interp.mech = MECH_TRAP;
	v->interp.count = true;
	v->interp.debug.ignore = true;
	v->interp.hooks = (struct interp_hooks){ .ctx = pv, .tlb_flush = hook_flush };
	int r = signals_install(pv);
	if (r || pv->iso != ISO_KEYS)
		return r;
	v->interp.hooks.phys_write = hook_written;
	return (r = pv_keys_gate(pv)) ? r : pv_keys_lock(pv);
}

/* No selector of ours may stay in a register when its descriptor goes; the host's FS base stays. */
static void host_segments(void)
{
	uint64_t fs;

	__asm__ volatile("rdfsbase %0" : "=r"(fs));
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs; mov %0, %%fs; wrfsbase %1" : : "r"(0), "r"(fs));
}

static void pv_vcpu_fini(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;

	if (have_fsgsbase())
		host_segments();
	signals_remove(pv);
	if (pv->cpuid_faulting)
		syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
	if (pv->block)
		munmap(pv->block, 2 * BLOCK);
	pv->block = NULL;
	pv->cpu = NULL;
}

/* What --interface says (its name is known: the CLI has checked), or else what the image is made for. */
static enum pv_interface interface_choose(const struct vm *vm)
{
	const char *want = vm->cfg.interface, *why;
	size_t size;

	for (unsigned i = 0; want && pv_interfaces[i]; i++)
		if (!strcmp(want, pv_interfaces[i]))
			return (enum pv_interface)i;
	if (vm->image.kind == IMAGE_XEN)
		return PV_XEN;
	return afterburn_section(vm->image.file, vm->image.file_size, &size, &why) || why ? PV_PREVIRT : PV_TRAP;
}

static int pv_start(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	bool xen;
	int r = 0;

	pv->interface = interface_choose(v->vm);
	xen = pv->interface == PV_XEN;
	if (xen && v->vm->image.kind != IMAGE_XEN) {
		vm_stop(v->vm, END_CRASH, 0, "the image carries no Xen notes: --interface xen needs a Xen guest");
		return 0;
	}
	if (v->vm->image.kind == IMAGE_ELF64) {
		vm_stop(v->vm, END_CRASH, 0, "a 64-bit image: pv runs 32-bit guests; use vtx");
		return 0;
	}
	if (v->vm->image.kind == IMAGE_LINUX) {
		vm_stop(v->vm, END_CRASH, 0, "an unmodified Linux cannot run deprivileged: in ring 3 its POPF, PUSHF and segment reads silently "
			"do the wrong thing; use bt or vtx");
		return 0;
	}
	__asm__ volatile("rdfsbase %0" : "=r"(pv->cpu->host_fs));
	memcpy(pv->cpu->xsave, v->state.fx, 512);
	if (xen)
		r = xen_start(v);
	else if (pv->interface == PV_PREVIRT)
		r = pv_previrt_start(v);
	else
		pv_trap_start(v);
	if (v->vm->cfg.holes && (pv->interface != PV_TRAP || pv_holes_init(pv))) {
		vm_stop(v->vm, END_CRASH, 0, pv->interface == PV_TRAP ? "no memory for --holes" : "--holes is for --interface trap");
		return 0;
	}
	if (pv->interface == PV_PATCH) {
		v->interp.hooks.phys_write = hook_written;
		r = pv_patch_start(v);
	}
	/* From here on CPUID faults in VMM code too: none is executed there, and the signal handler would say so. */
	pv->cpuid_faulting = !r && !syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
	pv->started = true;
	return r;
}

static int pv_pull(struct vcpu *v, unsigned groups)
{
	struct pv *pv = v->vm->priv;

	if ((groups & REGS_FPU) && pv->cpu && pv->started)
		memcpy(v->state.fx, pv->cpu->xsave, sizeof(v->state.fx));
	if (groups == REGS_ALL && pv->space)
		pv_space_note(pv);
	return 0;
}

static int pv_push(struct vcpu *v, unsigned groups)
{
	struct pv *pv = v->vm->priv;

	if ((groups & REGS_DEBUG) && debug_active(&v->debug))
		return -ENOTSUP; /* guest code runs directly, and a host trap belongs to the guest */
	if ((groups & REGS_FPU) && pv->cpu)
		memcpy(pv->cpu->xsave, v->state.fx, sizeof(v->state.fx));
	return 0;
}

/* Never called: pv's own SIG_KICK handler sets attention, and leaves the guest by not returning to it. */
static void pv_kick(struct vcpu *v, void *ucontext)
{
}

static void pv_collect(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;

	if (pv && pv->previrt)
		pv_previrt_collect(v);
	else
		pv_patch_collect(v);
	pv_holes_collect(v);
}

/* No rt_sigreturn: handlers leave by re-entering the guest. mmap, munmap and mprotect are in core's list. */
static const int pv_syscalls[] = { SYS_modify_ldt, SYS_arch_prctl, SYS_pkey_mprotect, -1 };

const struct backend_ops pv_backend = {
	.name = "pv",
	.title = "direct execution",
	.rules = pv_rules,
	.rule_count = PV_RULES,
	.lists_code = true,
	.interfaces = pv_interfaces,
	.probe = pv_probe,
	.describe = pv_describe,
	.vm_init = pv_vm_init,
	.vm_fini = pv_vm_fini,
	.vcpu_init = pv_vcpu_init,
	.vcpu_fini = pv_vcpu_fini,
	.start = pv_start,
	.run = pv_run,
	.pull = pv_pull,
	.push = pv_push,
	.inject = pv_inject,
	.mem_written = pv_mem_written,
	.ready = pv_ready,
	.kick = pv_kick,
	.collect = pv_collect,
	.jail_syscalls = pv_syscalls,
};
