/*
 * smsw.c - SMSW shows the guest's CR0, in kernel and user mode, and follows its changes.
 */
#include "insn.h"

static uint16_t cell;

static uint32_t smsw(void)
{
	uint32_t v;
	truth_add(DT_STORE, 1);
	__asm__ volatile("smsw %0" : "=r"(v));
	return v & 0xffff;
}

static USER_CODE void user_smsw(uint32_t arg)
{
	truth_add(DT_STORE, 1);
	__asm__ volatile("smsw %w0" : "+r"(arg));
	user_exit(arg & 0xffff);
}

int guest_main(void)
{
	expect("kernel", smsw(), 0x33);
	truth_add(DT_STORE, 1);
	__asm__ volatile("smsw %0" : "=m"(cell));
	expect("memory-form", cell, 0x33);
	write_cr0(read_cr0() | 8); /* TS */
	expect("with-ts", smsw(), 0x3b);
	expect_user("user-with-ts", user_smsw, 0, 0x3b);
	write_cr0(read_cr0() & ~8u);
	expect_user("user", user_smsw, 0, 0x33);
	return insn_end();
}
