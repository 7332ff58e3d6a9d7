/*
 * interp_mem.c - guest memory as the interpreter sees it: linear addresses through a soft TLB, operands through segments.
 *
 * The soft TLB caches what walk_page said, per kind of access, and is flushed when the guest flushes its own. RAM is
 * read and written through core's view of it; any other physical address goes to the bus and is counted as MMIO. An
 * access that crosses a page is checked on both pages before any byte moves. Read next: walk.c, segment.c.
 */
#include "step.h"

void interp_tlb_flush(struct interp *in)
{
	memset(in->tlb, 0, sizeof(in->tlb));
	in->tlb_large = false;
}

/* SDM vol. 3, 4.10.4.1: MOV to CR3 does not invalidate global entries. */
void interp_tlb_flush_local(struct interp *in)
{
	for (unsigned i = 0; i < INTERP_TLB; i++)
		if (!in->tlb[i].global)
			in->tlb[i].tag = 0;
}

void interp_tlb_flush_page(struct interp *in, uint32_t lin)
{
	if (in->tlb_large)
		interp_tlb_flush(in);
	else
		in->tlb[(lin >> PAGE_SHIFT) % INTERP_TLB].tag = 0;
}

/* Tells the engine which table entries the walk marked accessed or dirty. */
static void report_ad(struct interp *in, const struct walk *w)
{
	for (unsigned l = 0; l < w->levels; l++)
		if (w->written & (1u << l))
			in->hooks.phys_write(in->hooks.ctx, w->entry[l], w->entry_size);
}

const struct interp_tlb_entry *tlb_get(struct vcpu *v, uint32_t lin, unsigned access, uint32_t *err)
{
	struct interp *in = &v->interp;
	struct interp_tlb_entry *e = &in->tlb[(lin >> PAGE_SHIFT) % INTERP_TLB];
	uint32_t tag = (lin & (uint32_t)PAGE_MASK) | 1;
	struct walk w;

	if ((e->tag & ~2u) == tag && (e->access & (1u << access)))
		return e;
	*err = walk_page(&v->state, &v->vm->mem, GVA(lin), access, true, &w);
	if (w.written && in->hooks.phys_write)
		report_ad(in, &w);
	if (*err)
		return NULL;
	w.gpa.a &= PAGE_MASK;
	in->tlb_large |= w.page_size > PAGE_SIZE;
	if ((e->tag & ~2u) != tag || e->page.a != w.gpa.a)
		*e = (struct interp_tlb_entry){ .tag = tag | debug_tag(in, lin), .page = w.gpa, .host = mem_ptr(&v->vm->mem, w.gpa, PAGE_SIZE) };
	e->global = w.global;
	e->access |= (uint8_t)(1u << access);
	return e;
}

/* One access of 1, 2, 4 or 8 bytes to an address that is not RAM. */
static void mmio_access(struct vcpu *v, gpa_t gpa, void *buf, unsigned len, bool write)
{
	struct interp *in = &v->interp;
	gva_t eip = GVA(v->state.rip);
	uint64_t t0 = in->count ? stat_begin(&v->stats, EV_MMIO, in->mech) : 0, value = 0;

	if (write) {
		memcpy(&value, buf, len);
		bus_mmio_write(&v->vm->bus, gpa, len, value);
	} else {
		value = bus_mmio_read(&v->vm->bus, gpa, len);
		memcpy(buf, &value, len);
	}
	stat_end(&v->stats, EV_MMIO, in->mech, eip, t0);
}

static void mmio_copy(struct vcpu *v, gpa_t gpa, uint8_t *buf, unsigned len, bool write)
{
	while (len) {
		unsigned n = len >= 8 ? 8 : len >= 4 ? 4 : len >= 2 ? 2 : 1;

		mmio_access(v, gpa, buf, n, write);
		gpa.a += n;
		buf += n;
		len -= n;
	}
}

/* Moves bytes within one page whose translation is e. */
static void page_copy(struct vcpu *v, const struct interp_tlb_entry *e, uint32_t lin, uint8_t *buf, unsigned len, bool write)
{
	uint32_t off = lin & (PAGE_SIZE - 1);

	if (!e->host) {
		mmio_copy(v, GPA(e->page.a + off), buf, len, write);
	} else if (write) {
		memcpy(e->host + off, buf, len);
		if (v->interp.hooks.phys_write)
			v->interp.hooks.phys_write(v->interp.hooks.ctx, GPA(e->page.a + off), len);
	} else {
		memcpy(buf, e->host + off, len);
	}
}

uint32_t virt_check(struct vcpu *v, uint32_t lin, unsigned len, unsigned access, uint32_t *fault_addr)
{
	uint32_t err = 0, last = lin + len - 1;

	*fault_addr = lin;
	if (!tlb_get(v, lin, access, &err))
		return err;
	if ((last ^ lin) & (uint32_t)PAGE_MASK) {
		*fault_addr = last & (uint32_t)PAGE_MASK;
		if (!tlb_get(v, last, access, &err))
			return err;
	}
	return 0;
}

/* len is at most a page, so at most two pages are touched; both are checked before the first byte moves. */
static uint32_t virt_copy(struct vcpu *v, uint32_t lin, uint8_t *buf, unsigned len, unsigned access, uint32_t *fault_addr)
{
	uint32_t room = PAGE_SIZE - (lin & (PAGE_SIZE - 1)), err = 0;
	unsigned first = len < room ? len : room;
	const struct interp_tlb_entry *e;

	if (len > room && (err = virt_check(v, lin, len, access, fault_addr)))
		return err;
	*fault_addr = lin;
	e = tlb_get(v, lin, access, &err);
	if (!e)
		return err;
	page_copy(v, e, lin, buf, first, access & ACCESS_W);
	if (unlikely(e->tag & 2))
		debug_access(&v->interp, lin, first, access & ACCESS_W);
	if (len > room) {
		*fault_addr = lin + first;
		e = tlb_get(v, lin + first, access, &err);
		if (!e)
			return err;
		page_copy(v, e, lin + first, buf + first, len - first, access & ACCESS_W);
		if (unlikely(e->tag & 2))
			debug_access(&v->interp, lin + first, len - first, access & ACCESS_W);
	}
	return 0;
}

uint32_t virt_read(struct vcpu *v, uint32_t lin, void *buf, unsigned len, unsigned access, uint32_t *fault_addr)
{
	return virt_copy(v, lin, buf, len, access, fault_addr);
}

uint32_t virt_write(struct vcpu *v, uint32_t lin, const void *buf, unsigned len, unsigned access, uint32_t *fault_addr)
{
	return virt_copy(v, lin, (uint8_t *)buf, len, access | ACCESS_W, fault_addr);
}

/* The public forms take any length. */
uint32_t interp_read_virt(struct vcpu *v, gva_t gva, void *buf, unsigned len, unsigned access)
{
	uint32_t addr, err;

	for (unsigned done = 0; done < len; ) {
		unsigned n = len - done < PAGE_SIZE ? len - done : PAGE_SIZE;

		err = virt_read(v, (uint32_t)gva.a + done, (uint8_t *)buf + done, n, access & ~ACCESS_W, &addr);
		if (err)
			return err;
		done += n;
	}
	return 0;
}

uint32_t interp_write_virt(struct vcpu *v, gva_t gva, const void *buf, unsigned len, unsigned access)
{
	uint32_t addr, err;

	for (unsigned done = 0; done < len; ) {
		unsigned n = len - done < PAGE_SIZE ? len - done : PAGE_SIZE;

		err = virt_write(v, (uint32_t)gva.a + done, (const uint8_t *)buf + done, n, access | ACCESS_W, &addr);
		if (err)
			return err;
		done += n;
	}
	return 0;
}

static int sys_fault(struct vcpu *v, uint32_t addr, uint32_t err, struct fault *f)
{
	if (!err)
		return 0;
	v->state.cr2 = addr;
	*f = (struct fault){ VEC_PF, true, err & ~WALK_FAULT };
	return -1;
}

int sys_read(struct vcpu *v, uint32_t lin, void *buf, unsigned len, struct fault *f)
{
	uint32_t addr = 0, err = virt_read(v, lin, buf, len, ACCESS_R, &addr);

	return sys_fault(v, addr, err, f);
}

int sys_write(struct vcpu *v, uint32_t lin, const void *buf, unsigned len, struct fault *f)
{
	uint32_t addr = 0, err = virt_write(v, lin, buf, len, ACCESS_W, &addr);

	return sys_fault(v, addr, err, f);
}

int sys_check(struct vcpu *v, uint32_t lin, unsigned len, bool write, struct fault *f)
{
	uint32_t addr = 0, err = virt_check(v, lin, len, write ? ACCESS_W : ACCESS_R, &addr);

	return sys_fault(v, addr, err, f);
}

_Noreturn void step_page_fault(struct step *c, uint32_t addr, uint32_t err)
{
	c->s->cr2 = addr;
	step_raise(c, VEC_PF, true, err & ~WALK_FAULT);
}

uint32_t step_linear_slow(struct step *c, unsigned seg, uint32_t off, uint32_t len, unsigned access)
{
	uint32_t lin;

	if (segment_linear(c->s, seg, off, len, access, &lin, &c->fault))
		step_fault(c);
	/* SDM vol. 3, 6.15, interrupt 17: words, doublewords and quadwords at their own alignment. */
	if (c->align && (len == 2 || len == 4 || len == 8) && (lin & (len - 1)))
		step_raise(c, VEC_AC, true, 0);
	return lin;
}

uint32_t step_read_slow(struct step *c, uint32_t lin, unsigned size)
{
	uint32_t value = 0, addr, err = virt_read(c->v, lin, &value, size, ACCESS_R | c->user, &addr);

	if (err)
		step_page_fault(c, addr, err);
	return value;
}

void step_write_slow(struct step *c, uint32_t lin, uint32_t value, unsigned size)
{
	uint32_t addr, err = virt_write(c->v, lin, &value, size, ACCESS_W | c->user, &addr);

	if (err)
		step_page_fault(c, addr, err);
}

void step_read_buf(struct step *c, unsigned seg, uint32_t off, void *buf, unsigned len)
{
	uint32_t lin = step_linear(c, seg, off, len, ACCESS_R);
	uint32_t addr, err = virt_read(c->v, lin, buf, len, ACCESS_R | c->user, &addr);

	if (err)
		step_page_fault(c, addr, err);
}

void step_write_buf(struct step *c, unsigned seg, uint32_t off, const void *buf, unsigned len)
{
	uint32_t lin = step_linear(c, seg, off, len, ACCESS_W);
	uint32_t addr, err = virt_write(c->v, lin, buf, len, ACCESS_W | c->user, &addr);

	if (err)
		step_page_fault(c, addr, err);
}

void step_check_write(struct step *c, unsigned seg, uint32_t off, unsigned len)
{
	uint32_t lin = step_linear(c, seg, off, len, ACCESS_W);
	uint32_t addr, err = virt_check(c->v, lin, len, ACCESS_W | c->user, &addr);

	if (err)
		step_page_fault(c, addr, err);
}
