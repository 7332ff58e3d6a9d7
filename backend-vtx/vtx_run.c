/*
 * vtx_run.c - from one KVM_RUN to the next: entry, the exits that KVM hands to us, interrupts, the kick.
 *
 * Core's run loop calls vtx_run. An exit that KVM handles alone never comes here; vtx_stats.c learns of those from KVM's own
 * counters. After an exit for I/O, MMIO or an MSR the instruction is only half done: KVM finishes it at the next KVM_RUN,
 * which vtx_finish does without entering the guest. Read next: vtx_stats.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "core/witness.h"
#include "vtx.h"

static unsigned long long llu(uint64_t v)
{
	return v;
}

/* Entry to the guest until something needs us: 0, or -errno of KVM_RUN; -EINTR is a kick. */
static int vtx_enter(struct vtx_vcpu *c)
{
	return ioctl(c->fd, KVM_RUN, NULL) < 0 ? -errno : 0;
}

int vtx_finish(struct vcpu *v)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	int r;

	if (!c->unfinished || c->stashed)
		return 0;
	c->run->immediate_exit = 1; /* finish, do not enter */
	r = vtx_enter(c);
	c->run->immediate_exit = 0;
	c->unfinished = false;
	if (r == -EINTR)
		return 0;
	c->stashed = !r; /* the next part of a string instruction */
	return r;
}

/* The linear address of the instruction that left the guest; only asked where the user wants to read it. */
static gva_t exit_eip(struct vcpu *v)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	if (vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_REGS, &r) || vtx_ioctl(vtx_vcpu(v)->fd, KVM_GET_SREGS, &s))
		return GVA(0);
	return GVA(s.cs.base + r.rip);
}

static void exit_port(struct vcpu *v, struct exit *e)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	struct kvm_run *run = c->run;

	e->reason = EXIT_PORT;
	e->port.port = run->io.port;
	e->port.size = run->io.size;
	e->port.write = run->io.direction == KVM_EXIT_IO_OUT;
	e->port.count = run->io.count;
	e->port.data = (uint8_t *)run + run->io.data_offset;
	c->unfinished = true;
	vtx_count(v, e->port.write ? EV_PORT_OUT : EV_PORT_IN, run->io.count);
	v->stats.string_elements += run->io.count - 1;
}

/* The data of a read must be in the run page before the next entry, so the bus is asked here. */
static void exit_mmio(struct vcpu *v)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	struct kvm_run *run = c->run;
	uint64_t value = 0;

	c->unfinished = true;
	vtx_count(v, EV_MMIO, 1);
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, run->mmio.len);
		bus_mmio_write(&v->vm->bus, GPA(run->mmio.phys_addr), run->mmio.len, value);
	} else {
		value = bus_mmio_read(&v->vm->bus, GPA(run->mmio.phys_addr), run->mmio.len);
		memcpy(run->mmio.data, &value, run->mmio.len);
	}
}

static void exit_shutdown(struct vcpu *v, struct exit *e)
{
	if (vtx_vcpu(v)->engine == ENGINE_PVM)
		exit_crash(e, exit_eip(v), "triple fault, but /dev/kvm is kvm_pvm, a software engine that cannot run 32-bit guests "
			"with paging: run it on bt, or by scripts/nested-vtx on real VMX semantics");
	else
		e->reason = EXIT_SHUTDOWN;
}

/* KVM's emulator gave up; the bytes it stopped at are the only clue (KVM API, KVM_EXIT_INTERNAL_ERROR). */
static void exit_internal(struct vcpu *v, struct exit *e)
{
	static const char *const what[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "KVM could not emulate an instruction",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "exceptions at once that KVM does not combine",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "KVM could not deliver an event",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "an exit reason that KVM does not expect",
	};
	struct kvm_run *run = vtx_vcpu(v)->run;
	uint32_t sub = run->internal.suberror;
	char bytes[64] = "";

	if (sub == KVM_INTERNAL_ERROR_EMULATION && run->emulation_failure.ndata >= 1 &&
	    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
		size_t n = snprintf(bytes, sizeof(bytes), ", bytes");
		for (unsigned i = 0; i < run->emulation_failure.insn_size && i < 15; i++)
			n += snprintf(bytes + n, sizeof(bytes) - n, " %02x", run->emulation_failure.insn_bytes[i]);
	}
	exit_crash(e, exit_eip(v), "%s (KVM internal error %u%s)",
		sub < ARRAY_LEN(what) && what[sub] ? what[sub] : "KVM gave up", sub, bytes);
}

static void exit_fail_entry(struct vcpu *v, struct exit *e)
{
	uint64_t why = vtx_vcpu(v)->run->fail_entry.hardware_entry_failure_reason;

	exit_crash(e, exit_eip(v), "the CPU refused to enter the guest: reason %#llx (%s); hardware forbids the guest's state",
		llu(why), vtx_engine_name(vtx_vcpu(v)->engine));
}

static void exit_hlt(struct vcpu *v, struct exit *e)
{
	v->state.halted = 1;
	e->reason = EXIT_HLT;
	vtx_count(v, EV_HLT, 1);
	vtx_vcpu(v)->timed.t0 = 0; /* how long the guest slept is not a cost of ours */
}

static void exit_window(struct vcpu *v, struct exit *e)
{
	vtx_count(v, EV_IRQ_WINDOW, 1);
	e->reason = EXIT_IRQ_WINDOW;
}

static int exit_msr(struct vcpu *v)
{
	vtx_count(v, vtx_vcpu(v)->run->exit_reason == KVM_EXIT_X86_RDMSR ? EV_MSR_READ : EV_MSR_WRITE, 1);
	vtx_vcpu(v)->unfinished = true;
	return vtx_msr_exit(v);
}

static void exit_unknown(struct vcpu *v, struct exit *e)
{
	struct kvm_run *run = vtx_vcpu(v)->run;

	vtx_count(v, EV_OTHER, 1);
	exit_crash(e, exit_eip(v), "KVM left the guest with exit %u%s%llx, which has no handler here", run->exit_reason,
		run->exit_reason == KVM_EXIT_UNKNOWN ? ", hardware reason 0x" : ", 0x", llu(run->hw.hardware_exit_reason));
}

/* DR6: the low four bits say which register, BS a step (SDM vol. 3, 17.2.3). */
static void exit_debug(struct vcpu *v, struct exit *e)
{
	const struct debug *d = &v->debug;
	uint64_t dr6 = vtx_vcpu(v)->run->debug.arch.dr6;

	*e = (struct exit){ .reason = EXIT_DEBUG, .debug.why = DEBUG_STEP };
	for (unsigned i = 0; i < d->breaks + d->watches; i++) {
		if (!(dr6 >> i & 1))
			continue;
		e->debug.why = i < d->breaks ? DEBUG_BREAK : DEBUG_WATCH;
		if (i >= d->breaks) {
			e->debug.addr = GVA(d->watch[i - d->breaks].lin);
			e->debug.access = d->watch[i - d->breaks].access;
		}
		return;
	}
}

/* --witness: what KVM read from the VMCS. The guest's registers are the CPU's own, so that it believes what is true. */
static void vtx_witness(struct vcpu *v)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	struct kvm_sregs s;
	struct kvm_regs r;

	if (vtx_ioctl(c->fd, KVM_GET_REGS, &r) || vtx_ioctl(c->fd, KVM_GET_SREGS, &s))
		return;
	uint32_t flags = (uint32_t)r.rflags, cpl = s.ss.dpl & 3;
	witness_note(&v->stats, (uint32_t)r.rip,
		&(struct witness_real){ .seen = WITNESS_ALL, .cs = s.cs.selector, .ss = s.ss.selector, .eflags = flags, .cpl = cpl, .nonroot = true },
		&(struct witness_guest){ s.cs.selector, s.ss.selector, flags, cpl });
}

/* What KVM_RUN returned with: 1 when *e is for core, 0 to enter again, -errno. */
static int vtx_exit(struct vcpu *v, struct exit *e)
{
	struct kvm_run *run = vtx_vcpu(v)->run;

	if (v->stats.witness)
		vtx_witness(v);
	switch (run->exit_reason) {
	case KVM_EXIT_IO: exit_port(v, e); return 1;
	case KVM_EXIT_MMIO: exit_mmio(v); return 0;
	case KVM_EXIT_HLT: exit_hlt(v, e); return 1;
	case KVM_EXIT_IRQ_WINDOW_OPEN: exit_window(v, e); return 1;
	case KVM_EXIT_SHUTDOWN: exit_shutdown(v, e); return 1;
	case KVM_EXIT_INTERNAL_ERROR: exit_internal(v, e); return 1;
	case KVM_EXIT_FAIL_ENTRY: exit_fail_entry(v, e); return 1;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR: return exit_msr(v);
	case KVM_EXIT_SET_TPR: vtx_count(v, EV_CR_WRITE, 1); return 0; /* CR8, which no controller of ours listens to */
	case KVM_EXIT_DEBUG: exit_debug(v, e); return 1;
	case KVM_EXIT_INTR: e->reason = EXIT_KICK; return 1;
	default: exit_unknown(v, e); return 1;
	}
}

static int kicked(struct vcpu *v, struct exit *e)
{
	vtx_vcpu(v)->run->immediate_exit = 0; /* core looks at its timers before the next entry: no kick is lost */
	e->reason = EXIT_KICK;
	return 0;
}

int vtx_run(struct vcpu *v, struct exit *e)
{
	struct vtx_vcpu *c = vtx_vcpu(v);
	int r;

	for (;;) {
		if (!c->stashed) {
			if (v->attention)
				return kicked(v, e);
			vtx_count_end(v);
			c->run->request_interrupt_window = v->irq_window;
			v->state.halted = 0;
			r = vtx_enter(c);
			c->unfinished = c->not_ready = false;
			if (r == -EINTR) {
				stat_count(&v->stats, EV_KICK, MECH_VMEXIT);
				return kicked(v, e);
			}
			if (r)
				return r;
		}
		c->stashed = false;
		r = vtx_exit(v, e);
		if (r)
			return r < 0 ? r : 0;
	}
}

int vtx_inject(struct vcpu *v, uint8_t vector)
{
	struct kvm_interrupt irq = { .irq = vector };
	int r = vtx_ioctl(vtx_vcpu(v)->fd, KVM_INTERRUPT, &irq);

	if (r)
		return r;
	vtx_vcpu(v)->not_ready = true;
	v->state.halted = 0;
	stat_count(&v->stats, EV_IRQ_DELIVERED, MECH_VMEXIT);
	return 0;
}

/* KVM says so at each exit; after we changed something it is asked by an interrupt window instead. */
bool vtx_ready(struct vcpu *v)
{
	const struct vtx_vcpu *c = vtx_vcpu(v);

	return !c->not_ready && c->run->if_flag && c->run->ready_for_interrupt_injection;
}

/* In the handler of SIG_KICK, on the vCPU's thread: between the test of attention and KVM_RUN this is what is not lost. */
void vtx_kick(struct vcpu *v, void *ucontext)
{
	struct vtx_vcpu *c = vtx_vcpu(v);

	if (c)
		c->run->immediate_exit = 1;
}
