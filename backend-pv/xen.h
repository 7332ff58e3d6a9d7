/*
 * xen.h - the xen interface's state: one domain of the Xen x86-32 PAE PV ABI.
 *
 * The ABI's layouts come from libxen-dev's xen/foreign/x86_32.h and the like; nothing here is `unsigned long`. mfn equals
 * pfn. Read next: xen_build.c (how a domain starts), xen_hypercall.c (the table).
 */
#pragma once
#include "pv.h"
#define XEN_HAVE_PV_UPCALL_MASK /* the foreign header leaves its consumers to say that they are about PV */
#define __XEN_INTERFACE_VERSION__ 0x040900
#include <xen/foreign/x86_32.h>
#undef __XEN_INTERFACE_VERSION__

#define XEN_VERSION ((4u << 16) | 17u)
#define XEN_TRAMPOLINE 0xf6800000u /* guest-linear; the ABI's hypervisor area ends at its read-only table before it */
#define XEN_M2P 0xf5800000u
#define XEN_EVENTS 1024u
#define XEN_GRANT_FRAMES 4u /* of 512 entries each */
#define XEN_MAX_CALL 64u
#define XEN_MAX_BATCH 65536u /* there are no continuations: one hypercall does at most so much */

#define HYPERCALL_VECTOR 0x82
#define KERNEL_CS FLAT_KERNEL_CS_X86_32
#define KERNEL_DS FLAT_KERNEL_DS_X86_32
#define USER_CS32 0xe02b /* FLAT_RING3_CS of xen/arch-x86/xen-x86_32.h, missing from the foreign header */
#define USER_DS32 0xe033

_Static_assert(offsetof(struct shared_info_x86_32, evtchn_pending) == 32 * 64, "the ABI's shared_info");
_Static_assert(offsetof(struct vcpu_info_x86_32, time) == 32, "the ABI's vcpu_info");
_Static_assert(offsetof(struct start_info_x86_32, cmd_line) == 32 + 4 * 12, "the ABI's start_info");

/* errno values of the ABI are Linux's (xen/errno.h) */
#define XEN_EPERM 1
#define XEN_ENOENT 2
#define XEN_ESRCH 3
#define XEN_E2BIG 7
#define XEN_EACCES 13
#define XEN_EFAULT 14
#define XEN_EBUSY 16
#define XEN_EINVAL 22
#define XEN_ENOSPC 28
#define XEN_ENOSYS 38
#define XEN_EOPNOTSUPP 95

#define DOMID_SELF 0x7ff0u

/* What a frame is used as; from FT_L1 on a page table. FT_L2_TOP: the L2 of an L3's last slot, as Xen keeps it apart. */
enum frame_type { FT_NONE, FT_WRITABLE, FT_SEGDESC, FT_L1, FT_L2, FT_L2_TOP, FT_L3 };
struct frame {
	uint32_t refs;  /* every reference; 0: nobody's, and not to be had */
	uint32_t uses;  /* those as `type`; 0 lets the type change */
	uint8_t type;
	uint8_t own;    /* the domain's own reference, from the start until it gives the frame back */
	uint8_t pinned; /* one of refs and uses */
	uint16_t held;  /* uses that the monitor keeps (xen_frame_hold), of refs and uses */
};

enum port_state { PORT_FREE, PORT_UNBOUND, PORT_VIRQ, PORT_INTERDOMAIN, PORT_IPI };
struct port {
	uint8_t state, virq, back; /* back: enum port_back of xen_back.h, for interdomain ports */
	uint32_t remote;           /* the domain that may bind it (unbound), or the port at the other end (interdomain) */
};

struct xen_back; /* xen_back.h */

struct xen {
	struct shared_info_x86_32 *shared;
	struct vcpu_info_x86_32 *info; /* in shared_info, or where register_vcpu_info has put it */
	uint32_t frames;               /* frames the guest owns: mfn 0 .. frames-1 */
	uint32_t shared_mfn;           /* shared_info: the first frame past them */
	uint32_t grant_mfn;            /* then XEN_GRANT_FRAMES for the grant table */
	uint32_t grant_frames;         /* of these, how many there are yet */
	uint32_t frames_all;           /* and with ours above them, which the guest may map if they are shared: all of RAM */
	struct frame *frame;
	uint32_t root;                 /* mfn of the current L3 */
	uint32_t hypercall_page;       /* guest-virtual; 0: none, int 0x82 is used */
	struct trap_info_x86_32 trap[256];
	uint32_t kernel_ss, kernel_sp;
	uint32_t event_cs, event_eip, failsafe_cs, failsafe_eip;
	uint32_t gdt_frame[16], gdt_entries;
	uint32_t ldt_base, ldt_entries;
	uint32_t ldt_frame[16];
	uint16_t ldt_found;            /* bit i: ldt_frame[i] is known and held */
	uint32_t assist;
	uint32_t console_mfn, store_mfn, console_port, store_port;
	struct port port[XEN_EVENTS];
	struct clock_timer timer;
	uint32_t timer_port;
	struct clock_timer periodic;
	uint64_t period, period_next;  /* ns; 0: no periodic timer */
	bool blocked;
	bool polling;                  /* blocked in SCHEDOP_poll: a pending port of poll_port, or poll_timer, ends it too */
	bool poll_over;                /* its time has come */
	struct clock_timer poll_timer;
	uint32_t poll_port[XEN_EVENTS / 32];
	struct { uint32_t state, va; uint64_t since, time[4]; } run; /* runstate (xen/vcpu.h) */
	struct xen_back *back;
	enum event_mech last_mech;     /* how the VMM was entered last: upcalls are counted by it */
	uint32_t audits;               /* RINGLAB_HOSTILE: entries of the guest, one in so many audited */
	uint32_t multicall_from;       /* entries of a multicall that xen_fast.c has done */
	bool no_result;                /* the hypercall has replaced the registers: EAX is not a result */
	uint32_t *m2p;                 /* machine to pseudo-physical, the VMM's writable view */
	uint64_t m2p_size;
};

static inline struct xen *xen_of(struct vcpu *v)
{
	return ((struct pv *)v->vm->priv)->xen;
}

/* The VMM's view of a frame that is RAM: as a table, mostly. */
static inline uint64_t *xen_table(struct vcpu *v, uint32_t mfn)
{
	return (uint64_t *)(v->vm->mem.host + ((uint64_t)mfn << PAGE_SHIFT));
}

/* Guest memory with the guest kernel's rights: false on a fault (reads and writes may have happened in part). */
bool xen_guest_read(struct vcpu *v, uint32_t va, void *buf, uint32_t len);

/*
 * Which guest instruction made the hypercall that is being done: behind the CALL into the hypercall page. For attribution only:
 * where nobody asks for it, and at an iret, which jumps there, it is EIP.
 */
gva_t xen_caller(struct vcpu *v);
/* Counts what a hypercall does. The quick ones come here with the guest's SSE registers in place: no call unless asked for. */
static inline void xen_count(struct vcpu *v, enum event_kind k)
{
	if (v->stats.attrib)
		stat_count_at(&v->stats, k, MECH_HYPERCALL, xen_caller(v));
	else
		stat_count(&v->stats, k, MECH_HYPERCALL);
}
bool xen_guest_write(struct vcpu *v, uint32_t va, const void *buf, uint32_t len);
void *xen_va(struct vcpu *v, uint32_t va, bool write); /* xen_copy.c: the VMM's pointer, to the end of the page, or NULL */

typedef int32_t xen_fn(struct vcpu *v, struct xen *x, const uint32_t *a);
struct xen_call {
	const char *name;
	xen_fn *fn;
	const char *note; /* why refused, where it is */
	bool light;       /* built with general registers only, and changes no register but EAX: needs no state saved */
};
extern const struct xen_call xen_calls[XEN_MAX_CALL];
const struct xen_call *xen_call_find(uint32_t nr);
int32_t xen_call(struct vcpu *v, uint32_t nr, const uint32_t *a);

xen_fn xen_mmu_update, xen_update_va_mapping, xen_update_va_mapping_otherdomain, xen_mmuext_op, xen_multicall;               /* xen_mmu.c, xen_hypercall.c */
xen_fn xen_set_trap_table, xen_stack_switch, xen_iret, xen_set_callbacks, xen_callback_op; /* xen_traps.c */
xen_fn xen_event_channel_op, xen_event_channel_op_compat, xen_set_timer_op, xen_sched_op, xen_sched_op_compat;         /* xen_event.c */
xen_fn xen_version, xen_memory_op, xen_console_io, xen_vm_assist, xen_fpu_taskswitch, xen_physdev_op; /* xen_misc.c */
xen_fn xen_set_gdt, xen_update_descriptor;                                                /* xen_desc.c */
xen_fn xen_grant_table_op, xen_vcpu_op;                                                   /* xen_grant.c, xen_vcpu.c */

int xen_create(struct vcpu *v); /* xen_build.c: the domain without its host side */

int32_t xen_new_base(struct vcpu *v, uint32_t mfn); /* xen_mmu.c: a new root */

/*
 * xen_type.c: references to frames. Whoever reads a guest's frame beyond one hypercall holds a reference; whoever writes it,
 * even once, holds a use as FT_WRITABLE meanwhile, or a guest could have its page tables written by us (a ring, a grant, a
 * block read). False: no such frame, or it is in use as something else.
 */
bool xen_ref_get(struct vcpu *v, uint32_t mfn);
void xen_ref_put(struct vcpu *v, uint32_t mfn);
bool xen_frame_get(struct vcpu *v, uint32_t mfn, enum frame_type t); /* a reference and a use */
void xen_frame_put(struct vcpu *v, uint32_t mfn);
bool xen_frame_hold(struct vcpu *v, uint32_t mfn);   /* as xen_frame_get(FT_WRITABLE), for rings and grants: the auditor knows of it */
void xen_frame_release(struct vcpu *v, uint32_t mfn);
void xen_frame_share(struct xen *x, uint32_t mfn, bool writable); /* one of our own frames, frames .. frames_all-1: the guest may map it */
int32_t xen_entry_set(struct vcpu *v, uint32_t mfn, unsigned index, uint64_t val, bool keep_ad);
unsigned xen_table_entries(enum frame_type t);
/* xen_audit.c: recounts every reference and looks at every host mapping; false says in why what is wrong. */
bool xen_audit(struct vcpu *v, char *why, size_t n);

/* xen_desc.c */
bool xen_descriptors_valid(struct vcpu *v, uint32_t mfn);
void xen_ldt_forget(struct vcpu *v);
int32_t xen_set_ldt(struct vcpu *v, uint32_t base, uint32_t entries);

/* After a hypercall: is there more to do before the guest goes on than to jump back? */
static inline bool xen_must_leave(const struct pv_cpu *c)
{
	const struct vcpu_info_x86_32 *info = c->pv->xen->info;

	return (info->evtchn_upcall_pending && !info->evtchn_upcall_mask) || c->v->vm->end != END_NONE || pv_space_due(c->pv) || pv_scan_due(c->pv);
}

/* xen_event.c */
void xen_event_send(struct vcpu *v, uint32_t port);
void xen_event_virq(struct vcpu *v, uint32_t virq);
void xen_time_update(struct vcpu *v);
int32_t xen_event_unmask(struct vcpu *v, uint32_t port);
void xen_console_spin(struct vcpu *v); /* xen_console.c: CPUID has trapped: is the guest waiting for a key? */
/* xen_vcpu.c: the vCPU goes on running, or sleeps. The values are xen/vcpu.h's. */
enum { RUNSTATE_RUNNING, RUNSTATE_RUNNABLE, RUNSTATE_BLOCKED, RUNSTATE_OFFLINE };
void xen_runstate(struct vcpu *v, uint32_t state);

/* xen_desc.c: what a selector of the guest's means; false when nothing: it is in no table, or its segment is not present. */
bool xen_segment(struct vcpu *v, uint16_t sel, struct segment *out);
/* The same, also of a segment that is not present (without SEG_P). */
bool xen_descriptor(struct vcpu *v, uint16_t sel, struct segment *out);
/* xen_traps.c */
enum step xen_bounce(struct vcpu *v, struct exit *e, uint8_t vector, bool has_error, uint32_t error);
bool xen_upcall(struct vcpu *v);
bool xen_return(struct vcpu *v, uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t esp_after);
/* xen_emul.c */
enum step xen_privileged(struct vcpu *v, struct exit *e, uint32_t error);
enum step xen_undefined(struct vcpu *v, struct exit *e);
