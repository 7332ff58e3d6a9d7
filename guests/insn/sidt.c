/*
 * sidt.c - SIDT in kernel and user mode stores the guest's own IDT register.
 */
#include "insn.h"

static struct dtable user_seen USER_DATA;

static USER_CODE void user_sidt(uint32_t arg)
{
	truth_add(DT_STORE, 1);
	__asm__ volatile("sidt %0" : "=m"(user_seen));
	user_exit(0);
}

int guest_main(void)
{
	struct dtable d = sidt();
	expect("limit", d.limit, sizeof idt - 1);
	expect("base", d.base, (uint32_t)idt);
	expect_user("user", user_sidt, 0, 0);
	expect("user-limit", user_seen.limit, sizeof idt - 1);
	expect("user-base", user_seen.base, (uint32_t)idt);
	return insn_end();
}
