/*
 * xen-traps.c - trap handlers, callbacks and kernel stacks at wild addresses, and events to use them.
 */
#include "hostile.h"

static struct trap_info bad[] = {
	{ 6, 4, FLAT_KERNEL_CS, 0xf6800000 }, { 0 }
};

RING3_CODE(user_ud, "ud2")
KERNEL_CODE(set_traps, "mov %%eax, %%ebx; call hypercall_page")

int guest_main(void)
{
	attack("table-nowhere", set_traps, 0xf6900000);
	attack("table-at-the-end", set_traps, 0xfffffffc);
	printf("ATTACK stack-nowhere: %d\n", hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, 0xf6900000, 0, 0, 0));
	printf("ATTACK stack-selector: %d\n", hypercall(__HYPERVISOR_stack_switch, 0x2b, 0xf6900000, 0, 0, 0));
	printf("ATTACK callback-nowhere: %d\n", hypercall(__HYPERVISOR_set_callbacks, 0x33, 0xf6800000, 0x33, 0xf6800000, 0));
	bad[0].cs = hal_flag("cs33") ? 0x33 : FLAT_KERNEL_CS;
	printf("ATTACK handler-nowhere: %d\n", hypercall(__HYPERVISOR_set_trap_table, (uint32_t)bad, 0, 0, 0, 0));
	memset((char *)&xen_shared.evtchn_pending, 0xff, sizeof xen_shared.evtchn_pending);
	printf("ATTACK user fault with neither stack nor handler: now\n");
	user_run(user_ud, 0);
	return hostile_end();
}
