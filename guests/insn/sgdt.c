/*
 * sgdt.c - SGDT in kernel and user mode stores the guest's own GDT register.
 */
#include "insn.h"

static struct dtable user_seen USER_DATA;

static USER_CODE void user_sgdt(uint32_t arg)
{
	truth_add(DT_STORE, 1);
	__asm__ volatile("sgdt %0" : "=m"(user_seen));
	user_exit(0);
}

int guest_main(void)
{
	struct dtable d = sgdt();
	expect("limit", d.limit, GDT_SLOTS * 8 - 1);
	expect("base", d.base, (uint32_t)gdt);
	expect_user("user", user_sgdt, 0, 0);
	expect("user-limit", user_seen.limit, GDT_SLOTS * 8 - 1);
	expect("user-base", user_seen.base, (uint32_t)gdt);
	return insn_end();
}
