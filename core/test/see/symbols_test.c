/* Names of addresses: lookups, System.map and ELF files good and bad, and a kernel's own table found in guest RAM. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/symbols.h"

static int add_text(struct symbols *s, const void *text, size_t n, char *why, size_t why_n)
{
	char path[] = "/tmp/ringlab-symbols-XXXXXX";
	int fd = mkstemp(path), r;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, n), (ssize_t)n);
	close(fd);
	r = symbols_add_file(s, path, why, why_n);
	unlink(path);
	return r;
}

Test(symbols, cover_up_to_the_next)
{
	static const char map[] = "c0001000 T beta\nc0000000 T alpha\n00000000 A nothing\nc0001000 t alias\nc0003000 D data [mod]\n";
	struct symbols s = { 0 };
	char why[300], text[80];

	cr_assert_eq(add_text(&s, map, strlen(map), why, sizeof(why)), 0, "%s", why);
	cr_expect_null(symbols_at(&s, 0xbfffffff));
	cr_expect_str_eq(symbols_at(&s, 0xc0000fff)->name, "alpha");
	cr_expect_str_eq(symbols_at(&s, 0xc0001000)->name, "beta", "the global one of two");
	cr_expect_str_eq(symbols_text(&s, 0xc0001012, text, sizeof(text)), "beta+0x12");
	cr_expect_str_eq(symbols_text(&s, 0x1000, text, sizeof(text)), "0x1000");
	cr_expect_null(symbols_at(&s, 0xd0000000), "the last one must not reach for ever");
	cr_expect_eq(symbols_end(&s, symbols_named(&s, "alpha")), 0xc0001000);
	cr_expect_null(symbols_named(&s, "nothing"));
	cr_expect(symbols_above(&s, 0xc0000000) && !symbols_above(&s, 0xc0003001));
	symbols_free(&s);
}

Test(symbols, sized_ones_leave_gaps)
{
	struct symbols s = { 0 };

	symbols_add(&s, 0x1000, 0x10, "a", 1, true);
	symbols_add(&s, 0x2000, 0, "b", 1, true);
	cr_expect_str_eq(symbols_at(&s, 0x100f)->name, "a");
	cr_expect_null(symbols_at(&s, 0x1010));
	symbols_free(&s);
}

static void refused(const void *text, size_t n, const char *word)
{
	struct symbols s = { 0 };
	char why[400] = "";

	cr_expect_lt(add_text(&s, text, n, why, sizeof(why)), 0, "accepted: %.40s", (const char *)text);
	cr_expect(strstr(why, word), "'%s' lacks '%s'", why, word);
	symbols_free(&s);
}

Test(symbols, bad_files_get_a_sentence)
{
	static const char stub[] = "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n";
	char elf[200] = "\177ELF\1\1\1", bzimage[0x300] = { 0 };

	memcpy(bzimage + 0x202, "HdrS", 4);
	refused("", 0, "no symbol");
	refused("hello\n", 6, "line 1");
	refused("c0000000 T a\nc0000001 Tb\n", 25, "line 2");
	refused("c0000000 T\n", 11, "line 1");
	refused("c0000000 T ", 11, "line 1");
	refused("c000\0000 T a\n", 12, "zero byte");
	refused("00000000 T a\n00000000 t b\n", 26, "all addresses are 0");
	refused(stub, strlen(stub), "--symbols guest");
	refused(elf, sizeof(elf), "symbol table");
	refused(elf, 5, "symbol table");
	refused(bzimage, sizeof(bzimage), "--symbols guest");
}

/* The binary under test has symbols; cut short anywhere it must do no harm. */
Test(symbols, an_elf_file_cut_short)
{
	struct symbols s = { 0 };
	char why[300];
	FILE *f = fopen(RINGLAB_GUESTS "/hello.elf", "r");
	static char file[1 << 18];
	size_t n;

	cr_assert(f);
	n = fread(file, 1, sizeof(file), f);
	fclose(f);
	cr_assert_eq(add_text(&s, file, n, why, sizeof(why)), 0, "%s", why);
	cr_expect_not_null(symbols_named(&s, "guest_main"));
	symbols_free(&s);
	for (size_t cut = 4; cut < n; cut += 1 + n / 200) {
		add_text(&s, file, cut, why, sizeof(why));
		symbols_free(&s);
	}
	srand(1);
	for (int i = 0; i < 200; i++) {
		char was[16];
		size_t at = (size_t)rand() % (n - 16);

		memcpy(was, file + at, 16);
		for (int k = 0; k < 16; k++)
			file[at + (size_t)k] = (char)rand();
		add_text(&s, file, n, why, sizeof(why));
		symbols_free(&s);
		memcpy(file + at, was, 16);
	}
}

/* --- the kernel's own table --- */

#define KSYMS 1500u
#define KBASE 0xc1000000u

static uint8_t *align4(uint8_t *base, uint8_t *p)
{
	return base + (((size_t)(p - base) + 3) & ~3ul);
}

/*
 * A table as scripts/kallsyms lays it down: token 0 is "Tfn_", others a character each; symbol i is "Tfn_" and i in hexadecimal,
 * which takes 5 tokens; the last has 200, whose length needs two bytes.
 */
static uint8_t *kallsyms_build(uint8_t *p, uint8_t *ram)
{
	uint8_t *names, *start, *markers;
	uint32_t v, marker[8], m = 0;
	uint16_t index[256];

	for (uint32_t i = 0; i < KSYMS; i++, p += 4) {
		v = i * 16;
		memcpy(p, &v, 4);
	}
	v = KBASE;
	memcpy(p, &v, 4);
	v = KSYMS;
	memcpy(p + 4, &v, 4);
	names = p += 8;
	for (uint32_t i = 0; i < KSYMS; i++) {
		if (!(i & 255))
			marker[m++] = (uint32_t)(p - names);
		if (i == KSYMS - 1) {
			*p++ = 0x80 | (200 & 0x7f);
			*p++ = 200 >> 7;
			*p++ = 0;
			for (int k = 0; k < 199; k++)
				*p++ = 'x';
			continue;
		}
		*p++ = 5;
		*p++ = 0;
		for (int k = 0; k < 4; k++)
			*p++ = (uint8_t)"0123456789abcdef"[i >> (12 - 4 * k) & 15];
	}
	markers = align4(ram, p);
	memcpy(markers, marker, 4 * m);
	start = p = markers + 4 * m;
	for (unsigned i = 0; i < 256; i++) {
		index[i] = (uint16_t)(p - start);
		p += sprintf((char *)p, i ? i > ' ' && i < 127 ? "%s%c" : "%s%c?" : "%s", i ? "" : "Tfn_", i > ' ' && i < 127 ? (int)i : '!') + 1;
	}
	p = align4(ram, p);
	memcpy(p, index, sizeof(index));
	return p + sizeof(index);
}

Test(symbols, a_kernel_s_own_table)
{
	static uint8_t ram[1 << 20];
	struct mem m = { .fd = -1, .host = ram, .size = sizeof(ram) };
	struct symbols s = { 0 };
	char why[300] = "";

	srand(7);
	for (size_t i = 0; i < sizeof(ram); i++)
		ram[i] = (uint8_t)rand();
	kallsyms_build(ram + 0x40000, ram);
	cr_assert_eq(symbols_add_kallsyms(&s, &m, why, sizeof(why)), 0, "%s", why);
	cr_expect_eq(s.n, KSYMS);
	cr_expect_str_eq(symbols_at(&s, KBASE)->name, "fn_0000");
	cr_expect_str_eq(symbols_at(&s, KBASE + 0x4d2 * 16 + 3)->name, "fn_04d2");
	cr_expect_eq(strlen(symbols_at(&s, KBASE + (KSYMS - 1) * 16)->name), 3 + 199);
	symbols_free(&s);
}

/* The guest decides what is in its memory: damaged tables end in a sentence or in other names, nothing worse. */
Test(symbols, a_damaged_table_in_guest_memory, .timeout = 60)
{
	size_t room = 64 << 10;
	uint8_t *ram = malloc(room), *end; /* not static: a sanitizer sees the ends */
	struct symbols s = { 0 };
	char why[300] = "";

	srand(3);
	for (int i = 0; i < 400; i++) {
		memset(ram, 0, room);
		end = kallsyms_build(ram, ram);
		struct mem m = { .fd = -1, .host = ram, .size = (uint64_t)(end - ram) & ~3ull };

		for (int k = 0; k < i % 8; k++)
			ram[(size_t)rand() % m.size] = (uint8_t)rand();
		if (i % 5 == 4)
			m.host += ((size_t)rand() % 2000) & ~3ul;
		m.size -= (uint64_t)(m.host - ram);
		if (i % 7 == 6)
			m.size -= (size_t)rand() % 1000;
		if (symbols_add_kallsyms(&s, &m, why, sizeof(why)))
			cr_expect_gt(strlen(why), 20);
		symbols_free(&s);
	}
	memset(ram, 0, room);
	struct mem m = { .fd = -1, .host = ram, .size = room };
	cr_expect_lt(symbols_add_kallsyms(&s, &m, why, sizeof(why)), 0);
	cr_expect(strstr(why, "CONFIG_KALLSYMS"), "%s", why);
	free(ram);
}
