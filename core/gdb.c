/*
 * gdb.c - the stub that gdb attaches to: when the guest is held, when it runs, and what gdb is told of it.
 *
 * The run loop (vm.c) takes turns with it: gdb_turn talks to gdb for as long as gdb holds the guest, on the vCPU's own
 * thread, with the guest at an instruction boundary and its state pulled; while the guest runs, a timer looks for a
 * Ctrl-C. Guest time stands still meanwhile. No interrupt is delivered during a step, as in QEMU. One connection, one vCPU.
 * Read next: gdb_command.c, then gdb_packet.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>
#include "gdb_private.h"

#define LOOK_NS 20000000ull /* how often a running guest is interrupted to look for a Ctrl-C */

static void look(void *ctx)
{
	struct gdb *g = ctx;

	if (g->fd < 0)
		return;
	if (gdb_peek(g)) {
		g->wants = true;
		g->stop = (struct exit){ .reason = EXIT_KICK };
	}
	clock_arm(&g->vm->clock, &g->timer, clock_now(&g->vm->clock) + LOOK_NS);
}

int gdb_attach(struct vm *vm, int fd)
{
	struct gdb *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->vm = vm;
	g->fd = fd;
	g->wants = true;
	g->stop = (struct exit){ .reason = EXIT_DEBUG, .debug.why = DEBUG_STEP };
	g->timer = (struct clock_timer){ .fire = look, .ctx = g };
	vm->gdb = g;
	return 0;
}

void gdb_destroy(struct vm *vm)
{
	if (!vm->gdb)
		return;
	gdb_lost(vm->gdb);
	free(vm->gdb);
	vm->gdb = NULL;
}

bool gdb_wants(const struct vm *vm)
{
	return vm->gdb && vm->gdb->wants;
}

bool gdb_stepping(const struct vm *vm)
{
	return vm->vcpu.debug.step;
}

void gdb_stopped(struct vm *vm, const struct exit *e)
{
	struct gdb *g = vm->gdb;

	if (!g)
		return;
	g->stop = *e;
	if (e->reason != EXIT_DEBUG)
		g->stop = (struct exit){ .reason = EXIT_DEBUG, .debug.why = DEBUG_STEP };
	g->wants = true;
}

/* The first turn comes when the backend has started: only now can it be asked. */
static void first_turn(struct gdb *g)
{
	g->can = gdb_push_set(g, true) && gdb_push_set(g, false);
	if (!g->can)
		say("gdb: backend %s knows no breakpoints and no single steps: registers, memory, continue and Ctrl-C are all there is",
			g->vm->ops->name);
	clock_arm(&g->vm->clock, &g->timer, clock_now(&g->vm->clock) + LOOK_NS);
}

static void hold(struct gdb *g)
{
	g->held_ns = clock_now(&g->vm->clock);
	g->held_tsc = __rdtsc();
	g->vm->ops->pull(&g->vm->vcpu, REGS_ALL);
	g->resume = false;
}

/* What gdb changed goes to the backend; the time that it took did not pass for the guest. */
static void release(struct gdb *g)
{
	struct vcpu *v = &g->vm->vcpu;

	v->state.tsc_offset -= __rdtsc() - g->held_tsc;
	if (g->memory_dirty) /* page tables may be among it */
		g->dirty |= REGS_SYS;
	if (g->dirty)
		v->vm->ops->push(v, g->dirty);
	g->dirty = 0;
	g->memory_dirty = false;
	if (!gdb_push_set(g, v->debug.step) && g->can)
		say("gdb: backend %s did not take the breakpoints", g->vm->ops->name);
	clock_stood(&g->vm->clock, clock_now(&g->vm->clock) - g->held_ns);
}

/* Answers packets until one lets the guest run, or there is nobody left to answer. */
static void talk(struct gdb *g)
{
	while ((!g->resume || (g->fd < 0 && !g->detached)) && g->vm->end == END_NONE) {
		switch (gdb_receive(g)) {
		case GDB_PACKET_IN:
			gdb_command(g);
			break;
		case GDB_LOST:
			vm_stop(g->vm, END_INTERRUPTED, 0, "gdb closed the connection without detaching");
			break;
		case GDB_STOPPING:
			vm_stop(g->vm, END_INTERRUPTED, 0, "interrupted");
			break;
		}
	}
}

void gdb_turn(struct vm *vm)
{
	struct gdb *g = vm->gdb;

	if (!g || !g->wants)
		return;
	if (!g->timer.registered)
		first_turn(g);
	hold(g);
	g->wants = false;
	vm->vcpu.debug.step = false;
	if (g->told)
		gdb_stop_reply(g);
	g->told = false;
	talk(g);
	if (g->detached) {
		memset(&g->set, 0, sizeof(g->set));
		vm->vcpu.debug.step = false;
	}
	release(g);
}

/* After a crash the guest cannot go on, but what is left of it can be looked at. */
void gdb_ended(struct vm *vm)
{
	struct gdb *g = vm->gdb;

	if (!g || g->fd < 0)
		return;
	g->ended = true;
	if (vm->end == END_CRASH && g->told) {
		gdb_print(g, vm->why);
		gdb_print(g, "\n");
		gdb_stop_reply(g);
		for (g->resume = false; !g->resume && gdb_receive(g) == GDB_PACKET_IN; )
			gdb_command(g);
		g->told = g->resume;
	}
	if (g->told && vm->end == END_EXIT)
		gdb_reply(g, "W%02x", vm->status & 0xff);
	else if (g->told)
		gdb_reply(g, "X%02x", vm->end == END_CRASH ? 6 : 15);
	gdb_drain(g);
}
