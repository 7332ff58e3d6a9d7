/*
 * popf.c - POPF changes IF and IOPL in kernel mode; in user mode it leaves them as they are, silently.
 */
#include "insn.h"

static USER_CODE void user_popf(uint32_t flags)
{
	truth_add(FLAGS_IMAGE, 2);
	__asm__ volatile("pushl %0; popfl; pushfl; popl %0" : "+r"(flags) : : "cc", "memory");
	user_exit(flags & (FLAG_IF | FLAG_IOPL));
}

static uint32_t round_trip(uint32_t flags)
{
	truth_add(FLAGS_IMAGE, 2);
	__asm__ volatile("pushl %0; popfl; pushfl; popl %0; cld" : "+r"(flags) : : "cc", "memory");
	return flags;
}

int guest_main(void)
{
	expect("sets-if", round_trip(0x202) & FLAG_IF, FLAG_IF);
	expect("clears-if", round_trip(0x002) & FLAG_IF, 0);
	expect("sets-iopl", round_trip(0x3002) & FLAG_IOPL, FLAG_IOPL);
	expect("clears-iopl", round_trip(0x0002) & FLAG_IOPL, 0);
	expect("sets-nt", round_trip(0x4002) & FLAG_NT, FLAG_NT);
	expect("clears-nt", round_trip(0x0002) & FLAG_NT, 0);
	expect("toggles-id", (round_trip(FLAG_ID | 2) ^ round_trip(2)) & FLAG_ID, FLAG_ID);
	expect("arithmetic-flags", round_trip(0x8d7) & 0x8d5, 0x8d5);
	expect("reserved-bits", round_trip(0xffc08028) & 0xffc0802a, 2);
	popf(2);
	expect_user_flags("user-cannot-clear-if", user_popf, 0x002, 0x202, FLAG_IF);
	expect_user_flags("user-cannot-set-iopl", user_popf, 0x3202, 0x202, FLAG_IF);
	expect_user_flags("user-with-iopl3-clears-if", user_popf, 0x3002, 0x3202, FLAG_IOPL);
	expect_user_flags("user-with-iopl3-keeps-iopl", user_popf, 0x0002, 0x3202, FLAG_IOPL);
	cli();
	return insn_end();
}
