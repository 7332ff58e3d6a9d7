/*
 * attrib.c - the histogram behind `run --top`: open addressing by (address, kind, mechanism), summed up by symbol at the end.
 *
 * stat_sample calls attrib_add for each event when it is on, from C code and from signal handlers: no allocation, no lock.
 * Events nest (a chain miss translates, a translation fills a shadow page) and end inner first, so that a short history of
 * finished events tells what of an event's time was not its own. Read next: symbols.c, cli_see.c.
 */
#include "core/attrib.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/sort.h"

#define SLOTS (1u << 17)
#define SLOTS_USED_MAX (SLOTS - SLOTS / 4)
#define NEST 32 /* finished events remembered */

struct slot {
	uint32_t eip;
	uint8_t kind, mech, paging, used;
	uint32_t typical; /* a running median of the cycles of one event */
	uint64_t count, cycles;
};

struct done {
	uint64_t t0, cycles;
};

struct attrib {
	const struct cpu_state *state;
	uint32_t used;
	uint64_t dropped;
	struct done done[NEST];
	unsigned done_n;
	struct slot slot[SLOTS];
};

int attrib_create(struct attrib **out, const struct cpu_state *state)
{
	struct attrib *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->state = state;
	*out = a;
	return 0;
}

void attrib_free(struct attrib *a)
{
	free(a);
}

/* The cycles of an event that just ended, less those of what ended inside it. */
static uint64_t own_cycles(struct attrib *a, uint64_t t0, uint64_t t1)
{
	uint64_t inner = 0, all = t1 - t0;

	while (a->done_n && a->done[a->done_n - 1].t0 >= t0)
		inner += a->done[--a->done_n].cycles;
	if (a->done_n == NEST)
		memmove(a->done, a->done + 1, --a->done_n * sizeof(a->done[0]));
	a->done[a->done_n++] = (struct done){ t0, all };
	return inner < all ? all - inner : 0;
}

/*
 * A running median: it moves by a part of itself towards each event, by a smaller part as events go by. What an event
 * takes while the host has put the process aside is thousands of times the usual, and moves it no more than any other.
 */
static void typical_add(struct slot *s, uint64_t cycles)
{
	uint32_t c = cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX, step = s->typical / (s->count < 32 ? 4 : s->count < 128 ? 8 : 32) + 1;

	if (!s->count)
		s->typical = c;
	else if (c > s->typical)
		s->typical += c - s->typical < step ? c - s->typical : step;
	else
		s->typical -= s->typical - c < step ? s->typical - c : step;
}

void attrib_add(struct attrib *a, enum event_kind k, enum event_mech m, gva_t eip, uint64_t t0, uint64_t t1)
{
	uint64_t cycles = own_cycles(a, t0, t1);
	uint8_t paging = (a->state->cr0 & CR0_PG) != 0;
	uint32_t addr = (uint32_t)eip.a, h = (addr * 2654435761u ^ ((uint32_t)k << 8 | (uint32_t)m) * 40503u) >> 3;

	for (;; h++) {
		struct slot *s = &a->slot[h & (SLOTS - 1)];

		if (!s->used) {
			if (a->used == SLOTS_USED_MAX) {
				a->dropped++;
				return;
			}
			a->used++;
			*s = (struct slot){ .eip = addr, .kind = (uint8_t)k, .mech = (uint8_t)m, .paging = paging, .used = 1 };
		}
		if (s->eip == addr && s->kind == k && s->mech == m && s->paging == paging) {
			typical_add(s, cycles);
			s->count++;
			s->cycles += cycles;
			return;
		}
	}
}

/* Linux: what lies below the kernel and has no name is user space, or, before paging, the boot code. */
#define KERNEL_START 0xc0000000u

static void slot_name(const struct slot *e, struct symbols *s, bool kernel, char *name, size_t n)
{
	const struct symbol *sym = symbols_at(s, e->eip);

	if (sym)
		snprintf(name, n, "%s", sym->name);
	else if (!e->paging && kernel)
		snprintf(name, n, "[boot]");
	else if (kernel && e->eip < KERNEL_START)
		snprintf(name, n, "[user]");
	else if (s->n)
		snprintf(name, n, "[no symbol]");
	else
		snprintf(name, n, "%#x", e->eip);
}

static int row_by_name(const void *a, const void *b)
{
	const struct attrib_row *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (x->kind << 8 | x->mech) - (y->kind << 8 | y->mech);
}

static int row_by_cost(const void *a, const void *b)
{
	const struct attrib_row *x = a, *y = b;

	if (x->cycles != y->cycles)
		return x->cycles > y->cycles ? -1 : 1;
	return x->count != y->count ? (x->count > y->count ? -1 : 1) : row_by_name(a, b);
}

long attrib_rows(const struct attrib *a, struct symbols *s, struct attrib_row **rows, struct attrib_sum *sum)
{
	struct attrib_row *r = calloc(a->used + 1, sizeof(*r));
	bool kernel = symbols_above(s, KERNEL_START);
	size_t n = 0, out = 0;

	if (!r)
		return -ENOMEM;
	*sum = (struct attrib_sum){ .dropped = a->dropped };
	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct slot *e = &a->slot[i];

		if (!e->used)
			continue;
		slot_name(e, s, kernel, r[n].name, sizeof(r[n].name));
		r[n].kind = e->kind;
		r[n].mech = e->mech;
		r[n].count = e->count;
		r[n].typical = e->count * e->typical;
		r[n++].cycles = e->cycles;
		sum->events += e->count;
		sum->cycles += e->cycles;
	}
	sort_array(r, n, sizeof(*r), row_by_name);
	for (size_t i = 0; i < n; i++) {
		if (out && !row_by_name(&r[out - 1], &r[i])) {
			r[out - 1].count += r[i].count;
			r[out - 1].cycles += r[i].cycles;
			r[out - 1].typical += r[i].typical;
		} else {
			r[out++] = r[i];
		}
	}
	sort_array(r, out, sizeof(*r), row_by_cost);
	*rows = r;
	return (long)out;
}
