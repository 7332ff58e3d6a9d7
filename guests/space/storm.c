/*
 * storm.c - a storm of changes to address spaces and to code in them, each access checked against a model: `mode=two-level`,
 * `pae` or `pae-nx`, `n=` steps, `seed=`.
 *
 * What an emulator may get wrong by keeping translations: the same linear address with other code in another space, code
 * changed through an alias (a page of another space, a large page, the identity map), an instruction or a jump whose second
 * page differs from space to space, a page table written through a mapping of its own, global pages that outlive CR3, pages
 * for the kernel only, read-only or not executable at one time and not at another, CR0.WP, accessed and dirty bits. Nothing
 * here relies on a stale TLB: what is changed in the live space is flushed as the SDM asks (vol. 3, 4.10.4).
 */
#include "space.h"

#define PF 14u
#define CR0_WP 0x10000u
#define CR4_PGE 0x80u

/* In each frame: code whose constants are the frame's own. */
#define HEAD 0x000u    /* the second half of an instruction that began at TAIL of the page before, and RET */
#define STUB 0x100u    /* MOV EAX, imm; RET: four of them */
#define STUBS 4u
#define JUMP 0x800u    /* JMP to STUB of the page after */
#define CALL 0x900u    /* CALL STUB of the page after; ADD EAX, imm; RET */
#define WORDS 0xa00u   /* data */
#define TAIL 0xffdu    /* MOV EAX, imm of which two bytes are on this page */

static uint32_t rng, sum, step, wrongs;

static uint32_t random(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 17;
	rng ^= rng << 5;
	return rng % n;
}

static void put32(unsigned char *p, uint32_t v) { memcpy(p, &v, 4); }
static uint32_t get32(const volatile unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void frame_build(uint32_t f)
{
	unsigned char *p = frames[f];

	p[HEAD] = (unsigned char)(0x10 + f);
	p[HEAD + 1] = (unsigned char)(0x20 + f);
	p[HEAD + 2] = 0xc3;
	for (uint32_t i = 0; i < STUBS; i++) {
		p[STUB + 16 * i] = 0xb8;
		put32(p + STUB + 16 * i + 1, 0xc0de0000u | f << 8 | i);
		p[STUB + 16 * i + 5] = 0xc3;
	}
	p[JUMP] = 0xe9;
	put32(p + JUMP + 1, PAGE + STUB - (JUMP + 5));
	p[CALL] = 0xe8;
	put32(p + CALL + 1, PAGE + STUB - (CALL + 5));
	p[CALL + 5] = 0x05;
	put32(p + CALL + 6, 0x1000u * (f + 1));
	p[CALL + 10] = 0xc3;
	p[TAIL] = 0xb8;
	p[TAIL + 1] = (unsigned char)(0x30 + f);
	p[TAIL + 2] = (unsigned char)(0x40 + f);
}

/* --- what is expected --- */

static void note(const char *what, uint32_t got, uint32_t want)
{
	sum = (sum << 7 | sum >> 25) ^ got;
	if (got == want)
		return;
	if (wrongs++ < 10)
		printf("WRONG step %u, %s: got 0x%x, architecturally 0x%x\n", step, what, got, want);
}

enum access { READ, WRITE, EXECUTE };

static const struct mapping *mapping_of(uint32_t va)
{
	static const struct mapping none;

	if (va - WINDOW < WINDOW_PAGES * PAGE)
		return &window[current][(va - WINDOW) / PAGE];
	if (va - SHARED < SHARED_PAGES * PAGE)
		return &shared[(va - SHARED) / PAGE];
	return va >= LARGE ? &large : &none;
}

/* 0, or 0x100 | error code. */
static uint32_t fault_of(uint32_t va, enum access a, bool user)
{
	const struct mapping *m = mapping_of(va);
	uint32_t code = (a == WRITE ? 2u : 0) | (user ? 4u : 0) | (a == EXECUTE && mode == PAE_NX ? 16u : 0);

	if (!(m->flags & PTE_P))
		return 0x100 | code;
	if ((user && !(m->flags & PTE_U)) || (a == WRITE && !(m->flags & PTE_W) && (user || (read_cr0() & CR0_WP))) ||
	    (a == EXECUTE && mode == PAE_NX && (m->flags & NX)))
		return 0x101 | code;
	return 0;
}

/* --- accesses --- */

struct access_call {
	uint32_t va, value, result;
	bool user;
};
static uint32_t user_value USER_DATA;

static USER_CODE void user_read(uint32_t va)
{
	user_exit(*(volatile uint32_t *)va);
}

static USER_CODE void user_write(uint32_t va)
{
	*(volatile uint32_t *)va = *(volatile uint32_t *)&user_value;
	user_exit(0);
}

static USER_CODE void user_call(uint32_t va)
{
	uint32_t v;

	__asm__ volatile("call *%1" : "=a"(v) : "r"(va) : "ecx", "edx", "memory", "cc");
	user_exit(v);
}

static void do_read(void *arg)
{
	struct access_call *c = arg;
	c->result = c->user ? user_run(user_read, c->va) : *(volatile uint32_t *)c->va;
}

static void do_write(void *arg)
{
	struct access_call *c = arg;
	user_value = c->value;
	if (c->user)
		user_run(user_write, c->va);
	else
		*(volatile uint32_t *)c->va = c->value;
}

static void do_call(void *arg)
{
	struct access_call *c = arg;
	if (c->user)
		c->result = user_run(user_call, c->va);
	else
		__asm__ volatile("call *%1" : "=a"(c->result) : "r"(c->va) : "ecx", "edx", "memory", "cc");
}

/* True when it went through; a fault must be the one that is wanted, at that address. */
static bool attempt(const char *what, void (*fn)(void *), struct access_call *c, uint32_t fault, uint32_t at)
{
	struct fault f;
	int caught = trap_try(&f, fn, c);

	note(what, !caught ? 0 : f.vector == PF ? 0x100 | (f.error & 31) : f.vector, fault);
	if (caught && fault)
		note("the address of the fault", f.cr2, at);
	return !caught && !fault;
}

/* --- where --- */

static uint32_t random_page(void)
{
	uint32_t k = random(10);

	if (k < 7)
		return WINDOW + random(WINDOW_PAGES) * PAGE;
	if (k < 9 || !(large.flags & PTE_P))
		return SHARED + random(SHARED_PAGES) * PAGE;
	return LARGE + (uint32_t)frames[random(FRAMES)];
}

static uint32_t frame_of(uint32_t va)
{
	return va >= LARGE ? (va - LARGE - (uint32_t)frames) / PAGE : mapping_of(va)->frame;
}

/* --- steps --- */

static void step_read(void)
{
	uint32_t page = random_page(), off = WORDS + 4 * random(64);
	struct access_call c = { .va = page + off, .user = random(2) };

	if (attempt("read", do_read, &c, fault_of(page, READ, c.user), c.va))
		note("value", c.result, get32(frames[frame_of(page)] + off));
}

static void check_dirty(uint32_t va, bool written)
{
	if (va - WINDOW >= WINDOW_PAGES * PAGE)
		return;
	struct mapping *m = &window[current][(va - WINDOW) / PAGE];
	uint32_t e = window_entry(current, (va - WINDOW) / PAGE);

	if (written)
		m->flags |= PTE_D;
	note("dirty", e & PTE_D, m->flags & PTE_D);
	if (written)
		note("accessed", e & PTE_A, PTE_A);
}

static void step_write(void)
{
	uint32_t page = random_page(), off = WORDS + 4 * random(64);
	struct access_call c = { .va = page + off, .value = random(0x7fffffff), .user = random(2) };
	uint32_t fault = fault_of(page, WRITE, c.user);

	if (attempt("write", do_write, &c, fault, c.va))
		note("written", get32(frames[frame_of(page)] + off), c.value);
	check_dirty(page, !fault);
}

/* Two bytes on each of two pages: all or nothing. */
static void step_write_across(void)
{
	uint32_t slot = random(WINDOW_PAGES - 1), page = WINDOW + slot * PAGE, next = page + PAGE;
	struct access_call c = { .va = next - 2, .user = random(2) };
	uint32_t fault = fault_of(page, WRITE, c.user), at = c.va;
	unsigned char *a = frames[window[current][slot].frame] + TAIL + 1, *b = frames[window[current][slot + 1].frame];
	unsigned char before = a[0];

	if (!fault) {
		fault = fault_of(next, WRITE, c.user);
		at = next;
	}
	c.value = random(0x7fffffff);
	if (attempt("write across", do_write, &c, fault, at)) {
		note("first half", a[0] | (uint32_t)a[1] << 8, c.value & 0xffff);
		note("second half", b[0] | (uint32_t)b[1] << 8, c.value >> 16);
		check_dirty(page, true);
		check_dirty(next, true);
	} else if (window[current][slot].flags & PTE_P) {
		note("untouched", a[0], before);
		/* Whether the page that could have been written is dirty now is the processor's choice. */
		window[current][slot].flags |= window_entry(current, slot) & PTE_D;
	}
}

/* Calls a stub; or a jump or call on to the page after, or an instruction that lies on both. */
static void step_call(void)
{
	static const uint32_t entry[4] = { STUB, JUMP, CALL, TAIL };
	uint32_t kind = random(4), page = random_page(), next = page + PAGE, want, at, fault;
	struct access_call c = { .user = random(2) };
	const unsigned char *f, *g;

	if (kind && page - WINDOW >= (WINDOW_PAGES - 1) * PAGE)
		kind = 0;
	c.va = page + entry[kind] + (kind ? 0 : 16 * random(STUBS));
	fault = fault_of(page, EXECUTE, c.user);
	at = c.va;
	if (!fault && kind) {
		fault = fault_of(next, EXECUTE, c.user);
		at = kind == 3 ? next : next + STUB;
	}
	if (!attempt("call", do_call, &c, fault, at))
		return;
	f = frames[frame_of(page)];
	g = kind ? frames[frame_of(next)] : f;
	want = kind == 0 ? get32(f + c.va % PAGE + 1) : kind == 1 ? get32(g + STUB + 1) :
		kind == 2 ? get32(g + STUB + 1) + get32(f + CALL + 6) : (uint32_t)(f[TAIL + 1] | f[TAIL + 2] << 8 | g[0] << 16) | (uint32_t)g[1] << 24;
	note("result", c.result, want);
}

/* Changes a constant in code: through the identity map, or through whatever mapping can be written, in whole or bytewise. */
static void step_patch(void)
{
	uint32_t page = random_page(), f = frame_of(page), kind = random(4), v = random(0x7fffffff);
	uint32_t off = kind == 3 ? CALL + 6 : STUB + 16 * random(STUBS) + 1;
	bool through = !fault_of(page, WRITE, false);
	unsigned char *p = through ? (unsigned char *)page : frames[f < FRAMES ? f : 0];

	if (kind == 0)
		*(volatile unsigned char *)(p + off + 1) = (unsigned char)v;
	else if (kind == 1)
		__asm__ volatile("rep movsb" : : "S"(&v), "D"(p + off), "c"(4) : "memory");
	else
		*(volatile uint32_t *)(p + off) = v;
	if (through && page < LARGE)
		check_dirty(page, true);
}

static uint32_t random_flags(bool global)
{
	uint32_t k = random(16), flags = PTE_P | PTE_W | PTE_U;

	if (k < 2)
		return 0;
	if (k < 5)
		flags &= ~PTE_W;
	if (k == 4 || k == 5 || k == 6)
		flags &= ~PTE_U;
	if (random(4))
		flags |= PTE_A;
	if (random(2))
		flags |= PTE_D;
	if (mode == PAE_NX && !random(5))
		flags |= NX;
	return flags | (global && random(2) ? PTE_G : 0);
}

static void step_remap(void)
{
	uint32_t space = random(2) ? current : random(SPACES), slot = random(WINDOW_PAGES);

	window_set(space, slot, random(FRAMES), random_flags(false));
	if (space == current && !random(4))
		space_load(current);
	else if (space == current)
		invlpg((void *)(WINDOW + slot * PAGE));
}

/* The same, but the entry is written through a page that maps the page table. */
static void step_remap_by_alias(void)
{
	uint32_t space = random(SPACES), slot = random(WINDOW_PAGES - 1), frame = random(FRAMES), flags = random_flags(false);
	uint32_t pa = window_entry_pa(space, slot), last = WINDOW + (WINDOW_PAGES - 1) * PAGE;
	struct mapping keep = window[current][WINDOW_PAGES - 1];
	volatile uint32_t *e = (volatile uint32_t *)(last + pa % PAGE);

	window_set(current, WINDOW_PAGES - 1, ((pa & ~(PAGE - 1)) - (uint32_t)frames) / PAGE, PTE_KERNEL);
	invlpg((void *)last);
	truth_add(PT_WRITE, 1);
	if (mode == TWO_LEVEL) {
		e[0] = entry_low(frame, flags);
	} else {
		e[0] = 0;
		e[1] = entry_high(flags);
		e[0] = entry_low(frame, flags);
	}
	window[space][slot] = (struct mapping){ frame, flags };
	if (space == current)
		invlpg((void *)(WINDOW + slot * PAGE));
	window_set(current, WINDOW_PAGES - 1, keep.frame, keep.flags);
	invlpg((void *)last);
}

static void step_shared(void)
{
	uint32_t slot = random(SHARED_PAGES);

	shared_set(slot, random(FRAMES), random_flags(true));
	invlpg((void *)(SHARED + slot * PAGE));
}

static void step_large(void)
{
	large_set(random_flags(false));
	invlpg((void *)LARGE);
	invlpg((void *)(LARGE + (uint32_t)frames)); /* any address of the page does: SDM vol. 3, 4.10.4.1 */
}

static void step_table(void)
{
	uint32_t space = random(SPACES);

	window_move(space);
	if (space == current)
		space_load(current);
}

static void step_wp(void)
{
	write_cr0(read_cr0() ^ CR0_WP);
}

/* Everything is flushed, global pages too. */
static void step_pge(void)
{
	write_cr4(read_cr4() ^ CR4_PGE);
	write_cr4(read_cr4() ^ CR4_PGE);
}

/* Clears accessed and dirty bits, with the flush that makes the CPU set them again. */
static void step_clean(void)
{
	uint32_t slot = random(WINDOW_PAGES);
	struct mapping m = window[current][slot];

	window_set(current, slot, m.frame, m.flags & ~(PTE_A | PTE_D));
	invlpg((void *)(WINDOW + slot * PAGE));
}

static void step_switch(void)
{
	space_load(random(SPACES));
}

/* How often each happens. */
static const struct {
	void (*fn)(void);
	uint32_t weight;
} steps[] = {
	{ step_read, 20 }, { step_write, 14 }, { step_write_across, 6 }, { step_call, 40 }, { step_patch, 14 }, { step_switch, 14 },
	{ step_remap, 10 }, { step_remap_by_alias, 4 }, { step_shared, 4 }, { step_large, 2 }, { step_table, 2 }, { step_wp, 1 },
	{ step_pge, 1 }, { step_clean, 4 },
};

static void storm_step(void)
{
	uint32_t all = 0, k;

	for (uint32_t i = 0; i < ARRAY_LEN(steps); i++)
		all += steps[i].weight;
	k = random(all);
	for (uint32_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (k < steps[i].weight) {
			steps[i].fn();
			return;
		}
		k -= steps[i].weight;
	}
}

static enum mode mode_wanted(void)
{
	char word[16] = "two-level";

	hal_word("mode", word, sizeof word);
	return !strcmp(word, "pae") ? PAE : !strcmp(word, "pae-nx") ? PAE_NX : TWO_LEVEL;
}

int guest_main(void)
{
	uint32_t n = hal_number("n", 3000);

	mode = mode_wanted();
	rng = hal_number("seed", 1) * 2654435761u | 1;
	for (uint32_t f = 0; f < FRAMES; f++)
		frame_build(f);
	if (!paging_start()) {
		printf("SAW no-nx=1\nOK\n");
		return 0;
	}
	for (uint32_t s = 0; s < SPACES; s++)
		for (uint32_t i = 0; i < WINDOW_PAGES; i++)
			window_set(s, i, random(FRAMES), random_flags(false));
	for (uint32_t i = 0; i < SHARED_PAGES; i++)
		shared_set(i, random(FRAMES), random_flags(true));
	large_set(PTE_P | PTE_W | PTE_U);
	step_pge();
	space_load(0);
	for (step = 0; step < n; step++) {
		storm_step();
		if (step % 1000 == 999)
			printf("SAW after-%u=0x%x\n", step + 1, sum);
	}
	paging_stop();
	write_cr2(0);
	printf(wrongs ? "%u of %u steps went wrong\n" : "OK\n", wrongs, n);
	return wrongs != 0;
}
