/*
 * `previrt` at load time, without direct execution (runs under ASan): what a damaged file is told, that patches are what they should
 * be, and that a site which something may jump into is left alone.
 *
 * RINGLAB_FUZZ_SECONDS=300 fuzzes for longer.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "pv_previrt.h"

static struct image img;
static struct mem mem;
static struct previrt p;
static char why[256];

static void setup(void)
{
	struct load_request req = { .path = RINGLAB_GUESTS "/nano-previrt.elf" };
	struct cpu_state st;

	cr_assert_eq(mem_init(&mem, 32u << 20), 0);
	cr_assert_eq(loader_load(&req, &mem, &img, &st, why, sizeof(why)), 0, "%s", why);
}

static void teardown(void)
{
	previrt_unload(&p);
	loader_free(&img);
	mem_fini(&mem);
}

TestSuite(previrt, .init = setup, .fini = teardown, .timeout = 400);

static int load(void)
{
	why[0] = 0;
	previrt_unload(&p);
	return previrt_load(&p, &img, (uint32_t)PREVIRT_TOP, 0, false, why, sizeof(why));
}

static struct afterburn_record *records(size_t *n)
{
	const char *bad;
	size_t size;
	const uint8_t *at = afterburn_section(img.file, img.file_size, &size, &bad);

	cr_assert_not_null(at);
	*n = size / sizeof(struct afterburn_record);
	return (struct afterburn_record *)(uintptr_t)at;
}

/* The file's bytes of a site. */
static uint8_t *code_of(uint32_t la)
{
	for (unsigned i = 0; i < img.segs; i++)
		if (la - img.seg[i].vaddr < img.seg[i].filesz)
			return img.file + img.seg[i].offset + (la - img.seg[i].vaddr);
	return NULL;
}

static uint8_t *ram_of(uint32_t la)
{
	gpa_t gpa;

	cr_assert(loader_vaddr_to_gpa(&img, la, &gpa));
	return mem_ptr(&mem, gpa, 64);
}

static bool decode(const uint8_t *at, unsigned room, ZydisDecodedInstruction *i, ZydisDecodedOperand *ops)
{
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, at, room, i, ops));
}

Test(previrt, every_site_of_nano_is_patched_as_its_form_says)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

	cr_assert_eq(load(), 0, "%s", why);
	cr_expect_eq(p.refused, 0);
	cr_expect_gt(p.inlined, 40u);
	cr_expect_gt(p.hypercalls, 80u);
	previrt_apply(&p, &img, &mem);
	for (unsigned k = 0; k < p.n; k++) {
		const struct previrt_site *s = &p.site[k];
		const uint8_t *at = ram_of(s->addr);
		unsigned len = 0;
		while (len < s->len) {
			cr_assert(decode(at + len, s->len - len, &i, ops), "%#x+%u does not decode", s->addr, len);
			len += i.length;
		}
		cr_expect_eq(len, s->len);
		if (s->form == FORM_HYPERCALL) {
			cr_expect_eq(at[0], 0xea);
			uint32_t entry;
			memcpy(&entry, at + 1, 4);
			const uint8_t *e = p.area + (entry - PREVIRT_TOP);
			cr_expect_eq(e[0] << 8 | e[1], 0x41bd, "mov $n,%%r13d");
			cr_expect_eq(e[2] | e[3] << 8, k);
		} else if (s->form == FORM_STUB) {
			cr_assert_eq(at[0], 0xe9);
			int32_t rel;
			memcpy(&rel, at + 1, 4);
			cr_expect_eq(s->addr + 5 + (uint32_t)rel, p.top + s->stub);
			/* Straight through the stub, the one relative near jump goes back. */
			uint32_t off = s->stub, back = 0;
			while (off < s->stub + s->stub_len) {
				cr_assert(decode(p.area + off, s->stub + s->stub_len - off, &i, ops), "stub of %#x at +%u", s->addr, off - s->stub);
				off += i.length;
				if (i.mnemonic == ZYDIS_MNEMONIC_JMP && i.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
					back = p.top + off + (uint32_t)ops[0].imm.value.s;
			}
			cr_expect_eq(back, s->addr + s->len, "%#x goes back to %#x", s->addr, back);
		}
		if (s->insn_at && s->kind != AB_STI)
			cr_expect_arr_eq(at + s->insn_at, s->orig, s->insn_len, "the instruction itself stays at %#x", s->addr);
		cr_expect_eq(previrt_find(&p, s->addr), s);
		cr_expect_eq(previrt_find(&p, s->addr + s->len - 1), s);
	}
}

Test(previrt, damaged_records_are_refused_with_a_sentence)
{
	size_t n;
	struct afterburn_record *r = records(&n), good = r[3];
	static const struct { const char *what, *says; } cases[] = { { "version", "version" }, { "kind", "kind" }, { "far", "outside" }, { "other", "another" },
		{ "overlap", "overlap" }, { "extent", "does not lie in it" }, { "wrap", "outside" }, { "data", "" }, { "nops", "NOPs" }, { "zero", "outside" } };

	cr_assert_eq(load(), 0, "%s", why);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *code = code_of(good.addr), was[64];
		memcpy(was, code, good.len);
		switch (i) {
		case 0: r[3].version = 7; break;
		case 1: r[3].kind = 200; break;
		case 2: r[3].addr = 0xd0000000; break;
		case 3: r[3].kind = good.kind == AB_CLI ? AB_HLT : AB_CLI; r[3].len = 8; break;
		case 4: r[3] = r[4]; break;
		case 5: r[3].insn_at = 250; break;
		case 6: r[3].addr = 0xfffffffe; break;
		case 7: r[3].addr = good.addr + 1; break;
		case 8: code[good.len - 1] = 0xf4; break;
		case 9: r[3].len = 0; break;
		}
		cr_expect_eq(load(), -EINVAL, "%s", cases[i].what);
		cr_expect(strstr(why, cases[i].says) && strlen(why) > 30, "%s: %s", cases[i].what, why);
		r[3] = good;
		memcpy(code, was, good.len);
	}
	cr_assert_eq(load(), 0, "%s", why);
}

Test(previrt, a_section_cut_short_is_refused)
{
	Elf32_Ehdr *eh = (Elf32_Ehdr *)img.file;
	Elf32_Shdr *sh = (Elf32_Shdr *)(img.file + eh->e_shoff);
	const char *names = (const char *)img.file + sh[eh->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (!strcmp(names + sh[i].sh_name, AFTERBURN_SECTION)) {
			uint32_t size = sh[i].sh_size;
			sh[i].sh_size = size - 5;
			cr_expect_eq(load(), -EINVAL);
			cr_expect(strstr(why, "multiple"), "%s", why);
			sh[i].sh_size = 0x7ffffff0;
			cr_expect_eq(load(), -EINVAL);
			cr_expect(strstr(why, "does not lie in the file"), "%s", why);
			sh[i].sh_size = size;
		}
	cr_expect_eq(load(), 0, "%s", why);
	eh->e_shoff = 0xfffffff0;
	cr_expect_eq(load(), -EINVAL);
	cr_expect(*why, "no sentence");
}

/* Finds a site of this kind. */
static struct afterburn_record *record_of(enum afterburn_kind kind)
{
	size_t n;
	struct afterburn_record *r = records(&n);

	for (size_t i = 0; i < n; i++)
		if (r[i].kind == kind)
			return &r[i];
	cr_assert(false, "nano has no %s", afterburn_kind_name[kind]);
	return NULL;
}

Test(previrt, a_site_that_is_too_short_is_left_alone)
{
	struct afterburn_record *r = record_of(AB_CLI);

	r->len = 1;
	cr_assert_eq(load(), 0, "%s", why);
	cr_expect_eq(p.refused, 1);
	previrt_apply(&p, &img, &mem);
	cr_expect_eq(*ram_of(r->addr), 0xfa, "its CLI is still there");
}

Test(previrt, a_site_that_something_points_into_is_left_alone)
{
	struct afterburn_record *cli = record_of(AB_CLI), *sti = record_of(AB_STI);
	uint8_t *at = NULL;
	uint32_t la = 0, before;

	/* A branch: the first NOPs behind some other site become a jump into the CLI's. */
	cr_assert_eq(load(), 0, "%s", why);
	before = p.refused;
	for (unsigned i = 0; i < img.segs && !at; i++)
		for (uint64_t k = 0; k + 16 < img.seg[i].filesz; k++) {
			uint8_t *b = img.file + img.seg[i].offset + k;
			if (b[0] == 0xe8) { /* a call: another target */
				ZydisDecodedInstruction z;
				ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
				if (!decode(b, 16, &z, ops) || z.length != 5)
					continue;
				at = b;
				la = (uint32_t)(img.seg[i].vaddr + k);
				break;
			}
		}
	cr_assert_not_null(at);
	uint32_t rel = cli->addr + 3 - (la + 5);
	memcpy(at + 1, &rel, 4);
	cr_assert_eq(load(), 0, "%s", why);
	cr_expect_eq(p.refused, before + 1, "the branch is seen");
	/* A word of data. */
	uint32_t into = sti->addr + 9;
	const char *section = ".data";
	Elf32_Ehdr *eh = (Elf32_Ehdr *)img.file;
	Elf32_Shdr *sh = (Elf32_Shdr *)(img.file + eh->e_shoff);
	const char *names = (const char *)img.file + sh[eh->e_shstrndx].sh_offset;
	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (!(sh[i].sh_flags & SHF_EXECINSTR) && !strcmp(names + sh[i].sh_name, ".rodata")) {
			memcpy(img.file + sh[i].sh_offset + ((0 - sh[i].sh_addr) & 3), &into, 4);
			section = ".rodata";
		}
	cr_assert_str_eq(section, ".rodata");
	cr_assert_eq(load(), 0, "%s", why);
	cr_expect_eq(p.refused, before + 2, "so is the word");
}

Test(previrt, code_that_the_guest_has_changed_is_not_overwritten)
{
	struct afterburn_record *r = record_of(AB_CLI);

	cr_assert_eq(load(), 0, "%s", why);
	ram_of(r->addr)[2] ^= 1;
	previrt_apply(&p, &img, &mem);
	cr_expect_eq(*ram_of(r->addr), 0xfa);
	cr_expect_null(previrt_find(&p, r->addr));
}

/* xorshift */
static uint32_t rnd(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	return *s ^= *s << 5;
}

/* Random damage to records, to the section headers and to the code: a sentence or a sound result, never a crash. */
Test(previrt, damaged_files_at_random)
{
	const char *env = getenv("RINGLAB_FUZZ_SECONDS");
	time_t end = time(NULL) + (env ? atoi(env) : 5);
	uint8_t *copy = malloc(img.file_size);
	uint32_t seed = 20261121;
	unsigned rounds = 0, refused = 0;
	size_t n;
	uint8_t *rec = (uint8_t *)records(&n);
	size_t at = (size_t)(rec - img.file), sh = ((Elf32_Ehdr *)img.file)->e_shoff;

	memcpy(copy, img.file, img.file_size);
	freopen("/dev/null", "w", stderr); /* the reports on sites that are left alone */
	for (; time(NULL) < end; rounds++) {
		for (unsigned k = rnd(&seed) % 4 + 1; k; k--) {
			uint32_t where = rnd(&seed), how = rnd(&seed) % 4;
			size_t i = how == 0 ? sh + where % (img.file_size - sh) : how == 3 ? where % img.file_size : at + where % (n * sizeof(struct afterburn_record));
			img.file[i] = (uint8_t)(rnd(&seed) % 3 ? rnd(&seed) : 0xff);
		}
		int r = load();
		refused += r != 0;
		if (r) {
			cr_assert_eq(r, -EINVAL);
			cr_assert(*why, "round %u: no sentence", rounds);
		} else {
			previrt_apply(&p, &img, &mem);
		}
		memcpy(img.file, copy, img.file_size);
	}
	free(copy);
	cr_expect_gt(rounds, 20u);
	cr_expect_gt(refused, rounds / 4);
}
