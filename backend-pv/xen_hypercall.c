/*
 * xen_hypercall.c - the table of hypercalls: number, name, handler, and for what is refused, why.
 *
 * Called when a hypercall has left the trampoline (pv.c) or came by int $0x82 (xen_traps.c). Numbers: xen/xen.h.
 * docs/pv-abi.md is written from this table. Read next: xen_mmu.c, xen_event.c, xen_misc.c.
 */
#include "xen.h"
#include <string.h>

const struct xen_call xen_calls[XEN_MAX_CALL] = {
	[0] = { "set_trap_table", xen_set_trap_table, NULL },
	[1] = { "mmu_update", xen_mmu_update, NULL, true },
	[2] = { "set_gdt", xen_set_gdt, NULL, true },
	[3] = { "stack_switch", xen_stack_switch, NULL },
	[4] = { "set_callbacks", xen_set_callbacks, NULL },
	[5] = { "fpu_taskswitch", xen_fpu_taskswitch, NULL },
	[6] = { "sched_op_compat", xen_sched_op_compat, NULL },
	[7] = { "platform_op", NULL, "for the privileged domain only" },
	[8] = { "set_debugreg", NULL, "debug registers are not virtualized here" },
	[9] = { "get_debugreg", NULL, "debug registers are not virtualized here" },
	[10] = { "update_descriptor", xen_update_descriptor, NULL, true },
	[12] = { "memory_op", xen_memory_op, NULL },
	[13] = { "multicall", xen_multicall, NULL },
	[14] = { "update_va_mapping", xen_update_va_mapping, NULL, true },
	[15] = { "set_timer_op", xen_set_timer_op, NULL },
	[16] = { "event_channel_op_compat", xen_event_channel_op_compat, NULL },
	[17] = { "xen_version", xen_version, NULL },
	[18] = { "console_io", xen_console_io, NULL },
	[19] = { "physdev_op_compat", NULL, "the old form of physdev_op" },
	[20] = { "grant_table_op", xen_grant_table_op, NULL },
	[21] = { "vm_assist", xen_vm_assist, NULL },
	[22] = { "update_va_mapping_otherdomain", xen_update_va_mapping_otherdomain, NULL, true },
	[23] = { "iret", xen_iret, NULL },
	[24] = { "vcpu_op", xen_vcpu_op, NULL },
	[25] = { "set_segment_base", NULL, "for 64-bit guests" },
	[26] = { "mmuext_op", xen_mmuext_op, NULL, true },
	[27] = { "xsm_op", NULL, "no security modules here" },
	[28] = { "nmi_op", NULL, "there are no NMIs" },
	[29] = { "sched_op", xen_sched_op, NULL },
	[30] = { "callback_op", xen_callback_op, NULL },
	[31] = { "xenoprof_op", NULL, "no profiling here" },
	[32] = { "event_channel_op", xen_event_channel_op, NULL },
	[33] = { "physdev_op", xen_physdev_op, NULL },
	[34] = { "hvm_op", NULL, "for HVM guests and those who build them" },
	[35] = { "sysctl", NULL, "for the privileged domain only" },
	[36] = { "domctl", NULL, "for the privileged domain only" },
	[37] = { "kexec_op", NULL, "for the privileged domain only" },
	[38] = { "tmem_op", NULL, "gone from Xen too" },
	[39] = { "argo_op", NULL, "there is no other domain" },
	[40] = { "xenpmu_op", NULL, "no performance counters for guests here" },
	[41] = { "dm_op", NULL, "for device models" },
	[42] = { "hypfs_op", NULL, "for the privileged domain only" },
	[48] = { "arch_0", NULL, "machine checks: for the privileged domain only" },
};

const struct xen_call *xen_call_find(uint32_t nr)
{
	return nr < XEN_MAX_CALL && xen_calls[nr].name ? &xen_calls[nr] : NULL;
}

int32_t xen_call(struct vcpu *v, uint32_t nr, const uint32_t *a)
{
	const struct xen_call *c = xen_call_find(nr);

	return c && c->fn ? c->fn(v, xen_of(v), a) : -XEN_ENOSYS;
}

/* multicall(entries, n): { op, result, args[6] }, 32 bytes each. Those that replace the registers have no place in one. */
int32_t xen_multicall(struct vcpu *v, struct xen *x, const uint32_t *a)
{
	uint32_t call[8];

	if (a[1] > XEN_MAX_BATCH)
		return -XEN_E2BIG;
	/* What xen_fast.c has not done: it stops at the first entry that needs more than it has. */
	for (uint32_t i = x->multicall_from; i < a[1] && v->vm->end == END_NONE; i++) {
		uint32_t at = a[0] + i * sizeof(call);
		if (!xen_guest_read(v, at, call, sizeof(call)))
			return -XEN_EFAULT;
		call[1] = call[0] == 23 || call[0] == 13 ? (uint32_t)-XEN_EINVAL : (uint32_t)xen_call(v, call[0], call + 2);
		if (!xen_guest_write(v, at + 4, &call[1], 4))
			return -XEN_EFAULT;
	}
	return 0;
}

#define HYPERCALL_IRET 23

gva_t xen_caller(struct vcpu *v)
{
	const struct cpu_state *s = &v->state;
	const struct xen *x = xen_of(v);
	uint32_t eip = (uint32_t)s->rip, back;

	if (!v->stats.every || !x->hypercall_page || eip >> PAGE_SHIFT != x->hypercall_page >> PAGE_SHIFT)
		return GVA(eip);
	if ((eip - x->hypercall_page) / 32 == HYPERCALL_IRET || !xen_guest_read(v, (uint32_t)(s->seg[S_SS].base + s->gpr[R_ESP]), &back, 4))
		return GVA(eip);
	return GVA(back - 1);
}

enum step xen_hypercall_slow(struct vcpu *v, struct exit *e, enum event_mech mech)
{
	struct cpu_state *s = &v->state;
	struct xen *x = xen_of(v);
	uint32_t nr = (uint32_t)s->gpr[R_EAX];
	uint32_t a[6] = { (uint32_t)s->gpr[R_EBX], (uint32_t)s->gpr[R_ECX], (uint32_t)s->gpr[R_EDX], (uint32_t)s->gpr[R_ESI],
		(uint32_t)s->gpr[R_EDI], (uint32_t)s->gpr[R_EBP] };
	gva_t eip = xen_caller(v);

	if (CPL(s) == 3) /* user code has jumped to the trampoline: its own fault, wherever it came from */
		return xen_bounce(v, e, VEC_GP, true, 0);
	uint64_t t0 = stat_begin(&v->stats, EV_HYPERCALL, mech);
	x->last_mech = mech;
	x->no_result = false;
	int32_t r = xen_call(v, nr, a);
	x->multicall_from = 0;
	if (!x->no_result)
		s->gpr[R_EAX] = (uint32_t)r;
	stat_end(&v->stats, EV_HYPERCALL, mech, eip, t0);
	return STEP_GO;
}

/*
 * A hypercall through the page that needs no register of the guest's but the general ones: called by pv_entry.S with the
 * guest's x87 and SSE state saved, and its segment registers still loaded. 0: done, go back to the guest the short way.
 */
int pv_hypercall_medium(struct pv_cpu *c)
{
	struct vcpu *v = c->v;
	struct xen *x = c->pv->xen;
	struct exit e;

	if (!x)
		return pv_previrt_medium(c);
	if (c->user || c->tf_seen || (c->raw_flags & FL_TF) || (uint32_t)c->st->gpr[R_EAX] == 23 /* iret */)
		return PVX_HYPERCALL;
	xen_hypercall_slow(v, &e, MECH_HYPERCALL);
	return xen_must_leave(c) || x->blocked ? PVX_FLUSH : 0;
}

/* The trampoline's samples, into the histograms. */
void pv_flush_samples(struct pv_cpu *c)
{
	for (uint32_t i = 0; i < c->samples; i++)
		stat_sample(&c->v->stats, EV_HYPERCALL, MECH_HYPERCALL, GVA(0), c->sample[i].t0, c->sample[i].t1);
	c->samples = 0;
}
