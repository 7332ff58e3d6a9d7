/*
 * lsl.c - LSL gives limits of visible descriptors only, scaled by granularity.
 */
#include "insn.h"

/* The limit in bytes, or 0 when ZF says that the selector is not visible. */
static inline __attribute__((always_inline)) uint32_t query(uint32_t selector)
{
	uint32_t v = 0;
	uint8_t ok;
	truth_add(SEG_QUERY, 1);
	__asm__ volatile("lsl %2, %0; setz %1" : "+r"(v), "=q"(ok) : "r"(selector) : "cc");
	return ok ? v : 0;
}

static USER_CODE void user_query(uint32_t selector)
{
	user_exit(query(selector));
}

int guest_main(void)
{
	gdt_set(SEL_SPARE, gdt_entry(0, 0x1234, 0xf3, 4));
	gdt_set(SEL_SPARE + 8, gdt_entry(0, 0x1234, 0xf3, 0xc));
	expect("kernel-code", query(SEL_KCODE), 0xffffffff);
	expect("tss", query(SEL_TSS), sizeof(struct tss) - 1);
	expect("byte-limit", query(SEL_SPARE), 0x1234);
	expect("page-limit", query(SEL_SPARE + 8), 0x1234fff);
	expect("null", query(0), 0);
	expect_user("user-of-user-data", user_query, SEL_UDATA, 0xffffffff);
	expect_user("user-of-byte-limit", user_query, SEL_SPARE | 3, 0x1234);
	expect_user("user-of-kernel-data", user_query, SEL_KDATA, 0);
	return insn_end();
}
