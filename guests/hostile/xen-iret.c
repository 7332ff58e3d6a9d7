/*
 * xen-iret.c - the iret hypercall with a frame that cannot be returned to.
 */
#include "hostile.h"

static uint32_t frame[5];

static void iret_to(uint32_t arg)
{
	__asm__ volatile("pushl 16(%0); pushl 12(%0); pushl 8(%0); pushl 4(%0); pushl (%0); jmp hypercall_page + 23 * 32" : : "r"(frame));
}

KERNEL_CODE(iret_no_stack, "mov $0xf6900000, %%esp; jmp hypercall_page + 23 * 32")

static void landed(void)
{
	printf("ATTACK iret: it went there\n");
	hostile_end();
}

int guest_main(void)
{
	frame[0] = hal_number("eip", (uint32_t)landed);
	frame[1] = hal_number("cs", FLAT_KERNEL_CS);
	frame[2] = hal_number("eflags", 2);
	frame[3] = hal_number("esp", 0xf6900000);
	frame[4] = hal_number("ss", FLAT_USER_SS);
	if (hal_flag("nostack"))
		attack("iret-without-stack", iret_no_stack, 0);
	else
		attack("iret", iret_to, 0);
	return hostile_end();
}
