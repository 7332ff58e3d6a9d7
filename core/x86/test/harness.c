/* The bare machine of harness.h. */
#include "harness.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RIG_RAM (16u << 20)

void rig_put32(struct rig *r, uint32_t at, uint32_t v) { memcpy(r->vm->mem.host + at, &v, 4); }
void rig_put64(struct rig *r, uint32_t at, uint64_t v) { memcpy(r->vm->mem.host + at, &v, 8); }

uint32_t rig_get32(struct rig *r, uint32_t at)
{
	uint32_t v;

	memcpy(&v, r->vm->mem.host + at, 4);
	return v;
}

uint64_t rig_descriptor(uint32_t base, uint32_t limit20, unsigned access, unsigned flags)
{
	return (limit20 & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
		(uint64_t)(limit20 >> 16 & 15) << 48 | (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

void rig_gate(struct rig *r, unsigned vector, uint16_t sel, uint32_t off, unsigned type, unsigned dpl, bool present)
{
	rig_put32(r, AT_IDT + vector * 8, (uint32_t)sel << 16 | (off & 0xffff));
	rig_put32(r, AT_IDT + vector * 8 + 4, (off & 0xffff0000) | (present ? 0x8000u : 0) | dpl << 13 | type << 8);
}

static void make_gdt(struct rig *r)
{
	rig_put64(r, AT_GDT + RIG_CODE0, rig_descriptor(0, 0xfffff, 0x9a, 0xc));
	rig_put64(r, AT_GDT + RIG_DATA0, rig_descriptor(0, 0xfffff, 0x92, 0xc));
	rig_put64(r, AT_GDT + (RIG_CODE3 & ~7), rig_descriptor(0, 0xfffff, 0xfa, 0xc));
	rig_put64(r, AT_GDT + (RIG_DATA3 & ~7), rig_descriptor(0, 0xfffff, 0xf2, 0xc));
	rig_put64(r, AT_GDT + RIG_TSS, rig_descriptor(AT_TSS, 0x67, 0x89, 0));
	rig_put64(r, AT_GDT + RIG_CONF, rig_descriptor(0, 0xfffff, 0x9e, 0xc));
	rig_put64(r, AT_GDT + RIG_ABSENT, rig_descriptor(0, 0xfffff, 0x12, 0xc));
	rig_put64(r, AT_GDT + RIG_LDT, rig_descriptor(AT_LDT, 0xff, 0x82, 0));
	rig_put64(r, AT_GDT + RIG_RO, rig_descriptor(0, 0xfffff, 0x90, 0xc));
	rig_put64(r, AT_GDT + RIG_XONLY, rig_descriptor(0, 0xfffff, 0x98, 0xc));
	rig_put64(r, AT_GDT + RIG_SMALL, rig_descriptor(0x50000, 0xff, 0xf2, 4));
	rig_put64(r, AT_GDT + RIG_TSS2, rig_descriptor(AT_TSS + 0x800, 0x67, 0x89, 0));
	rig_put64(r, AT_GDT + RIG_DOWN, rig_descriptor(0, 0xfff, 0xf6, 4));
	rig_put64(r, AT_GDT + RIG_TASKGATE, (uint64_t)RIG_TSS2 << 16 | 0xe500ull << 32);
}

struct rig rig_open(void)
{
	struct rig r = { .vm = calloc(1, sizeof(struct vm)) };

	r.v = &r.vm->vcpu;
	r.s = &r.v->state;
	r.v->vm = r.vm;
	r.vm->mem.size = RIG_RAM;
	r.vm->mem.host = mmap(NULL, RIG_RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	interp_init(&r.v->interp, MECH_INTERP);
	r.v->interp.count = true;
	cpu_enter_flat32(r.s, AT_CODE);
	make_gdt(&r);
	r.s->gdtr = (struct dtable){ AT_GDT, 0xfff };
	r.s->idtr = (struct dtable){ AT_IDT, 0x7ff };
	r.s->seg[S_CS] = segment_flat32(RIG_CODE0, 0xb, 0);
	for (int k = 0; k < 6; k++)
		if (k != S_CS)
			r.s->seg[k] = segment_flat32(RIG_DATA0, 3, 0);
	r.s->gpr[R_ESP] = AT_STACK0;
	for (unsigned vec = 0; vec < 256; vec++)
		rig_gate(&r, vec, RIG_CODE0, AT_HANDLER(vec), 0xe, 0, true);
	rig_put32(&r, AT_TSS + 4, AT_STACK0);
	rig_put32(&r, AT_TSS + 8, RIG_DATA0);
	segment_load(r.v, S_TR, RIG_TSS, &(struct fault){ 0 });
	return r;
}

void rig_close(struct rig *r)
{
	interp_fini(&r->v->interp);
	stats_fini(&r->v->stats);
	munmap(r->vm->mem.host, RIG_RAM);
	free(r->vm);
}

void rig_user(struct rig *r)
{
	r->s->seg[S_CS] = segment_flat32(RIG_CODE3, 0xb, 3);
	for (int k = 0; k < 6; k++)
		if (k != S_CS)
			r->s->seg[k] = segment_flat32(RIG_DATA3, 3, 3);
	r->s->gpr[R_ESP] = AT_STACK3;
}

void rig_code(struct rig *r, const void *bytes, unsigned n)
{
	memcpy(r->vm->mem.host + AT_CODE, bytes, n);
	r->s->rip = AT_CODE;
}
