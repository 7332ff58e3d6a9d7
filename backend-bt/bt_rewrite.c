/*
 * bt_rewrite.c - one guest instruction, not a branch, into host code: which form it takes.
 *
 * A few instructions have forms of their own, here and in bt_system.c; most take the generic form (bt_generic.c);
 * everything else becomes a callout to the interpreter. The first access that can fault comes before the first change
 * of guest state, so that a fault can restart the instruction. r8 to r10 are temporaries. Called by bt_translate.c;
 * branches are in bt_flow.c.
 */
#include "bt_emit.h"

#define LOOP_ALIGN 64
#define ESP_STEP 65536 /* the largest constant that moves ESP without a wrap */

void rewrite_callout(struct tr *t, enum bt_thunk th, uint32_t arg)
{
	emit_imm32(t, H_R10, t->eip);
	emit_imm32(t, H_R9, arg);
	emit_callout(t, th);
}

/* Adds one to a counter without touching flags; r9 and r10 are lost. */
void rewrite_count(struct tr *t, enum event_kind k)
{
	struct vcpu *v = t->b->v;
	struct ea a = { H_R10, H_NONE, 0 }, inc = { H_R9, H_NONE, 1 };

	if (!v->stats.count_inline)
		return;
	t->flags &= (uint16_t)~IM_RESTART;
	emit_imm64(t, H_R10, (uint64_t)(uintptr_t)&v->stats.cell[k][MECH_INLINE].count);
	emit_op_ea(t, 0x8b, H_R9, &a, true);
	emit_lea64(t, H_R9, &inc);
	emit_op_ea(t, 0x89, H_R9, &a, true);
}

/*
 * ESP plus or minus a small constant. Calls and returns hang on ESP, so it moves by one 64-bit lea, and the flags are
 * computed beside it. That does not wrap at 4 GiB; so that ESP cannot creep through the guard zone, the stack has to be
 * touched before the next branch (t->unprobed): most often the guest's own code does.
 */
static bool esp_adjust(struct tr *t, int32_t delta, bool flags)
{
	if (delta < -ESP_STEP || delta > ESP_STEP)
		return false;
	if (flags) {
		t->flags &= (uint16_t)~IM_RESTART;
		emit_mov32(t, H_R8, H_ESP);
		e3(t, 0x41, 0x81, 0xc0 | (t->d.mnemonic == ZYDIS_MNEMONIC_SUB ? 5u << 3 : 0)); /* add/sub r8d, imm32 */
		e4(t, (uint32_t)(t->d.mnemonic == ZYDIS_MNEMONIC_SUB ? -delta : delta));
	}
	emit_esp_add(t, delta);
	t->unprobed = true;
	return true;
}

static bool add_sub(struct tr *t)
{
	const ZydisDecodedOperand *a = &t->op[0], *b = &t->op[1];
	int64_t imm = b->imm.value.s;

	if (a->type != ZYDIS_OPERAND_TYPE_REGISTER || a->reg.value != ZYDIS_REGISTER_ESP || b->type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
	    imm < -ESP_STEP || imm > ESP_STEP || (t->d.attributes & ZYDIS_ATTRIB_HAS_LOCK))
		return generic(t);
	return esp_adjust(t, (int32_t)(t->d.mnemonic == ZYDIS_MNEMONIC_SUB ? -imm : imm), true);
}

/* 40..4f do not exist in 64-bit mode: ff /0, /1. */
static bool inc_dec(struct tr *t)
{
	unsigned op = t->d.opcode, r = op & 7;

	if (t->d.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || op < 0x40 || op > 0x4f)
		return generic(t);
	if (t->d.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
		e1(t, 0x66);
	if (r & 8)
		e1(t, 0x41);
	e2(t, 0xff, 0xc0 | (op >= 0x48 ? 8u : 0) | (r & 7));
	if (r == H_ESP && t->d.operand_width == 32)
		emit_esp_fix(t);
	return true;
}

/*
 * Padding is not translated. It is there to align what follows: a loop, often, for which the host's code is aligned too.
 */
static bool padding(struct tr *t)
{
	if (t->next % 16 == 0)
		emit_align(t, LOOP_ALIGN);
	return true;
}

static bool lea(struct tr *t)
{
	const ZydisDecodedOperand *m = &t->op[1];
	uint8_t base, index;
	unsigned dst = t->d.raw.modrm.reg;

	if (t->d.operand_width != 32 || t->d.address_width != 32 || !operand_reg(m->mem.base, &base) ||
	    !operand_reg(m->mem.index, &index))
		return false;
	if (dst == H_ESP && base == H_ESP && index == H_NONE && m->mem.disp.value >= -ESP_STEP && m->mem.disp.value <= ESP_STEP)
		return esp_adjust(t, (int32_t)m->mem.disp.value, false);
	if (dst == base && index == H_NONE && !m->mem.disp.value)
		return padding(t);
	operand_lea(t, dst, base, index, m->mem.scale, (int32_t)m->mem.disp.value);
	if (dst == H_ESP)
		emit_esp_fix(t);
	return true;
}

/* a0..a3: mov between eAX and an absolute address */
static bool mov(struct tr *t)
{
	const ZydisDecodedOperand *m = &t->op[t->d.opcode & 2 ? 0 : 1];
	struct ea a;

	if (t->d.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || t->d.opcode < 0xa0 || t->d.opcode > 0xa3)
		return generic(t);
	if (m->type != ZYDIS_OPERAND_TYPE_MEMORY || t->d.address_width != 32)
		return false;
	if (!operand_ea(t, m, &a))
		return false;
	if (t->d.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
		e1(t, 0x66);
	emit_op_ea(t, (t->d.opcode & 2 ? 0x88u : 0x8au) | (t->d.opcode & 1), H_RAX, &a, false);
	return true;
}

static bool push(struct tr *t)
{
	const ZydisDecodedOperand *o = &t->op[0];
	struct ea top = ea_win(H_ESP, -4), a;

	if (t->d.operand_width != 32)
		return false;
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_EAX && o->reg.value <= ZYDIS_REGISTER_EDI) {
		emit_store(t, (unsigned)(o->reg.value - ZYDIS_REGISTER_EAX), &top);
	} else if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_ES && o->reg.value <= ZYDIS_REGISTER_GS) {
		a = ea_hot(HOT_OFF(sel) + 4 * (int)(o->reg.value - ZYDIS_REGISTER_ES));
		emit_load(t, H_R8, &a);
		e1(t, 0x66); /* 16 bits are written, ESP moves by 32 */
		emit_store(t, H_R8, &top);
		emit_esp_add(t, -4);
		rewrite_count(t, EV_SEG_READ);
		return true;
	} else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		emit_store_imm(t, &top, (uint32_t)o->imm.value.s);
	} else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!operand_ea(t, o, &a))
			return false;
		emit_load(t, H_R8, &a);
		emit_store(t, H_R8, &top);
		t->flags &= (uint16_t)~IM_RESTART;
	} else {
		return false;
	}
	emit_esp_add(t, -4);
	return true;
}

static bool pop(struct tr *t)
{
	const ZydisDecodedOperand *o = &t->op[0];
	struct ea top = ea_win(H_ESP, 0), a;

	if (t->d.operand_width != 32)
		return false;
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_EAX && o->reg.value <= ZYDIS_REGISTER_EDI) {
		unsigned r = (unsigned)(o->reg.value - ZYDIS_REGISTER_EAX);
		emit_load(t, r, &top);
		if (r == H_ESP)
			emit_esp_fix(t);
		else
			emit_esp_add(t, 4);
		return true;
	}
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return system_pop_sreg(t);
	if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return false;
	/* The destination's address is computed with ESP already incremented. */
	if (o->mem.base == ZYDIS_REGISTER_ESP)
		t->op[0].mem.disp.value += 4;
	t->flags &= (uint16_t)~IM_RESTART;
	emit_load(t, H_R10, &top);
	if (!operand_ea(t, o, &a))
		return false;
	emit_store(t, H_R10, &a);
	emit_esp_add(t, 4);
	return true;
}

static bool pusha(struct tr *t)
{
	static const uint8_t order[8] = { H_RAX, H_RCX, H_RDX, H_RBX, H_ESP, H_RBP, H_RSI, H_RDI };

	for (int i = 0; i < 8; i++) {
		struct ea a = ea_win(H_ESP, -4 * (i + 1));
		emit_store(t, order[i], &a);
	}
	emit_esp_add(t, -32);
	return true;
}

/* Both ends are read first: afterwards nothing can fault. */
static bool popa(struct tr *t)
{
	static const uint8_t order[8] = { H_RDI, H_RSI, H_RBP, H_NONE, H_RBX, H_RDX, H_RCX, H_RAX };
	struct ea first = ea_win(H_ESP, 0), last = ea_win(H_ESP, 28);

	emit_load(t, H_R8, &first);
	emit_load(t, H_R8, &last);
	for (int i = 0; i < 8; i++) {
		struct ea a = ea_win(H_ESP, 4 * i);
		if (order[i] != H_NONE)
			emit_load(t, order[i], &a);
	}
	emit_esp_add(t, 32);
	return true;
}

static bool leave(struct tr *t)
{
	struct ea a = ea_win(H_RBP, 0), esp = { H_RBP, H_NONE, 4 };

	if (t->d.operand_width != 32)
		return false;
	t->flags &= (uint16_t)~IM_RESTART;
	emit_load(t, H_R8, &a);
	emit_lea32(t, H_ESP, &esp);
	emit_esp_fix(t);
	emit_mov32(t, H_RBP, H_R8);
	return true;
}

/* String instructions work on host addresses for a moment; truncating those gives the guest's, as windows are aligned. */
static bool string(struct tr *t)
{
	bool si = false, di = false;
	struct ea a = { H_RSI, H_WIN, 0 };

	if (t->d.address_width != 32 || t->d.meta.category == ZYDIS_CATEGORY_IOSTRINGOP)
		return false;
	for (unsigned i = 0; i < t->d.operand_count; i++) {
		const ZydisDecodedOperand *o = &t->op[i];
		if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (o->mem.segment == ZYDIS_REGISTER_FS || o->mem.segment == ZYDIS_REGISTER_GS)
			return false;
		si |= o->mem.base == ZYDIS_REGISTER_ESI;
		di |= o->mem.base == ZYDIS_REGISTER_EDI;
	}
	/* IM_RESTART: between iterations the registers are exact once truncated. */
	if (si && (t->site & SITE_USER)) {
		operand_side(t, H_RSI, H_R8);
		a.index = H_R8;
	}
	if (si)
		emit_lea64(t, H_RSI, &a);
	if (di && (t->site & SITE_USER)) {
		operand_side(t, H_RDI, H_R8);
		a.index = H_R8;
	}
	a.base = H_RDI;
	if (di)
		emit_lea64(t, H_RDI, &a);
	if (!(t->d.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)))
		t->flags &= (uint16_t)~IM_RESTART;
	if (t->d.attributes & ZYDIS_ATTRIB_HAS_REPNE)
		e1(t, 0xf2);
	else if (t->d.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
		e1(t, 0xf3);
	if (t->d.operand_width == 16)
		e1(t, 0x66);
	e1(t, t->d.opcode);
	if (si)
		emit_mov32(t, H_RSI, H_RSI);
	if (di)
		emit_mov32(t, H_RDI, H_RDI);
	return true;
}

static bool xlat(struct tr *t)
{
	struct ea sum = { H_RBX, H_R8, 0 }, a = ea_win(H_R8, 0);

	if (t->d.address_width != 32 || t->d.raw.prefix_count)
		return false;
	e4(t, 0xc0b60f44);                       /* movzx r8d, al */
	emit_lea32(t, H_R8, &sum);
	emit_op_ea(t, 0x8a, H_RAX, &a, false);
	return true;
}

bool rewrite(struct tr *t)
{
	switch (t->d.mnemonic) {
	case ZYDIS_MNEMONIC_INC: case ZYDIS_MNEMONIC_DEC:
		return inc_dec(t);
	case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_SUB:
		return add_sub(t);
	case ZYDIS_MNEMONIC_LEA:
		return lea(t);
	case ZYDIS_MNEMONIC_MOV:
		if (t->d.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && t->d.opcode == 0x8c)
			return system_mov_from_sreg(t);
		if (t->d.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && t->d.opcode == 0x8e)
			return system_mov_to_sreg(t);
		if (t->d.opcode_map == ZYDIS_OPCODE_MAP_0F && t->d.opcode == 0x20)
			return system_mov_from_cr(t);
		return mov(t);
	case ZYDIS_MNEMONIC_PUSH:
		return push(t);
	case ZYDIS_MNEMONIC_POP:
		return pop(t);
	case ZYDIS_MNEMONIC_PUSHAD:
		return pusha(t);
	case ZYDIS_MNEMONIC_POPAD:
		return popa(t);
	case ZYDIS_MNEMONIC_LEAVE:
		return leave(t);
	case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI:
		return system_cli_sti(t);
	case ZYDIS_MNEMONIC_PUSHFD:
		return system_pushf(t);
	case ZYDIS_MNEMONIC_POPFD:
		return system_popf(t);
	case ZYDIS_MNEMONIC_RDTSC:
		return system_rdtsc(t);
	case ZYDIS_MNEMONIC_XLAT:
		return xlat(t);
	case ZYDIS_MNEMONIC_IN: case ZYDIS_MNEMONIC_OUT:
		return system_in_out(t);
	case ZYDIS_MNEMONIC_VERR: case ZYDIS_MNEMONIC_VERW:
		return system_verify(t);
	case ZYDIS_MNEMONIC_CPUID:
		rewrite_callout(t, TH_CPUID, t->d.length);
		return true;
	case ZYDIS_MNEMONIC_NOP:
		return padding(t); /* the hint space 0f 19..1f touches nothing either */
	default:
		break;
	}
	if (t->d.meta.category == ZYDIS_CATEGORY_STRINGOP)
		return string(t);
	return generic(t);
}
