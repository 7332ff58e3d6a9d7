/*
 * engine.c - runs a test in a VM of one backend, under page tables and segments that mirror the oracle's process.
 *
 * Called by worker.c in a forked child. The guest has no kernel: every IDT gate leads to a HLT of its own in ring 0, so
 * that the test ends with the exception frame on the ring-0 stack and the vector in EIP, as the guest's kernel would
 * see them. The backend is driven through the seam only: push, run, pull. Read next: native.c, which this mirrors.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "core/exit.h"
#include "core/vm.h"
#include "core/walk.h"
#include "itest.h"

#define RAM_SIZE (4u << 20)

/* Guest-physical layout */
#define P_PD 0x1000u
#define P_PT 0x2000u /* up to 8 page tables */
#define P_SUPER 0x10000u
#define P_PAE 0x18000u /* the same in PAE form: 4 pointers, then 2 directories, then tables */
#define P_PAE_PD (P_PAE + 0x1000u)
#define P_PAE_PT (P_PAE + 0x3000u)
#define P_IMAGE 0x20000u
#define P_CODE 0x40000u

/* Offsets in the supervisor pages */
#define S_IDT 0x0000u
#define S_GDT 0x1000u
#define S_LDT 0x1800u
#define S_TSS 0x1c00u
#define S_STUBS 0x2000u /* vector n: HLT at S_STUBS + n * 16 */
#define S_STACK_TOP 0x6000u

struct engine {
	struct vm *vm;
	struct it_image image;
	bool seen, spoiled; /* code copied in whole; a test that may have changed tables has run */
	unsigned repeat;
	unsigned tables, pae_tables; /* page tables in use */
	uint32_t pte[2][IT_PAGES]; /* where the entries of IT_PAGES are, 2-level and PAE */
	uint8_t *kept;   /* the supervisor pages and page tables as built: ring-0 tests may change them */
};

static uint32_t *ram32(struct engine *e, uint32_t pa)
{
	return (uint32_t *)(e->vm->mem.host + pa);
}

/* In PAE form; the test pages lie in the first and the last GiB. Returns where the entry is. */
static uint32_t map_pae(struct engine *e, uint32_t linear, uint32_t pa, uint32_t bits)
{
	uint32_t pd = P_PAE_PD + (linear >> 30 ? PAGE_SIZE : 0), *pde = ram32(e, pd) + (linear >> 21 & 511) * 2;

	ram32(e, P_PAE)[(linear >> 30) * 2] = pd | 1;
	if (!*pde)
		*pde = (P_PAE_PT + e->pae_tables++ * PAGE_SIZE) | 0x67;
	pa |= bits;
	ram32(e, *pde & ~0xfffu)[(linear >> 12 & 511) * 2] = pa;
	return (*pde & ~0xfffu) + (linear >> 12 & 511) * 8;
}

static void map_page(struct engine *e, uint32_t linear, uint32_t pa, uint32_t bits)
{
	uint32_t *pde = ram32(e, P_PD) + (linear >> 22), pae = map_pae(e, linear, pa, bits), at;

	if (!*pde)
		*pde = (P_PT + e->tables++ * PAGE_SIZE) | 0x67; /* A, D where it has one, U, W, P */
	at = (*pde & ~0xfffu) + (linear >> 12 & 0x3ff) * 4;
	*ram32(e, at) = pa | bits;
	if (pa - P_IMAGE < IT_IMAGE_SIZE || pa == P_CODE) {
		unsigned page = pa == P_CODE ? IT_PAGES - 1 : (pa - P_IMAGE) / PAGE_SIZE;

		e->pte[0][page] = at;
		e->pte[1][page] = pae;
	}
}

static void map_pages(struct engine *e, uint32_t linear, uint32_t pa, uint32_t pages, uint32_t bits)
{
	for (uint32_t i = 0; i < pages; i++, linear += PAGE_SIZE, pa += PAGE_SIZE)
		map_page(e, linear, pa, bits);
}

static void build_pages(struct engine *e)
{
	for (unsigned i = 0; i < IT_REGIONS; i++) {
		const struct it_region *g = &it_regions[i];

		map_pages(e, g->linear, P_IMAGE + g->image_page * PAGE_SIZE, g->pages, g->writable ? 0x67 : 0x65);
	}
	map_pages(e, IT_CODE, P_CODE, IT_CODE_PAGES, 0x65);
	map_pages(e, IT_SUPER, P_SUPER, IT_SUPER_PAGES, 0x63);
	map_pages(e, IT_TABLES, 0, IT_TABLES_PAGES, 0x63);
}

static void set_gdt(struct engine *e, unsigned index, uint64_t d)
{
	memcpy(e->vm->mem.host + P_SUPER + S_GDT + index * 8, &d, 8);
}

static uint64_t system_descriptor(uint32_t base, uint32_t limit, uint8_t type)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(0x80u | type) << 40 | (uint64_t)(base >> 24) << 56;
}

/* User descriptors as Linux has them (arch/x86/kernel/cpu/common.c), DPL 3; ring 0's own; a TSS and an LDT. */
static void build_descriptors(struct engine *e)
{
	set_gdt(e, 1, 0x00cf9b000000ffff);
	set_gdt(e, 3, 0x00cf93000000ffff);
	set_gdt(e, 4, 0x00cffb000000ffff);
	set_gdt(e, 5, 0x00cff3000000ffff);
	set_gdt(e, 6, 0x00affb000000ffff);
	set_gdt(e, 15, 0x0040f50000000000); /* Linux keeps the CPU's number in the limit */
	set_gdt(e, 8, system_descriptor(IT_SUPER + S_TSS, 0x67, 0xb));
	set_gdt(e, 10, system_descriptor(IT_SUPER + S_LDT, LDT_ALL * 8 - 1, 0x2));
	for (unsigned i = 0; i < LDT_ALL; i++) {
		uint64_t d = segdef_descriptor(&it_ldt[i]);

		memcpy(e->vm->mem.host + P_SUPER + S_LDT + i * 8, &d, 8);
	}
	ram32(e, P_SUPER + S_TSS)[1] = IT_SUPER + S_STACK_TOP;
	ram32(e, P_SUPER + S_TSS)[2] = SEL_DATA0;
	ram32(e, P_SUPER + S_TSS)[25] = 0x68u << 16; /* I/O map base beyond the limit: no port is open */
}

/* Gates: DPL 3 where Linux has it (INT3, INTO, and 0x80 for system calls). */
static void build_idt(struct engine *e)
{
	for (uint32_t v = 0; v < 256; v++) {
		uint32_t at = IT_SUPER + S_STUBS + v * 16;
		uint32_t dpl = v == VEC_BP || v == VEC_OF || v == 0x80 ? 3 : 0;

		ram32(e, P_SUPER + S_IDT)[v * 2] = SEL_CODE0 << 16 | (at & 0xffff);
		ram32(e, P_SUPER + S_IDT)[v * 2 + 1] = (at & 0xffff0000) | 0x8e00 | dpl << 13;
		memset(e->vm->mem.host + P_SUPER + S_STUBS + v * 16, 0xf4, 16);
	}
}

/* The hidden part of a selector: what loading it would have cached (SDM vol. 3, 3.4.3). */
static struct segment load_segment(struct engine *e, uint16_t sel)
{
	struct segment s = { .sel = sel };
	uint64_t d;

	if (!(sel & ~3))
		return s;
	memcpy(&d, e->vm->mem.host + P_SUPER + (sel & 4 ? S_LDT : S_GDT) + (sel & ~7u), 8);
	s.base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
	s.attr = (uint16_t)((d >> 40 & 0xff) | (d >> 52 & 15) << 12);
	s.limit = (uint32_t)((d & 0xffff) | (d >> 48 & 15) << 16);
	if (s.attr & SEG_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

static void base_state(struct engine *e, struct cpu_state *s)
{
	uint64_t tsc = s->tsc_offset;

	cpu_reset(s);
	s->tsc_offset = tsc;
	s->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
	s->cr3 = P_PD;
	s->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PSE;
	s->gdtr = (struct dtable){ IT_SUPER + S_GDT, IT_GDT_ENTRIES * 8 - 1 };
	s->idtr = (struct dtable){ IT_SUPER + S_IDT, 256 * 8 - 1 };
	s->seg[S_TR] = load_segment(e, 8 << 3);
	s->seg[S_LDTR] = load_segment(e, 10 << 3);
}

static void test_state(struct engine *e, const struct itest *t)
{
	struct cpu_state *s = &e->vm->vcpu.state;

	base_state(e, s);
	if (t->machine.no_wp)
		s->cr0 &= ~(uint64_t)CR0_WP;
	if (t->machine.paging) {
		s->cr3 = P_PAE;
		s->cr4 |= CR4_PAE;
		s->efer = t->machine.paging == IT_PAE_NX ? EFER_NX : 0;
	}
	for (unsigned i = 0; i < 8; i++)
		s->gpr[i] = t->gpr[i];
	s->rip = t->eip;
	s->rflags = (t->eflags | FL_FIXED) & ~(t->cpl ? 0u : FL_IF);
	if (t->cpl)
		s->rflags |= FL_IF;
	for (unsigned i = 0; i <= S_GS; i++)
		s->seg[i] = load_segment(e, t->sel[i]);
	memcpy(s->fx, t->fx, sizeof(s->fx));
}

static void *engine_open(const struct it_exec *x, char *why)
{
	struct vm_config cfg = {
		.ops = x->ops, .mem_size = RAM_SIZE, .console_in = -1, .console_out = -1,
	};
	struct engine *e = calloc(1, sizeof(*e));
	char engine[64];
	const char *no = x->ops->probe ? x->ops->probe(engine, sizeof(engine)) : NULL;
	int rc = no ? -ENOTSUP : vm_create(&e->vm, &cfg);

	if (rc) {
		snprintf(why, 128, "%s: %s", x->name, no ? no : strerror(-rc));
		free(e);
		return NULL;
	}
	build_pages(e);
	build_descriptors(e);
	build_idt(e);
	base_state(e, &e->vm->vcpu.state);
	e->kept = malloc(P_IMAGE);
	memcpy(e->kept, e->vm->mem.host, P_IMAGE);
	e->repeat = x->repeat;
	rc = x->ops->start ? x->ops->start(&e->vm->vcpu) : 0;
	if (!rc)
		return e;
	snprintf(why, 128, "%s: start: %s", x->name, strerror(-rc));
	return NULL;
}

/* Puts back what a ring-0 test did to the tables. */
static void restore_tables(struct engine *e)
{
	uint8_t *ram = e->vm->mem.host;

	if (!e->spoiled)
		return;
	e->spoiled = false;
	for (uint32_t pa = 0; pa < P_IMAGE; pa += PAGE_SIZE) {
		if (pa >= P_SUPER + S_STACK_TOP - PAGE_SIZE && pa < P_SUPER + S_STACK_TOP)
			continue; /* the ring-0 stack */
		if (!memcmp(ram + pa, e->kept + pa, PAGE_SIZE))
			continue;
		memcpy(ram + pa, e->kept + pa, PAGE_SIZE);
		vm_mem_written(e->vm, GPA(pa), PAGE_SIZE);
	}
}

static void engine_begin(void *self, const struct it_batch *b)
{
	struct engine *e = self;
	uint32_t from = e->seen ? b->code_from : 0, to = e->seen ? b->code_to : IT_CODE_SIZE;

	memcpy(e->vm->mem.host + P_CODE + from, b->code + from, to - from);
	vm_mem_written(e->vm, GPA(P_CODE + from), to - from);
	e->seen = true;
}

/* Reads back the frame that delivery left on the ring-0 stack (SDM vol. 3, figure 6-4). */
static void read_frame(struct engine *e, const struct itest *t, struct iresult *r)
{
	const struct cpu_state *s = &e->vm->vcpu.state;
	uint32_t stub = (uint32_t)s->rip - 1 - (IT_SUPER + S_STUBS), f[6] = { 0 };
	uint32_t esp = (uint32_t)s->gpr[R_ESP], words;

	if ((stub >= 256 * 16 || stub % 16) && !t->cpl) {
		r->kind = IT_HALT;
		return;
	}
	if (stub >= 256 * 16 || stub % 16) {
		r->kind = IT_CRASH;
		snprintf(r->why, sizeof(r->why), "halted at %#x, which is no handler", (uint32_t)s->rip - 1);
		return;
	}
	r->kind = IT_VECTOR;
	r->vector = (uint8_t)(stub / 16);
	r->has_error = r->vector == VEC_DF || (r->vector >= VEC_TS && r->vector <= VEC_PF) || r->vector == VEC_AC;
	words = (t->cpl ? 5 : 3) + r->has_error;
	if (t->cpl && esp != IT_SUPER + S_STACK_TOP - 4 * words) {
		r->kind = IT_CRASH;
		snprintf(r->why, sizeof(r->why), "vector %u left ESP at %#x: a frame of the wrong size", r->vector, esp);
		return;
	}
	if (interp_read_virt(&e->vm->vcpu, GVA(esp), f, 4 * words, ACCESS_R)) {
		r->kind = IT_CRASH;
		snprintf(r->why, sizeof(r->why), "vector %u with its frame at %#x", r->vector, esp);
		return;
	}
	r->error = r->has_error ? f[0] : 0;
	r->eip = f[r->has_error];
	r->sel[S_CS] = (uint16_t)f[r->has_error + 1];
	r->eflags = f[r->has_error + 2];
	r->gpr[R_ESP] = t->cpl ? f[r->has_error + 3] : esp + 4 * words;
	r->sel[S_SS] = t->cpl ? (uint16_t)f[r->has_error + 4] : s->seg[S_SS].sel;
}

static void run_to_end(struct engine *e, struct exit *x, struct iresult *r)
{
	struct vcpu *v = &e->vm->vcpu;

	for (unsigned i = 0; i < 1000; i++) {
		int rc;

		v->attention = 0;
		memset(x, 0, sizeof(*x));
		rc = e->vm->ops->run(v, x);
		if (!rc && x->reason == EXIT_KICK)
			continue;
		if (!rc && (x->reason == EXIT_PORT || x->reason == EXIT_MMIO))
			rc = exit_handle(v, x);
		else if (!rc)
			return;
		if (rc) {
			r->kind = IT_CRASH;
			snprintf(r->why, sizeof(r->why), "run returned %d", rc);
			return;
		}
	}
	r->kind = IT_CRASH;
	snprintf(r->why, sizeof(r->why), "1000 exits, the last of reason %d", x->reason);
}

static void engine_result(struct engine *e, const struct itest *t, const struct exit *x, struct iresult *r)
{
	const struct cpu_state *s = &e->vm->vcpu.state;

	for (unsigned i = 0; i < 8; i++)
		r->gpr[i] = (uint32_t)s->gpr[i];
	for (unsigned i = 0; i <= S_GS; i++)
		r->sel[i] = s->seg[i].sel;
	r->eip = (uint32_t)s->rip;
	r->eflags = (uint32_t)s->rflags;
	memcpy(r->fx, s->fx, sizeof(r->fx));
	if (r->kind)
		return;
	switch (x->reason) {
	case EXIT_HLT:
		read_frame(e, t, r);
		r->cr2 = r->vector == VEC_PF ? (uint32_t)s->cr2 : 0;
		break;
	case EXIT_SHUTDOWN:
		r->kind = IT_SHUTDOWN;
		break;
	default:
		r->kind = IT_CRASH;
		snprintf(r->why, sizeof(r->why), "exit %d: %.80s", x->reason, x->reason == EXIT_CRASH ? x->crash.why : "");
	}
}

/* Page-table entries that are not the usual. */
static void odd_pages(struct engine *e, const struct itest *t)
{
	for (unsigned i = 0; i < t->machine.odds; i++) {
		const struct it_odd *o = &t->machine.odd[i];
		uint32_t at = e->pte[t->machine.paging != IT_TWO_LEVEL][o->page], *p = ram32(e, at);

		p[0] = (p[0] & ~(uint32_t)o->clear) | o->set;
		if (t->machine.paging != IT_TWO_LEVEL && o->nx)
			p[1] |= 0x80000000u; /* without EFER.NX a reserved bit */
		vm_mem_written(e->vm, GPA(at), 8);
		e->spoiled = true;
	}
}

static void engine_once(struct engine *e, const struct itest *t, struct iresult *r)
{
	uint8_t *image = e->vm->mem.host + P_IMAGE;
	struct exit x;

	memset(r, 0, sizeof(*r));
	restore_tables(e);
	e->spoiled = !t->cpl || t->system;
	image_seed(&e->image, t->image_seed);
	memcpy(image, e->image.byte, IT_IMAGE_SIZE);
	image_patch(image, t);
	vm_mem_written(e->vm, GPA(P_IMAGE), IT_IMAGE_SIZE);
	odd_pages(e, t);
	test_state(e, t);
	if (e->vm->ops->push(&e->vm->vcpu, REGS_ALL)) {
		r->kind = IT_CRASH;
		snprintf(r->why, sizeof(r->why), "push failed");
		return;
	}
	run_to_end(e, &x, r);
	e->vm->ops->pull(&e->vm->vcpu, REGS_ALL);
	engine_result(e, t, &x, r);
	r->mem_hash = image_hash(image, t);
	for (unsigned i = 0; t->system && i < IT_PAGES; i++)
		r->pte[i] = *ram32(e, e->pte[t->machine.paging != IT_TWO_LEVEL][i]);
}

/* Again, with the code known: chained, and retranslated where it faulted. */
static void engine_run(void *self, const struct itest *t, struct iresult *r)
{
	struct engine *e = self;

	for (unsigned i = 0; i < (e->repeat ? e->repeat : 1); i++)
		engine_once(e, t, r);
}

static void engine_image(void *self, uint8_t copy[IT_IMAGE_SIZE])
{
	memcpy(copy, ((struct engine *)self)->vm->mem.host + P_IMAGE, IT_IMAGE_SIZE);
}

struct it_exec engine_exec(const struct backend_ops *ops)
{
	return (struct it_exec){
		.name = ops->name, .open = engine_open, .begin = engine_begin, .run = engine_run, .image = engine_image, .ops = ops,
	};
}
