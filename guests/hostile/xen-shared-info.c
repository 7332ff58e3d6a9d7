/*
 * xen-shared-info.c - fills the shared page with garbage while events and timers are at work.
 */
#include "hostile.h"

static void tick(void)
{
}

int guest_main(void)
{
	timer_start(1000, tick);
	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < sizeof xen_shared / 4; i++)
			((volatile uint32_t *)&xen_shared)[i] = attack_random();
		hypercall(__HYPERVISOR_xen_version, 0, 0, 0, 0, 0);
		hypercall(__HYPERVISOR_set_timer_op, attack_random(), attack_random() & 0xff, 0, 0, 0);
		struct evtchn_send send = { attack_random() % 2048 };
		hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint32_t)&send, 0, 0, 0);
	}
	xen_shared.vcpu_info[0].evtchn_upcall_mask = 1;
	return hostile_end();
}
