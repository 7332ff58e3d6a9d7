/*
 * wbinvd.c - WBINVD runs in kernel mode, and faults in user mode.
 */
#include "insn.h"

KERNEL_CODE(wbinvd, "wbinvd")
RING3_CODE(user_wbinvd, "wbinvd")
RING3_CODE(user_invd, "invd")

int guest_main(void)
{
	truth_add(CACHE_CTL, 1);
	expect_fine("kernel", wbinvd, 0);
	expect_user_fault("user", user_wbinvd, 0, GP, 0);
	expect_user_fault("user-invd", user_invd, 0, GP, 0);
	return insn_end();
}
