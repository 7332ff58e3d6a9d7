/*
 * str.c - STR tells the task register's selector, at both levels.
 */
#include "insn.h"

static uint16_t cell;

static USER_CODE void user_str(uint32_t arg)
{
	truth_add(DT_STORE, 1);
	__asm__ volatile("str %w0" : "+r"(arg));
	user_exit(arg & 0xffff);
}

int guest_main(void)
{
	uint32_t v;
	truth_add(DT_STORE, 2);
	__asm__ volatile("str %0" : "=r"(v));
	__asm__ volatile("str %0" : "=m"(cell));
	expect("register-form", v & 0xffff, SEL_TSS);
	expect("memory-form", cell, SEL_TSS);
	expect_user("user", user_str, 0, SEL_TSS);
	return insn_end();
}
