/*
 * bt_flow.c - control flow: branches, calls, returns, and the instructions that enter or leave the guest's kernel.
 *
 * Direct branches jump to translated code (bt_cache.c chains them); indirect ones and returns look their target up in the
 * flat table, an array indexed by guest address, with two loads and no comparison: an empty entry leads to the start of
 * the code cache, where a stub calls bt_co_miss. Called by bt_translate.c before bt_rewrite.c.
 */
#include "bt_emit.h"

#define JUMP_OVER 64 /* bytes */

void flow_lookup(struct tr *t)
{
	struct ea sum = { H_R8, H_R14, 0 };

	e4(t, 0x8c048b47);         /* mov r8d, [r12 + r9*4] */
	emit_lea64(t, H_R8, &sum);
	e3(t, 0x41, 0xff, 0xe0);   /* jmp r8 */
}

static void emit_push_return(struct tr *t)
{
	struct ea top = ea_win(H_ESP, -4);

	emit_store_imm(t, &top, t->next);
	emit_esp_add(t, -4);
}

static bool call(struct tr *t)
{
	const ZydisDecodedOperand *o = &t->op[0];
	struct ea a;

	if (t->d.operand_width != 32)
		return false;
	if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o->imm.is_relative) {
		emit_push_return(t);
		emit_jump(t, -1, t->next + (uint32_t)o->imm.value.s);
		t->flags &= (uint16_t)~IM_RESTART;
		return true; /* the block goes on at the return address */
	}
	if (t->d.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || o->type == ZYDIS_OPERAND_TYPE_POINTER)
		return false;
	if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!operand_ea(t, o, &a))
			return false;
		emit_load(t, H_R9, &a);
	} else {
		emit_mov32(t, H_R9, t->d.raw.modrm.rm);
	}
	t->flags &= (uint16_t)~IM_RESTART;
	emit_push_return(t);
	flow_lookup(t);
	return true;
}

/*
 * Over a few instructions, as into the middle of a loop: the block goes on, so that they stay between what is before and
 * behind them.
 */
static bool jump(struct tr *t, uint32_t target)
{
	emit_jump(t, -1, target);
	t->end = target <= t->next || target - t->next > JUMP_OVER || (target ^ t->eip) >> PAGE_SHIFT;
	return true;
}

static bool jump_indirect(struct tr *t)
{
	const ZydisDecodedOperand *o = &t->op[0];
	struct ea a;

	if (t->d.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || o->type == ZYDIS_OPERAND_TYPE_POINTER || t->d.operand_width != 32)
		return false; /* a 16-bit operand truncates EIP */
	if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!operand_ea(t, o, &a))
			return false;
		emit_load(t, H_R9, &a);
	} else {
		emit_mov32(t, H_R9, t->d.raw.modrm.rm);
	}
	flow_lookup(t);
	t->end = true;
	return true;
}

static bool ret(struct tr *t)
{
	struct ea top = ea_win(H_ESP, 0);
	uint32_t extra = t->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? (uint32_t)t->op[0].imm.value.u & 0xffff : 0;

	if (t->d.operand_width != 32 || t->d.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return false;
	emit_load(t, H_R9, &top);
	emit_esp_add(t, (int32_t)(4 + extra));
	t->flags &= (uint16_t)~IM_RESTART;
	if (t->b->vm->cfg.bt.no_retpred) {
		e1(t, 0xe9);
		e4(t, (uint32_t)(t->b->code + t->b->lookup - (t->p + 4)));
	} else {
		flow_lookup(t);
	}
	t->end = true;
	return true;
}

/* LOOP, LOOPE, LOOPNE and JECXZ reach 8 bits only: they jump over a jump. */
static bool loop(struct tr *t)
{
	uint8_t *skip;

	if (t->d.address_width != 32 || t->d.operand_width != 32)
		return false;
	t->flags &= (uint16_t)~IM_RESTART;
	e3(t, 0x67, t->d.opcode, 2); /* taken: over the next jump */
	e2(t, 0xeb, 5);
	skip = t->p;
	emit_jump32(t, -1, t->next + (uint32_t)t->op[0].imm.value.s);
	assert(t->p == skip + 5);
	return true;
}

static bool soft_int(struct tr *t)
{
	unsigned vector = t->d.mnemonic == ZYDIS_MNEMONIC_INT3 ? 3 : t->bytes[t->d.raw.imm[0].offset];

	if (t->d.mnemonic == ZYDIS_MNEMONIC_INT && t->d.opcode != 0xcd)
		return false;
	emit_imm32(t, H_R8, vector);
	rewrite_callout(t, TH_INT, t->d.length);
	return true; /* the handler usually returns to the next instruction */
}

bool flow(struct tr *t, bool *handled)
{
	*handled = true;
	switch (t->d.mnemonic) {
	case ZYDIS_MNEMONIC_CALL:
		return call(t);
	case ZYDIS_MNEMONIC_RET:
		return ret(t);
	case ZYDIS_MNEMONIC_JMP:
		emit_esp_probe(t);
		if (t->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return jump_indirect(t);
		if (t->d.operand_width != 32)
			return false;
		return jump(t, t->next + (uint32_t)t->op[0].imm.value.s);
	case ZYDIS_MNEMONIC_LOOP: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE: case ZYDIS_MNEMONIC_JECXZ:
		emit_esp_probe(t);
		return loop(t);
	case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT3:
		return soft_int(t);
	case ZYDIS_MNEMONIC_IRETD:
		rewrite_callout(t, TH_IRET, t->d.length | CO_END);
		t->end = true;
		return true;
	case ZYDIS_MNEMONIC_SYSENTER: case ZYDIS_MNEMONIC_SYSEXIT:
		t->end = true;
		rewrite_callout(t, t->d.mnemonic == ZYDIS_MNEMONIC_SYSENTER ? TH_SYSENTER : TH_SYSEXIT, t->d.length | CO_END);
		return true;
	default:
		break;
	}
	if (t->d.meta.category == ZYDIS_CATEGORY_COND_BR && t->d.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR) {
		unsigned op = t->d.opcode;
		bool near32 = t->d.opcode_map == ZYDIS_OPCODE_MAP_0F && op >= 0x80 && op <= 0x8f;
		bool short8 = t->d.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && op >= 0x70 && op <= 0x7f;

		if (t->d.operand_width != 32 || (!near32 && !short8))
			return false;
		emit_esp_probe(t);
		emit_jump(t, (int)(op & 15), t->next + (uint32_t)t->op[0].imm.value.s);
		return true;
	}
	*handled = false;
	return false;
}
