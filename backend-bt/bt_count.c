/*
 * bt_count.c - exact counts of guest instructions, for lockstep: what precedes each instruction's translation.
 *
 * Off, it costs nothing; on (vcpu.insns.on), each instruction's code begins with BT_COUNT_BYTES that take one from
 * vcpu.insns.left, or leave when there is none left. A host fault in the instruction proper gives it back (bt_fault.c),
 * and whoever executes the instruction instead takes it again. Kicks must not arrive meanwhile, for ECX is borrowed: with
 * virtual time there is no host timer, and nobody sends one. Called by bt_translate.c.
 */
#include "bt_emit.h"

void count_insn(struct tr *t, bool shadow)
{
	struct ea insns = ea_hot(HOT_OFF(insns)), left = { H_R9, H_NONE, offsetof(struct insn_count, left) },
		less = { H_RCX, H_NONE, -1 };
	uint8_t *p0 = t->p, *some, *on;

	emit_mov32(t, H_R8, H_RCX);
	emit_op_ea(t, 0x8b, H_R9, &insns, true);
	emit_op_ea(t, 0x8b, H_RCX, &left, true);
	e2(t, 0xe3, 2);             /* jrcxz: none left */
	e2(t, 0xeb, 0);
	some = t->p;
	emit_mov32(t, H_RCX, H_R8);
	rewrite_callout(t, TH_STOP, CO_COUNT | (shadow ? CO_SHADOW : 0));
	some[-1] = (uint8_t)(t->p - some);
	emit_lea64(t, H_RCX, &less);
	emit_op_ea(t, 0x89, H_RCX, &left, true);
	emit_mov32(t, H_RCX, H_R8);
	e2(t, 0xeb, 0);
	on = t->p;
	assert(t->p - p0 <= BT_COUNT_BYTES);
	while (t->p - p0 < BT_COUNT_BYTES)
		e1(t, 0x90);
	on[-1] = (uint8_t)(t->p - on);
}
