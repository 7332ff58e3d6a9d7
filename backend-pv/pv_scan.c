/*
 * pv_scan.c - --user-isolation keys: no guest page is executable that holds WRPKRU or XRSTOR, at any byte offset.
 *
 * Both change the rights to protection keys at ring 3, so a guest that can execute one is out. As in ERIM (Vahldiek-Oberwagner
 * and others, USENIX Security 2019) a page is scanned when it is first executed, and from then on it is executable or
 * writable, never both, through whatever address: the frame is what counts. Writing to it takes its executable mappings
 * away, and they come back through another scan. An opcode that crosses into the neighbouring page counts too. In
 * a page that is refused guest code runs one instruction at a time (pv_step.c), and so it does while it writes to its own page.
 * Called by pv_shadow.c for every mapping. Read next: pv_step.c, pv_gate.S.
 */
#include "pv_scan.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES (1u << 20)
#define REGION_PAGES (1u << SHADOW_REGION_SHIFT)

/*
 * WRPKRU is 0F 01 EF; XRSTOR 0F AE /5 and XRSTORS 0F C7 /3 with a memory operand. Prefixes may come before them, and change
 * nothing; no other encoding exists (SDM vol. 2: XRSTOR, XRSTORS, WRPKRU; VEX forms of these opcodes are other instructions).
 */
static bool forbidden(uint8_t second, uint8_t third)
{
	switch (second) {
	case 0x01:
		return third == 0xef;
	case 0xae:
		return third < 0xc0 && (third >> 3 & 7) == 5;
	case 0xc7:
		return third < 0xc0 && (third >> 3 & 7) == 3;
	}
	return false;
}

uint8_t *pv_scan_bytes(uint8_t *p, uint8_t *end)
{
	while (end - p >= 3 && (p = memchr(p, 0x0f, (size_t)(end - p - 2)))) {
		if (forbidden(p[1], p[2]))
			return p;
		p++;
	}
	return NULL;
}

static void *array_new(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int pv_scan_init(struct pv *pv)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pv->scan = s;
	s->frames = pv->vm->mem.size >> PAGE_SHIFT;
	s->gfn = array_new(PAGES * sizeof(*s->gfn));
	s->frame = calloc(s->frames, 1);
	return s->gfn && s->frame ? 0 : -ENOMEM;
}

void pv_scan_fini(struct pv *pv)
{
	struct scan *s = pv->scan;

	if (!s)
		return;
	if (s->gfn)
		munmap(s->gfn, PAGES * sizeof(*s->gfn));
	free(s->frame);
	free(s);
	pv->scan = NULL;
}

void pv_scan_mapped(struct pv *pv, uint32_t page, uint32_t gfn, unsigned n, unsigned flags)
{
	for (unsigned i = 0; i < n; i++) {
		pv->scan->gfn[page + i] = gfn + i;
		pv->scan->frame[gfn + i] |= (uint8_t)((flags & SP_EXEC ? SCAN_X : 0) | (flags & SP_WRITE ? SCAN_W : 0));
	}
}

/* Takes a right away from every page that maps the frame. Rare enough to look at all pages that are mapped. */
static void frame_narrow(struct pv *pv, uint32_t gfn, unsigned lose)
{
	struct shadow *s = &pv->shadow;

	for (unsigned r = 0; r < ARRAY_LEN(s->mapped); r++) {
		if (!s->mapped[r])
			continue;
		for (uint32_t page = r << SHADOW_REGION_SHIFT, end = page + REGION_PAGES; page < end; page++)
			if ((s->page[page] & SP_MAPPED) && (s->page[page] & lose) && pv->scan->gfn[page] == gfn)
				pv_shadow_drop(pv, page, 1);
	}
}

bool pv_scan_writable(const struct pv *pv, uint32_t gfn)
{
	return !(pv->scan->frame[gfn] & SCAN_X);
}

void pv_scan_write(struct pv *pv, uint32_t gfn)
{
	uint8_t *f = &pv->scan->frame[gfn];

	if (*f & SCAN_X)
		frame_narrow(pv, gfn, SP_EXEC);
	*f &= (uint8_t)~SCAN_X;
}

/* Does an opcode begin in the last two bytes of one executable page and end in the next? */
static bool crosses(struct pv *pv, uint32_t page, uint32_t gfn, uint32_t next, uint32_t next_gfn)
{
	const uint8_t *ram = pv->vm->mem.host;
	uint8_t seam[4];

	memcpy(seam, ram + ((uint64_t)gfn << PAGE_SHIFT) + PAGE_SIZE - 2, 2);
	memcpy(seam + 2, ram + ((uint64_t)next_gfn << PAGE_SHIFT), 2);
	return next == page + 1 && pv_scan_bytes(seam, seam + 4);
}

static bool executable(const struct pv *pv, uint32_t page)
{
	return (pv->shadow.page[page] & (SP_MAPPED | SP_EXEC)) == (SP_MAPPED | SP_EXEC);
}

bool pv_scan_exec(struct pv *pv, uint32_t page, uint32_t gfn)
{
	struct scan *s = pv->scan;
	uint8_t *ram = pv->vm->mem.host + ((uint64_t)gfn << PAGE_SHIFT);

	/* First nobody may write, then look. */
	if (s->frame[gfn] & SCAN_W)
		frame_narrow(pv, gfn, SP_WRITE);
	s->frame[gfn] &= (uint8_t)~SCAN_W;
	if (pv_scan_bytes(ram, ram + PAGE_SIZE))
		return false;
	if (page > 0 && executable(pv, page - 1) && crosses(pv, page - 1, s->gfn[page - 1], page, gfn))
		return false;
	return page == PAGES - 1 || !executable(pv, page + 1) || !crosses(pv, page, gfn, page + 1, s->gfn[page + 1]);
}

void pv_scan_touched(struct pv *pv, gpa_t gpa, uint64_t len)
{
	struct scan *s = pv->scan;

	for (uint64_t gfn = gpa.a >> PAGE_SHIFT; gfn < s->frames && gfn <= (gpa.a + len - 1) >> PAGE_SHIFT; gfn++)
		pv_scan_mark(pv, gfn);
}

void pv_scan_sync(struct pv *pv)
{
	struct scan *s = pv->scan;

	if (!s->touched)
		return;
	s->touched = false;
	for (uint64_t gfn = 0; gfn < s->frames; gfn++)
		if (s->frame[gfn] & SCAN_TOUCHED) {
			pv_scan_write(pv, (uint32_t)gfn);
			s->frame[gfn] &= (uint8_t)~SCAN_TOUCHED;
		}
}
