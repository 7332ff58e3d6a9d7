/*
 * gdb_break.c - breakpoints and watchpoints: the set that gdb asks for, and its way to the backend.
 *
 * A set is what the backend does with it: `bt` and the interpreter compare addresses, KVM uses the CPU's debug registers.
 * None writes an INT3 into guest memory, so the guest cannot see a breakpoint, and one may lie where nothing is mapped yet.
 * Software and hardware breakpoints are therefore the same thing. Called by gdb_command.c and gdb.c.
 */
#include <errno.h>
#include <string.h>
#include "gdb_private.h"

/* v->debug follows only when the backend took it. */
static int try_set(struct gdb *g, const struct debug *want, bool step)
{
	struct vcpu *v = &g->vm->vcpu;
	struct debug old = v->debug;
	int r;

	v->debug = *want;
	v->debug.step = step;
	r = g->vm->ops->push(v, REGS_DEBUG);
	if (r)
		v->debug = old;
	return r;
}

bool gdb_push_set(struct gdb *g, bool step)
{
	return !try_set(g, &g->set, step);
}

static int break_change(struct gdb *g, bool insert, bool hw, uint64_t lin)
{
	struct debug *d = &g->set;
	unsigned i;

	for (i = 0; i < d->breaks && (d->brk[i] != lin || g->hw[i] != hw); i++)
		;
	if (insert) {
		if (i == DEBUG_BREAKS)
			return -ENOSPC;
		if (i == d->breaks)
			d->breaks++;
		d->brk[i] = lin;
		g->hw[i] = hw;
	} else if (i < d->breaks) {
		d->breaks--;
		d->brk[i] = d->brk[d->breaks];
		g->hw[i] = g->hw[d->breaks];
	}
	return 0;
}

static int watch_change(struct gdb *g, bool insert, uint8_t access, uint64_t lin, uint64_t len)
{
	struct debug *d = &g->set;
	unsigned i;

	if (!len || len > PAGE_SIZE)
		return -EINVAL;
	for (i = 0; i < d->watches; i++)
		if (d->watch[i].lin == lin && d->watch[i].len == len && d->watch[i].access == access)
			break;
	if (insert) {
		if (i == DEBUG_WATCHES)
			return -ENOSPC;
		if (i == d->watches)
			d->watches++;
		d->watch[i] = (struct debug_watch){ lin, (uint32_t)len, access };
	} else if (i < d->watches) {
		d->watch[i] = d->watch[--d->watches];
	}
	return 0;
}

/* Removals reach the backend when the guest goes on: gdb removes everything at each stop, and puts it back. */
static int change(struct gdb *g, bool insert, unsigned type, uint64_t lin, uint64_t kind)
{
	static const uint8_t access[] = { DEBUG_WRITE, DEBUG_READ, DEBUG_WRITE | DEBUG_READ };
	struct debug old = g->set;
	int r = type < 2 ? break_change(g, insert, type, lin) : watch_change(g, insert, access[type - 2], lin, kind);

	if (!r && insert)
		r = try_set(g, &g->set, false);
	if (r)
		g->set = old;
	return r;
}

void gdb_break(struct gdb *g, bool insert, const char *args)
{
	uint64_t type, lin, kind;
	int r;

	if (!gdb_number(&args, &type) || *args++ != ',' || !gdb_number(&args, &lin) || *args++ != ',' || !gdb_number(&args, &kind)) {
		gdb_send(g, "E16");
		return;
	}
	if (type > 4 || (type == 0 && *args == ';')) { /* conditions in agent code: never offered */
		gdb_send(g, "");
		return;
	}
	r = change(g, insert, (unsigned)type, lin, kind);
	if (!r)
		gdb_send(g, "OK");
	else if (r == -ENOTSUP)
		gdb_reply(g, "E.backend %s has no such breakpoints", g->vm->ops->name);
	else if (r == -ENOSPC)
		gdb_reply(g, "E.backend %s has no room for another breakpoint", g->vm->ops->name);
	else
		gdb_reply(g, "E%02x", -r & 0xff);
}
