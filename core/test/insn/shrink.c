/*
 * shrink.c - cuts a failing test down while it still fails in the same way.
 *
 * Drops instructions, patches, FPU state, flags and register values one at a time, until nothing more can go. Called by
 * runner.c for the differences that are printed.
 */
#include <string.h>
#include "gen.h"

#define ROUNDS 4

static bool still_fails(struct it_runner *r, const struct itest *t, unsigned want)
{
	unsigned d = runner_one(r, t, NULL, NULL);

	return d == want || (d & want & ~(unsigned)DIFF_MEM);
}

static bool try_keep(struct it_runner *r, struct itest *t, const struct itest *smaller, unsigned want)
{
	if (!still_fails(r, smaller, want))
		return false;
	*t = *smaller;
	return true;
}

/* Without instruction i. Branches are not linked again: a test that fails all the same is as good. */
static bool without(const struct itest *t, unsigned i, struct itest *out)
{
	unsigned n = t->off[i + 1] - t->off[i];

	*out = *t;
	memmove(out->code + t->off[i], t->code + t->off[i + 1], t->len - t->off[i + 1]);
	out->len -= n;
	out->insns--;
	for (unsigned k = i; k <= out->insns; k++)
		out->off[k] = (uint8_t)(t->off[k + 1] - n);
	memset(out->code + out->len, 0, sizeof(out->code) - out->len);
	return itest_analyse(out);
}

static bool drop_instructions(struct it_runner *r, struct itest *t, unsigned want)
{
	bool any = false;

	for (int i = t->insns - 1; i >= 0 && t->insns > 1; i--) {
		struct itest s;

		if (without(t, (unsigned)i, &s))
			any |= try_keep(r, t, &s, want);
	}
	return any;
}

static bool simplify_registers(struct it_runner *r, struct itest *t, unsigned want)
{
	static const uint32_t values[] = { 0, 1, IT_DATA, 0x80000000 };
	bool any = false;

	for (unsigned i = 0; i < 8; i++) {
		for (unsigned k = 0; k < ARRAY_LEN(values) && t->gpr[i] > 1; k++) {
			struct itest s = *t;

			s.gpr[i] = i == R_ESP ? IT_STACK + 0x800 : values[k];
			if (s.gpr[i] == t->gpr[i] || (i == R_ESP && k) || !itest_analyse(&s))
				continue;
			any |= try_keep(r, t, &s, want);
		}
	}
	return any;
}

static bool simplify_rest(struct it_runner *r, struct itest *t, unsigned want)
{
	bool any = false;
	struct itest s;

	for (int i = t->patches - 1; i >= 0; i--) {
		s = *t;
		memmove(&s.patch[i], &s.patch[i + 1], (size_t)(s.patches - i - 1) * sizeof(s.patch[0]));
		s.patches--;
		any |= try_keep(r, t, &s, want);
	}
	for (unsigned bit = 0; bit < 22; bit++) {
		s = *t;
		s.eflags &= ~(1u << bit) | FL_FIXED | FL_IF;
		if (s.eflags != t->eflags)
			any |= try_keep(r, t, &s, want);
	}
	if (t->image_seed) {
		s = *t;
		s.image_seed = 0;
		any |= try_keep(r, t, &s, want);
	}
	for (unsigned k = S_ES; k <= S_GS; k++) {
		if (k == S_CS || (k == S_SS && t->sel[k] & 4))
			continue;
		s = *t;
		s.sel[k] = k >= S_FS ? 0 : t->cpl ? SEL_DATA : SEL_DATA0;
		if (memcmp(s.sel, t->sel, sizeof(s.sel)))
			any |= try_keep(r, t, &s, want);
	}
	return any;
}

/* The FPU image, in pieces: the whole, the control words, each register. */
static void simplify_fx(struct it_runner *r, struct itest *t, unsigned want)
{
	uint8_t def[512];
	struct itest s = *t;

	fx_default(def);
	memcpy(s.fx, def, sizeof(def));
	if (try_keep(r, t, &s, want))
		return;
	for (unsigned o = 0; o < 288; o += o < 32 ? 8 : 16) {
		unsigned n = o < 32 ? 8 : 16;

		s = *t;
		memcpy(s.fx + o, def + o, n);
		if (memcmp(s.fx, t->fx, sizeof(s.fx)))
			try_keep(r, t, &s, want);
	}
}

/* The machine: ordinary pages, WP, 2-level paging. */
static bool simplify_machine(struct it_runner *r, struct itest *t, unsigned want)
{
	bool any = false;
	struct itest s;

	for (int i = t->machine.odds - 1; i >= 0; i--) {
		s = *t;
		memmove(&s.machine.odd[i], &s.machine.odd[i + 1], (size_t)(s.machine.odds - i - 1) * sizeof(s.machine.odd[0]));
		s.machine.odds--;
		any |= try_keep(r, t, &s, want);
	}
	s = *t;
	s.machine.no_wp = false;
	any |= t->machine.no_wp && try_keep(r, t, &s, want);
	s = *t;
	s.machine.paging = IT_TWO_LEVEL;
	any |= t->machine.paging && try_keep(r, t, &s, want);
	return any;
}

void shrink(struct it_runner *r, struct itest *t)
{
	unsigned want = runner_one(r, t, NULL, NULL);
	struct itest s = *t;

	if (!want)
		return;
	if (image_offset(t->eip) < 0) {
		s.eip = IT_CODE + IT_SLOT; /* a plain place, unless the place is the point */
		try_keep(r, t, &s, want);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		bool any = drop_instructions(r, t, want);

		any |= simplify_registers(r, t, want);
		any |= simplify_rest(r, t, want);
		any |= t->system && simplify_machine(r, t, want);
		if (!any)
			break;
	}
	simplify_fx(r, t, want);
}
