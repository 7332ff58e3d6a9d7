/*
 * gen_system.c - tests about paging and privilege, for one engine against another: the host cannot be asked.
 *
 * A batch has a paging mode and CR0.WP; a test may have pages that are absent, read-only, the supervisor's, not executable, not
 * yet accessed or dirty, or have reserved bits; alignment checks; 16-bit segments. In ring 0 it also changes page-table entries,
 * with the flush that the SDM asks for (vol. 3, 4.10.4), reloads CR3 and toggles WP. Called by gen.c, gen_state.c and engines.c.
 */
#include <string.h>
#include "gen.h"

#define PTE_P 1u
#define PTE_W 2u
#define PTE_U 4u
#define PTE_A 0x20u
#define PTE_D 0x40u

void system_machine(struct it_rng *r, struct it_machine *m)
{
	memset(m, 0, sizeof(*m));
	m->paging = (uint8_t)rng_below(r, IT_PAGINGS);
	m->no_wp = rng_chance(r, 40);
}

static uint8_t odd_bits(struct it_rng *r)
{
	static const uint8_t bits[] = { PTE_P, PTE_W, PTE_W, PTE_U, PTE_U, PTE_A, PTE_D, PTE_A | PTE_D, PTE_W | PTE_D, PTE_P | PTE_W };

	return bits[rng_below(r, sizeof(bits))];
}

void system_state(struct it_rng *r, struct itest *t)
{
	struct it_machine *m = &t->machine;

	t->system = true;
	m->odds = (uint8_t)(rng_chance(r, 60) ? 1 + rng_below(r, IT_ODD) : 0);
	for (unsigned i = 0; i < m->odds; i++) {
		/* Code is odd seldom: most such tests end at once. */
		m->odd[i] = (struct it_odd){ .page = (uint8_t)rng_below(r, rng_chance(r, 90) ? IT_PAGES - 1 : IT_PAGES), .clear = odd_bits(r) };
		if (m->paging && rng_chance(r, 15))
			m->odd[i].nx = 1;
	}
	if (t->cpl && rng_chance(r, 12))
		t->eflags |= FL_AC;
	if (t->cpl && rng_chance(r, 4)) {
		t->sel[S_SS] = SEL_LDT(rng_chance(r, 50) ? LDT_STACK16 : LDT_SHORT);
		t->gpr[R_ESP] -= it_ldt[LDT_STACK16].base;
	}
	if (!t->cpl && rng_chance(r, 5))
		t->eflags |= FL_IOPL & rng_next(r);
}

uint16_t system_selector(struct it_rng *r)
{
	return SEL_LDT(LDT_CODE16 + rng_below(r, LDT_ALL - LDT_CODE16));
}

/* One instruction of known bytes. */
static bool put(struct gen *g, const void *code, unsigned n)
{
	struct itest *t = g->t;

	if (t->insns >= IT_INSNS || t->len + n > IT_CODE_MAX - 8)
		return false;
	g->branch[t->insns] = 0;
	memcpy(t->code + t->len, code, n);
	t->len = (uint8_t)(t->len + n);
	t->off[++t->insns] = t->len;
	return true;
}

/* The linear address of a data page, and of its entry as engine.c maps the tables. */
static uint32_t entry_of(const struct itest *t, uint32_t linear)
{
	/* The tables' order is that of engine.c's build_pages: data, then stack, then top. */
	uint32_t two = linear >> 28 == 2 ? 0 : linear >> 28 == 3 ? 1 : 2;

	if (t->machine.paging == IT_TWO_LEVEL)
		return IT_TABLES + 0x2000 + two * PAGE_SIZE + (linear >> 12 & 0x3ff) * 4;
	return IT_TABLES + 0x1b000 + two * PAGE_SIZE + (linear >> 12 & 0x1ff) * 8;
}

/* XOR, AND or OR byte [entry], bits; then INVLPG of the page, or a reload of CR3. */
static bool put_entry(struct gen *g)
{
	static const uint32_t pages[] = { IT_DATA, IT_DATA, IT_DATA + PAGE_SIZE, IT_DATA_RO, IT_ISLAND, IT_TOP };
	uint32_t page = pages[rng_below(g->r, ARRAY_LEN(pages))], entry = entry_of(g->t, page), kind = rng_below(g->r, 3);
	uint8_t alu[7] = { 0x80, kind == 0 ? 0x35 : kind == 1 ? 0x25 : 0x0d }, flush[7] = { 0x0f, 0x01, 0x3d }, bits = odd_bits(g->r);

	if (g->t->insns + 3u > IT_INSNS || g->t->len + 32u > IT_CODE_MAX)
		return false;
	memcpy(alu + 2, &entry, 4);
	alu[6] = kind == 1 ? (uint8_t)~bits : bits;
	memcpy(flush + 3, &page, 4);
	put(g, alu, 7);
	if (rng_chance(g->r, 70))
		return put(g, flush, 7);
	g->written |= 1u << R_EAX;
	put(g, "\x0f\x20\xd8", 3);        /* mov eax, cr3 */
	return put(g, "\x0f\x22\xd8", 3); /* mov cr3, eax */
}

/* mov eax, cr0; btc eax, 16; mov cr0, eax */
static bool put_wp(struct gen *g)
{
	if (g->t->insns + 3u > IT_INSNS || g->t->len + 32u > IT_CODE_MAX)
		return false;
	g->written |= 1u << R_EAX;
	put(g, "\x0f\x20\xc0", 3);
	put(g, "\x0f\xba\xf8\x10", 4);
	return put(g, "\x0f\x22\xc0", 3);
}

bool system_append(struct gen *g)
{
	return rng_chance(g->r, 75) ? put_entry(g) : put_wp(g);
}
