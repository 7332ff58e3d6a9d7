/*
 * mov-dr.c - MOV to and from debug registers: values with their fixed bits, and faults in user mode.
 */
#include "insn.h"

RING3_CODE(user_read_dr7, "mov %%dr7, %%eax")
RING3_CODE(user_write_dr0, "mov %%eax, %%dr0")

#define DR(n) \
	static uint32_t dr##n(uint32_t v) \
	{ \
		truth_add(DR_ACCESS, 2); \
		__asm__ volatile("mov %0, %%dr" #n "; mov %%dr" #n ", %0" : "+r"(v)); \
		return v; \
	}
DR(0)
DR(3)
DR(6)
DR(7)

int guest_main(void)
{
	expect("dr0", dr0(0x12345678), 0x12345678);
	expect("dr3", dr3(0x9abcdef0), 0x9abcdef0);
	expect("dr6", dr6(0) & 0xfffeffff, 0xfffe0ff0);
	expect("dr7", dr7(0), 0x400);
	expect("dr0-back", dr0(0), 0);
	expect("dr3-back", dr3(0), 0);
	expect_user_fault("user-read-dr7", user_read_dr7, 0, GP, 0);
	expect_user_fault("user-write-dr0", user_write_dr0, 0, GP, 0);
	return insn_end();
}
