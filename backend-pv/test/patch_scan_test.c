/*
 * The scanner of `patch` on its own, under the sanitizers too: what it takes for code, what it leaves alone, and that no code
 * however odd keeps it from ending.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "pv_patch_scan.h"

#define BASE 0x100000u
#define SIZE 0x4000u

struct program {
	const uint8_t *bytes;
	unsigned n;
	uint8_t start[SIZE], sensitive[SIZE];
	uint32_t table[64]; /* words from BASE + SIZE on */
	uint64_t told;
};

static unsigned prog_read(void *ctx, uint32_t la, uint8_t *buf, unsigned n)
{
	struct program *p = ctx;
	uint32_t off = la - BASE;

	if (off >= p->n)
		return 0;
	if (n > p->n - off)
		n = p->n - off;
	memcpy(buf, p->bytes + off, n);
	return n;
}

static bool prog_word(void *ctx, uint32_t la, uint32_t *value)
{
	struct program *p = ctx;
	uint32_t off = la - BASE - SIZE;

	if (off % 4 || off / 4 >= 64)
		return false;
	*value = p->table[off / 4];
	return true;
}

static void prog_code(void *ctx, uint32_t la, const struct insn_info *i)
{
	struct program *p = ctx;

	cr_assert_lt(la - BASE, p->n);
	cr_assert_leq(la - BASE + i->len, p->n, "an instruction reaches past what was read");
	cr_assert(!p->start[la - BASE], "told twice: %#x", la);
	p->start[la - BASE] = 1;
	p->sensitive[la - BASE] = i->sensitive;
	p->told++;
}

static struct scan_counts scan(struct program *p, uint64_t limit, bool *whole)
{
	struct scan_ops ops = { .ctx = p, .read = prog_read, .word = prog_word, .code = prog_code };
	struct scan *s = scan_create(&ops, limit);
	struct scan_counts n = { 0 };

	cr_assert_not_null(s);
	scan_root(s, BASE);
	bool all = scan_run(s, &n);
	if (whole)
		*whole = all;
	else
		cr_assert(all);
	scan_free(s);
	cr_assert_eq(n.insns, p->told);
	return n;
}

#define PROGRAM(name, ...) \
	static const uint8_t name##_bytes[] = { __VA_ARGS__ }; \
	struct program *name = calloc(1, sizeof(*name)); \
	name->bytes = name##_bytes; \
	name->n = sizeof(name##_bytes)

Test(scan, straight_line_with_sensitive_instructions)
{
	PROGRAM(p, 0x9c /* pushf */, 0xfa /* cli */, 0x90, 0x0f, 0x01, 0x00 /* sgdt (%eax) */, 0x8c, 0xc8 /* mov %cs,%eax */, 0x9d /* popf */, 0xc3);
	scan(p, 100, NULL);
	cr_expect(p->sensitive[0] && p->sensitive[1] && p->sensitive[3] && p->sensitive[6] && p->sensitive[8]);
	cr_expect(p->start[2] && !p->sensitive[2] && p->start[9] && !p->sensitive[9]);
	cr_expect(!p->start[4] && !p->start[5]);
	free(p);
}

Test(scan, data_in_text_is_left_alone)
{
	PROGRAM(p, 0xeb, 0x04 /* jmp +4 */, 0xfa, 0x9c, 0xfa, 0xfa /* data */, 0xc3);
	scan(p, 100, NULL);
	cr_expect(p->start[0] && p->start[6]);
	for (unsigned i = 2; i < 6; i++)
		cr_expect(!p->start[i], "byte %u was taken for code", i);
	free(p);
}

Test(scan, a_jump_into_the_middle_of_an_instruction_is_followed)
{
	/* jz 1f+1; 1: mov $0x..9cfa,%eax : at +1 lie cli, pushf */
	PROGRAM(p, 0x74, 0x01, 0xb8, 0xfa, 0x9c, 0xc3, 0x90, 0xc3);
	scan(p, 100, NULL);
	cr_expect(p->start[2] && !p->sensitive[2]);
	cr_expect(p->start[3] && p->sensitive[3] && p->start[4] && p->sensitive[4] && p->start[5]);
	free(p);
}

Test(scan, what_follows_a_call_that_never_returns_is_no_code)
{
	/* call 1f; (data); 1: hlt; jmp 1b */
	PROGRAM(p, 0xe8, 2, 0, 0, 0, 0xfa, 0x9c, 0xf4, 0xeb, 0xfd);
	struct scan_counts n = scan(p, 100, NULL);
	cr_expect(p->start[7] && p->start[8]);
	cr_expect(!p->start[5] && !p->start[6], "the bytes behind the call were taken for code");
	cr_expect_eq(n.no_return, 1);
	free(p);
}

Test(scan, what_follows_a_call_that_returns_is_code_however_it_returns)
{
	/* call f; cli; ret; f: call g; ret; g: jmp h; h: ret */
	PROGRAM(p, 0xe8, 2, 0, 0, 0, 0xfa, 0xc3, 0xe8, 1, 0, 0, 0, 0xc3, 0xeb, 0, 0xc3);
	struct scan_counts n = scan(p, 100, NULL);
	cr_expect(p->start[5] && p->sensitive[5] && p->start[6] && p->start[12] && p->start[15]);
	cr_expect_eq(n.no_return, 0);
	free(p);
}

Test(scan, mutual_recursion_that_never_returns_ends)
{
	/* f: call g; nop; g: call f; nop */
	PROGRAM(p, 0xe8, 1, 0, 0, 0, 0x90, 0xe8, 0xf5, 0xff, 0xff, 0xff, 0x90);
	struct scan_counts n = scan(p, 100, NULL);
	cr_expect(p->start[0] && p->start[6] && !p->start[5] && !p->start[11]);
	cr_expect_eq(n.no_return, 2);
	free(p);
}

/* cmp $1,%eax; ja out; jmp *table(,%eax,4); out: ret; a: cli; ret; b: pushf; ret */
#define SWITCH(cmp, ja) 0x83, 0xf8, cmp, ja, 0x07, 0xff, 0x24, 0x85, 0x00, 0x40, 0x10, 0x00, 0xc3, 0xfa, 0xc3, 0x9c, 0xc3

Test(scan, a_jump_table_with_a_proved_bound_is_followed)
{
	PROGRAM(p, SWITCH(1, 0x77));
	p->table[0] = BASE + 13;
	p->table[1] = BASE + 15;
	p->table[2] = BASE + 14; /* beyond the bound */
	struct scan_counts n = scan(p, 100, NULL);
	cr_expect(p->sensitive[13] && p->sensitive[15]);
	cr_expect_eq(n.tables, 1);
	cr_expect_eq(n.indirect, 0);
	free(p);
}

Test(scan, a_jump_table_without_a_bound_is_left_alone)
{
	PROGRAM(p, SWITCH(1, 0x74 /* je proves nothing */));
	p->table[0] = BASE + 13;
	p->table[1] = BASE + 15;
	struct scan_counts n = scan(p, 100, NULL);
	cr_expect(!p->start[13] && !p->start[15]);
	cr_expect_eq(n.tables, 0);
	cr_expect_eq(n.indirect, 1);
	free(p);
}

Test(scan, truncated_and_undefined_code_is_a_dead_end)
{
	PROGRAM(p, 0x74, 0x02, 0x0f, 0xff /* ud0 without operand */, 0xe8, 0, 0 /* cut short */);
	struct scan_counts n = scan(p, 100, NULL);
	cr_expect(p->start[0] && !p->start[4]);
	cr_expect_geq(n.dead_ends, 1);
	free(p);
}

Test(scan, zeros_are_no_code)
{
	PROGRAM(p, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	struct scan_counts n = scan(p, 100, NULL);
	cr_expect_eq(n.insns, 1);
	cr_expect_eq(n.dead_ends, 1);
	free(p);
}

Test(scan, the_limit_holds)
{
	static uint8_t nops[SIZE];
	struct program *p = calloc(1, sizeof(*p));
	bool whole;

	memset(nops, 0x90, sizeof(nops));
	p->bytes = nops;
	p->n = SIZE;
	scan(p, 100, &whole);
	cr_expect(!whole);
	cr_expect_eq(p->told, 100);
	free(p);
}

/* Random bytes, and random bytes made of branches, which is what makes lists long. */
Test(scan, random_code_ends, .timeout = 60)
{
	static const uint8_t flow[] = { 0xe8, 0xe9, 0xeb, 0x74, 0x75, 0xe2, 0xff, 0xc3, 0x0f, 0x84, 0xf4, 0xfa, 0x00, 0xff, 0x01, 0x3d, 0x77, 0x24, 0x85 };
	uint8_t *bytes = malloc(SIZE);
	unsigned seed = 1;

	for (unsigned round = 0; round < 200; round++) {
		struct program *p = calloc(1, sizeof(*p));
		for (unsigned i = 0; i < SIZE; i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = round & 1 ? flow[(seed >> 16) % sizeof(flow)] : (uint8_t)(seed >> 16);
		}
		for (unsigned i = 0; i < 64; i++)
			p->table[i] = BASE + (seed * (i + 1) >> 8) % SIZE;
		p->bytes = bytes;
		p->n = SIZE;
		scan(p, SIZE * 2, NULL);
		free(p);
	}
	free(bytes);
}

/* Two Zydis-independent facts about each sensitive instruction: it is found, and a harmless twin is not. */
static const struct { const char *name; uint8_t bytes[8]; bool sensitive, unprivileged; } insns[] = {
	{ "sgdt", { 0x0f, 0x01, 0x00 }, true, true }, { "sidt", { 0x0f, 0x01, 0x08 }, true, true }, { "sldt", { 0x0f, 0x00, 0xc0 }, true, true },
	{ "str", { 0x0f, 0x00, 0xc8 }, true, true }, { "smsw", { 0x0f, 0x01, 0xe0 }, true, true }, { "pushf", { 0x9c }, true, true },
	{ "popf", { 0x9d }, true, true }, { "lar", { 0x0f, 0x02, 0xc0 }, true, true }, { "lsl", { 0x0f, 0x03, 0xc0 }, true, true },
	{ "verr", { 0x0f, 0x00, 0xe0 }, true, true }, { "verw", { 0x0f, 0x00, 0xe8 }, true, true }, { "pop seg", { 0x1f }, true, true },
	{ "pop seg", { 0x0f, 0xa1 }, true, true }, { "push seg", { 0x0e }, true, true }, { "push seg", { 0x0f, 0xa8 }, true, true },
	{ "far call", { 0x9a }, true, true }, { "far call", { 0xff, 0x18 }, true, true }, { "far jmp", { 0xea }, true, true },
	{ "far jmp", { 0xff, 0x28 }, true, true }, { "int", { 0xcd, 0x80 }, true, true }, { "far ret", { 0xcb }, true, true },
	{ "iret", { 0xcf }, true, true }, { "mov from seg", { 0x8c, 0xc8 }, true, true }, { "mov to seg", { 0x8e, 0xd8 }, true, true },
	{ "cli", { 0xfa }, true, false }, { "sti", { 0xfb }, true, false }, { "hlt", { 0xf4 }, true, false }, { "in", { 0xec }, true, false },
	{ "mov cr", { 0x0f, 0x22, 0xd8 }, true, false }, { "lgdt", { 0x0f, 0x01, 0x10 }, true, false }, { "ltr", { 0x0f, 0x00, 0xd8 }, true, false },
	{ "invlpg", { 0x0f, 0x01, 0x38 }, true, false }, { "rdmsr", { 0x0f, 0x32 }, true, false }, { "cpuid", { 0x0f, 0xa2 }, true, true },
	{ "wrpkru", { 0x0f, 0x01, 0xef }, true, true }, { "push", { 0x50 }, false, false }, { "call", { 0xff, 0xd0 }, false, false },
	{ "ret", { 0xc3 }, false, false }, { "mov", { 0x8b, 0xc0 }, false, false }, { "fxsave", { 0x0f, 0xae, 0x00 }, false, false },
	{ "cmpxchg8b", { 0x0f, 0xc7, 0x08 }, false, false },
};

Test(scan, sensitive_instructions_are_told_from_harmless_ones)
{
	for (unsigned k = 0; k < sizeof(insns) / sizeof(insns[0]); k++) {
		struct insn_info i;
		char name[32];
		cr_assert(insn_info(insns[k].bytes, 8, BASE, &i), "%s", insns[k].name);
		cr_expect_eq(i.sensitive, insns[k].sensitive, "%s", insns[k].name);
		cr_expect_eq(i.unprivileged, insns[k].unprivileged, "%s: unprivileged", insns[k].name);
		cr_expect_str_eq(insn_name(insns[k].bytes, 8, name, sizeof(name)), insns[k].name);
	}
}
