/*
 * lar.c - LAR gives access rights of visible descriptors only; what is visible depends on the level.
 */
#include "insn.h"

/* The access rights (SDM vol. 2, LAR: bits 16..19 are undefined), or 0 when ZF says that the selector is not visible. */
static inline __attribute__((always_inline)) uint32_t query(uint32_t selector)
{
	uint32_t v = 0;
	uint8_t ok;
	truth_add(SEG_QUERY, 1);
	__asm__ volatile("lar %2, %0; setz %1" : "+r"(v), "=q"(ok) : "r"(selector) : "cc");
	return ok ? v & 0xf0ff00 : 0;
}

static USER_CODE void user_query(uint32_t selector)
{
	user_exit(query(selector));
}

int guest_main(void)
{
	expect("kernel-code", query(SEL_KCODE), 0xc09b00);
	expect("user-data", query(SEL_UDATA), 0xc0f300);
	expect("busy-tss", query(SEL_TSS), 0x008b00);
	expect("null", query(0), 0);
	expect("beyond-the-limit", query(GDT_SLOTS * 8), 0);
	expect("rpl3-of-kernel-code", query(SEL_KCODE | 3), 0);
	expect_user("user-of-user-code", user_query, SEL_UCODE, 0xc0fb00);
	expect_user("user-of-kernel-code", user_query, SEL_KCODE, 0);
	expect_user("user-of-tss", user_query, SEL_TSS, 0);
	return insn_end();
}
