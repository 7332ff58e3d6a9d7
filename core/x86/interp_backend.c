/*
 * interp_backend.c - the reference interpreter as a backend of its own: slow, by the book, on any host.
 *
 * `ringlab run --backend interp`. There is nothing between guest and VMM here: every sensitive instruction is simply
 * interpreted, and counted as such. Read next: interp.c.
 */
#include "core/interp.h"
#include "core/vm.h"
#include "interp_rules.h"

static const char *interp_probe(char *engine, size_t n)
{
	snprintf(engine, n, "interp");
	return NULL;
}

static int interp_vm_init(struct vm *vm) { return 0; }
static void interp_vm_fini(struct vm *vm) { }
static void interp_vcpu_fini(struct vcpu *v) { }
static int interp_pull(struct vcpu *v, unsigned groups) { return 0; }

static int interp_vcpu_init(struct vcpu *v)
{
	v->interp.mech = MECH_INTERP;
	v->interp.count = true;
	return 0;
}

static int interp_push(struct vcpu *v, unsigned groups)
{
	if (groups != REGS_DEBUG)
		interp_tlb_flush(&v->interp);
	if (groups & REGS_DEBUG)
		interp_debug_changed(v);
	return 0;
}

static int interp_start(struct vcpu *v)
{
	interp_tlb_flush(&v->interp);
	return 0;
}

static bool interp_ready(struct vcpu *v)
{
	return (v->state.rflags & FL_IF) && !v->state.int_shadow;
}

/* What the interpreter's result is as an exit. */
static void fill_exit(struct vcpu *v, enum interp_result r, struct exit *e)
{
	switch (r) {
	case INTERP_HLT: e->reason = EXIT_HLT; break;
	case INTERP_SHUTDOWN: e->reason = EXIT_SHUTDOWN; break;
	case INTERP_CRASH: exit_crash(e, GVA(v->state.rip), "%s", v->interp.why); break;
	default:
		e->reason = v->attention || (v->insns.on && !v->insns.left) ? EXIT_KICK : EXIT_IRQ_WINDOW;
		stat_count(&v->stats, e->reason == EXIT_KICK ? EV_KICK : EV_IRQ_WINDOW, MECH_INTERP);
		break;
	}
}

static int interp_backend_run(struct vcpu *v, struct exit *e)
{
	enum interp_result r;

	e->reason = EXIT_KICK;
	r = debug_active(&v->debug) ? interp_run_debugged(v, e) : interp_run(v);
	if (e->reason == EXIT_DEBUG)
		return 0;
	if (v->vm->end != END_NONE)
		e->reason = EXIT_STOPPED;
	else
		fill_exit(v, r, e);
	return 0;
}

static int interp_inject(struct vcpu *v, uint8_t vector)
{
	uint64_t t0 = stat_begin(&v->stats, EV_IRQ_DELIVERED, MECH_INTERP);
	enum interp_result r = interp_deliver(v, vector, DELIVER_HW, false, 0);

	stat_end(&v->stats, EV_IRQ_DELIVERED, MECH_INTERP, GVA(v->state.rip), t0);
	if (r == INTERP_SHUTDOWN)
		vm_stop(v->vm, END_CRASH, 0, "triple fault while interrupt %u was delivered", vector);
	else if (r == INTERP_CRASH)
		vm_stop(v->vm, END_CRASH, 0, "%s", v->interp.why);
	return 0;
}

static void interp_kick(struct vcpu *v, void *ucontext)
{
	v->attention = 1;
}

const struct backend_ops interp_backend;
const struct backend_ops interp_backend = {
	.name = "interp",
	.title = "reference interpreter",
	.rules = interp_rules,
	.rule_count = INTERP_RULES,
	.probe = interp_probe,
	.vm_init = interp_vm_init,
	.vm_fini = interp_vm_fini,
	.vcpu_init = interp_vcpu_init,
	.vcpu_fini = interp_vcpu_fini,
	.start = interp_start,
	.run = interp_backend_run,
	.pull = interp_pull,
	.push = interp_push,
	.inject = interp_inject,
	.ready = interp_ready,
	.kick = interp_kick,
	.counts_insns = true,
};
