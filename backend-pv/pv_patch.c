/*
 * pv_patch.c - the `patch` interface: an unmodified kernel whose sensitive instructions are replaced by traps before they run.
 *
 * At load the image is followed from its entry point and its function symbols (pv_patch_scan.c); each sensitive instruction
 * that was reached gets INT3 in the executable copy of its page (pv_patch_page.c). A trap there brings us here: the interpreter
 * executes the original on v->state, as under `trap`. Pages in which nothing was proved are not executable: the first fetch
 * faults, and the scan goes on from there; so it does from every address at which the VMM enters the guest. Everything else,
 * faults and page tables included, is pv_trap.c's. Called by pv.c, pv_run.c, pv_trap.c, pv_shadow.c; read next: pv_patch_page.c.
 */
#include "pv_patch.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/walk.h"

#define LOAD_LIMIT 4000000u /* instructions a scan follows at most */
#define LATE_LIMIT 400000u
#define FOLLOW_MAX 16u      /* sites executed behind one another for one trap */

/* ---- life ---- */

int pv_patch_init(struct pv *pv)
{
	struct patch *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->pv = pv;
	p->fd = -1;
	if ((r = patch_pages_init(p, &pv->vm->mem))) {
		free(p);
		return r;
	}
	pv->patch = p;
	return 0;
}

void pv_patch_fini(struct pv *pv)
{
	if (!pv->patch)
		return;
	patch_pages_fini(pv->patch, &pv->vm->mem);
	free(pv->patch);
	pv->patch = NULL;
}

/* ---- scans ---- */

static struct scan *scan_begin(struct patch *p, uint64_t limit)
{
	struct scan_ops ops = { .ctx = p, .read = patch_read, .word = patch_word, .known = patch_known, .code = patch_code };

	p->last_page = 0;
	p->scanning = true;
	return scan_create(&ops, limit);
}

static void scan_end(struct patch *p, struct scan *s)
{
	if (s && !scan_run(s, &p->scan))
		p->n.limited++;
	scan_free(s);
	p->scanning = false;
	p->last_page = 0;
}

static void late_scan(struct patch *p, uint32_t la)
{
	struct scan *s = scan_begin(p, LATE_LIMIT);

	p->user = CPL(&p->pv->vm->vcpu.state) == 3;
	p->n.scans++;
	if (s)
		scan_root(s, la);
	scan_end(p, s);
}

static void root_function(void *ctx, uint64_t vaddr)
{
	if (vaddr <= UINT32_MAX)
		scan_root(ctx, (uint32_t)vaddr);
}

static void range_add(void *ctx, uint64_t vaddr, uint64_t size)
{
	struct patch *p = ctx;

	if (p->ranges < PATCH_RANGES && vaddr + size <= UINT32_MAX)
		p->range[p->ranges++] = (struct patch_range){ (uint32_t)vaddr, (uint32_t)(vaddr + size) };
}

int pv_patch_start(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	struct patch *p = pv->patch;

	if (!p)
		return -ENOMEM;
	loader_code(&v->vm->image, range_add, p);
	p->loading = true;
	struct scan *s = scan_begin(p, LOAD_LIMIT);
	if (s) {
		scan_root(s, (uint32_t)(v->state.seg[S_CS].base + v->state.rip));
		loader_functions(&v->vm->image, root_function, s);
	}
	scan_end(p, s);
	p->loading = false;
	p->ready = true;
	return 0;
}

/* The guest has another interrupt table: what its gates name is code. */
static void scan_idt(struct vcpu *v, struct patch *p)
{
	const struct dtable *idt = &v->state.idtr;
	uint32_t gate[2];

	p->idt_base = idt->base;
	p->idt_limit = idt->limit;
	p->user = false;
	struct scan *s = scan_begin(p, LATE_LIMIT);
	p->n.scans++;
	for (uint32_t off = 0; s && off < 256 * 8 && off + 7 <= idt->limit; off += 8)
		if (!interp_read_virt(v, GVA((uint32_t)(idt->base + off)), gate, 8, ACCESS_R) && (gate[1] & 0x9e00) == 0x8e00)
			scan_root(s, (gate[0] & 0xffff) | (gate[1] & 0xffff0000));
	scan_end(p, s);
}

/* ---- mappings: code from the copy and read-only, everything else from RAM and not executable ---- */

static unsigned mapped_state(const struct patch *p, gpa_t gpa)
{
	return gpa.a >> PAGE_SHIFT < p->frames ? p->state[gpa.a >> PAGE_SHIFT] : CODE_NONE;
}

int pv_patch_map(struct pv *pv, uint32_t la, gpa_t gpa, unsigned n, unsigned flags)
{
	struct patch *p = pv->patch;
	int r = 0;

	for (unsigned i = 0, k; i < n && !r; i = k) {
		unsigned state = mapped_state(p, GPA(gpa.a + ((uint64_t)i << PAGE_SHIFT))), f = flags;
		for (k = i; k < n && mapped_state(p, GPA(gpa.a + ((uint64_t)k << PAGE_SHIFT))) == state; k++)
			;
		if (state == CODE_SCANNED)
			f &= ~SP_WRITE;
		else if (state == CODE_NONE || !(flags & SP_USER))
			f &= ~SP_EXEC;
		r = pv_shadow_map_file(pv, state == CODE_SCANNED ? p->fd : pv->vm->mem.fd, la + (i << PAGE_SHIFT),
			GPA(gpa.a + ((uint64_t)i << PAGE_SHIFT)), k - i, f);
	}
	return r;
}

/* ---- what the guest does ---- */

/* The frame that host mappings have at linear la, or -1 where nothing is mapped. */
static int64_t mapped_frame(const struct pv *pv, uint32_t la)
{
	return pv->shadow.page[la >> PAGE_SHIFT] & SP_MAPPED ? (int64_t)pv->shadow.frame[la >> PAGE_SHIFT] : -1;
}

static uint32_t linear_ip(const struct vcpu *v)
{
	return (uint32_t)(v->state.seg[S_CS].base + v->state.rip);
}

static bool frame_of_image(const struct image *img, uint32_t frame)
{
	for (unsigned i = 0; i < img->segs; i++) {
		uint64_t from = img->seg[i].paddr >> PAGE_SHIFT, to = (img->seg[i].paddr + img->seg[i].memsz - 1) >> PAGE_SHIFT;
		if (frame >= from && frame <= to)
			return true;
	}
	return false;
}

/*
 * A fetch at la faulted although the guest's tables allow it: what executes at EIP is code now. The interrupted instruction
 * may begin on the page before. User code that the guest brought by itself is not the kernel whose instructions we replace.
 */
void pv_patch_fetch(struct vcpu *v, uint32_t la)
{
	struct patch *p = ((struct pv *)v->vm->priv)->patch;

	p->user = CPL(&v->state) == 3;
	int64_t frame = patch_frame_of(p, la);
	if (frame < 0)
		return;
	if (p->user && p->state[frame] != CODE_SCANNED && !frame_of_image(&v->vm->image, (uint32_t)frame)) {
		patch_leave(p, (uint32_t)frame);
		return;
	}
	if (!patch_known(p, linear_ip(v)))
		late_scan(p, linear_ip(v));
	patch_promote(p, (uint32_t)frame); /* even where it holds no instruction: then #UD is the guest's to see */
}

bool pv_patch_text_write(struct vcpu *v, uint32_t la)
{
	struct pv *pv = v->vm->priv;
	int64_t frame = mapped_frame(pv, la);

	if (frame < 0 || pv->patch->state[frame] != CODE_SCANNED)
		return false;
	pv->patch->n.text_writes++;
	return true;
}

void pv_patch_written(struct pv *pv, gpa_t gpa, uint64_t len)
{
	patch_written(pv->patch, gpa, len);
}

static bool at_site(const struct pv *pv, uint32_t la)
{
	int64_t frame = mapped_frame(pv, la);

	return frame >= 0 && patch_is_site(pv->patch, (uint32_t)frame, la & (PAGE_SIZE - 1));
}

bool pv_patch_trap(struct vcpu *v, struct exit *e, enum step *step)
{
	struct pv *pv = v->vm->priv;
	struct patch *p = pv->patch;

	if (!at_site(pv, linear_ip(v) - 1))
		return false;
	v->state.rip = (uint32_t)(v->state.rip - 1);
	p->n.traps++;
	for (unsigned i = 0;; i++) {
		*step = pv_trap_interpret(v, e);
		if (*step == STEP_EXIT || i == FOLLOW_MAX || v->attention || v->irq_window || v->vm->end != END_NONE || !at_site(pv, linear_ip(v)))
			break;
		p->n.follows++;
	}
	return true;
}

enum step pv_patch_entry(struct vcpu *v, struct exit *e, bool *again)
{
	struct pv *pv = v->vm->priv;
	struct patch *p = pv->patch;
	uint32_t la = linear_ip(v);

	if (v->state.idtr.base != p->idt_base || v->state.idtr.limit != p->idt_limit)
		scan_idt(v, p);
	if (!(v->state.seg[S_CS].attr & SEG_DB)) { /* the scanner reads 32-bit code only */
		*again = true;
		return pv_trap_interpret(v, e);
	}
	int64_t frame = mapped_frame(pv, la);
	if (frame < 0 || patch_is_start(p, (uint32_t)frame, la & (PAGE_SIZE - 1)))
		return STEP_GO;
	if (p->state[frame] == CODE_SCANNED || (p->state[frame] == CODE_LEFT && CPL(&v->state) < 3))
		late_scan(p, la);
	return STEP_GO;
}
