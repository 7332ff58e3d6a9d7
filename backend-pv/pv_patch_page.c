/*
 * pv_patch_page.c - frames of code: their copies with traps in them, and what happens when somebody writes to them.
 *
 * A trap takes the place of an instruction's first byte, in the copy only. If that byte is also inside of another proved
 * instruction (overlapping code), that one would be corrupted: it gets a trap too, so that it is interpreted from guest RAM,
 * where nothing is changed. So every proved instruction either is a trap or has no trap in it. Bytes that are not proved are as the
 * guest wrote them. Called by pv_patch.c and, through it, by the scanner and pv_shadow.c.
 */
#include "pv_patch.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "core/walk.h"

#define OFF(la) ((la) & (PAGE_SIZE - 1))
#define TEXT_WRITES 64u /* writes to bytes that are no code, before the frame is taken for data */

static bool bit(const uint8_t *map, unsigned n)
{
	return map[n / 8] >> n % 8 & 1;
}

static void bit_set(uint8_t *map, unsigned n)
{
	map[n / 8] |= (uint8_t)(1u << n % 8);
}

/* ---- life ---- */

int patch_pages_init(struct patch *p, const struct mem *m)
{
	p->frames = (uint32_t)(m->size >> PAGE_SHIFT);
	p->fd = memfd_create("ringlab-code", MFD_CLOEXEC);
	if (p->fd < 0)
		return -errno;
	if (ftruncate(p->fd, (off_t)m->size))
		goto fail;
	p->copy = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
	if (p->copy == MAP_FAILED)
		goto fail;
	p->page = calloc(p->frames, sizeof(*p->page));
	p->state = calloc(p->frames, 1);
	if (p->page && p->state)
		return 0;
	errno = ENOMEM;
fail:
	int r = -errno;
	patch_pages_fini(p, m);
	return r;
}

void patch_pages_fini(struct patch *p, const struct mem *m)
{
	for (uint32_t f = 0; p->page && f < p->frames; f++)
		free(p->page[f]);
	free(p->page);
	free(p->state);
	if (p->copy && p->copy != MAP_FAILED)
		munmap(p->copy, m->size);
	if (p->fd >= 0)
		close(p->fd);
	p->page = NULL;
	p->state = NULL;
	p->copy = NULL;
	p->fd = -1;
}

/* ---- addresses ---- */

int64_t patch_frame_of(struct patch *p, uint32_t la)
{
	const struct vm *vm = p->pv->vm;
	struct walk w;
	gpa_t gpa = GPA(la);

	if (p->scanning && p->last_page == (la | (PAGE_SIZE - 1)))
		return p->last_frame;
	if (p->loading)
		loader_vaddr_to_gpa(&vm->image, la, &gpa);
	else if (walk_page(&vm->vcpu.state, &vm->mem, GVA(la), ACCESS_X | (p->user ? ACCESS_USER : 0), false, &w))
		return -1;
	else
		gpa = w.gpa;
	if (gpa.a >> PAGE_SHIFT >= p->frames)
		return -1;
	p->last_page = la | (PAGE_SIZE - 1);
	p->last_frame = (uint32_t)(gpa.a >> PAGE_SHIFT);
	return p->last_frame;
}

static struct code_page *page_at(struct patch *p, uint32_t la)
{
	int64_t frame = patch_frame_of(p, la);

	return frame < 0 ? NULL : p->page[frame];
}

/*
 * While the image is loaded, only what the file says holds instructions can be code. An entry point may be given by its physical
 * address.
 */
static bool image_code(const struct patch *p, uint32_t la)
{
	const struct image *img = &p->pv->vm->image;

	for (unsigned i = 0; i < img->segs; i++)
		if (la - img->seg[i].vaddr >= img->seg[i].filesz && la - img->seg[i].paddr < img->seg[i].filesz)
			la = (uint32_t)(la - img->seg[i].paddr + img->seg[i].vaddr);
	for (unsigned i = 0; i < p->ranges; i++)
		if (la >= p->range[i].from && la < p->range[i].to)
			return true;
	return false;
}

static const uint8_t *ram_at(struct patch *p, uint32_t la)
{
	int64_t frame = patch_frame_of(p, la);

	return frame < 0 ? NULL : p->pv->vm->mem.host + ((uint64_t)frame << PAGE_SHIFT) + OFF(la);
}

unsigned patch_read(void *ctx, uint32_t la, uint8_t *buf, unsigned n)
{
	struct patch *p = ctx;
	unsigned got = 0;

	while (got < n) {
		uint32_t at = la + got, room = PAGE_SIZE - OFF(at), part = n - got < room ? n - got : room;
		const uint8_t *ram = ram_at(p, at);
		if (!ram)
			break;
		if (p->loading)
			for (uint32_t k = 0; k < part; k++)
				if (!image_code(p, at + k))
					part = k;
		if (!part)
			break;
		memcpy(buf + got, ram, part);
		got += part;
	}
	return got;
}

/* A jump table is trusted only as the file has it, in a segment that is not writable. */
bool patch_word(void *ctx, uint32_t la, uint32_t *value)
{
	const struct image *img = &((struct patch *)ctx)->pv->vm->image;

	for (unsigned i = 0; i < img->segs; i++) {
		const struct image_segment *s = &img->seg[i];
		uint64_t off = la - s->vaddr;
		if (la < s->vaddr || off + 4 > s->filesz || (s->flags & 2 /* PF_W */))
			continue;
		memcpy(value, img->file + s->offset + off, 4);
		return true;
	}
	return false;
}

bool patch_known(void *ctx, uint32_t la)
{
	const struct code_page *g = page_at(ctx, la);

	return g && bit(g->start, OFF(la));
}

bool patch_is_site(const struct patch *p, uint32_t frame, unsigned off)
{
	return frame < p->frames && p->page[frame] && bit(p->page[frame]->site, off);
}

bool patch_is_start(const struct patch *p, uint32_t frame, unsigned off)
{
	return frame < p->frames && p->page[frame] && bit(p->page[frame]->start, off);
}

/* ---- frames that become code, and data again ---- */

/* Every host mapping of the frame goes; the next access maps what is then right. */
static void unmap_frame(struct patch *p, uint32_t frame)
{
	struct shadow *s = &p->pv->shadow;

	for (unsigned r = 0; r < ARRAY_LEN(s->mapped); r++) {
		if (!s->mapped[r])
			continue;
		for (uint32_t page = r << SHADOW_REGION_SHIFT; page < (r + 1) << SHADOW_REGION_SHIFT; page++)
			if ((s->page[page] & SP_MAPPED) && s->frame[page] == frame)
				pv_shadow_flush(p->pv, page << PAGE_SHIFT);
	}
}

bool patch_promote(struct patch *p, uint32_t frame)
{
	uint64_t at = (uint64_t)frame << PAGE_SHIFT;

	if (p->page[frame])
		return true;
	p->page[frame] = calloc(1, sizeof(**p->page));
	if (!p->page[frame])
		return false;
	p->state[frame] = CODE_SCANNED;
	memcpy(p->copy + at, p->pv->vm->mem.host + at, PAGE_SIZE);
	unmap_frame(p, frame);
	return true;
}

void patch_leave(struct patch *p, uint32_t frame)
{
	if (p->state[frame] != CODE_NONE)
		return;
	p->state[frame] = CODE_LEFT;
	p->n.left++;
	unmap_frame(p, frame);
}

static void drop_one(struct patch *p, uint32_t frame)
{
	if (!p->page[frame])
		return;
	free(p->page[frame]);
	p->page[frame] = NULL;
	p->state[frame] = CODE_NONE;
	p->n.dropped++;
	stat_count(&p->pv->vm->vcpu.stats, EV_SMC, MECH_TRAP);
	unmap_frame(p, frame);
}

/* An instruction that crosses into the frame was proved by bytes that are gone: the page where it begins goes too. */
void patch_drop(struct patch *p, uint32_t frame)
{
	const struct code_page *g = p->page[frame];
	uint32_t from = g && g->head ? g->head_from : frame;

	drop_one(p, frame);
	drop_one(p, from);
}

void patch_written(struct patch *p, gpa_t gpa, uint64_t len)
{
	while (len && p->ready && gpa.a >> PAGE_SHIFT < p->frames) {
		uint32_t frame = (uint32_t)(gpa.a >> PAGE_SHIFT);
		uint64_t off = OFF(gpa.a), part = PAGE_SIZE - off < len ? PAGE_SIZE - off : len;
		struct code_page *g = p->page[frame];
		bool code = false;

		for (uint64_t i = off; g && i < off + part && !code; i++)
			code = bit(g->covered, (unsigned)i);
		if (code || (g && ++g->writes > TEXT_WRITES))
			patch_drop(p, frame);
		else if (g)
			memcpy(p->copy + gpa.a, p->pv->vm->mem.host + gpa.a, part);
		gpa.a += part;
		len -= part;
	}
}

/* ---- traps ---- */

static bool site_set(struct patch *p, uint32_t la)
{
	int64_t frame = patch_frame_of(p, la);
	struct code_page *g = frame < 0 ? NULL : p->page[frame];

	if (!g || bit(g->site, OFF(la)))
		return false;
	bit_set(g->site, OFF(la));
	g->sites++;
	p->copy[((uint64_t)frame << PAGE_SHIFT) + OFF(la)] = PATCH_TRAP;
	return true;
}

/* The length of the proved instruction at la, or 0. */
static unsigned proved_len(struct patch *p, uint32_t la)
{
	uint8_t bytes[INSN_MAX];
	struct insn_info i;
	const struct code_page *g = page_at(p, la);

	if (!g || !bit(g->start, OFF(la)))
		return 0;
	return insn_info(bytes, patch_read(p, la, bytes, INSN_MAX), la, &i) ? i.len : 0;
}

/* Proved instructions that begin before la and have la in them get traps too, and those that have these in them. */
static void traps_around(struct patch *p, uint32_t la)
{
	uint32_t lowest = la;

	for (uint32_t at = la - 1; lowest - at < INSN_MAX; at--) {
		unsigned len = proved_len(p, at);
		if (len > lowest - at && site_set(p, at)) { /* it reaches the nearest trap behind it */
			p->n.overlaps++;
			lowest = at;
		}
	}
}

static bool holds_trap(struct patch *p, uint32_t la, unsigned len)
{
	for (unsigned i = 1; i < len; i++) {
		const struct code_page *g = page_at(p, la + i);
		if (g && bit(g->site, OFF(la + i)))
			return true;
	}
	return false;
}

void patch_code(void *ctx, uint32_t la, const struct insn_info *i)
{
	struct patch *p = ctx;

	for (unsigned k = 0; k < i->len; k++) {
		int64_t frame = patch_frame_of(p, la + k);
		if (frame < 0 || !patch_promote(p, (uint32_t)frame))
			return;
		bit_set(p->page[frame]->covered, OFF(la + k));
		if (k && OFF(la + k) == 0) {
			p->page[frame]->head = true;
			p->page[frame]->head_from = (uint32_t)patch_frame_of(p, la);
		}
	}
	bit_set(page_at(p, la)->start, OFF(la));
	if (p->ready)
		p->n.late++;
	if (i->sensitive) {
		p->n.found++;
		p->n.privileged += !i->unprivileged;
	}
	bool overlap = !i->sensitive && holds_trap(p, la, i->len);
	p->n.overlaps += overlap;
	if ((i->sensitive || overlap) && site_set(p, la))
		traps_around(p, la);
}
