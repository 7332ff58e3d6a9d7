/*
 * wild-pointers.c - reads, writes and jumps all over the 4 GiB that it was not given.
 */
#include "hostile.h"

static void read(uint32_t a) { (void)*(volatile uint32_t *)a; }
static void write(uint32_t a) { *(volatile uint32_t *)a = 0x41414141; }
KERNEL_CODE(jump, "call *%%eax")
RING3_CODE(user_read, "mov (%%eax), %%eax")
RING3_CODE(user_write, "movl $0x41414141, (%%eax)")
RING3_CODE(user_jump, "call *%%eax")

/* Well beyond what a small guest has mapped: in steps of 16 MiB less a page, so that odd pages come too. */
static bool own(uint32_t a)
{
	return a < 64u << 20 || (a >= 0xc0000000u && a < 0xc4000000u);
}

int guest_main(void)
{
	uint32_t n = 0, faults[6] = { 0 };
	for (uint32_t a = 0x01fff000, last = 0; a > last; last = a, a += 0xfff000) {
		if (own(a))
			continue;
		n++;
		faults[0] += attack_quiet(read, a);
		faults[1] += attack_quiet(write, a);
		faults[2] += attack_quiet(jump, a);
		faults[3] += attack_user_quiet(user_read, a);
		faults[4] += attack_user_quiet(user_write, a);
		faults[5] += attack_user_quiet(user_jump, a);
	}
	attack_tally("read", faults[0], n);
	attack_tally("write", faults[1], n);
	attack_tally("jump", faults[2], n);
	attack_tally("user-read", faults[3], n);
	attack_tally("user-write", faults[4], n);
	attack_tally("user-jump", faults[5], n);
	static const uint32_t famous[] = { 0x08048000, 0x56555000, 0x7fff8000, 0xbffff000, 0xf5800000, 0xf6800000, 0xf7fff000,
		0xfee00000, 0xffffe000, 0xfffff000, 0xfffffffc };
	for (unsigned i = 0; i < ARRAY_LEN(famous); i++) {
		printf("address 0x%08x\n", famous[i]);
		attack("read", read, famous[i]);
		attack("write", write, famous[i]);
		attack("jump", jump, famous[i]);
	}
	return hostile_end();
}
