/* The parts of the FPU that are not the host's: pending exceptions, unmasked SIMD exceptions, pointers, availability. */
#include <criterion/criterion.h>
#include <string.h>
#include "harness.h"

Test(fpu, an_environment_with_unmasked_flags_is_a_pending_exception)
{
	struct rig r = rig_open();

	rig_put32(&r, 0x50000, 0x0d56);
	rig_put32(&r, 0x50004, 0xa7a1);
	CODE(&r, 0xd9, 0x25, 0, 0, 5, 0, 0xdf, 0xed); /* fldenv [0x50000]; fucomip */
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert_eq(r.s->rip, AT_CODE + 6);
	cr_assert_eq(interp_step(r.v), INTERP_DONE);
	cr_assert_eq(r.s->rip, AT_HANDLER(VEC_MF));
	cr_assert_eq(rig_get32(&r, (uint32_t)r.s->gpr[R_ESP]), AT_CODE + 6);
	rig_close(&r);
}
