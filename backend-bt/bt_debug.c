/*
 * bt_debug.c - a debugger's breakpoints and steps in translated code.
 *
 * A breakpoint is a guest address before which translated code leaves (TH_STOP): no byte of guest memory changes, and code
 * without one runs as fast as ever. When the set changes only the blocks that hold those addresses are translated anew. A
 * step is one instruction by the interpreter, and watchpoints are its business (interp_debug.c): with one set no translated
 * code runs at all. Called by bt.c and bt_translate.c.
 */
#include "bt_private.h"

bool debug_stops_at(const struct bt *b, uint32_t eip)
{
	return (b->have_stop && eip == b->stop_eip) || debug_break_at(&b->brk, eip);
}

/* While it steps, translated code does not run: gdb takes its breakpoints away for a step, and puts them back. */
void debug_push(struct bt *b)
{
	const struct debug *want = &b->v->debug;

	interp_debug_changed(b->v);
	if (want->step)
		return;
	for (unsigned i = 0; i < b->brk.breaks; i++)
		if (!debug_break_at(want, b->brk.brk[i]))
			block_kill_at(b, (uint32_t)b->brk.brk[i]);
	for (unsigned i = 0; i < want->breaks; i++)
		if (!debug_break_at(&b->brk, want->brk[i]))
			block_kill_at(b, (uint32_t)want->brk[i]);
	b->brk = *want;
}

bool debug_stops(struct bt *b, bool stepped, struct exit *e)
{
	struct vcpu *v = b->v;
	enum debug_why why = DEBUG_NONE;

	if (stepped && interp_watch_hit(v, e))
		return true;
	if (v->debug.step)
		why = stepped ? DEBUG_STEP : DEBUG_NONE;
	else if (debug_break_at(&v->debug, (uint32_t)(v->state.seg[S_CS].base + v->state.rip)))
		why = DEBUG_BREAK;
	if (why == DEBUG_NONE)
		return false;
	*e = (struct exit){ .reason = EXIT_DEBUG, .debug.why = why };
	return true;
}
