/*
 * storm.c - address spaces changed at random through hypercalls, each access checked against a model; then what a switch costs.
 *
 * Three spaces share the kernel's tables and have an L1 each for user pages. Pages are mapped, narrowed, unmapped, in batches
 * and one by one, flushed as the ABI asks; spaces are switched, taken apart and built again. What the guest reads and writes must be
 * what its tables say: host mappings that lag behind, or go missing, show here. seed=N steps=N; time=1 prints cycles.
 */
#include "check.h"

#define SPACES 3u
#define PAGES 64u
#define FRAMES 96u
#define USER 0x08000000u
#define FLUSH_ALL UVMF_TLB_FLUSH
#define A_D (PTE_A | PTE_D)

struct check check;
static uint64_t l3[SPACES][512] __attribute__((aligned(4096)));
static uint64_t l2k[SPACES][512] __attribute__((aligned(4096)));
static uint64_t l2u[SPACES][512] __attribute__((aligned(4096)));
static uint64_t l1[SPACES][512] __attribute__((aligned(4096)));
static uint32_t frame[FRAMES][PAGE / 4] __attribute__((aligned(4096)));
static struct { uint8_t frame, rights; } model[SPACES][PAGES]; /* rights: 0 none, 1 read, 2 write */
static uint32_t written[FRAMES];
static uint32_t now = SPACES; /* the space that is loaded; SPACES: the first */
static uint32_t first_root;
static uint64_t state = 88172645463325252ull;

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % below;
}

static uint32_t mfn(const void *va)
{
	return page_pa(va) >> 12;
}

static int32_t ext(uint32_t cmd, uint32_t arg)
{
	struct mmuext_op op = { .cmd = cmd, .arg1.mfn = arg };
	return hypercall(__HYPERVISOR_mmuext_op, (uint32_t)&op, 1, 0, DOMID_SELF, 0);
}

static void must(int32_t r, const char *what)
{
	if (r) {
		printf("WRONG %s: %d\n", what, r);
		check.wrong++;
	}
}

/* Ours to write, or a table: read-only. */
static void own(void *table, bool writable)
{
	page_set(table, page_pa(table), writable ? PTE_KERNEL : PTE_KERNEL & ~PTE_W, true);
}

static uint64_t entry(uint32_t s, uint32_t p)
{
	if (!model[s][p].rights)
		return 0;
	return page_pa(frame[model[s][p].frame]) | PTE_P | PTE_U | A_D | (model[s][p].rights == 2 ? PTE_W : 0);
}

static void build(uint32_t s)
{
	const uint64_t *root = (const uint64_t *)xen_start->pt_base;
	const uint64_t *kernel = (const uint64_t *)(XEN_VIRT_BASE + (uint32_t)(root[3] & 0xfffff000u));
	memcpy(l2k[s], kernel, PAGE);
	memset(l2k[s] + 428, 0, 84 * 8);
	memset(l2u[s], 0, PAGE);
	memset(l1[s], 0, PAGE);
	memset(l3[s], 0, PAGE);
	l2u[s][USER >> 21] = page_pa(l1[s]) | PTE_P | PTE_W | PTE_U | PTE_A;
	l3[s][0] = page_pa(l2u[s]) | PTE_P;
	l3[s][3] = page_pa(l2k[s]) | PTE_P;
	for (uint32_t p = 0; p < PAGES; p++)
		l1[s][p] = entry(s, p);
	own(l1[s], false);
	own(l2u[s], false);
	own(l2k[s], false);
	own(l3[s], false);
	must(ext(MMUEXT_PIN_L3_TABLE, mfn(l3[s])), "pin");
}

static void load_space(uint32_t s)
{
	must(ext(MMUEXT_NEW_BASEPTR, s == SPACES ? first_root : mfn(l3[s])), "new_baseptr");
	now = s;
}

/* Taken apart: its tables are ordinary pages again, which the guest writes at once. */
static void rebuild(uint32_t s, bool forget)
{
	if (s == now)
		load_space(SPACES);
	must(ext(MMUEXT_UNPIN_TABLE, mfn(l3[s])), "unpin");
	own(l1[s], true);
	own(l2u[s], true);
	own(l2k[s], true);
	own(l3[s], true);
	for (uint32_t p = 0; p < PAGES; p++)
		if (forget && rnd(3) == 0)
			model[s][p].rights = 0;
	build(s);
}

static void change(uint32_t s, uint32_t p)
{
	uint32_t what = rnd(8);
	if (what == 0) {
		model[s][p].rights = 0;
	} else if (what < 4 && model[s][p].rights) {
		model[s][p].rights = (uint8_t)(1 + rnd(2));
	} else { /* runs of neighbours are common */
		uint32_t f = rnd(2) && p && model[s][p - 1].rights ? (model[s][p - 1].frame + 1u) % FRAMES : rnd(FRAMES);
		model[s][p].frame = (uint8_t)f;
		model[s][p].rights = (uint8_t)(1 + rnd(2));
	}
}

static void change_many(uint32_t s)
{
	static struct mmu_update u[PAGES];
	uint32_t n = 1 + rnd(PAGES), from = rnd(PAGES);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t p = (from + i) % PAGES;
		change(s, p);
		u[i].ptr = (uint64_t)page_pa(l1[s]) + p * 8;
		u[i].val = entry(s, p);
	}
	must(xen_mmu_update(u, n), "mmu_update");
	if (s == now)
		xen_flush_all();
}

static void change_one(uint32_t p)
{
	uint64_t e;
	if (now == SPACES)
		return;
	change(now, p);
	e = entry(now, p);
	must(hypercall(__HYPERVISOR_update_va_mapping, USER + p * PAGE, (uint32_t)e, (uint32_t)(e >> 32), rnd(2) ? UVMF_INVLPG : FLUSH_ALL, 0), "update_va_mapping");
}

static void read_page(void *va)
{
	*(volatile uint32_t *)va;
}

static void write_page(void *va)
{
	((volatile uint32_t *)va)[1]++;
}

static void wrong(const char *what, uint32_t p)
{
	if (check.wrong++ < 20)
		printf("WRONG %s: space %u page %u, frame %u, rights %u\n", what, now, p, model[now][p].frame, model[now][p].rights);
}

static void look(uint32_t p)
{
	volatile uint32_t *va = (volatile uint32_t *)(USER + p * PAGE);
	uint32_t rights = model[now][p].rights, f = model[now][p].frame;
	struct fault fault;

	bool faulted = trap_try(&fault, read_page, (void *)va);
	if (faulted != !rights)
		wrong(rights ? "a read faulted" : "a read did not fault", p);
	if (rights && !faulted && va[0] != f)
		wrong("another frame is mapped", p);
	if (rights == 2 || rnd(4) == 0) {
		faulted = trap_try(&fault, write_page, (void *)va);
		if (faulted != (rights != 2))
			wrong(rights == 2 ? "a write faulted" : "a write did not fault", p);
		else if (!faulted && frame[f][1] != ++written[f])
			wrong("a write went elsewhere", p);
	}
}

static void step(void)
{
	switch (rnd(12)) {
	case 0: load_space(rnd(SPACES + 1)); break;
	case 1: change_many(rnd(SPACES)); break;
	case 2: rebuild(rnd(SPACES), true); break;
	case 3: case 4: change_one(rnd(PAGES)); break;
	default:
		for (uint32_t i = 0; now != SPACES && i < 6; i++)
			look(rnd(PAGES));
	}
}

/* Two spaces in turn, `touched` pages written after each switch; frames in one run, or scattered. */
static void time_switch(uint32_t touched, bool run)
{
	enum { TURNS = 200 };
	uint32_t t0, best = ~0u;

	for (uint32_t s = 0; s < 2; s++) {
		for (uint32_t p = 0; p < PAGES; p++) {
			model[s][p].rights = 2;
			model[s][p].frame = (uint8_t)(run ? (p + s * 32) % FRAMES : (p * 37 + s * 11) % FRAMES);
		}
		rebuild(s, false);
	}
	for (uint32_t i = 0; i < TURNS; i++) {
		t0 = hal_tsc32();
		for (uint32_t s = 0; s < 2; s++) {
			load_space(s);
			for (uint32_t p = 0; p < touched; p++)
				((volatile uint32_t *)(USER + p * PAGE))[2] = i;
		}
		uint32_t t = (hal_tsc32() - t0) / 2;
		best = t < best ? t : best;
	}
	printf("TIME switch, %u pages touched, frames %s: %u cycles\n", touched, run ? "in a run" : "scattered", best);
}

int guest_main(void)
{
	uint32_t steps = hal_number("steps", 20000);

	state ^= hal_number("seed", 1) * 2654435761u;
	first_root = ((const unsigned long *)xen_start->mfn_list)[(xen_start->pt_base - XEN_VIRT_BASE) >> 12];
	for (uint32_t f = 0; f < FRAMES; f++)
		frame[f][0] = f;
	for (uint32_t s = 0; s < SPACES; s++)
		build(s);
	for (uint32_t i = 0; i < steps && !check.wrong; i++)
		step();
	if (hal_number("time", 0)) {
		static const uint8_t touched[] = { 0, 1, 8, 32, 64 };
		for (uint32_t i = 0; i < 2 * ARRAY_LEN(touched); i++)
			time_switch(touched[i / 2], i % 2 == 0);
	}
	load_space(SPACES);
	return check_end();
}
