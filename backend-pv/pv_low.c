/*
 * pv_low.c - the low 4 GiB, where guest code and data live, and the LDT, through which guest code reaches them.
 *
 * The whole range is reserved PROT_NONE: what the guest has not mapped faults. A second reservation in the same process
 * fails, which is how a second VM is refused. LDT descriptors are made on demand from what the guest believes its
 * segments to be (base shifted, limit truncated, DPL 3) and found again by selector. Called by pv.c; SDM vol. 3, 3.4.5.
 */
#include "pv.h"
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

uint64_t pv_low_min_addr(void)
{
	char text[32] = "";
	int fd = open("/proc/sys/vm/mmap_min_addr", O_RDONLY | O_CLOEXEC);
	uint64_t min = 65536; /* Debian's default, where /proc is missing */

	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) > 0)
			min = strtoull(text, NULL, 10);
		close(fd);
	}
	min = (min + PAGE_SIZE - 1) & PAGE_MASK;
	return min < PAGE_SIZE ? PAGE_SIZE : min; /* page 0 stays unmapped: null selectors' kin must fault */
}

int pv_low_reserve(uint64_t *bottom)
{
	uint64_t start = pv_low_min_addr();
	void *p = mmap((void *)start, PV_TOP - start, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return errno == EEXIST ? -EBUSY : -errno;
	if (p != (void *)start) { /* a kernel older than MAP_FIXED_NOREPLACE took it as a hint */
		munmap(p, PV_TOP - start);
		return -EBUSY;
	}
	*bottom = start;
	return 0;
}

void pv_low_release(uint64_t bottom)
{
	munmap((void *)bottom, PV_TOP - bottom);
}

static int ldt_write(unsigned n, const struct segment *s, uint32_t base, uint32_t limit)
{
	struct user_desc d = { .entry_number = n };

	if (s) {
		unsigned type = SEG_TYPE(s);
		d.base_addr = base;
		d.limit_in_pages = limit >= 1u << 20;
		d.limit = d.limit_in_pages ? limit >> 12 : limit;
		d.seg_32bit = !!(s->attr & SEG_DB);
		d.contents = (type & 8) ? 2 : (type & 4) ? 1 : 0; /* the host refuses conforming code: plain code then */
		d.read_exec_only = !(type & 2);
		d.useable = 1;
	} else {
		d.read_exec_only = 1; /* with seg_not_present and the rest zero, the kernel's "empty" */
		d.seg_not_present = 1;
	}
	return syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)) < 0 ? -errno : 0;
}

/*
 * Shift and truncation: the descriptor's real base and limit. False when nothing of the segment can be reached. A kernel's
 * code segment keeps its limit: above it there is only our trampoline, which any guest may call, and AMD Zen 4 fetches at
 * two thirds to five sixths of its speed from a code segment that ends below 4 GiB (data segments do not mind).
 */
static bool ldt_window(const struct pv *pv, const struct segment *s, bool user, uint32_t *base, uint32_t *limit)
{
	uint64_t top = user ? pv->user_top : pv->top;
	uint64_t b = (uint32_t)s->base + (uint64_t)pv->shift, l = s->limit;
	bool down = !(s->attr & 8) && (s->attr & 4);

	if (b > 0xffffffffu)
		b &= 0xffffffffu;
	if (!down && b + l >= top && (user || !(s->attr & 8))) {
		if (b >= top)
			return false;
		l = top - b - 1;
		if (l >= 1u << 20)
			l = ((l + 1) & PAGE_MASK) - 1;
	}
	*base = (uint32_t)b;
	*limit = (uint32_t)l;
	return true;
}

static bool segment_same(const struct segment *a, const struct segment *b)
{
	return a->base == b->base && a->limit == b->limit && a->sel == b->sel && (a->attr | 1) == (b->attr | 1);
}

static bool slot_is(const struct ldt_slot *slot, const struct segment *s, bool user)
{
	return slot->user == user && segment_same(&slot->seg, s);
}

static unsigned ldt_find(struct pv *pv, const struct segment *s, bool user)
{
	for (unsigned i = 1; i <= pv->ldt.n; i++)
		if (slot_is(&pv->ldt.slot[i], s, user))
			return i;
	return 0;
}

/* --user-isolation limits: user mode's segments end below the kernel, where user mode lies below it. */
static bool pv_user_cut(const struct pv *pv)
{
	const struct cpu_state *s = &pv->vm->vcpu.state;

	return pv->user_top && pv->cpu->user && s->rip + pv->shift < pv->user_top && (uint32_t)s->gpr[R_ESP] + pv->shift <= pv->user_top;
}

int pv_ldt_select(struct pv *pv, unsigned sreg, const struct segment *s)
{
	struct ldt *l = &pv->ldt;
	unsigned i = l->last[sreg];
	bool user = pv_user_cut(pv);
	uint32_t base, limit;

	if (!(s->attr & SEG_P) || !(s->attr & SEG_S))
		return 0;
	if (!i || !slot_is(&l->slot[i], s, user))
		i = ldt_find(pv, s, user);
	if (!i) {
		if (!ldt_window(pv, s, user, &base, &limit))
			return 0;
		if (l->n + 1 >= LDT_SLOTS)
			l->n = SREG_COUNT; /* start over; the first slots stay, for segments that are loaded now */
		i = ++l->n;
		int r = ldt_write(LDT_FIRST + i, s, base, limit);
		if (r)
			return r;
		l->slot[i] = (struct ldt_slot){ *s, base, limit, true, user };
	}
	l->last[sreg] = i;
	return (int)((LDT_FIRST + i) << 3 | 7);
}

const struct segment *pv_ldt_lookup(struct pv *pv, uint16_t sel)
{
	unsigned i = (sel >> 3) - LDT_FIRST;

	return (sel & 7) == 7 && i && i < LDT_SLOTS && pv->ldt.slot[i].used ? &pv->ldt.slot[i].seg : NULL;
}

uint32_t pv_ldt_base(struct pv *pv, uint16_t sel)
{
	return sel ? pv->ldt.slot[(sel >> 3) - LDT_FIRST].base : 0;
}

void pv_ldt_clear(struct pv *pv)
{
	for (unsigned i = 0; i < LDT_SLOTS; i++)
		if (pv->ldt.slot[i].used)
			ldt_write(LDT_FIRST + i, NULL, 0, 0);
	memset(&pv->ldt, 0, sizeof(pv->ldt));
}
