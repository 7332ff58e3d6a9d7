/*
 * interp.c - the interpreter's loop: fetch, execute, count, single-step, and what happens when an instruction faults.
 *
 * interp_step is the oracle of the tests and the fallback of engines; interp_run is the same in a loop, for the backend
 * of its own (interp_backend.c). A handler that cannot complete jumps out with step_raise, and the exception is delivered
 * here. Read next: decode.c, step.h, deliver.c.
 */
#include <stdarg.h>
#include <sys/mman.h>
#include "ops.h"
#include "segment_private.h"

void interp_init(struct interp *in, enum event_mech mech)
{
	void *p;

	memset(in, 0, sizeof(*in));
	in->mech = mech;
	p = mmap(NULL, sizeof(*in->cache), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return;
	in->cache = p;
	in->cache->fpu = fpu_stubs_create();
}

void interp_fini(struct interp *in)
{
	if (!in->cache)
		return;
	fpu_stubs_destroy(in->cache->fpu);
	munmap(in->cache, sizeof(*in->cache));
	in->cache = NULL;
}

void step_init(struct step *c, struct vcpu *v)
{
	c->v = v;
	c->s = &v->state;
	c->in = &v->interp;
	c->i = NULL;
}

_Noreturn void step_fault(struct step *c)
{
	longjmp(c->env, 1);
}

_Noreturn void step_raise(struct step *c, uint8_t vector, bool has_error, uint32_t error)
{
	c->fault = (struct fault){ vector, has_error, error };
	step_fault(c);
}

_Noreturn void step_crash(struct step *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->in->why, sizeof(c->in->why), fmt, ap);
	va_end(ap);
	c->fault.vector = FAULT_CRASH;
	step_fault(c);
}

/* The exception that ended an instruction; EIP is still at it. */
static enum interp_result deliver_fault(struct step *c)
{
	if (c->fault.vector == FAULT_CRASH)
		return INTERP_CRASH;
	c->in->debug.hits = 0; /* of an instruction that did not complete */
	c->in->debug.fire = false;
	return interp_deliver(c->v, c->fault.vector, DELIVER_EXC, c->fault.has_error, c->fault.error);
}

/* An instruction of a sensitive kind counts once it has completed, at its whole cost. */
static void execute_counted(struct step *c)
{
	struct stats *st = &c->v->stats;
	uint64_t t0 = __rdtsc();

	c->i->fn(c);
	if (c->kind != KIND_NONE && stat_begin(st, c->kind, c->in->mech))
		stat_sample(st, c->kind, c->in->mech, GVA(c->eip), t0, __rdtsc());
}

static enum interp_result debug_trap(struct step *c, uint32_t bits)
{
	debug_status(c->s, bits | (c->trap ? DR6_BS : 0));
	return interp_deliver(c->v, VEC_DB, DELIVER_EXC, false, 0);
}

/* Checks that hold for whole runs of instructions: what this interpreter does not do at all. */
static void refuse_modes(struct step *c)
{
	if (!(c->s->cr0 & CR0_PE))
		step_crash(c, "real mode at eip %#x: the interpreter runs protected mode only", c->eip);
	if ((c->s->efer & EFER_LMA) || (c->s->rflags & FL_VM))
		step_crash(c, "%s mode at eip %#x: the interpreter runs 32-bit protected mode only",
			c->s->efer & EFER_LMA ? "long" : "virtual-8086", c->eip);
}

/* given: the instruction, or NULL to fetch it. */
static inline __attribute__((always_inline)) enum interp_result step_one(struct step *c, const struct insn *given)
{
	struct cpu_state *s = c->s;
	unsigned cpl = CPL(s);
	uint32_t bits;

	c->eip = (uint32_t)s->rip;
	c->user = cpl == 3 ? ACCESS_USER : 0;
	c->align = cpl == 3 && (s->rflags & FL_AC) && (s->cr0 & CR0_AM);
	c->trap = s->rflags & FL_TF;
	c->result = INTERP_DONE;
	c->debug = false;
	if (unlikely((s->dr[7] & 0xff) || c->in->debug.active))
		c->debug = debug_begin(c);
	if (unlikely(!(s->cr0 & CR0_PE)) || unlikely(s->efer & EFER_LMA) || unlikely(s->rflags & FL_VM))
		refuse_modes(c);
	c->i = given ? given : insn_fetch(c);
	c->next = c->eip + c->i->len;
	if (unlikely(!(s->seg[S_CS].attr & SEG_DB)))
		c->next &= 0xffff;
	c->kind = c->i->kind;
	s->int_shadow = 0;
	s->rflags &= ~(uint64_t)FL_RF;
	if (unlikely(c->kind != KIND_NONE || c->i->late) && c->in->count)
		execute_counted(c);
	else
		c->i->fn(c);
	s->rip = c->next;
	if (unlikely(c->debug) && (bits = debug_end(c)))
		return debug_trap(c, bits);
	if (unlikely(c->trap) && !(s->int_shadow & INT_SHADOW_MOVSS))
		return debug_trap(c, 0);
	return c->result;
}

enum interp_result interp_step(struct vcpu *v)
{
	struct step c;

	step_init(&c, v);
	if (_setjmp(c.env))
		return deliver_fault(&c);
	return step_one(&c, NULL);
}

_Static_assert(sizeof(struct interp_code) == sizeof(struct insn), "interp.h");

bool interp_decode(struct interp_code *code, const uint8_t *bytes, unsigned len, unsigned skip)
{
	struct insn *i = (struct insn *)code->insn;
	uint8_t buf[16] = { 0 };
	int status;

	memcpy(buf, bytes, len < 15 ? len : 15);
	if (!len || len > 15 || !insn_decode(i, buf, len, true, &status) || i->len != len)
		return false;
	i->len = (uint8_t)(len + skip);
	return true;
}

enum interp_result interp_step_code(struct vcpu *v, const struct interp_code *code)
{
	struct step c;

	step_init(&c, v);
	if (_setjmp(c.env))
		return deliver_fault(&c);
	return step_one(&c, (const struct insn *)code->insn);
}

static bool window_open(const struct vcpu *v)
{
	return v->irq_window && (v->state.rflags & FL_IF) && !v->state.int_shadow;
}

static void debug_exit(struct exit *e, enum debug_why why)
{
	*e = (struct exit){ .reason = EXIT_DEBUG, .debug.why = why };
}

enum interp_result interp_run_debugged(struct vcpu *v, struct exit *e)
{
	enum interp_result r = INTERP_DONE;

	while (r == INTERP_DONE && !v->attention && !window_open(v)) {
		if (!v->debug.step && debug_break_at(&v->debug, (uint32_t)(v->state.seg[S_CS].base + v->state.rip))) {
			debug_exit(e, DEBUG_BREAK);
			return INTERP_DONE;
		}
		if (v->insns.on) {
			if (!v->insns.left)
				return INTERP_DONE;
			v->insns.left--;
		}
		r = interp_step(v);
		if (unlikely(v->interp.debug.watch) && interp_watch_hit(v, e))
			return INTERP_DONE;
		if (r == INTERP_DONE && v->debug.step && v->vm->end == END_NONE) {
			debug_exit(e, DEBUG_STEP);
			return INTERP_DONE;
		}
	}
	return r;
}

enum interp_result interp_run(struct vcpu *v)
{
	enum interp_result r;
	struct step c;

	step_init(&c, v);
	if (_setjmp(c.env)) {
		r = deliver_fault(&c);
		if (r != INTERP_DONE)
			return r;
	}
	do {
		if (unlikely(v->attention) || unlikely(window_open(v)))
			return INTERP_DONE;
		if (unlikely(v->insns.on)) {
			if (!v->insns.left)
				return INTERP_DONE;
			v->insns.left--;
		}
		r = step_one(&c, NULL);
	} while (likely(r == INTERP_DONE));
	return r;
}
