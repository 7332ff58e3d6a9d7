/*
 * compare.c - where two results of one test differ.
 *
 * Masked are only: flags that Zydis or the SDM call undefined (classify.c), the x87 pointers and opcode (FIP, FDP, FOP:
 * processors differ, SDM vol. 1, 8.1.8), MXCSR_MASK, reserved bytes of the FXSAVE image, and the I/D bit of page-fault
 * errors, which tells only that the host's pages have NX and the guest's tables have not (SDM vol. 3, 4.7).
 */
#include <string.h>
#include "itest.h"

static uint32_t undefined_flags(const struct itest *t, const struct iresult *a)
{
	int i = itest_index(t, a->eip - (a->vector == VEC_BP)); /* INT3 reports behind itself */
	uint32_t u = 0;

	if (i >= 0)
		return t->undef[i];
	/* It may have run data as code: nobody has looked at which flags that leaves undefined. */
	if (a->eip - t->eip > IT_CODE_MAX)
		return FL_ARITH;
	for (unsigned k = 0; k <= t->insns; k++)
		u |= t->undef[k];
	return u;
}

/* The opcode at eip without its prefixes, 0F xx as 0x1xx, and its ModRM; -1 outside the test. */
static int opcode_at(const struct itest *t, uint32_t eip, uint8_t *modrm)
{
	unsigned i = eip - t->eip;
	int op;

	while (i < t->len && (t->code[i] == 0x66 || t->code[i] == 0x67 || t->code[i] == 0xf0 || (t->code[i] | 1) == 0xf3 ||
			(t->code[i] & 0xe7) == 0x26 || (t->code[i] & 0xfe) == 0x64))
		i++;
	if (i + 2 >= IT_CODE_MAX || i >= t->len)
		return -1;
	op = t->code[i] == 0x0f ? 0x100 | t->code[++i] : t->code[i];
	*modrm = t->code[i + 1];
	return op;
}

/* MMX instructions and conversions between MMX and XMM. */
static bool is_mmx(int op)
{
	return op == 0x12a || op == 0x12c || op == 0x12d || (op >= 0x160 && op <= 0x17f) || op == 0x1c4 || op == 0x1c5 || (op >= 0x1d1);
}

/*
 * FCW, FSW, tags, MXCSR, ST and XMM. An instruction that faults on its way from x87 to MMX state may have made the
 * transition already (AMD) or not (Intel): then the x87 part is not compared.
 */
static bool fx_differs(const struct itest *t, const struct iresult *a, const struct iresult *b)
{
	uint8_t modrm = 0;
	bool x87 = memcmp(a->fx, b->fx, 5) != 0, simd = false;
	uint32_t ma, mb;

	memcpy(&ma, a->fx + 24, 4);
	memcpy(&mb, b->fx + 24, 4);
	/* PE beside an unmasked overflow or underflow: of the result as it would have been delivered, or as rounded. */
	simd = (ma ^ mb) & ~(a->vector == VEC_XM && (ma & 0x18) ? 0x20u : 0u);
	for (unsigned i = 0; i < 8; i++) {
		x87 |= memcmp(a->fx + 32 + i * 16, b->fx + 32 + i * 16, 10) != 0;
		simd |= memcmp(a->fx + 160 + i * 16, b->fx + 160 + i * 16, 16) != 0;
	}
	if (x87 && a->vector != VEC_BP && is_mmx(opcode_at(t, a->eip, &modrm)))
		x87 = false;
	return x87 || simd;
}

unsigned compare(const struct itest *t, const struct iresult *a, const struct iresult *b)
{
	unsigned d = 0;

	if (a->kind != b->kind)
		return DIFF_KIND;
	if (a->kind != IT_VECTOR && a->kind != IT_HALT)
		return 0;
	if (a->vector != b->vector)
		d |= DIFF_VECTOR;
	if ((a->error ^ b->error) & ~(a->vector == VEC_PF && !t->system ? PFEC_I : 0u))
		d |= DIFF_ERROR;
	if (a->vector == VEC_PF && a->cr2 != b->cr2)
		d |= DIFF_CR2;
	if (a->eip != b->eip)
		d |= DIFF_EIP;
	if (memcmp(a->gpr, b->gpr, sizeof(a->gpr)))
		d |= DIFF_GPR;
	if ((a->eflags ^ b->eflags) & ~undefined_flags(t, a))
		d |= DIFF_FLAGS;
	for (unsigned i = 0; i < 6; i++) {
		/* A null selector's RPL is lost when the host's kernel returns to user mode (SDM vol. 2, IRET). */
		if (a->sel[i] != b->sel[i] && (a->sel[i] > 3 || b->sel[i] > 3))
			d |= DIFF_SEL;
	}
	if (fx_differs(t, a, b))
		d |= DIFF_FX;
	if (a->mem_hash != b->mem_hash)
		d |= DIFF_MEM;
	if (memcmp(a->pte, b->pte, sizeof(a->pte)))
		d |= DIFF_PTE;
	return d;
}

/*
 * Instructions of many accesses: which of them faults first, and which registers have changed by then, no manual says.
 * CMPS; PUSHA, POPA; ENTER; far RET, IRET, far CALL and JMP; FNSAVE, FRSTOR, FNSTENV, FLDENV; FXSAVE, FXRSTOR; BOUND.
 */
static bool many_accesses(const struct itest *t, uint32_t eip)
{
	uint8_t modrm = 0;
	int op = opcode_at(t, eip, &modrm);
	unsigned reg = modrm >> 3 & 7;

	switch (op) {
	case 0xa6: case 0xa7: case 0x60: case 0x61: case 0xc8: case 0xca: case 0xcb: case 0xcf: case 0x9a: case 0x62:
		return true;
	case 0xff:
		return reg == 3 || reg == 5;
	case 0xd9: case 0xdd:
		return modrm < 0xc0 && (reg == 4 || reg == 6);
	case 0x1ae:
		return modrm < 0xc0 && reg < 2;
	default:
		return false;
	}
}

/* POP of a segment register with a 32-bit operand reads 4 bytes (AMD) or 2 (Intel). */
static bool pops_segment(const struct itest *t, uint32_t eip)
{
	uint8_t modrm = 0;
	int op = opcode_at(t, eip, &modrm);

	return op == 0x07 || op == 0x17 || op == 0x1f || op == 0x1a1 || op == 0x1a9;
}

static bool is_iret(const struct itest *t, uint32_t eip)
{
	uint8_t modrm = 0;

	return opcode_at(t, eip, &modrm) == 0xcf;
}

/* An engine that wraps around 4 GiB, in the flat segment or in one of the LDT's, faults just below the segment's base. */
static bool wrapped(uint32_t cr2)
{
	return !cr2 || it_ldt[LDT_FS].base - cr2 <= 16 || it_ldt[LDT_GS].base - cr2 <= 16;
}

/* The entries differ in accessed bits only. */
static bool only_accessed(const struct iresult *a, const struct iresult *b)
{
	for (unsigned i = 0; i < IT_PAGES; i++)
		if ((a->pte[i] ^ b->pte[i]) & ~0x20u)
			return false;
	return true;
}

const char *compare_open(const struct itest *t, const struct iresult *a, const struct iresult *b, unsigned diff)
{
	bool wild = a->eip - t->eip > IT_CODE_MAX;
	uint8_t modrm = 0;

	if (a->kind != IT_VECTOR || b->kind != IT_VECTOR)
		return NULL;
	if ((a->vector == VEC_PF || a->vector == VEC_SS) && pops_segment(t, a->eip))
		return "POP of a segment register at the end of a page or of 4 GiB: 2 bytes or 4";
	if (t->calls_data && !(diff & ~(unsigned)(DIFF_FLAGS | DIFF_MEM | DIFF_GPR)) && itest_index(t, a->eip - (a->vector == VEC_BP)) >= 0)
		return "data was called as code, and returned: nobody has checked it for open results";
	if (wild && (!(a->vector == VEC_PF && a->cr2 == a->eip) || !(diff & (DIFF_VECTOR | DIFF_ERROR | DIFF_CR2 | DIFF_EIP))))
		return "it ran data as code, which nobody has checked for open results";
	if (t->pushes_segment && !(diff & ~(unsigned)(DIFF_MEM | DIFF_GPR)))
		return "the upper half of a pushed selector: zero (AMD) or what was there (Intel), SDM vol. 2, PUSH";
	if (a->eip != b->eip)
		return NULL;
	if (diff == DIFF_PTE && (a->vector == VEC_GP || a->vector == VEC_SS) && only_accessed(a, b))
		return "the first page of an access that wraps around at 4 GiB: accessed or not, SDM vol. 3, 4.8";
	if ((a->vector == VEC_GP || a->vector == VEC_SS) && !a->error && b->vector == VEC_PF && wrapped(b->cr2))
		return "an access across 4 GiB: #GP or wrapped, SDM vol. 3, 5.3";
	if ((a->vector ^ b->vector) == (VEC_GP ^ VEC_SS) && !a->error && !b->error)
		return "an SSE operand both misaligned and across 4 GiB: #GP or #SS";
	if (a->vector == VEC_UD && b->vector == VEC_PF && b->cr2 > b->eip && opcode_at(t, a->eip, &modrm) == 0x1ff)
		return "UD0 at the end of a page: with a ModRM byte (Intel) or without (AMD)";
	if (b->vector == VEC_PF && b->cr2 - IT_SUPER < IT_SUPER_PAGES * PAGE_SIZE)
		return "the VM's own supervisor pages";
	if ((a->vector == VEC_PF || a->vector == VEC_SS || b->vector == VEC_PF) && many_accesses(t, a->eip))
		return "a fault in an instruction of many accesses: their order is open";
	if (a->vector == VEC_GP && is_iret(t, a->eip) && (a->eflags & FL_NT))
		return "IRET with NT: a task return, #GP on a 64-bit host";
	return NULL;
}

void expect_ud(const struct itest *t, struct iresult *r)
{
	struct it_image im = { .valid = false };

	image_seed(&im, t->image_seed);
	image_patch(im.byte, t);
	memset(r, 0, sizeof(*r));
	r->kind = IT_VECTOR;
	r->vector = VEC_UD;
	memcpy(r->gpr, t->gpr, sizeof(r->gpr));
	memcpy(r->sel, t->sel, sizeof(r->sel));
	memcpy(r->fx, t->fx, sizeof(r->fx));
	r->eip = t->eip;
	r->eflags = t->eflags | FL_IF | FL_FIXED | FL_RF; /* SDM vol. 3, 18.3.1.1: RF is pushed as 1 for faults */
	r->mem_hash = image_hash(im.byte, t);
}
