/*
 * xen_front.c - pages, event channels, grants and the console ring of a Xen guest.
 *
 * See xen_front.h. Sources: xen/event_channel.h, xen/grant_table.h, xen/io/console.h. Read next: xen_store.c.
 */
#include "xen_front.h"
#include <xen/grant_table.h>
#include <xen/io/console.h>

#define barrier() __asm__ volatile("" : : : "memory")

/* The page that shows the grant table; its own frame is given up. */
static volatile grant_entry_v1_t table[XEN_GRANTS] __attribute__((aligned(4096), section(".shared")));
static bool table_mapped;
static uint32_t next_ref = GNTTAB_NR_RESERVED_ENTRIES;

/* ---- pages ---- */

uint32_t xen_mfn(const void *va)
{
	return (uint32_t)((const unsigned long *)xen_start->mfn_list)[((uint32_t)va - XEN_VIRT_BASE) >> 12];
}

void *xen_page(uint32_t mfn)
{
	return (void *)(XEN_VIRT_BASE + ((uint32_t)((const unsigned long *)MACH2PHYS_VIRT_START)[mfn] << 12));
}

/* ---- event channels ---- */

void xen_notify(uint32_t port)
{
	struct evtchn_send send = { .port = port };
	hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint32_t)&send, 0, 0, 0);
}

uint32_t xen_port_alloc(void)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = 0 };
	return hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, (uint32_t)&alloc, 0, 0, 0) ? 0 : alloc.port;
}

void xen_port_wait(uint32_t port)
{
	struct sched_poll poll = { .nr_ports = 1 };
	evtchn_port_t ports[1] = { port };

	if (!(xen_shared.evtchn_pending[port / 32] >> port % 32 & 1)) {
		set_xen_guest_handle(poll.ports, ports);
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (uint32_t)&poll, 0, 0, 0);
	}
	__asm__ volatile("lock btrl %1, %0" : "+m"(xen_shared.evtchn_pending[port / 32]) : "r"(port % 32) : "memory", "cc");
}

/* ---- grants ---- */

bool xen_grants_start(void)
{
	unsigned long frame = 0;
	struct gnttab_set_version version = { .version = 1 };
	struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };

	if (table_mapped)
		return true;
	set_xen_guest_handle(setup.frame_list, &frame);
	hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, (uint32_t)&version, 1, 0, 0);
	if (hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, (uint32_t)&setup, 1, 0, 0) || setup.status)
		return false;
	truth_add(PT_WRITE, 1);
	truth_add(TLB_FLUSH, 1);
	table_mapped = !hypercall(__HYPERVISOR_update_va_mapping, (uint32_t)table, (uint32_t)frame << 12 | PTE_KERNEL, (uint32_t)frame >> 20,
		UVMF_INVLPG, 0);
	return table_mapped;
}

void xen_grant_set(uint32_t ref, uint32_t mfn, bool readonly)
{
	table[ref].domid = 0;
	table[ref].frame = mfn;
	barrier(); /* the flags make it valid */
	table[ref].flags = (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0));
}

uint32_t xen_grant(uint32_t mfn, bool readonly)
{
	if (next_ref == XEN_GRANTS)
		return 0;
	xen_grant_set(next_ref, mfn, readonly);
	return next_ref++;
}

bool xen_grant_end(uint32_t ref)
{
	uint16_t flags = table[ref].flags;

	do
		if (flags & (GTF_reading | GTF_writing))
			return false;
	while (!__atomic_compare_exchange_n((uint16_t *)(uint32_t)&table[ref].flags, &flags, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return true;
}

/* ---- the console ring: indices run freely ---- */

static volatile struct xencons_interface *console(void)
{
	return xen_page(xen_start->console.domU.mfn);
}

uint32_t xen_console_port(void)
{
	return xen_start->console.domU.evtchn;
}

void xen_console_put(const char *s, uint32_t n)
{
	volatile struct xencons_interface *c = console();

	while (n) {
		uint32_t prod = c->out_prod, room = sizeof(c->out) - (prod - c->out_cons);
		if (!room) {
			xen_port_wait(xen_console_port());
			continue;
		}
		for (; room && n; room--, n--)
			c->out[prod++ % sizeof(c->out)] = *s++;
		barrier();
		c->out_prod = prod;
		xen_notify(xen_console_port());
	}
}

uint32_t xen_console_get(char *s, uint32_t n)
{
	volatile struct xencons_interface *c = console();
	uint32_t cons = c->in_cons, have = c->in_prod - cons, done = 0;

	for (; done < n && done < have; done++)
		s[done] = c->in[cons++ % sizeof(c->in)];
	if (!done)
		return 0;
	barrier();
	c->in_cons = cons;
	if (have == sizeof(c->in)) /* it was full: there may be more */
		xen_notify(xen_console_port());
	return done;
}
