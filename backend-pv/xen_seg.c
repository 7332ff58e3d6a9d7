/*
 * xen_seg.c - loads of the guest's own selectors, which fault on the host, done on the virtual CPU.
 *
 * Xen's FLAT_* and whatever the guest put into its GDT or LDT: none of it is in the host's tables, so that MOV, POP, LDS
 * and its kin, IRET and far branches raise #GP, come here, and leave v->state with the segment; the way back into the guest
 * gives it an LDT twin (pv_low.c). Called by xen_emul.c, for kernel and user mode. A few selectors are the host's as well
 * and load silently; xen_adopt says what becomes of them. Read next: xen_desc.c.
 */
#include "xen_insn.h"

/* May the guest, as it is, have this in that register? SDM vol. 3, 5.6 and 5.8, as far as rings 1 and 3 differ. */
static bool loadable(const struct cpu_state *s, unsigned sreg, const struct segment *seg)
{
	bool user = CPL(s) == 3, data = !(seg->attr & 8);

	if (!(seg->attr & SEG_P)) /* null */
		return sreg != S_SS && sreg != S_CS;
	if (sreg == S_CS)
		return !data && (SEG_DPL(seg) == 3) == user;
	if (sreg == S_SS)
		return data && (seg->attr & 2) && (SEG_DPL(seg) == 3) == user;
	return (data || (seg->attr & 2)) && (!user || SEG_DPL(seg) == 3);
}

/*
 * The guest has loaded this selector, and the host let it: it is an LDT twin of ours, or one that the host has too (0x23,
 * 0x2b, 0x33, 0x7b). It becomes what the guest means by it, if the guest may have it; what the register held stays otherwise,
 * for user mode must not gain the kernel's level by a twin of the kernel's. True: the host's own is replaced.
 */
bool xen_adopt(struct vcpu *v, unsigned sreg, uint16_t sel, const struct segment *twin)
{
	struct segment seg;

	if (twin)
		seg = *twin;
	else if (!xen_segment(v, sel, &seg))
		return false;
	if (!loadable(&v->state, sreg, &seg))
		return false;
	v->state.seg[sreg] = seg;
	return !twin;
}

static bool load_sreg(struct vcpu *v, unsigned sreg, uint16_t sel)
{
	struct segment seg;

	if (sreg == S_CS || sreg >= SREG_COUNT || !xen_segment(v, sel, &seg) || !loadable(&v->state, sreg, &seg))
		return false;
	v->state.seg[sreg] = seg;
	return true;
}

/* ---- the memory operand ---- */

/* The linear address that a 32-bit ModRM names (SDM vol. 2, table 2-2), for memory forms; advances past it. */
static uint32_t modrm_linear(const struct cpu_state *s, struct insn *i)
{
	uint8_t m = i->b[i->len++], mod = m >> 6, rm = m & 7, base = rm;
	uint32_t a = 0;

	if (rm == 4) {
		uint8_t sib = i->b[i->len++];
		base = sib & 7;
		if ((sib >> 3 & 7) != 4)
			a = (uint32_t)s->gpr[sib >> 3 & 7] << (sib >> 6);
	}
	if (base == 5 && mod == 0) {
		a += load32(i->b + i->len);
		i->len += 4;
	} else {
		a += (uint32_t)s->gpr[base];
	}
	if (mod == 1) {
		a += (uint32_t)(int8_t)i->b[i->len++];
	} else if (mod == 2) {
		a += load32(i->b + i->len);
		i->len += 4;
	}
	if (i->seg)
		return a + (uint32_t)s->seg[i->seg - 1].base;
	return a + (uint32_t)s->seg[base == 4 || (base == 5 && mod) ? S_SS : S_DS].base;
}

static enum step gp(struct vcpu *v, struct exit *e, uint32_t error)
{
	return xen_bounce(v, e, VEC_GP, true, error);
}

/* The load of a selector failed: #NP, of SS #SS, where nothing but the segment's presence was wrong (SDM vol. 2, MOV); else #GP. */
static enum step load_fault(struct vcpu *v, struct exit *e, unsigned sreg, uint16_t sel, uint32_t error)
{
	struct segment seg;

	if (!(sel & ~3) || sreg >= SREG_COUNT || !xen_descriptor(v, sel, &seg) || seg.attr & SEG_P)
		return gp(v, e, error);
	seg.attr |= SEG_P;
	if (!loadable(&v->state, sreg, &seg))
		return gp(v, e, error);
	return xen_bounce(v, e, sreg == S_SS ? VEC_SS : VEC_NP, true, sel & ~3u);
}

static enum step mov_sreg(struct vcpu *v, struct exit *e, struct insn *i, uint32_t error)
{
	struct cpu_state *s = &v->state;
	uint8_t m = i->b[i->len];
	uint16_t sel;

	if (m >> 6 == 3) {
		sel = (uint16_t)s->gpr[m & 7];
		i->len++;
	} else if (!xen_guest_read(v, modrm_linear(s, i), &sel, 2)) {
		return gp(v, e, error);
	}
	return load_sreg(v, m >> 3 & 7, sel) ? done(v, i, EV_SEG_LOAD) : load_fault(v, e, m >> 3 & 7, sel, error);
}

static enum step pop_sreg(struct vcpu *v, struct exit *e, struct insn *i, unsigned sreg, uint32_t error)
{
	struct cpu_state *s = &v->state;
	uint32_t at = (uint32_t)(s->seg[S_SS].base + s->gpr[R_ESP]);
	uint16_t sel;

	if (!xen_guest_read(v, at, &sel, 2))
		return gp(v, e, error);
	if (!load_sreg(v, sreg, sel))
		return load_fault(v, e, sreg, sel, error);
	s->gpr[R_ESP] = (uint32_t)(s->gpr[R_ESP] + (i->opsize16 ? 2 : 4));
	return done(v, i, EV_SEG_LOAD);
}

/* LDS, LES, LSS, LFS, LGS: m16:32 into the segment register and a general one. */
static enum step load_far(struct vcpu *v, struct exit *e, struct insn *i, unsigned sreg, uint32_t error)
{
	struct cpu_state *s = &v->state;
	uint8_t m = i->b[i->len], f[6];

	if (m >> 6 == 3 || i->opsize16 || !xen_guest_read(v, modrm_linear(s, i), f, sizeof(f)))
		return gp(v, e, error);
	if (!load_sreg(v, sreg, (uint16_t)(f[4] | f[5] << 8)))
		return load_fault(v, e, sreg, (uint16_t)(f[4] | f[5] << 8), error);
	s->gpr[m >> 3 & 7] = load32(f);
	return done(v, i, EV_SEG_LOAD);
}

/* IRET with one of Xen's selectors in its frame: as the iret hypercall, without EAX. The kernel's only. */
static enum step do_iret(struct vcpu *v, struct exit *e, struct insn *i, uint32_t error)
{
	struct cpu_state *s = &v->state;
	uint32_t f[3], esp = (uint32_t)s->gpr[R_ESP];

	if (CPL(s) == 3 || !xen_guest_read(v, (uint32_t)s->seg[S_SS].base + esp, f, sizeof(f)) || !xen_return(v, f[0], f[1], f[2], esp + 12))
		return gp(v, e, error);
	stat_count_at(&v->stats, CPL(s) == 3 ? EV_USER_RETURN : EV_IRET, MECH_TRAP, GVA(i->at));
	stat_count_at(&v->stats, EV_INTERPRET, MECH_TRAP, GVA(i->at));
	return STEP_GO;
}

/* Far jump and return within one level: the usual way to load FLAT_KERNEL_CS. */
static enum step far_branch(struct vcpu *v, struct exit *e, struct insn *i, bool ret, uint32_t error)
{
	struct cpu_state *s = &v->state;
	struct segment code;
	uint32_t f[2] = { load32(i->b + i->len), (uint32_t)i->b[i->len + 4] | (uint32_t)i->b[i->len + 5] << 8 };

	if (ret && !xen_guest_read(v, (uint32_t)(s->seg[S_SS].base + s->gpr[R_ESP]), f, 8))
		return gp(v, e, error);
	if (!xen_segment(v, (uint16_t)f[1], &code) || !loadable(s, S_CS, &code))
		return load_fault(v, e, S_CS, (uint16_t)f[1], error);
	done(v, i, EV_FAR_BRANCH);
	s->seg[S_CS] = code;
	s->rip = f[0];
	if (ret)
		s->gpr[R_ESP] = (uint32_t)(s->gpr[R_ESP] + 8);
	return STEP_GO;
}

static bool two_byte_load(struct vcpu *v, struct exit *e, struct insn *i, uint32_t error, enum step *r)
{
	switch (i->b[i->len++]) {
	case 0xa1: *r = pop_sreg(v, e, i, S_FS, error); return true;
	case 0xa9: *r = pop_sreg(v, e, i, S_GS, error); return true;
	case 0xb2: *r = load_far(v, e, i, S_SS, error); return true;
	case 0xb4: *r = load_far(v, e, i, S_FS, error); return true;
	case 0xb5: *r = load_far(v, e, i, S_GS, error); return true;
	}
	i->len -= 2;
	return false;
}

bool xen_selector_load(struct vcpu *v, struct exit *e, struct insn *i, uint32_t error, enum step *r)
{
	switch (i->b[i->len++]) {
	case 0x8e: *r = mov_sreg(v, e, i, error); return true;
	case 0x07: *r = pop_sreg(v, e, i, S_ES, error); return true;
	case 0x17: *r = pop_sreg(v, e, i, S_SS, error); return true;
	case 0x1f: *r = pop_sreg(v, e, i, S_DS, error); return true;
	case 0xc4: *r = load_far(v, e, i, S_ES, error); return true;
	case 0xc5: *r = load_far(v, e, i, S_DS, error); return true;
	case 0xcf: *r = do_iret(v, e, i, error); return true;
	case 0xea: *r = far_branch(v, e, i, false, error); return true;
	case 0xcb: *r = far_branch(v, e, i, true, error); return true;
	case 0x0f: return two_byte_load(v, e, i, error, r);
	}
	i->len--;
	return false;
}
