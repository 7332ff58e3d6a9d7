/*
 * fuzz.c - 10,000 damaged images through the loader, under AddressSanitizer and UBSan whatever the preset.
 *
 * The seed is fixed, so a finding repeats; LOADER_FUZZ_RUNS asks for more, LOADER_FUZZ_SEED for others. Guest RAM is
 * a heap block, so that a byte written or read outside of it is a finding too, and a leak fails the run. A plain
 * program: the sanitizers' exit status must be its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/loader.h"
#include "images.h"

#define RAM (2u << 20)

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void base_image(struct bytes *b, unsigned which)
{
	static const struct recipe r[] = { { 0 }, { .multiboot = true }, { .xen_note = true }, { .xen_section = true },
		{ .xen_legacy = true }, { .xen_note = true, .long_note = true }, { .multiboot = true, .vaddr_offset = 0xc0000000 } };

	if (which < ARRAY_LEN(r))
		image_elf32(b, &r[which]);
	else if (which == ARRAY_LEN(r))
		image_elf64(b);
	else if (which == ARRAY_LEN(r) + 1)
		image_flat(b);
	else
		image_bzimage(b);
}
#define BASES 10

/* A place in the image: mostly in headers, notes and tables, where bytes matter. */
static size_t place(uint64_t *seed, const struct bytes *b)
{
	static const struct { size_t at, n; } hot[] = { { 0, 148 }, { TEXT_OFFSET, 48 }, { NOTE_OFFSET, 256 }, { 0x3000, 0x600 },
		{ 0x1f0, 0x78 } };
	uint64_t v = next(seed);
	size_t at = v % 8 ? hot[v / 8 % 5].at + (v >> 32) % hot[v / 8 % 5].n : (v >> 32) % b->n;

	return at < b->n ? at : at % b->n;
}

static void mutate(uint64_t *seed, struct bytes *b)
{
	static const uint32_t odd[] = { 0, 1, 0x7f, 0xff, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, RAM, RAM - 1 };
	unsigned changes = 1 + next(seed) % 4;

	while (changes--) {
		size_t at = place(seed, b);
		uint64_t v = next(seed);

		switch (v % 4) {
		case 0:
			b->b[at] ^= 1u << (v >> 8 & 7);
			break;
		case 1:
			b->b[at] = v >> 8 & 0xff;
			break;
		case 2:
			if (at / 4 * 4 + 4 <= b->n)
				memcpy(b->b + at / 4 * 4, &odd[(v >> 8) % ARRAY_LEN(odd)], 4);
			break;
		default:
			if (v >> 8 & 3)
				memmove(b->b + at, b->b + (v >> 16) % b->n, 4 < b->n - at ? (v >> 40) % 16 % (b->n - at) : 0);
			else
				b->n = at + 1;
		}
	}
}

/* One image through everything that reads it. True when it was accepted. */
static bool run_one(const struct bytes *b, uint64_t *seed, uint8_t *ram)
{
	struct mem m = { .fd = -1, .host = ram, .size = RAM };
	struct cpu_state s;
	struct image img;
	char path[64], why[256];
	int fd = image_open(b, path, sizeof(path)), err;
	struct load_request req = { .path = path, .append = next(seed) & 1 ? "a=b" : NULL, .xen_ok = next(seed) & 1 };
	uint64_t v, n;
	gpa_t gpa;

	err = loader_load(&req, &m, &img, &s, why, sizeof(why));
	image_close(fd);
	if (err) {
		if (!why[0] || img.file) {
			fprintf(stderr, "refused with '%s', and %s\n", why, img.file ? "kept the file" : "freed the file");
			exit(1);
		}
		return false;
	}
	loader_symbol(&img, "main", &v, &n);
	loader_symbol(&img, "nowhere", &v, &n);
	for (unsigned i = 0; i < 8; i++)
		if (loader_symbolize(&img, img.seg[0].vaddr + i * 0x10, &v) && loader_vaddr_to_gpa(&img, img.entry, &gpa) &&
				img.kind != IMAGE_XEN && !mem_contains(&m, gpa, 1)) {
			fprintf(stderr, "entry %#llx is outside RAM\n", (unsigned long long)img.entry);
			exit(1);
		}
	loader_free(&img);
	return true;
}

int main(void)
{
	const char *runs_env = getenv("LOADER_FUZZ_RUNS"), *seed_env = getenv("LOADER_FUZZ_SEED");
	unsigned long runs = runs_env ? strtoul(runs_env, NULL, 0) : 10000, accepted = 0;
	uint64_t seed = seed_env ? strtoull(seed_env, NULL, 0) | 1 : 0x9e3779b97f4a7c15;
	static struct bytes b;

	for (unsigned long i = 0; i < runs; i++) {
		uint8_t *ram = calloc(1, RAM);

		base_image(&b, (unsigned)(i % BASES));
		mutate(&seed, &b);
		accepted += run_one(&b, &seed, ram);
		free(ram);
	}
	printf("%lu damaged images: %lu refused, %lu still good enough to load\n", runs, runs - accepted, accepted);
	/* Were nearly all refused at the door, or nearly all harmless, the test would see nothing. */
	return accepted < runs / 20 || accepted > runs - runs / 5;
}
