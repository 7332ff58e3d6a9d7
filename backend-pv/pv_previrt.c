/*
 * pv_previrt.c - the `previrt` interface at load time: from the records in the image to patched guest RAM.
 *
 * The records are claims of a file. One that is damaged (outside the image, overlapping, of no known kind, naming an instruction that is
 * not there) refuses the whole image with a sentence; a site that is sound but cannot be proved safe to overwrite is left as it is,
 * said so, and traps as under `trap`. pv.c calls pv_previrt_start; read next: pv_previrt_prove.c, pv_previrt_code.c, pv_previrt_run.c.
 */
#include "pv_previrt.h"
#include "core/sort.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unistd.h>

/* ---- reading ---- */

static int by_address(const void *a, const void *b)
{
	const struct previrt_site *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* The file's bytes at a linear address; NULL when they are not all in one segment's file part. */
static const uint8_t *image_bytes(const struct image *img, uint32_t la, unsigned n)
{
	for (unsigned i = 0; i < img->segs; i++) {
		const struct image_segment *s = &img->seg[i];
		uint64_t off = la - s->vaddr;
		if (la >= s->vaddr && off < s->filesz && n <= s->filesz - off && s->offset <= img->file_size &&
		    off + n <= img->file_size - s->offset)
			return img->file + s->offset + off;
	}
	return NULL;
}

static int refuse(char *why, size_t n, unsigned i, const struct afterburn_record *r, const char *what)
{
	snprintf(why, n, "record %u of %s (%s at %#x, %u bytes) is %s: the file was changed after afterburn, or is damaged; build it again, or use "
		"--interface trap", i, AFTERBURN_SECTION, r->kind < AB_COUNT ? afterburn_kind_name[r->kind] : "unknown kind", r->addr, r->len, what);
	return -EINVAL;
}

static int site_read(struct previrt *p, const struct image *img, unsigned i, const struct afterburn_record *r, char *why, size_t n)
{
	const uint8_t *code = r->len ? image_bytes(img, r->addr, r->len) : NULL;
	struct previrt_site *s = &p->site[i];
	enum afterburn_wrong wrong;

	if (!code)
		return refuse(why, n, i, r, "outside the code of the image");
	wrong = afterburn_verify(r, code);
	if (wrong != AB_OK && wrong != AB_TOO_SHORT)
		return refuse(why, n, i, r, afterburn_wrong_text[wrong]);
	*s = (struct previrt_site){ .addr = r->addr, .len = r->len, .insn_at = r->insn_at, .insn_len = r->insn_len, .kind = r->kind,
		.dead = r->flags & AFTERBURN_FLAGS_DEAD, .form = FORM_HYPERCALL };
	/* Shorter than what replaces it, or an instruction that the interpreter does not know: left alone. */
	if (wrong == AB_TOO_SHORT || r->insn_at + r->insn_len > r->len || 
	    !interp_decode(&s->code, code + r->insn_at, r->insn_len, (unsigned)(r->len - r->insn_at - r->insn_len)))
		s->form = FORM_REFUSED;
	else
		memcpy(s->orig, code + r->insn_at, r->insn_len);
	return 0;
}

static int sites_read(struct previrt *p, const struct image *img, char *why, size_t n)
{
	const char *bad;
	size_t size;
	const uint8_t *at = afterburn_section(img->file, img->file_size, &size, &bad);
	struct afterburn_record r;
	int err;

	if (!at) {
		snprintf(why, n, "%s", bad ? bad : "the image carries no annotations of afterburn: build it with tools/afterburn (docs/previrt.md)");
		return -EINVAL;
	}
	p->n = (unsigned)(size / sizeof(r));
	if (p->n > PREVIRT_SITES) {
		snprintf(why, n, "the image has %u annotated sites, and %u are the most that fit", p->n, PREVIRT_SITES);
		return -EINVAL;
	}
	if (!(p->site = aligned_alloc(64, (p->n + 1) * ((sizeof(*p->site) + 63) & ~63ul))))
		return -ENOMEM;
	for (unsigned i = 0; i < p->n; i++, at += sizeof(r)) {
		memcpy(&r, at, sizeof(r));
		if ((err = site_read(p, img, i, &r, why, n)))
			return err;
	}
	sort_array(p->site, p->n, sizeof(*p->site), by_address);
	for (unsigned i = 1; i < p->n; i++)
		if (p->site[i].addr < p->site[i - 1].addr + p->site[i - 1].len) {
			snprintf(why, n, "the sites of %s at %#x and %#x overlap: the file is damaged; build it again, or use --interface trap",
				AFTERBURN_SECTION, p->site[i - 1].addr, p->site[i].addr);
			return -EINVAL;
		}
	p->lo = p->n ? p->site[0].addr : 0;
	p->hi = p->n ? p->site[p->n - 1].addr + p->site[p->n - 1].len : 0;
	return 0;
}

static void report(struct previrt *p, const char *reason, uint32_t where)
{
	for (unsigned i = 0; i < p->n; i++) {
		const struct previrt_site *s = &p->site[i];
		if (s->form != FORM_REFUSED)
			continue;
		if (++p->refused <= 5)
			say("previrt: the %s at %#x is not patched, and will trap: %s%s", afterburn_kind_name[s->kind], s->addr,
				s->len < afterburn_least[s->kind] ? "its site is too short" : where && reason ? reason : "it cannot be proved safe",
				s->len >= afterburn_least[s->kind] && where && reason ? " (the last such)" : "");
	}
	if (p->refused > 5)
		say("previrt: %u sites in all are not patched", p->refused);
}

int previrt_load(struct previrt *p, const struct image *img, uint32_t top_host, uint32_t shift, bool count_inline, char *why, size_t n)
{
	const char *reason = NULL;
	uint32_t where = 0;
	int r;

	*p = (struct previrt){ .top_host = top_host, .top = top_host - shift, .shared_la = top_host - shift - PAGE_SIZE, .count_inline = count_inline };
	if ((r = sites_read(p, img, why, n)) || (r = previrt_prove(p, img, &reason, &where)))
		goto fail;
	p->area = calloc(1, PREVIRT_AREA);
	r = -ENOMEM;
	if (!p->area)
		goto fail;
	if (!previrt_generate(p)) {
		snprintf(why, n, "the code for %u sites does not fit into %llu KiB", p->n, PREVIRT_AREA >> 10);
		r = -EINVAL;
		goto fail;
	}
	report(p, reason, where);
	for (unsigned i = 0; i < p->n; i++) {
		p->inlined += p->site[i].form == FORM_INLINE || p->site[i].form == FORM_STUB;
		p->hypercalls += p->site[i].form == FORM_HYPERCALL;
	}
	return 0;
fail:
	if (r == -ENOMEM)
		snprintf(why, n, "no memory for the sites of a pre-virtualized image");
	previrt_unload(p);
	return r;
}

void previrt_unload(struct previrt *p)
{
	free(p->area);
	free(p->site);
	p->area = NULL;
	p->site = NULL;
	p->n = 0;
}

void previrt_apply(struct previrt *p, const struct image *img, const struct mem *m)
{
	p->applied = true;
	for (unsigned i = 0; i < p->n; i++) {
		struct previrt_site *s = &p->site[i];
		const uint8_t *file = image_bytes(img, s->addr, s->len);
		gpa_t gpa;
		uint8_t *ram;
		if (s->form == FORM_REFUSED || !file || !loader_vaddr_to_gpa(img, s->addr, &gpa) || !(ram = mem_ptr(m, gpa, s->len)))
			continue;
		if (memcmp(ram, file, s->len)) {
			say("previrt: the guest has changed its code at %#x: this %s will trap", s->addr, afterburn_kind_name[s->kind]);
			s->form = FORM_REFUSED;
			continue;
		}
		previrt_patch_bytes(p, s, ram);
	}
}

/* ---- looking up ---- */

struct previrt_site *previrt_site_at(struct previrt *p, uint32_t la)
{
	unsigned lo = 0, hi = p->n;

	if (la < p->lo || la >= p->hi)
		return NULL;
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		if (p->site[mid].addr + p->site[mid].len <= la)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n && p->site[lo].addr <= la ? &p->site[lo] : NULL;
}

struct previrt_site *previrt_find(struct previrt *p, uint32_t la)
{
	struct previrt_site *s = p->applied ? previrt_site_at(p, la) : NULL;

	return s && s->form != FORM_REFUSED ? s : NULL;
}

struct previrt_site *previrt_find_stub(struct previrt *p, uint32_t la)
{
	uint32_t off = la - p->top;

	if (off >= p->area_used)
		return NULL;
	for (unsigned i = 0; i < p->n; i++)
		if (p->site[i].stub && off >= p->site[i].stub && off < p->site[i].stub + p->site[i].stub_len)
			return &p->site[i];
	return NULL;
}

/* ---- the maps ---- */

/* `movabs $cpu,%r15; movabs $pv_hc_begin,%r14; jmp *%r14`, where every entry goes. */
static void head_write(uint8_t *p, const struct pv *pv)
{
	uint8_t code[PV_HEAD] = { 0x49, 0xbf, [10] = 0x49, 0xbe, [20] = 0x41, 0xff, 0xe6 };
	uint64_t cpu = (uint64_t)(uintptr_t)pv->cpu, to = (uint64_t)(uintptr_t)pv_hc_begin;

	memcpy(code + 2, &cpu, 8);
	memcpy(code + 12, &to, 8);
	if (pv->gate)
		pv_keys_trampoline(pv, code);
	memcpy(p, code, sizeof(code));
}

static int area_map(struct pv *pv, struct previrt *p)
{
	uint64_t size = (p->area_used + PAGE_SIZE - 1) & PAGE_MASK;
	void *at = mmap((void *)pv->top, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	head_write(p->area, pv);
	memset(at, 0xcc, size);
	memcpy(at, p->area, p->area_used);
	free(p->area);
	p->area = NULL;
	pv->trampoline = size;
	return mprotect(at, size, PROT_READ | PROT_EXEC) ? -errno : 0;
}

static int shared_map(struct pv *pv, struct previrt *p)
{
	void *low;

	p->shared = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED) {
		p->shared = NULL;
		return -errno;
	}
	low = mremap(p->shared, 0, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(pv->top - PAGE_SIZE));
	if (low == MAP_FAILED)
		return -errno;
	if (pv->gate && syscall(SYS_pkey_mprotect, low, PAGE_SIZE, PROT_READ | PROT_WRITE, pv->pkey))
		return -errno;
	p->mapped = true;
	return 0;
}

/* The image is linked where it lies in memory: patched code can run before paging is on. */
static bool runs_in_place(const struct image *img)
{
	for (unsigned i = 0; i < img->segs; i++)
		if (img->seg[i].vaddr != img->seg[i].paddr)
			return false;
	return true;
}

int pv_previrt_start(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	struct previrt *p;
	char why[256];
	int r;

	pv_trap_start(v); /* the shift, and all else that is as under `trap` */
	if (!(p = calloc(1, sizeof(*p))))
		return -ENOMEM;
	pv->previrt = p;
	r = previrt_load(p, &v->vm->image, (uint32_t)PREVIRT_TOP, pv->shift, v->vm->cfg.count_inline, why, sizeof(why));
	if (r == -EINVAL) {
		vm_stop(v->vm, END_CRASH, 0, "%s", why);
		return 0;
	}
	if (r)
		return r;
	pv->top = PREVIRT_TOP;
	pv->map_top = PREVIRT_MAP_TOP;
	if ((r = area_map(pv, p)) || (r = shared_map(pv, p)))
		return r;
	if (runs_in_place(&v->vm->image))
		previrt_apply(p, &v->vm->image, &v->vm->mem);
	stat_note(&v->stats, "previrt.sites", p->n);
	stat_note(&v->stats, "previrt.inline", p->inlined);
	stat_note(&v->stats, "previrt.hypercall", p->hypercalls);
	stat_note(&v->stats, "previrt.refused", p->refused);
	return 0;
}

void pv_previrt_fini(struct pv *pv)
{
	struct previrt *p = pv->previrt;

	if (!p)
		return;
	if (p->shared)
		munmap(p->shared, PAGE_SIZE);
	previrt_unload(p);
	free(p);
	pv->previrt = NULL;
}
