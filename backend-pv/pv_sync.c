/*
 * pv_sync.c - host mappings as a TLB: what was marked stale is checked against the page tables, and dropped, narrowed or kept.
 *
 * Called before guest code runs on, when something is due: the guest has flushed, changed its address space, or made a
 * table of a frame that may still be mapped writable. After a switch the regions whose L2 entry is the same as before keep
 * their mappings unseen; in the others each mapped page is compared with the new tables. Neighbours share one system call, for
 * that is what costs. Read first: pv_space.c.
 */
#include "pv_space.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "xen.h"
#include "xen_pte.h"
#include "core/sort.h"

#define PAGES (1u << 20)
#define GAP 64u /* a drop goes on over so many pages that are not mapped anyway */

static void *array_new(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void array_free(void *p, size_t n)
{
	if (p)
		munmap(p, n);
}

int pv_space_init(struct pv *pv, uint32_t frames)
{
	struct space *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pv->space = s;
	s->frames = frames;
	s->head = calloc(frames, sizeof(*s->head));
	s->gfn = array_new(PAGES * sizeof(*s->gfn));
	s->next = array_new(PAGES * sizeof(*s->next));
	s->prev = array_new(PAGES * sizeof(*s->prev));
	s->age = array_new(PAGES);
	return s->head && s->gfn && s->next && s->prev && s->age ? 0 : -ENOMEM;
}

void pv_space_fini(struct pv *pv)
{
	struct space *s = pv->space;

	if (!s)
		return;
	array_free(s->gfn, PAGES * sizeof(*s->gfn));
	array_free(s->next, PAGES * sizeof(*s->next));
	array_free(s->prev, PAGES * sizeof(*s->prev));
	array_free(s->age, PAGES);
	free(s->head);
	free(s);
	pv->space = NULL;
}

/* ---- runs of pages that share one system call ---- */

struct run {
	uint32_t from, to; /* pages; empty when equal */
	unsigned flags;    /* to narrow to; 0: drop */
	int r;
};

static void run_end(struct pv *pv, struct run *run)
{
	if (run->from == run->to)
		return;
	if (run->flags)
		run->r = pv_shadow_protect(pv, run->from, run->to - run->from, run->flags);
	else
		pv_shadow_drop(pv, run->from, run->to - run->from);
	run->from = run->to;
}

/* May the run go on to this page? A drop may pass over what is not mapped. */
static bool run_reaches(const struct pv *pv, const struct run *run, uint32_t page, unsigned flags, bool gap_is_empty)
{
	if (run->from == run->to || page < run->to || run->flags != flags)
		return false;
	if (page == run->to || (!flags && gap_is_empty))
		return true;
	if (flags || page - run->to > GAP)
		return false;
	for (uint32_t p = run->to; p < page; p++)
		if (pv->shadow.page[p] & SP_MAPPED)
			return false;
	return true;
}

static void run_add(struct pv *pv, struct run *run, uint32_t page, unsigned flags, bool gap_is_empty)
{
	if (!run_reaches(pv, run, page, flags, gap_is_empty)) {
		run_end(pv, run);
		run->from = page;
		run->flags = flags;
	}
	run->to = page + 1;
}

/* ---- one page against the tables ---- */

static uint64_t l2_entry(struct vcpu *v, unsigned region)
{
	uint64_t e = xen_table(v, xen_of(v)->root)[region >> 9];

	return e & E_P ? xen_table(v, entry_mfn(e))[region & 511] & SPACE_L2_MASK : 0;
}

/* What the host mapping of this page should be by now: its flags as they are, fewer of them, or 0: none. */
static unsigned page_judge(struct pv *pv, uint32_t page)
{
	struct vcpu *v = &pv->vm->vcpu;
	unsigned f = pv->shadow.page[page] & ~SP_STALE, lose = 0;
	uint64_t e2 = l2_entry(v, page >> 9), e1 = e2 & E_P ? xen_table(v, entry_mfn(e2))[page & 511] : 0;

	/* Without A, the mapping goes, so that the next access sets it. */
	if (!(e1 & E_P) || !(e1 & E_A) || entry_mfn(e1) != pv->space->gfn[page] || !(e1 & e2 & E_US) != !(f & SP_USER))
		return 0;
	if (!(e1 & e2 & E_RW) || !(e1 & E_D))
		lose |= SP_WRITE;
	if ((e1 | e2) & E_NX)
		lose |= SP_EXEC;
	return f & ~lose;
}

static void page_sync(struct pv *pv, struct run *run, uint32_t page, bool gap_is_empty)
{
	unsigned flags = page_judge(pv, page);

	pv->shadow.page[page] &= (uint8_t)~SP_STALE;
	if (flags == pv->shadow.page[page]) {
		pv->space->kept++;
		run_end(pv, run);
		return;
	}
	if (flags) {
		pv->space->protected++;
	} else {
		pv->space->dropped++;
		pv_recall_note(pv, page);
	}
	run_add(pv, run, page, flags, gap_is_empty);
}

/* ---- regions whose L2 entry is another one ---- */

static void region_sync(struct pv *pv, struct run *run, unsigned region)
{
	const uint8_t *page = pv->shadow.page + region * 512;
	uint64_t eight;

	for (unsigned i = 0; i < 512; i += 8) {
		memcpy(&eight, page + i, 8);
		for (unsigned j = i; eight && j < i + 8; j++)
			if (page[j] & SP_MAPPED)
				page_sync(pv, run, region * 512 + j, true);
	}
}

static void region_check(struct pv *pv, struct run *run, unsigned region)
{
	struct space *s = pv->space;
	uint64_t e = l2_entry(&pv->vm->vcpu, region);

	if (e == s->l2[region] && !s->dirty[region]) {
		run_end(pv, run);
		return;
	}
	region_sync(pv, run, region);
	s->l2[region] = e;
	s->dirty[region] = 0;
}

static void regions_sync(struct pv *pv, struct run *run)
{
	const uint16_t *mapped = pv->shadow.mapped; /* by 4 MiB: two regions */

	for (unsigned r = 0; r < SPACE_REGIONS / 2; r += 4) {
		uint64_t four;
		memcpy(&four, mapped + r, sizeof(four));
		for (unsigned i = r; four && i < r + 4; i++)
			if (mapped[i]) {
				region_check(pv, run, 2 * i);
				region_check(pv, run, 2 * i + 1);
			}
	}
	run_end(pv, run);
}

static int by_page(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void queue_sync(struct pv *pv, struct run *run)
{
	struct space *s = pv->space;

	for (uint32_t i = 1; i < s->n; i++)
		if (s->queue[i] < s->queue[i - 1]) {
			sort_array(s->queue, s->n, sizeof(s->queue[0]), by_page);
			break;
		}
	for (uint32_t i = 0; i < s->n; i++)
		if (pv->shadow.page[s->queue[i]] & SP_STALE)
			page_sync(pv, run, s->queue[i], false);
	run_end(pv, run);
	s->n = 0;
}

static int sync_all(struct pv *pv, struct space *s)
{
	struct run run = { 0 };

	if (s->all) {
		pv_shadow_flush_all(pv, false);
		memset(s->dirty, 0, sizeof(s->dirty));
		s->n = 0;
		s->all = s->recheck = false;
		return 0;
	}
	bool moved = s->recheck && s->root != xen_of(&pv->vm->vcpu)->root;
	s->switches += moved;
	if (moved)
		pv_recall_begin(pv, s->root);
	if (s->recheck)
		regions_sync(pv, &run);
	s->recheck = false;
	s->leaving = NULL;
	queue_sync(pv, &run);
	s->root = xen_of(&pv->vm->vcpu)->root;
	return run.r || !moved ? run.r : pv_recall(pv, s->root);
}

int pv_space_sync(struct pv *pv)
{
	struct space *s = pv->space;
	uint64_t t0;
	int r;

	if (!s->due)
		return 0;
	t0 = __rdtsc();
	s->due = false;
	s->syncs++;
	r = sync_all(pv, s);
	s->cycles += __rdtsc() - t0;
	return r;
}

void pv_space_note(struct pv *pv)
{
	struct stats *st = &pv->vm->vcpu.stats;
	const struct space *s = pv->space;

	stat_note(st, "space.syncs", s->syncs);
	stat_note(st, "space.switches", s->switches);
	stat_note(st, "space.cycles", s->cycles);
	stat_note(st, "space.pages-kept", s->kept);
	stat_note(st, "space.pages-narrowed", s->protected);
	stat_note(st, "space.pages-dropped", s->dropped);
	stat_note(st, "space.mapped-ahead", s->recalled);
	stat_note(st, "space.filled-on-return", s->refaults);
}

/* pv_shadow.c has mapped a page: the region's L2 entry is noted with it. */
void pv_space_mapped(struct pv *pv, uint32_t page)
{
	pv->space->l2[page >> 9] = l2_entry(&pv->vm->vcpu, page >> 9);
}
