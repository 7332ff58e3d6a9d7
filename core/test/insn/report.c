/*
 * report.c - prints a difference for a person, and as an initialiser for cases.c.
 *
 * Called by runner.c. Read next: listing.c.
 */
#include <string.h>
#include "gen.h"

static const char *const gpr_name[8] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi" };
static const char *const sel_name[6] = { "es", "cs", "ss", "ds", "fs", "gs" };
static const char *const kind_name[] = { "nothing", "vector", "HLT", "shutdown", "engine gave up", "process died", "skipped" };

static void print_end(FILE *f, const char *name, const struct iresult *r)
{
	fprintf(f, "  %-8s ended by %s", name, kind_name[r->kind]);
	if (r->kind == IT_VECTOR)
		fprintf(f, " %u error %#x cr2 %08x", r->vector, r->error, r->cr2);
	fprintf(f, " at eip %08x eflags %08x %s\n", r->eip, r->eflags, r->why);
}

static void print_registers(FILE *f, const struct itest *t, const struct iresult *a, const struct iresult *b)
{
	for (unsigned i = 0; i < 8; i++)
		fprintf(f, "  %s %08x -> %08x | %08x%s\n", gpr_name[i], t->gpr[i], a->gpr[i], b->gpr[i], a->gpr[i] != b->gpr[i] ? "  <--" : "");
	fprintf(f, "  efl %08x -> %08x | %08x (not compared: %08x)%s\n", t->eflags, a->eflags, b->eflags,
		itest_index(t, a->eip) >= 0 ? t->undef[itest_index(t, a->eip)] : 0, a->eflags != b->eflags ? "  <--" : "");
	for (unsigned i = 0; i < 6; i++) {
		if (a->sel[i] != b->sel[i] || a->sel[i] != t->sel[i])
			fprintf(f, "  %s  %04x -> %04x | %04x\n", sel_name[i], t->sel[i], a->sel[i], b->sel[i]);
	}
}

static void print_fx_bytes(FILE *f, const char *name, const uint8_t *p, unsigned n)
{
	fprintf(f, " %s", name);
	for (unsigned i = n; i-- > 0;)
		fprintf(f, "%02x", p[i]);
}

static void print_fx(FILE *f, const char *what, unsigned o, unsigned n, const struct itest *t, const struct iresult *a,
	const struct iresult *b)
{
	if (!memcmp(a->fx + o, b->fx + o, n))
		return;
	fprintf(f, "  %s", what);
	print_fx_bytes(f, "", t->fx + o, n);
	print_fx_bytes(f, "-> ", a->fx + o, n);
	print_fx_bytes(f, "| ", b->fx + o, n);
	fprintf(f, "\n");
}

void report_difference(FILE *f, const struct itest *t, const struct iresult *a, const struct iresult *b,
	const char *a_name, const char *b_name, unsigned diff)
{
	static const char *const names[] = { "end", "vector", "error", "cr2", "eip", "registers", "flags", "selectors", "fpu", "memory", "page tables" };

	fprintf(f, "\n%s and %s differ:", t->expect_ud ? "the CPU model" : a_name, b_name);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		fprintf(f, "%s%s", diff >> i & 1 ? " " : "", diff >> i & 1 ? names[i] : "");
	fprintf(f, "%s\n", t->cpl ? "" : " (ring 0)");
	listing_print(f, t->code, t->len, t->eip);
	print_end(f, t->expect_ud ? "model" : a_name, a);
	print_end(f, b_name, b);
	print_registers(f, t, a, b);
	for (unsigned i = 0; i < IT_PAGES; i++)
		if (a->pte[i] != b->pte[i])
			fprintf(f, "  entry of page %u: %08x | %08x\n", i, a->pte[i], b->pte[i]);
	print_fx(f, "fcw", 0, 2, t, a, b);
	print_fx(f, "fsw", 2, 2, t, a, b);
	print_fx(f, "ftw", 4, 1, t, a, b);
	print_fx(f, "mxcsr", 24, 4, t, a, b);
	for (unsigned i = 0; i < 8; i++) {
		char n[8];

		snprintf(n, sizeof(n), "st%u", i);
		print_fx(f, n, 32 + i * 16, 10, t, a, b);
		snprintf(n, sizeof(n), "xmm%u", i);
		print_fx(f, n, 160 + i * 16, 16, t, a, b);
	}
}

static void print_hex(FILE *f, const uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
}

void report_case(FILE *f, const struct itest *t)
{
	uint8_t def[512];
	bool fx = false;

	fx_default(def);
	fprintf(f, "  { .name = \"\", .code = \"");
	print_hex(f, t->code, t->len);
	fprintf(f, "\", .eip = %#x,\n    .gpr = {", t->eip);
	for (unsigned i = 0; i < 8; i++)
		fprintf(f, " %#x,", t->gpr[i]);
	fprintf(f, " }, .eflags = %#x, .image_seed = %#x, .fs = %#x, .gs = %#x,%s", t->eflags, t->image_seed, t->sel[S_FS], t->sel[S_GS],
		t->cpl ? "" : " .ring0 = true,");
	if (t->cpl && (t->sel[S_DS] != SEL_DATA || t->sel[S_ES] != SEL_DATA || t->sel[S_SS] != SEL_DATA))
		fprintf(f, " .ds = %#x, .es = %#x, .ss = %#x,", t->sel[S_DS], t->sel[S_ES], t->sel[S_SS]);
	if (t->system) {
		fprintf(f, "\n    .system = true, .machine = { .paging = %u, .no_wp = %d, .odds = %u, .odd = {", t->machine.paging, t->machine.no_wp,
			t->machine.odds);
		for (unsigned i = 0; i < t->machine.odds; i++)
			fprintf(f, " { %u, %#x, %#x, %u },", t->machine.odd[i].page, t->machine.odd[i].clear, t->machine.odd[i].set,
				t->machine.odd[i].nx);
		fprintf(f, " } },");
	}
	for (unsigned o = 0; o < 288; o += 8) {
		if (memcmp(t->fx + o, def + o, 8)) {
			fprintf(f, "%s%u:", fx ? " " : "\n    .fx = \"", o);
			print_hex(f, t->fx + o, 8);
			fx = true;
		}
	}
	fprintf(f, "%s", fx ? "\"," : "");
	for (unsigned i = 0; i < t->patches; i++) {
		fprintf(f, "%s%x:", i ? " " : "\n    .mem = \"", t->patch[i].at);
		print_hex(f, t->patch[i].byte, t->patch[i].len);
	}
	fprintf(f, "%s },\n", t->patches ? "\"," : "");
}
