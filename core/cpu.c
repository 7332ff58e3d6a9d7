/*
 * cpu.c - the vCPU's state at its two beginnings: INIT, and the entry that Multiboot 1 promises.
 */
#include "core/cpu.h"
#include <string.h>

struct segment segment_flat32(uint16_t sel, unsigned type, unsigned dpl)
{
	return (struct segment){ .sel = sel, .base = 0, .limit = 0xffffffff,
		.attr = (uint16_t)(type | SEG_S | dpl << 5 | SEG_P | SEG_DB | SEG_G) };
}

/* SDM vol. 3, table 9-1, with the x87 control words of FINIT and the MXCSR of reset (vol. 1, 10.2.3). */
void cpu_reset(struct cpu_state *s)
{
	memset(s, 0, sizeof(*s));
	s->rip = 0xfff0;
	s->rflags = FL_FIXED;
	s->gpr[R_EDX] = 0x6d8;
	for (int i = 0; i <= S_GS; i++)
		s->seg[i] = (struct segment){ .limit = 0xffff, .attr = SEG_P | SEG_S | 3 };
	s->seg[S_CS] = (struct segment){ .sel = 0xf000, .base = 0xffff0000, .limit = 0xffff, .attr = SEG_P | SEG_S | 0xb };
	s->seg[S_LDTR] = (struct segment){ .limit = 0xffff, .attr = SEG_P | 2 };
	s->seg[S_TR] = (struct segment){ .limit = 0xffff, .attr = SEG_P | 0xb };
	s->gdtr.limit = s->idtr.limit = 0xffff;
	s->cr0 = CR0_ET | CR0_NW | CR0_CD;
	s->dr[6] = 0xffff0ff0;
	s->dr[7] = 0x400;
	s->fx[0] = 0x7f; /* FCW = 0x037f */
	s->fx[1] = 0x03;
	s->fx[24] = 0x80; /* MXCSR = 0x1f80 */
	s->fx[25] = 0x1f;
}

/* Multiboot 1, 3.2: flat 32-bit segments, paging off, interrupts off; tables undefined, so made empty. */
void cpu_enter_flat32(struct cpu_state *s, uint32_t eip)
{
	cpu_reset(s);
	for (int i = 0; i <= S_GS; i++)
		s->seg[i] = segment_flat32(0x10, 3, 0);
	s->seg[S_CS] = segment_flat32(0x08, 0xb, 0);
	s->gdtr = s->idtr = (struct dtable){ 0 };
	s->cr0 = CR0_PE | CR0_ET;
	s->rip = eip;
}
