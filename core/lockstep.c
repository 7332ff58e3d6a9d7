/*
 * lockstep.c - runs two VMs side by side: same instructions, same times, same interrupts; then compares.
 *
 * One round: fire the timers that are due, inject what is pending, let the leader run until it leaves, let the follower
 * execute exactly as many instructions, compare (lockstep_diff.c). Everything that could come from outside is a function
 * of the count: clock.c's virtual time. The leader says when an interrupt window has opened, because when exactly is not
 * architectural; that it is open must be true in both. Called by cli_lockstep.c.
 */
#include "lockstep.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "core/console.h"
#include "core/dev.h"
#include "core/irq.h"

#define FULL_EVERY 2000000u /* instructions between comparisons of all of memory */

static uint64_t host_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t retired(const struct vm *vm)
{
	return vm->vcpu.insns.limit - vm->vcpu.insns.left;
}

__attribute__((format(printf, 3, 4)))
static enum lockstep_end end_with(struct lockstep *l, enum lockstep_end end, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	if (end == LOCKSTEP_DIFFER) {
		l->differ = true;
		for (unsigned i = 0; i < 2; i++)
			l->diff_insns[i] = retired(l->vm[i]);
	}
	return end;
}

/* --- life --- */

static void note_write(void *ctx, gpa_t gpa, unsigned len)
{
	struct lockstep *l = ctx;

	for (uint64_t p = gpa.a >> PAGE_SHIFT; p <= (gpa.a + len - 1) >> PAGE_SHIFT && p < l->pages; p++)
		if (!l->dirty_bit[p]) {
			l->dirty_bit[p] = 1;
			l->dirty[l->dirties++] = (uint32_t)p;
		}
}

static void hook(struct lockstep *l, struct vm *vm)
{
	if (!vm->vcpu.interp.hooks.phys_write)
		vm->vcpu.interp.hooks = (struct interp_hooks){ .ctx = l, .phys_write = note_write };
}

/* The follower goes on with its own engine. All that an engine knows beyond the shared state is derived from it. */
static int change_engine(struct lockstep *l)
{
	struct vm *vm = l->vm[1];
	int r;

	vm->ops->pull(&vm->vcpu, REGS_ALL);
	vm->ops->vcpu_fini(&vm->vcpu);
	vm->ops->vm_fini(vm);
	vm->ops = vm->cfg.ops = l->cfg.ops[1];
	l->cfg.skip = 0;
	if ((r = vm->ops->vm_init(vm)) || (r = vm->ops->vcpu_init(&vm->vcpu)))
		return r;
	hook(l, vm);
	return vm->ops->start(&vm->vcpu);
}

int lockstep_create(struct lockstep **out, const struct lockstep_config *cfg)
{
	struct lockstep *l = calloc(1, sizeof(*l));
	int r = -ENOMEM;

	if (!l)
		return r;
	l->cfg = *cfg;
	l->every = cfg->every ? cfg->every : 1;
	l->pages = (uint32_t)(cfg->vm.mem_size >> PAGE_SHIFT);
	l->dirty_bit = calloc(l->pages, 1);
	l->dirty = calloc(l->pages, sizeof(*l->dirty));
	for (unsigned i = 0; l->dirty && l->dirty_bit && i < 2; i++) {
		struct vm_config c = cfg->vm;

		c.ops = cfg->skip ? cfg->ops[0] : cfg->ops[i];
		c.count_insns = true;
		c.timeout_ns = 0;
		c.console_in = -1;
		c.console_out = i ? -1 : c.console_out;
		if ((r = vm_create(&l->vm[i], &c)))
			break;
		hook(l, l->vm[i]);
	}
	if (r)
		lockstep_destroy(l);
	else
		*out = l;
	return r;
}

void lockstep_destroy(struct lockstep *l)
{
	/* In reverse: each VM puts back the signal handlers that it found. */
	for (unsigned i = 2; i-- > 0;)
		vm_destroy(l->vm[i]);
	free(l->dirty);
	free(l->dirty_bit);
	free(l);
}

int lockstep_load(struct lockstep *l, const struct load_request *req)
{
	int r = 0;

	for (unsigned i = 0; !r && i < 2; i++) {
		r = vm_load(l->vm[i], req);
		if (r)
			snprintf(l->why, sizeof(l->why), "%s", l->vm[i]->why[0] ? l->vm[i]->why : strerror(-r));
	}
	for (unsigned i = 0; !r && i < 2; i++) {
		struct vm *vm = l->vm[i];

		vm->thread = pthread_self();
		r = vm->ops->start(&vm->vcpu);
		if (r)
			snprintf(l->why, sizeof(l->why), "backend %s cannot start: %s", vm->ops->name, strerror(-r));
	}
	l->before = l->vm[0]->vcpu.state;
	l->deadline_ns = l->cfg.timeout_ns ? host_ns() + l->cfg.timeout_ns : UINT64_MAX;
	return r;
}

/* --- one round --- */

/* Timers, and an interrupt where both can take it; *limit shrinks where only the leader can. */
static int before_run(struct lockstep *l, uint64_t *limit)
{
	bool ready[2];
	int r = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct vm *vm = l->vm[i];

		vm->vcpu.attention = 0;
		vm->vcpu.irq_window = 0;
		if (!interp_debug_needed(&vm->vcpu))
			vm->vcpu.state.rflags &= ~(uint64_t)FL_RF; /* see lockstep_diff.c */
		clock_run(&vm->clock);
		ready[i] = vm->ops->ready(&vm->vcpu);
	}
	if (!irq_pending(l->vm[0]) || !irq_pending(l->vm[1]))
		return 0;
	if (!ready[0])
		l->vm[0]->vcpu.irq_window = 1;
	else if (!ready[1]) /* behind STI, which the leader need not remember */
		*limit = l->done + 1 < *limit ? l->done + 1 : *limit;
	else
		for (unsigned i = 0; !r && i < 2; i++)
			r = l->vm[i]->ops->inject(&l->vm[i]->vcpu, (uint8_t)irq_ack(l->vm[i]));
	return r;
}

/* Runs one VM until it leaves; whole: until its instructions are used up, whatever it leaves for. */
static int run_side(struct vm *vm, bool whole, bool *halted)
{
	struct vcpu *v = &vm->vcpu;
	int r;

	*halted = false;
	do {
		struct exit e = { 0 };

		v->attention = 0;
		if ((r = vm->ops->run(v, &e)))
			return r;
		*halted = e.reason == EXIT_HLT;
		if (!*halted)
			exit_handle(v, &e);
	} while (whole && v->insns.left && !*halted && vm->end == END_NONE);
	return 0;
}

/* Both have executed HLT: nothing happens until the next timer. */
static enum lockstep_end sleep_both(struct lockstep *l)
{
	for (;;) {
		uint64_t next = clock_next(&l->vm[0]->clock);

		for (unsigned i = 0; i < 2; i++)
			clock_run(&l->vm[i]->clock);
		if (irq_pending(l->vm[0]) || irq_pending(l->vm[1]))
			return LOCKSTEP_GOES_ON;
		next = clock_next(&l->vm[0]->clock);
		if (next == CLOCK_NEVER || !l->vm[0]->ops->ready(&l->vm[0]->vcpu))
			return end_with(l, LOCKSTEP_ENDED, "the guest halted, and nothing can wake it");
		for (unsigned i = 0; i < 2; i++)
			clock_skip(&l->vm[i]->clock, next);
	}
}

static bool clocks_differ(const struct lockstep *l)
{
	return clock_next(&l->vm[0]->clock) != clock_next(&l->vm[1]->clock) || irq_pending(l->vm[0]) != irq_pending(l->vm[1]);
}

static enum lockstep_end compare(struct lockstep *l, bool halted0, bool halted1)
{
	struct vm *a = l->vm[0], *b = l->vm[1];
	bool full = l->done >= l->full_next || a->end != END_NONE;
	int64_t page;

	if (retired(a) != retired(b) || halted0 != halted1 || a->end != b->end || a->status != b->status)
		return end_with(l, LOCKSTEP_DIFFER, "%s %s after %llu instructions, and %s %s after %llu", a->ops->name,
			a->end != END_NONE ? "ended" : halted0 ? "halted" : "was still running", (unsigned long long)retired(a), b->ops->name,
			b->end != END_NONE ? "ended" : halted1 ? "halted" : "was still running", (unsigned long long)retired(b));
	if (lockstep_regs_differ(&a->vcpu.state, &b->vcpu.state))
		return end_with(l, LOCKSTEP_DIFFER, "registers differ");
	if (clocks_differ(l))
		return end_with(l, LOCKSTEP_DIFFER, "timers or interrupt lines differ");
	page = lockstep_memory_differs(l, full);
	if (page >= 0) {
		l->watch[l->watches++ % LOCK_WATCH] = (uint32_t)page;
		return end_with(l, LOCKSTEP_DIFFER, "memory differs in the page at %#llx", (unsigned long long)page << PAGE_SHIFT);
	}
	if (full) {
		l->same = l->done;
		l->full_next = l->done + FULL_EVERY;
	}
	l->before = a->vcpu.state;
	if (a->end != END_NONE)
		return end_with(l, LOCKSTEP_ENDED, "the guest ended: %s", a->end == END_EXIT ? "exit" : a->why);
	return LOCKSTEP_GOES_ON;
}

static enum lockstep_end one_round(struct lockstep *l, uint64_t insns)
{
	struct vm *a = l->vm[0], *b = l->vm[1];
	uint64_t limit = l->done + l->every < insns ? l->done + l->every : insns;
	bool halted[2];
	enum lockstep_end end;
	int r;

	if (l->cfg.skip)
		limit = l->cfg.skip < limit ? l->cfg.skip : limit;
	if ((r = before_run(l, &limit)))
		return end_with(l, LOCKSTEP_HOST, "the host failed: %s", strerror(-r));
	clock_allow(&a->clock, limit);
	if ((r = run_side(a, false, &halted[0])))
		return end_with(l, LOCKSTEP_HOST, "the host failed backend %s: %s", a->ops->name, strerror(-r));
	b->vcpu.insns.left = retired(a) - retired(b);
	b->vcpu.insns.limit = retired(a);
	if (b->vcpu.insns.left && (r = run_side(b, true, &halted[1])))
		return end_with(l, LOCKSTEP_HOST, "the host failed backend %s: %s", b->ops->name, strerror(-r));
	if (!(retired(a) - l->done))
		halted[1] = halted[0];
	l->done = retired(a);
	end = compare(l, halted[0], halted[1]);
	if (end == LOCKSTEP_GOES_ON && l->cfg.skip && l->done >= l->cfg.skip && (r = change_engine(l)))
		return end_with(l, LOCKSTEP_HOST, "the host failed: %s", strerror(-r));
	return end == LOCKSTEP_GOES_ON && halted[0] ? sleep_both(l) : end;
}

enum lockstep_end lockstep_run(struct lockstep *l, uint64_t insns)
{
	enum lockstep_end end = LOCKSTEP_GOES_ON;

	while (end == LOCKSTEP_GOES_ON) {
		if (l->done >= insns)
			end = end_with(l, LOCKSTEP_ENOUGH, "as many instructions as asked for");
		else if (l->vm[0]->interrupted || (++l->rounds % 256 == 0 && host_ns() > l->deadline_ns))
			end = end_with(l, LOCKSTEP_TIMEOUT, l->vm[0]->interrupted ? "interrupted" : "the time-out was reached");
		else
			end = one_round(l, insns);
	}
	if (end == LOCKSTEP_ENOUGH) {
		int64_t page = lockstep_memory_differs(l, true);
		if (page >= 0) {
			l->watch[l->watches++ % LOCK_WATCH] = (uint32_t)page;
			end = end_with(l, LOCKSTEP_DIFFER, "memory differs in the page at %#llx", (unsigned long long)page << PAGE_SHIFT);
		} else {
			l->same = l->done;
		}
	}
	uart_flush(l->vm[0]);
	console_flush(l->vm[0]);
	return end;
}

enum lockstep_end lockstep_refine(struct lockstep *l, const struct lockstep *coarse)
{
	uint64_t until = (coarse->diff_insns[0] > coarse->diff_insns[1] ? coarse->diff_insns[0] : coarse->diff_insns[1]) + 1;
	enum lockstep_end end = LOCKSTEP_ENOUGH;

	if (coarse->same)
		end = lockstep_run(l, coarse->same);
	if (end != LOCKSTEP_ENOUGH)
		return end;
	memcpy(l->watch, coarse->watch, sizeof(l->watch));
	l->watches = coarse->watches;
	l->every = 1;
	return lockstep_run(l, until);
}

struct vm *lockstep_vm(struct lockstep *l, unsigned side) { return l->vm[side]; }
uint64_t lockstep_insns(const struct lockstep *l) { return l->done; }
const char *lockstep_why(const struct lockstep *l) { return l->why; }
