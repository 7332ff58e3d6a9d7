/*
 * verr.c - VERR tells whether a segment allows reading at this level.
 */
#include "insn.h"

static inline __attribute__((always_inline)) uint32_t query(uint32_t selector)
{
	uint8_t ok;
	truth_add(SEG_QUERY, 1);
	__asm__ volatile("verr %w1; setz %0" : "=q"(ok) : "r"(selector) : "cc");
	return ok;
}

static USER_CODE void user_query(uint32_t selector)
{
	user_exit(query(selector));
}

int guest_main(void)
{
	expect("kernel-code", query(SEL_KCODE), 1);
	expect("kernel-data", query(SEL_KDATA), 1);
	expect("user-data", query(SEL_UDATA), 1);
	expect("tss", query(SEL_TSS), 0);
	expect("null", query(0), 0);
	gdt_set(SEL_SPARE, gdt_entry(0, 0xfffff, 0xf1, 0xc)); /* data that may not be written */
	expect("read-only-data", query(SEL_SPARE), 1);
	gdt_set(SEL_SPARE, gdt_entry(0, 0xfffff, 0xf9, 0xc)); /* code that may not be read */
	expect("execute-only-code", query(SEL_SPARE), 0);
	expect_user("user-of-user-data", user_query, SEL_UDATA, 1);
	expect_user("user-of-user-code", user_query, SEL_UCODE, 1);
	expect_user("user-of-kernel-data", user_query, SEL_KDATA, 0);
	return insn_end();
}
