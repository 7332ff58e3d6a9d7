/*
 * bt_system.c - sensitive instructions that translated code does itself: the virtual IF, flag images, ports, selectors.
 *
 * All but ports stay inline, and are counted with --count-inline only. Called by bt_rewrite.c; what is refused here (in
 * user mode, or in a form that is rare) goes to the interpreter.
 */
#include "bt_emit.h"

bool system_cli_sti(struct tr *t)
{
	struct ea vif = ea_hot(HOT_OFF(vif)), win = ea_hot(HOT_OFF(irq_window));
	bool sti = t->d.mnemonic == ZYDIS_MNEMONIC_STI;
	uint8_t *jz;

	if (t->b->view->user)
		return false;
	emit_store_imm(t, &vif, sti ? FL_IF : 0);
	rewrite_count(t, EV_INT_FLAG);
	if (!sti)
		return true;
	/* Does core wait for interrupts to come on? jrcxz tests without flags. */
	emit_mov32(t, H_R8, H_RCX);
	emit_load(t, H_RCX, &win);
	e2(t, 0xe3, 0);
	jz = t->p;
	emit_mov32(t, H_RCX, H_R8);
	rewrite_callout(t, TH_STI_WINDOW, t->d.length);
	jz[-1] = (uint8_t)(t->p - jz);
	emit_mov32(t, H_RCX, H_R8);
	t->flags &= (uint16_t)~IM_RESTART;
	t->after_sti = true;
	return true;
}

/* rsp becomes the host's for a moment; the guest's is in r9, where fault_capture finds it. */
static void emit_host_stack(struct tr *t)
{
	struct ea rsp = ea_hot(HOT_OFF(host_rsp));

	emit_mov64(t, H_R9, H_ESP);
	emit_op_ea(t, 0x8b, H_ESP, &rsp, true);
}

/* The host's arithmetic flags and DF, plus the virtual ones: sums of disjoint bits. */
bool system_pushf(struct tr *t)
{
	struct ea top = ea_win(H_ESP, -4), a = ea_hot(HOT_OFF(vif)), sum = { H_R8, H_R9, 0 };

	if (t->d.operand_width != 32)
		return false;
	emit_host_stack(t);
	e1(t, 0x9c);                /* pushfq */
	e2(t, 0x41, 0x58);          /* pop r8 */
	emit_mov64(t, H_ESP, H_R9);
	emit_load(t, H_R9, &a);
	emit_lea32(t, H_R8, &sum);
	a = ea_hot(HOT_OFF(vrest));
	emit_load(t, H_R9, &a);
	emit_lea32(t, H_R8, &sum);
	emit_store(t, H_R8, &top);
	emit_esp_add(t, -4);
	rewrite_count(t, EV_FLAGS_IMAGE);
	return true;
}

/*
 * POPF in ring 0, when it changes nothing but arithmetic flags, DF and IF, and no interrupt waits for IF: all tests come
 * before the first change, so that the callout can do the whole instruction otherwise.
 */
bool system_popf(struct tr *t)
{
	struct ea top = ea_win(H_ESP, 0), rest = ea_hot(HOT_OFF(vrest)), vif = ea_hot(HOT_OFF(vif)),
		window = ea_hot(HOT_OFF(irq_window)), fix = { H_R9, H_NONE, FL_IF };
	uint8_t *slow[2], *done;

	if (t->b->view->user || t->d.operand_width != 32) {
		rewrite_callout(t, TH_POPF, t->d.length);
		return true;
	}
	t->flags &= (uint16_t)~IM_RESTART;
	emit_load(t, H_R8, &top);
	emit_load(t, H_R9, &rest);
	emit_lea32(t, H_R9, &fix);
	e3(t, 0x45, 0x31, 0xc1);                    /* xor r9d, r8d */
	e3(t, 0x41, 0xf7, 0xc1);                    /* test r9d, imm32 */
	e4(t, FL_TF | FL_IOPL | FL_NT | FL_AC | FL_VIF | FL_VIP | FL_ID);
	e2(t, 0x75, 0);
	slow[0] = t->p;
	emit_mov32(t, H_R9, H_R8);
	e3(t, 0x41, 0x81, 0xe1);                    /* and r9d, FL_IF */
	e4(t, FL_IF);
	emit_mov32(t, H_R10, H_R9);
	emit_op_ea(t, 0x23, H_R10, &window, false); /* and r10d, window */
	e2(t, 0x75, 0);
	slow[1] = t->p;
	emit_store(t, H_R9, &vif);
	e3(t, 0x41, 0x81, 0xe0);                    /* and r8d, ... */
	e4(t, FL_ARITH | FL_DF);
	e3(t, 0x41, 0x81, 0xc8);                    /* or r8d, ... */
	e4(t, FL_FIXED | FL_IF);
	emit_esp_add(t, 4);
	rewrite_count(t, EV_FLAGS_IMAGE);
	emit_host_stack(t);
	e2(t, 0x41, 0x50);                          /* push r8 */
	e1(t, 0x9d);                                /* popfq */
	emit_mov64(t, H_ESP, H_R9);
	e2(t, 0xeb, 0);
	done = t->p;
	slow[0][-1] = (uint8_t)(t->p - slow[0]);
	slow[1][-1] = (uint8_t)(t->p - slow[1]);
	rewrite_callout(t, TH_POPF, t->d.length);
	done[-1] = (uint8_t)(t->p - done);
	return true;
}

bool system_rdtsc(struct tr *t)
{
	if (t->b->v->state.tsc_offset || t->b->vm->clock.insns || (t->b->view->user && (t->b->v->state.cr4 & CR4_TSD)))
		return false;
	e2(t, 0x0f, 0x31);
	rewrite_count(t, EV_RDTSC);
	return true;
}

bool system_mov_from_sreg(struct tr *t)
{
	const ZydisDecodedOperand *dst = &t->op[0], *src = &t->op[1];
	struct ea sel, a;

	if (src->type != ZYDIS_OPERAND_TYPE_REGISTER || src->reg.value < ZYDIS_REGISTER_ES || src->reg.value > ZYDIS_REGISTER_GS)
		return false;
	sel = ea_hot(HOT_OFF(sel) + 4 * (int)(src->reg.value - ZYDIS_REGISTER_ES));
	if (dst->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		emit_load(t, H_R10, &sel);
		if (!operand_ea(t, dst, &a))
			return false;
		e1(t, 0x66);
		emit_store(t, H_R10, &a);
	} else {
		if (t->d.operand_width == 16)
			e1(t, 0x66);
		emit_load(t, t->d.raw.modrm.rm, &sel);
		if (t->d.raw.modrm.rm == H_ESP && t->d.operand_width != 16)
			emit_esp_fix(t);
	}
	rewrite_count(t, EV_SEG_READ);
	return true;
}

/* DS, ES, FS, GS: as ModRM.reg numbers them; SS brings an interrupt shadow, and is rare. */
static bool seg_load(struct tr *t, ZydisRegister r, uint32_t arg)
{
	if (r != ZYDIS_REGISTER_DS && r != ZYDIS_REGISTER_ES && r != ZYDIS_REGISTER_FS && r != ZYDIS_REGISTER_GS)
		return false;
	rewrite_callout(t, TH_SEG_LOAD, t->d.length | (uint32_t)(r - ZYDIS_REGISTER_ES) << SEG_ARG_REG | arg);
	return true;
}

/* A 16-bit register or memory operand into r8. */
static bool load_selector(struct tr *t, const ZydisDecodedOperand *src)
{
	struct ea a;

	if (src->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!operand_ea(t, src, &a))
			return false;
		emit_ea_prefix(t, &a);
		if (ea_rex(&a, H_R8))
			e1(t, 0x40 | ea_rex(&a, H_R8));
		e2(t, 0x0f, 0xb7);                  /* movzx r8d, word [a] */
		emit_modrm(t, H_R8, &a);
	} else {
		emit_mov32(t, H_R8, t->d.raw.modrm.rm);
	}
	return true;
}

bool system_mov_to_sreg(struct tr *t)
{
	return load_selector(t, &t->op[1]) && seg_load(t, t->op[0].reg.value, 0);
}

bool system_verify(struct tr *t)
{
	if (!load_selector(t, &t->op[0]))
		return false;
	rewrite_callout(t, TH_VERIFY, t->d.length | (t->d.mnemonic == ZYDIS_MNEMONIC_VERW ? SEG_ARG_WRITE : 0));
	return true;
}

/* CR0, CR2, CR3 and CR4 as they are in struct cpu_state; ring 0 only. */
bool system_mov_from_cr(struct tr *t)
{
	const struct cpu_state *s = &t->b->v->state;
	unsigned dst = t->d.raw.modrm.rm;
	struct ea at = { H_R8, H_NONE, 0 };
	const uint64_t *cr;

	switch (t->d.raw.modrm.reg) {
	case 0: cr = &s->cr0; break;
	case 2: cr = &s->cr2; break;
	case 3: cr = &s->cr3; break;
	case 4: cr = &s->cr4; break;
	default: return false;
	}
	if (t->b->view->user || t->op[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	emit_imm64(t, H_R8, (uint64_t)(uintptr_t)cr);
	emit_load(t, dst, &at);
	if (dst == H_ESP)
		emit_esp_fix(t);
	rewrite_count(t, EV_CR_READ);
	return true;
}

bool system_pop_sreg(struct tr *t)
{
	struct ea top = ea_win(H_ESP, 0);

	if (t->d.operand_width != 32)
		return false;
	emit_load(t, H_R8, &top);
	return seg_load(t, t->op[0].reg.value, SEG_ARG_POP);
}

/* Ports: the immediate form's port travels in the argument, DX is read by the callout. */
bool system_in_out(struct tr *t)
{
	bool out = t->d.mnemonic == ZYDIS_MNEMONIC_OUT;
	unsigned size = t->d.opcode & 1 ? t->d.operand_width / 8u : 1, imm = t->d.opcode & 8 ? 0x10000u : t->bytes[t->d.raw.imm[0].offset];

	if (t->b->view->user)
		return false;
	rewrite_callout(t, out ? TH_OUT : TH_IN, imm | size << 20 | (uint32_t)t->d.length << 24);
	return true;
}
