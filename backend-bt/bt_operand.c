/*
 * bt_operand.c - a guest memory operand as the host addresses it: inside the window, whatever the guest wrote.
 *
 * This is where "guest code cannot name an address of ours" is decided: every form that leaves here is the window's base
 * plus a zero-extended 32-bit register and a displacement too small to cross a guard zone. Called by bt_rewrite.c,
 * bt_generic.c and bt_flow.c.
 */
#include "bt_emit.h"

#define PROBE_REACH 65536 /* ESP may be so far outside the window when the stack is touched */

/* Guest base and index registers of a memory operand. */
bool operand_reg(ZydisRegister r, uint8_t *out)
{
	if (r == ZYDIS_REGISTER_NONE) {
		*out = H_NONE;
		return true;
	}
	if (r < ZYDIS_REGISTER_EAX || r > ZYDIS_REGISTER_EDI)
		return false;
	*out = (uint8_t)(r - ZYDIS_REGISTER_EAX);
	return true;
}

/* lea dst32, [base + index * scale + disp] */
void operand_lea(struct tr *t, unsigned dst, uint8_t base, uint8_t index, uint8_t scale, int32_t disp)
{
	unsigned ss = scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;

	if (index == H_NONE && base == H_NONE) {
		emit_imm32(t, dst, (uint32_t)disp);
		return;
	}
	if (index == H_NONE) {
		struct ea a = { base, H_NONE, disp };
		emit_lea32(t, dst, &a);
		return;
	}
	unsigned rex = (dst & 8) >> 1 | (index & 8) >> 2 | (base != H_NONE ? (base & 8) >> 3 : 0);
	unsigned mod = base == H_NONE ? 0 : disp == 0 && (base & 7) != 5 ? 0 : disp >= -128 && disp < 128 ? 1 : 2;
	if (rex)
		e1(t, 0x40 | rex);
	e3(t, 0x8d, mod << 6 | (dst & 7) << 3 | 4, ss << 6 | (index & 7u) << 3 | (base == H_NONE ? 5u : base & 7u));
	if (mod == 1)
		e1(t, (uint8_t)disp);
	else if (mod == 2 || base == H_NONE)
		e4(t, (uint32_t)disp);
}

/* FS and GS: their base is added; seg_win leads into the guard zone while a limit has to be checked. */
static void emit_segment(struct tr *t, ZydisRegister seg, uint8_t base, uint8_t index, uint8_t scale, int32_t disp, struct ea *out)
{
	int i = seg == ZYDIS_REGISTER_FS ? 0 : 1;
	struct ea a = ea_hot(HOT_OFF(seg_base) + 4 * i), w = ea_hot(HOT_OFF(seg_win) + 8 * i), sum = { H_R8, H_R9, 0 };

	operand_lea(t, H_R8, base, index, scale, disp);
	emit_load(t, H_R9, &a);
	emit_lea32(t, H_R8, &sum);
	emit_op_ea(t, 0x8b, H_R9, &w, true);
	*out = sum;
}

/*
 * The window that has the address in a host register, into dst: the kernel's or that of the current user view, by the
 * address's upper byte (bt_hot.side). For kernel code that reaches user memory.
 */
void operand_side(struct tr *t, unsigned addr, unsigned dst)
{
	struct ea side = { H_R14, (uint8_t)dst, HOT_OFF(side) };

	emit_mov32(t, dst, addr);
	e3(t, dst & 8 ? 0x41 : 0x40, 0x0f, 0xc8 | (dst & 7));                           /* bswap dst32 */
	e4(t, 0x00b60f00u | (dst & 8 ? 0x45u : 0x40u) | (0xc0u | (dst & 7) << 3 | (dst & 7)) << 24); /* movzx dst32, dst8 */
	e1(t, 0x40 | ea_rex(&side, dst));                                               /* movzx dst32, byte [side + dst] */
	e2(t, 0x0f, 0xb6);
	emit_modrm(t, dst, &side);
	e1(t, 0x48 | (dst & 8) >> 1 | (dst & 8) >> 2 | 1);                              /* mov dst, [side_win + dst * 8] */
	e3(t, 0x8b, 0x84 | (dst & 7) << 3, 0xc0 | (dst & 7) << 3 | (H_R14 & 7));
	e4(t, (uint32_t)HOT_OFF(side_win));
}

/*
 * Whether the guest's own form goes behind GS, whose base is the window's, with 32-bit addresses: what wraps around wraps as
 * the guest's does. It needs no lea for an index, and x87 and SSE loads are quicker than with the window as an index (x87
 * matmul: 1.10 to 1.00 times native on Zen 4). But addresses come a cycle later, and read-modify-writes were slower.
 */
static bool through_gs(const struct tr *t, const ZydisDecodedOperand *op, uint8_t base, uint8_t index)
{
	if (t->b->hot->gs == GS_NONE || !view_gs(t->b->view) || (base == H_ESP && index == H_NONE))
		return false;
	if (generic_fp(&t->d))
		return true;
	return base != H_NONE && index != H_NONE && op->mem.scale > 1 && !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
}

/* A code segment is never writable: #GP, by the interpreter. */
bool operand_writes_code(const ZydisDecodedOperand *op)
{
	return op->mem.segment == ZYDIS_REGISTER_CS && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
}

/*
 * The host form of a guest memory operand; may emit an address computation into r8. A base and a small displacement go
 * through the window register at no cost, and so does a scaled index without a base: what lies outside 4 GiB hits a guard
 * zone. All else is computed in 32 bits.
 */
bool operand_ea(struct tr *t, const ZydisDecodedOperand *op, struct ea *out)
{
	uint8_t base, index, scale = op->mem.scale;
	int32_t disp = (int32_t)op->mem.disp.value;

	if (t->d.address_width != 32 || !operand_reg(op->mem.base, &base) || !operand_reg(op->mem.index, &index))
		return false;
	if (operand_writes_code(op))
		return false;
	if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS) {
		emit_segment(t, op->mem.segment, base, index, scale, disp, out);
		return true;
	}
	if (t->site & SITE_SOFT)
		return soft_operand(t, op, base, index, out);
	if (t->site & SITE_USER) {
		operand_lea(t, H_R8, base, index, scale, disp);
		operand_side(t, H_R8, H_R9);
		*out = (struct ea){ H_R8, H_R9, 0 };
		return true;
	}
	if (through_gs(t, op, base, index)) {
		*out = (struct ea){ EA_GS | (base == H_NONE ? EA_NOBASE : base), index == H_NONE ? H_NONE :
			index | EA_SCALE(scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0), disp };
		return true;
	}
	if (base == H_NONE && index != H_NONE && scale <= 1) {
		base = index;
		index = H_NONE;
	}
	if (index != H_NONE && base == H_NONE && !(t->site & SITE_WRAP)) {
		*out = (struct ea){ disp >= 0 ? H_WIN : H_WIN_HI, index | EA_SCALE(scale == 8 ? 3 : scale == 4 ? 2 : 1), disp };
	} else if (index != H_NONE || (base != H_NONE && ((t->site & SITE_WRAP) || disp < -(1 << 20) || disp > (1 << 29)))) {
		operand_lea(t, H_R8, base, index, scale, disp);
		*out = ea_win(H_R8, 0);
	} else if (base != H_NONE) {
		if (base == H_ESP && disp >= -PROBE_REACH && disp <= PROBE_REACH)
			t->unprobed = false;
		*out = ea_win(base, disp);
	} else if ((t->site & SITE_WRAP)) {
		emit_imm32(t, H_R8, (uint32_t)disp);
		*out = ea_win(H_R8, 0);
	} else {
		*out = (struct ea){ disp >= 0 ? H_WIN : H_WIN_HI, H_NONE, disp };
	}
	return true;
}
