/*
 * pv_patch_scan.c - recursive descent: from roots, along branches and calls, through jump tables with a proved bound.
 *
 * What follows a call is code only if the callee may return; a function returns when a path in it ends in RET, or in
 * a jump that cannot be followed. Calls wait on their callee until that is known, so that bytes behind a call that never
 * returns are left alone. Explicit lists, no recursion: the code is a guest's, and may be built to go deep. Each
 * instruction is decoded once; all lists are bounded by the number of instructions, and that by the limit.
 * Called by pv_patch.c.
 */
#include "pv_patch_scan.h"
#include <stdlib.h>
#include <string.h>

#define TABLE_MAX 1024u
#define ZEROS 8u

/* A set of linear addresses, each with a number: open addressing, slot = address << 32 | number + 1. */
struct address_map {
	uint64_t *slot;
	uint32_t n, room; /* room: a power of two */
};

/* Who wants to know that a function returns. */
struct waiter {
	uint32_t next; /* 1 + index, 0: end */
	uint32_t func; /* in which function la lies; or, without call, which function returns too */
	uint32_t la;
	bool call;
};

struct func {
	uint32_t waiters; /* 1 + index of the first */
	bool returns;
};

struct place {
	uint32_t la, func;
};

struct scan {
	struct scan_ops ops;
	struct scan_counts n;
	uint64_t limit;
	uint64_t entries;         /* of jump tables, followed so far */
	bool failed;
	struct address_map owner; /* instruction -> function */
	struct address_map entry; /* first instruction -> function */
	struct func *func;
	struct waiter *waiter;
	struct place *work;
	uint32_t *mark;
	uint32_t funcs, func_room, waiters, waiter_room, works, work_room, marks, mark_room;
};

/* ---- growing arrays and the map ---- */

static bool grow(struct scan *s, void **p, uint32_t n, uint32_t *room, size_t size)
{
	if (n < *room)
		return true;
	uint32_t more = *room ? *room * 2 : 256;
	void *q = more > *room ? realloc(*p, (size_t)more * size) : NULL;
	if (!q) {
		s->failed = true;
		return false;
	}
	*p = q;
	*room = more;
	return true;
}

static uint64_t *map_slot(const struct address_map *m, uint32_t la)
{
	uint32_t i = (la * 2654435761u) >> 7;

	for (;; i++) {
		uint64_t *slot = &m->slot[i & (m->room - 1)];
		if (!*slot || (uint32_t)(*slot >> 32) == la)
			return slot;
	}
}

/* The number of la, or -1. */
static int64_t map_find(const struct address_map *m, uint32_t la)
{
	uint64_t v = m->room ? *map_slot(m, la) : 0;

	return (int64_t)(v & 0xffffffffu) - 1;
}

static bool map_add(struct scan *s, struct address_map *m, uint32_t la, uint32_t number)
{
	if (2 * (m->n + 1) > m->room) {
		struct address_map bigger = { .n = m->n, .room = m->room ? m->room * 2 : 512 };
		bigger.slot = calloc(bigger.room, sizeof(*bigger.slot));
		if (!bigger.slot) {
			s->failed = true;
			return false;
		}
		for (uint32_t i = 0; i < m->room; i++)
			if (m->slot[i])
				*map_slot(&bigger, (uint32_t)(m->slot[i] >> 32)) = m->slot[i];
		free(m->slot);
		*m = bigger;
	}
	*map_slot(m, la) = (uint64_t)la << 32 | (number + 1);
	m->n++;
	return true;
}

/* ---- functions and who waits for them ---- */

static void work_add(struct scan *s, uint32_t la, uint32_t func)
{
	if (grow(s, (void **)&s->work, s->works, &s->work_room, sizeof(*s->work)))
		s->work[s->works++] = (struct place){ la, func };
}

/* The function that begins at la; a new one is put on the list of what to follow. Without memory 0, and s->failed. */
static uint32_t func_at(struct scan *s, uint32_t la)
{
	int64_t f = map_find(&s->entry, la);

	if (f >= 0)
		return (uint32_t)f;
	if (!grow(s, (void **)&s->func, s->funcs, &s->func_room, sizeof(*s->func)) || !map_add(s, &s->entry, la, s->funcs))
		return 0;
	s->func[s->funcs] = (struct func){ 0 };
	work_add(s, la, s->funcs);
	return s->funcs++;
}

static void mark_add(struct scan *s, uint32_t func)
{
	if (s->func[func].returns)
		return;
	s->func[func].returns = true;
	if (grow(s, (void **)&s->mark, s->marks, &s->mark_room, sizeof(*s->mark)))
		s->mark[s->marks++] = func;
}

/* The function may return: so may those that end in its code, and what follows its calls is code. */
static void func_returns(struct scan *s, uint32_t func)
{
	mark_add(s, func);
	while (s->marks) {
		uint32_t f = s->mark[--s->marks];
		for (uint32_t w = s->func[f].waiters; w; w = s->waiter[w - 1].next) {
			if (s->waiter[w - 1].call)
				work_add(s, s->waiter[w - 1].la, s->waiter[w - 1].func);
			else
				mark_add(s, s->waiter[w - 1].func);
		}
		s->func[f].waiters = 0;
	}
}

static void wait_for(struct scan *s, uint32_t callee, uint32_t func, uint32_t la, bool call)
{
	if (s->failed)
		return;
	if (s->func[callee].returns) {
		if (call)
			work_add(s, la, func);
		else
			func_returns(s, func);
		return;
	}
	if (!grow(s, (void **)&s->waiter, s->waiters, &s->waiter_room, sizeof(*s->waiter)))
		return;
	s->waiter[s->waiters++] = (struct waiter){ s->func[callee].waiters, func, la, call };
	s->func[callee].waiters = s->waiters;
}

/* ---- following ---- */

/* What is known of a register on the way to a jump table. */
struct bound {
	uint8_t reg, cmp_reg;
	uint32_t max, cmp_max;
};

static void bound_track(struct bound *b, const struct insn_info *i)
{
	if (i->cmp_reg != NO_REG) {
		b->cmp_reg = i->cmp_reg;
		b->cmp_max = i->cmp_bound;
		return;
	}
	if (i->flow == FLOW_COND) {
		if (i->above && b->cmp_reg != NO_REG) {
			b->reg = b->cmp_reg;
			b->max = b->cmp_max;
		}
		return;
	}
	b->cmp_reg = NO_REG;
	if (i->writes)
		b->reg = NO_REG;
}

/* `jmp *table(,reg,4)` with reg at most max: every entry is code. False when that is not proved. */
static bool follow_table(struct scan *s, const struct insn_info *i, const struct bound *b, uint32_t func)
{
	uint32_t target;

	if (i->table_reg == NO_REG || i->table_reg != b->reg || b->max >= TABLE_MAX || !s->ops.word || s->entries > s->limit)
		return false;
	s->entries += b->max;
	for (uint32_t k = 0; k <= b->max; k++)
		if (!s->ops.word(s->ops.ctx, i->table + 4 * k, &target))
			return false;
	for (uint32_t k = 0; k <= b->max; k++)
		if (s->ops.word(s->ops.ctx, i->table + 4 * k, &target))
			work_add(s, target, func);
	s->n.tables++;
	return true;
}

/* Acts on where control goes. True: the next instruction in memory is code too. */
static bool follow(struct scan *s, uint32_t la, const struct insn_info *i, const struct bound *b, uint32_t func)
{
	switch ((enum insn_flow)i->flow) {
	case FLOW_NEXT:
		return true;
	case FLOW_JUMP:
		work_add(s, i->target, func);
		return false;
	case FLOW_COND:
		work_add(s, i->target, func);
		return true;
	case FLOW_CALL:
		if (i->target == la + i->len)
			return true; /* `call next; pop`: the address of code, not a call */
		wait_for(s, func_at(s, i->target), func, la + i->len, true);
		return false;
	case FLOW_CALL_UNKNOWN:
		s->n.indirect++;
		return true;
	case FLOW_JUMP_UNKNOWN:
		if (follow_table(s, i, b, func))
			return false;
		s->n.indirect++;
		func_returns(s, func);
		return false;
	case FLOW_RETURN:
		func_returns(s, func);
		return false;
	case FLOW_STOP:
		break;
	}
	return false;
}

/* Zeros decode as ADD, but so many of them are what lies behind code, not code. */
static bool all_zero(const uint8_t *bytes, unsigned n)
{
	for (unsigned k = 0; k < n && k < ZEROS; k++)
		if (bytes[k])
			return false;
	return true;
}

/* From one place to where the straight line ends. */
static void walk(struct scan *s, struct place at)
{
	struct bound b = { .reg = NO_REG, .cmp_reg = NO_REG };
	uint8_t bytes[INSN_MAX];
	struct insn_info i;

	for (uint32_t la = at.la; !s->failed; la += i.len) {
		int64_t owner = map_find(&s->owner, la);
		if (owner >= 0) {
			if ((uint32_t)owner != at.func)
				wait_for(s, (uint32_t)owner, at.func, 0, false);
			return;
		}
		if (s->ops.known && s->ops.known(s->ops.ctx, la)) {
			func_returns(s, at.func); /* an earlier scan's business: perhaps it does */
			return;
		}
		unsigned n = s->ops.read(s->ops.ctx, la, bytes, INSN_MAX);
		if (!n || all_zero(bytes, n) || !insn_info(bytes, n, la, &i)) {
			s->n.dead_ends++;
			return;
		}
		if (s->n.insns >= s->limit) {
			s->failed = true;
			return;
		}
		if (!map_add(s, &s->owner, la, at.func))
			return;
		s->n.insns++;
		s->ops.code(s->ops.ctx, la, &i);
		if (!follow(s, la, &i, &b, at.func))
			return;
		bound_track(&b, &i);
	}
}

struct scan *scan_create(const struct scan_ops *ops, uint64_t limit)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (s) {
		s->ops = *ops;
		s->limit = limit;
	}
	return s;
}

void scan_root(struct scan *s, uint32_t la)
{
	func_at(s, la);
}

bool scan_run(struct scan *s, struct scan_counts *sum)
{
	while (s->works && !s->failed)
		walk(s, s->work[--s->works]);
	for (uint32_t f = 0; f < s->funcs; f++)
		for (uint32_t w = s->func[f].waiters; w; w = s->waiter[w - 1].next)
			s->n.no_return += s->waiter[w - 1].call;
	sum->insns += s->n.insns;
	sum->indirect += s->n.indirect;
	sum->tables += s->n.tables;
	sum->dead_ends += s->n.dead_ends;
	sum->no_return += s->n.no_return;
	return !s->failed;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	free(s->owner.slot);
	free(s->entry.slot);
	free(s->func);
	free(s->waiter);
	free(s->work);
	free(s->mark);
	free(s);
}
