/* Loading segment registers and using them: the checks of SDM vol. 2 (MOV, LLDT, LTR) and vol. 3, chapter 5. */
#include <criterion/criterion.h>
#include "harness.h"

#define OK 0xee

/* One load each; vector OK: it succeeds. */
static const struct { uint8_t cpl, reg; uint16_t sel; uint8_t vector; uint32_t error; } loads[] = {
	{ 0, S_DS, 0, OK, 0 }, { 0, S_DS, 3, OK, 0 },
	{ 0, S_DS, RIG_DATA0, OK, 0 }, { 0, S_DS, RIG_DATA3, OK, 0 },
	{ 0, S_DS, RIG_DATA0 | 3, VEC_GP, RIG_DATA0 }, /* RPL 3 above DPL 0 */
	{ 3, S_DS, RIG_DATA0, VEC_GP, RIG_DATA0 },
	{ 3, S_DS, RIG_DATA3, OK, 0 },
	{ 0, S_DS, RIG_CODE0, OK, 0 },                 /* readable code */
	{ 3, S_DS, RIG_CONF, OK, 0 },                  /* conforming: no privilege check */
	{ 0, S_DS, RIG_XONLY, VEC_GP, RIG_XONLY },
	{ 0, S_DS, RIG_TSS, VEC_GP, RIG_TSS },
	{ 0, S_DS, RIG_ABSENT, VEC_NP, RIG_ABSENT },
	{ 0, S_DS, 0x1000, VEC_GP, 0x1000 },           /* past the limit */
	{ 0, S_DS, 0x0c, VEC_GP, 0x0c },               /* no LDT */
	{ 0, S_SS, 0, VEC_GP, 0 },
	{ 0, S_SS, RIG_DATA0, OK, 0 },
	{ 0, S_SS, RIG_DATA3, VEC_GP, RIG_DATA3 & ~3 },
	{ 3, S_SS, RIG_DATA3, OK, 0 },
	{ 0, S_SS, RIG_RO, VEC_GP, RIG_RO },
	{ 0, S_SS, RIG_CODE0, VEC_GP, RIG_CODE0 },
	{ 0, S_SS, RIG_ABSENT, VEC_SS, RIG_ABSENT },
	{ 0, S_LDTR, 0, OK, 0 }, { 0, S_LDTR, RIG_LDT, OK, 0 },
	{ 0, S_LDTR, RIG_DATA0, VEC_GP, RIG_DATA0 },
	{ 0, S_LDTR, RIG_LDT | 4, VEC_GP, RIG_LDT | 4 },
	{ 0, S_TR, 0, VEC_GP, 0 },
	{ 0, S_TR, RIG_TSS2, OK, 0 },
	{ 0, S_TR, RIG_TSS, VEC_GP, RIG_TSS },         /* busy */
	{ 0, S_TR, RIG_LDT, VEC_GP, RIG_LDT },
};

Test(segment, loads_check_what_the_manual_says)
{
	for (unsigned i = 0; i < ARRAY_LEN(loads); i++) {
		struct rig r = rig_open();
		struct fault f = { OK, false, 0 };
		struct segment before;
		int err;

		if (loads[i].cpl)
			rig_user(&r);
		before = r.s->seg[loads[i].reg];
		err = segment_load(r.v, loads[i].reg, loads[i].sel, &f);
		cr_expect_eq(f.vector, loads[i].vector, "row %u: vector %u", i, f.vector);
		cr_expect_eq(f.error, loads[i].error, "row %u: error %#x", i, f.error);
		if (err)
			cr_expect_eq(r.s->seg[loads[i].reg].sel, before.sel, "row %u changed the register", i);
		else
			cr_expect_eq(r.s->seg[loads[i].reg].sel, loads[i].sel, "row %u", i);
		rig_close(&r);
	}
}

Test(segment, a_load_sets_the_accessed_bit_and_ltr_the_busy_bit)
{
	struct rig r = rig_open();
	struct fault f;

	cr_assert_eq(rig_get32(&r, AT_GDT + RIG_RO + 4) >> 8 & 0xff, 0x90);
	cr_assert_eq(segment_load(r.v, S_ES, RIG_RO, &f), 0);
	cr_assert_eq(rig_get32(&r, AT_GDT + RIG_RO + 4) >> 8 & 0xff, 0x91);
	cr_assert_eq(rig_get32(&r, AT_GDT + RIG_TSS + 4) >> 8 & 0xff, 0x8b);
	rig_close(&r);
}

Test(segment, selectors_with_ti_come_from_the_ldt)
{
	struct rig r = rig_open();
	struct fault f;

	cr_assert_eq(segment_load(r.v, S_LDTR, RIG_LDT, &f), 0);
	rig_put64(&r, AT_LDT + 8, rig_descriptor(0x12345678, 0x1f, 0x92, 0xc));
	cr_assert_eq(segment_load(r.v, S_GS, 0x0c, &f), 0);
	cr_assert(r.s->seg[S_GS].base == 0x12345678 && r.s->seg[S_GS].limit == 0x1ffff);
	rig_close(&r);
}

/* {register's selector, offset, length, access, vector or OK} */
static const struct { uint16_t sel; uint32_t off, len; unsigned access; uint8_t vector; } accesses[] = {
	{ RIG_DATA0, 0xfffffffc, 4, ACCESS_W, OK },
	{ RIG_DATA0, 0xfffffffd, 4, ACCESS_R, VEC_GP }, /* would wrap */
	{ RIG_SMALL, 0xfc, 4, ACCESS_W, OK },
	{ RIG_SMALL, 0xfd, 4, ACCESS_R, VEC_GP },
	{ RIG_RO, 0, 1, ACCESS_R, OK },
	{ RIG_RO, 0, 1, ACCESS_W, VEC_GP },
	{ RIG_CODE0, 0, 1, ACCESS_R, OK },
	{ RIG_CODE0, 0, 1, ACCESS_W, VEC_GP },
	{ RIG_DOWN, 0xfff, 1, ACCESS_R, VEC_GP },       /* expand-down: at and below the limit */
	{ RIG_DOWN, 0x1000, 1, ACCESS_R, OK },
	{ RIG_DOWN, 0xfffffffc, 4, ACCESS_W, OK },
	{ 0, 0, 1, ACCESS_R, VEC_GP },
};

Test(segment, accesses_are_checked_against_limit_and_type)
{
	for (unsigned i = 0; i < ARRAY_LEN(accesses); i++) {
		struct rig r = rig_open();
		struct fault f = { OK, false, 0 };
		uint32_t lin;

		cr_assert_eq(segment_load(r.v, S_FS, accesses[i].sel, &f), 0);
		segment_linear(r.s, S_FS, accesses[i].off, accesses[i].len, accesses[i].access, &lin, &f);
		cr_expect_eq(f.vector, accesses[i].vector, "row %u: vector %u", i, f.vector);
		rig_close(&r);
	}
}
