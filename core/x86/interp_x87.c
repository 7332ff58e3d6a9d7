/*
 * interp_x87.c - x87: which instructions wait, which are control instructions, environments, and the pointers.
 *
 * The arithmetic is the host's (fpu_run.c). What it cannot know is kept here: the guest's instruction and operand pointers,
 * and that a store refused by an unmasked exception does not happen. Read next: fpu_run.c.
 */
#include "fpu_state.h"

void op_fwait(struct step *c)
{
	if ((c->s->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		step_raise(c, VEC_NM, false, 0);
	fpu_check_pending(c);
}

/* --- x87 instructions by their place in the map: d8+row, ModRM --- */

static unsigned x87_row(const struct insn *i) { return i->op & 7; }

/* FNSTENV, FNSTCW, FNSAVE, FNSTSW; FNENI to FNSETPM, FNCLEX, FNINIT */
static bool x87_no_wait(const struct insn *i)
{
	unsigned row = x87_row(i);

	if (i->mod != 3)
		return (row == 1 || row == 5) && i->reg >= 6;
	return (row == 3 && i->reg == 4) || (row == 7 && i->reg == 4);
}

static bool x87_is_fldcw(const struct insn *i) { return i->mod != 3 && x87_row(i) == 1 && i->reg == 5; }
/* FLDENV, FNSTENV, FRSTOR, FNSAVE: the environment in memory */
static bool x87_is_env(const struct insn *i)
{
	return i->mod != 3 && ((x87_row(i) == 1 && (i->reg & 5) == 4) || (x87_row(i) == 5 && (i->reg & 5) == 4));
}

static bool x87_is_control(const struct insn *i)
{
	return x87_no_wait(i) || x87_is_fldcw(i) || x87_is_env(i);
}

struct x87_pointers x87_pointers_get(const struct cpu_state *s)
{
	return (struct x87_pointers){ fx32(s, FX_FIP), fx32(s, FX_FDP), fx16(s, FX_FOP), fx16(s, FX_FCS), fx16(s, FX_FDS) };
}

void x87_pointers_set(struct cpu_state *s, const struct x87_pointers *p)
{
	fx_set32(s, FX_FIP, p->fip);
	fx_set32(s, FX_FDP, p->fdp);
	fx_set16(s, FX_FOP, p->fop & 0x7ff);
	fx_set16(s, FX_FCS, p->fcs);
	fx_set16(s, FX_FDS, p->fds);
}

static void pointers_update(struct step *c, struct x87_pointers *p)
{
	const struct insn *i = c->i;

	p->fip = c->eip;
	p->fcs = c->s->seg[S_CS].sel;
	p->fop = (uint16_t)((i->op & 7) << 8 | i->bytes[i->raw_modrm]);
	if (i->mod != 3) {
		p->fdp = step_ea(c);
		p->fds = c->s->seg[i->seg].sel;
	}
}

/* The pointers' place in an environment image of 28 or 14 bytes (SDM vol. 1, figures 8-9 and 8-11). */
static void env_put(const struct x87_pointers *p, uint8_t *env, unsigned opsz)
{
	uint16_t w[4] = { (uint16_t)p->fip, p->fcs, (uint16_t)p->fdp, p->fds };
	uint32_t d[4] = { p->fip, (uint32_t)p->fop << 16 | p->fcs, p->fdp, p->fds | 0xffff0000u };

	if (opsz == 4)
		memcpy(env + 12, d, 16);
	else
		memcpy(env + 6, w, 8);
}

static void env_get(struct x87_pointers *p, const uint8_t *env, unsigned opsz)
{
	uint16_t w[4];
	uint32_t d[4];

	memset(p, 0, sizeof(*p));
	if (opsz == 4) {
		memcpy(d, env + 12, 16);
		*p = (struct x87_pointers){ d[0], d[2], (uint16_t)(d[1] >> 16), (uint16_t)d[1], (uint16_t)d[3] };
	} else {
		memcpy(w, env + 6, 8);
		*p = (struct x87_pointers){ w[0], w[2], 0, w[1], w[3] };
	}
}

/* An x87 store whose value an unmasked exception refused does not happen; only "inexact" stores and then reports. */
static bool x87_store_refused(const struct step *c)
{
	return !x87_no_wait(c->i) && (x87_unmasked(c->s) & ~FSW_PE);
}

static void x87_memory(struct step *c, struct x87_pointers *p)
{
	_Alignas(16) uint8_t buf[128] = { 0 };
	const struct insn *i = c->i;
	uint32_t ea = step_ea(c);
	bool env = x87_is_env(i);

	if (!(i->fp & FP_MEM_W)) {
		step_read_buf(c, i->seg, ea, buf, i->msize);
		fpu_run(c, buf);
		if (env)
			env_get(p, buf, i->opsz);
		return;
	}
	step_check_write(c, i->seg, ea, i->msize);
	fpu_run(c, buf);
	if (env)
		env_put(p, buf, i->opsz);
	if (!x87_store_refused(c))
		step_write_buf(c, i->seg, ea, buf, i->msize);
	if (env && x87_row(i) == 5)
		*p = (struct x87_pointers){ 0 }; /* FNSAVE initialises */
}

void op_x87(struct step *c)
{
	const struct insn *i = c->i;
	struct x87_pointers p = x87_pointers_get(c->s);

	fpu_check_available(c, ISA_X87);
	if (!x87_no_wait(i))
		fpu_check_pending(c);
	if (i->op == 0xdf && i->bytes[i->raw_modrm] == 0xe0) { /* FNSTSW AX */
		reg_set(c->s, R_EAX, fx16(c->s, FX_FSW), 2);
		return;
	}
	if (!x87_is_control(i))
		pointers_update(c, &p);
	if (i->mod != 3)
		x87_memory(c, &p);
	else
		fpu_run(c, NULL);
	if (i->op == 0xdb && i->bytes[i->raw_modrm] == 0xe3)
		p = (struct x87_pointers){ 0 }; /* FNINIT */
	x87_pointers_set(c->s, &p);
}
