/*
 * pv.h - the inside of direct execution: what the files of backend-pv share.
 *
 * struct pv_cpu is what the assembly (pv_entry.S) and the signal handler see; its offsets are asserted in pv_signal.c.
 * struct pv is everything else of one VM. Read first: README.md; read next: pv.c (the run loop).
 */
#pragma once
#include <signal.h>
#include <ucontext.h>
#include "core/vm.h"
#include "pv_offsets.h"

/* One thread's crossing between VMM and guest. Lives above 4 GiB, as all VMM data does. */
struct pv_cpu {
	uint64_t host_rsp;              /* pv_enter's stack frame, to which a signal or hypercall unwinds */
	uint64_t host_fs;               /* libc's TLS base */
	struct cpu_state *st;           /* gpr, rip, rflags are the truth whenever VMM code runs */
	uint64_t guest_fs;              /* the FS base that guest code has */
	uint64_t iret[5];               /* rip, cs, rflags, rsp, ss: what pv_enter's iretq pops */
	uint16_t sel[4];                /* host selectors of DS, ES, FS, GS to load */
	uint32_t in_guest;              /* guest code is, or is about to be, running */
	uint32_t exit;                  /* enum pv_exit */
	uint8_t *xsave;                 /* 64-byte aligned; the guest's x87 and SSE state while VMM code runs */
	uint8_t *xinit;                 /* an XSAVE image of the initial state, for VMM code */
	uint64_t xmask;                 /* XRSTOR's components: all of XCR0 but PKRU */
	uint32_t far_eip;               /* m16:32, where the hypercall's far jump returns to */
	uint16_t far_cs, far_ss;
	volatile uint8_t *attention;    /* &v->attention */
	uint64_t raw_flags;             /* EFLAGS at hypercall entry */
	uint32_t user;                  /* guest user mode: no hypercalls */
	uint32_t tf_seen;               /* TF was set when the guest entered the trampoline */
	uint32_t pkru;                  /* ISO_KEYS: the rights of the guest mode that runs next */
	uint32_t site;                  /* previrt: whose entry the guest came through */
	volatile uint32_t cpuid_native; /* VMM code executed CPUID while it faults: it is let through until the next entry */
	/* ISO_KEYS (pv_keys.c), else NULL: the gate's data as the VMM writes them, and the gate's parts. */
	struct pv_gate *gate;
	void *gate_exit, *gate_fast, *gate_resume;
	uint8_t dispatch;               /* Syscall User Dispatch's selector: 0, calls pass */
	/* What the signal handler leaves for run. */
	uint32_t sig, trapno, err;
	volatile uint32_t in_kick, kick_again; /* a kick's handler runs; another came meanwhile */
	uint64_t cr2, raw_rip;
	uint16_t cs, ss;
	uint64_t true_flags;            /* the host's EFLAGS in the signal frame, for --witness */
	uint32_t repaired;              /* a selector of the host's own was replaced: a fault that came with it is retried */
	uint32_t live;                  /* DS, ES, FS, GS still hold what the guest left there */
	/* Samples of hypercall costs: the fast path must not call what uses SSE. */
	uint32_t samples;
	struct { uint64_t t0, t1; } sample[64];
	struct vcpu *v;
	struct pv *pv;
};

/* The gate's data (pv_gate.S): guest code can read them, and not write. */
struct pv_gate {
	uint32_t guest;                 /* guest code runs: XRSTOR leads nowhere */
	uint32_t pkru, neg;             /* the rights of the guest mode that runs; their negative */
	uint32_t spare;
	uint64_t regs[3];               /* RAX, RCX, RDX */
	uint64_t iret[5];
	uint64_t esp, far;              /* where the far jump after a short hypercall leads */
};

enum pv_exit { PVX_NONE, PVX_FAULT, PVX_KICK, PVX_HYPERCALL, PVX_FLUSH, PVX_ESCAPE, PVX_BADENTRY, PVX_ABORT };

/* Flags that guest code owns in the host's EFLAGS; IF and IOPL are virtual. */
#define FL_REAL (FL_ARITH | FL_TF | FL_DF | FL_NT | FL_RF | FL_AC | FL_ID)

/* pv_entry.S */
int pv_enter(struct pv_cpu *c);
void pv_signal_entry(int sig, siginfo_t *si, void *uc);
extern char pv_text_begin[], pv_text_end[], pv_enter_crit[], pv_enter_end[], pv_hc_begin[], pv_hc_check[], pv_hc_end[];

/* pv_gate.S */
int pv_keys_enter(struct pv_cpu *c);
extern char pv_keys_crit[], pv_keys_crit_end[], pv_keys_hc[], pv_keys_check[], pv_keys_check_end[], pv_resumed[];
extern char pv_gate_begin[], pv_gate_exit[], pv_gate_fast[], pv_gate_resume[], pv_gate_end[];
extern char pv_probe_begin[], pv_probe_handler[], pv_probe_end[];

/* pv_run.c */
int pv_run(struct vcpu *v, struct exit *e);
bool pv_ready(struct vcpu *v);
int pv_inject(struct vcpu *v, uint8_t vector);
#ifndef ARCH_SET_CPUID
#define ARCH_SET_CPUID 0x1012 /* asm/prctl.h of newer kernels: CPUID faulting, per thread */
#endif

/* pv_signal.c: general registers only, no stack protector. */
int pv_signal(struct pv_cpu *c, int sig, siginfo_t *si, ucontext_t *uc, uint32_t was_in_guest);

/* ---- the low 4 GiB and the LDT (pv_low.c) ---- */
#define LDT_SLOTS 512
#define LDT_FIRST 256u /* below, the descriptors stay empty: a guest's own LDT selectors should fault, not meet ours */
struct ldt_slot {
	struct segment seg; /* what the guest believes */
	uint32_t base, limit;
	bool used, user; /* user: truncated below the guest kernel (ISO_LIMITS) */
};
struct ldt {
	struct ldt_slot slot[LDT_SLOTS];
	unsigned n;      /* slots used; allocated from 1 on */
	unsigned last[SREG_COUNT];
};

#define PV_TOP 0x100000000ull
int pv_low_reserve(uint64_t *bottom);   /* 0, -EBUSY when something is there already, or -errno */
void pv_low_release(uint64_t bottom);
uint64_t pv_low_min_addr(void);         /* vm.mmap_min_addr, page aligned */
/* A host selector for what the guest believes is *s; 0 for an unusable one, -errno for a host failure. */
int pv_ldt_select(struct pv *pv, unsigned sreg, const struct segment *s);
/* The guest segment behind a host LDT selector; NULL when it is none of ours. */
const struct segment *pv_ldt_lookup(struct pv *pv, uint16_t sel);
/* The base of what pv_ldt_select gave. */
uint32_t pv_ldt_base(struct pv *pv, uint16_t sel);
void pv_ldt_clear(struct pv *pv);

/* ---- guest pages at their own linear addresses (pv_shadow.c) ---- */
#define SP_MAPPED 0x01u
#define SP_WRITE  0x02u
#define SP_EXEC   0x04u
#define SP_USER   0x08u
#define SP_LARGE  0x10u
#define SP_GLOBAL 0x20u
#define SP_STALE  0x80u /* queued in struct space: the page tables say something else by now */
#define SP_HIDDEN 0x40u /* inaccessible until the guest kernel touches it (pv_hide.c) */
#define SHADOW_REGION_SHIFT 10 /* pages of 4 MiB, in which mapped pages are counted */

struct spans {
	struct span { uint32_t from, to; } s[24]; /* pages [from, to) */
	unsigned n;
};

struct shadow {
	uint8_t *page;             /* a byte for each page of 4 GiB */
	uint32_t *frame;           /* which frame was last mapped there; not kept with struct space, which knows better */
	uint16_t mapped[1024];     /* pages mapped, by 4 MiB region */
	bool populate;             /* mappings that are made now are ahead of any access: with their pages */
	bool model;                /* tests: keep the books and make no system call */
	uint64_t total;
	/* ISO_UNMAP (pv_hide.c) */
	struct keep *keep;         /* pv_keep.c's */
	bool hidden;               /* guest user mode runs: every supervisor page is PROT_NONE */
	struct spans shown, hot;   /* hold all supervisor pages that are accessible; those that recent kernel entries used */
	struct spans apart;        /* runs that are mappings of their own */
	unsigned entries;
};

/* The techniques of direct execution; --interface names one, else the image says. */
enum pv_interface { PV_TRAP, PV_PATCH, PV_PREVIRT, PV_XEN };
enum isolation { ISO_LIMITS, ISO_UNMAP, ISO_KEYS };

struct walk;
struct keep;
struct xen;
struct space;
struct patch;
struct holes;
struct previrt;
struct pv {
	struct vm *vm;
	struct pv_cpu *cpu;
	enum pv_interface interface; /* chosen in pv_start */
	struct xen *xen;            /* PV_XEN only, else NULL */
	struct previrt *previrt;    /* PV_PREVIRT only, else NULL */
	enum isolation iso;
	int pkey, pkey_user;        /* ISO_KEYS: of supervisor pages, of user pages; else -1 */
	uint32_t pkru_kernel, pkru_user;
	uint8_t *gate;              /* its pages */
	struct scan *scan;          /* ISO_KEYS: what is executable (pv_scan.h) */
	uint32_t shift;             /* LDT base shift: linear L lives at host address L + shift */
	uint64_t top;               /* first host address that guest data segments may not reach */
	uint64_t map_top;           /* no guest page is mapped from here on; 0: top */
	uint64_t trampoline;        /* bytes of VMM code at top */
	uint64_t user_top;          /* ISO_LIMITS: guest user segments end here; 0: the kernel is not above */
	uint64_t bottom;            /* first reserved host address */
	struct ldt ldt;
	struct shadow shadow;
	struct patch *patch;        /* PV_PATCH only, else NULL (pv_patch.h) */
	struct holes *holes;        /* PV_TRAP with --holes, else NULL (pv_holes.c) */
	struct space *space;        /* xen: which pages map which frames (pv_space.h); else NULL */
	uint8_t *block;             /* alternate signal stack; its first word points to cpu */
	struct sigaction old[32];   /* by fault_signals[] */
	bool signals, started, cpuid_faulting;
	uint64_t tsc_start, ns_start; /* the same moment on both clocks, as early as can be: xen calibrates by it */
	bool syscall32;             /* SYSCALL exists in the host's compatibility mode (AMD): SIGSYS with a lost EIP is that */
	uint32_t landing;           /* low 32 bits of the vDSO page: where SYSENTER's -EFAULT path comes back */
	uint32_t repeat_eip, repeat_n; /* a fault that repeats without progress */
	uint64_t repeat_cr2;
};

int pv_shadow_init(struct pv *pv);
void pv_shadow_fini(struct pv *pv);
/* Maps the guest page of linear address la (flags SP_*), n pages contiguous in guest-physical memory. 0 or -errno. */
int pv_shadow_map(struct pv *pv, uint32_t la, gpa_t gpa, unsigned n, unsigned flags);
/* The same, from that file instead of whatever the interface says: no other than pv_shadow_map and pv_patch_map should want it. */
int pv_shadow_map_file(struct pv *pv, int fd, uint32_t la, gpa_t gpa, unsigned n, unsigned flags);
void pv_shadow_flush(struct pv *pv, uint32_t la);          /* INVLPG */
void pv_shadow_flush_all(struct pv *pv, bool keep_global); /* MOV to CR3 */
/* SP_* for the host mapping of a page that the guest's tables give. */
unsigned pv_shadow_flags(const struct pv *pv, const struct cpu_state *s, const struct walk *w);
void pv_keep_region(struct pv *pv, unsigned region, bool keep_global); /* pv_keep.c: drops what the page tables do not give any more */
void pv_keep_mapped(struct pv *pv, uint32_t page, unsigned n); /* mapped anew: to be looked up at the next flush */
void pv_keep_forget(struct pv *pv);
void pv_keep_fini(struct pv *pv);
void pv_shadow_drop(struct pv *pv, uint32_t page, unsigned n);
/* n pages, all of them mapped, keep their mappings with these flags. 0 or -errno. */
int pv_shadow_protect(struct pv *pv, uint32_t page, unsigned n, unsigned flags);
void *pv_shadow_host(const struct pv *pv, uint32_t page);  /* where a page lies */
int pv_shadow_prot(unsigned flags);                        /* mmap's PROT_* */
/* A host page fault at linear la: 0 filled, 1 not RAM or not mappable (interpret it), or WALK_FAULT | error code. */
enum { FILL_OK, FILL_EMULATE };
int pv_shadow_fill(struct pv *pv, uint32_t la, unsigned access);

/* ---- what a flush must drop, where every change of a page table is known (pv_space.c, pv_sync.c) ---- */
void pv_space_page(struct pv *pv, uint32_t gfn, unsigned index); /* entry index of an L1 maps gfn no more, or allows less */
void pv_space_region(struct pv *pv, unsigned index);             /* entry index of an L2 has changed */
void pv_space_recheck(struct pv *pv);                            /* the root, or an entry of it, has changed */
void pv_space_protect(struct pv *pv, uint32_t gfn);              /* the frame may be written no more */
void pv_space_flush(struct pv *pv);                              /* the guest flushes its TLB, */
void pv_space_flush_page(struct pv *pv, uint32_t la);            /* or one page of it */
int pv_space_sync(struct pv *pv);                                /* before guest code runs on. 0 or -errno */
void pv_space_mapped(struct pv *pv, uint32_t page);
/*
 * The guest is given a page fault; and when it comes back to that instruction, what it has mapped meanwhile is filled at
 * once, where the retry would fault in the host. 0 or -errno.
 */
void pv_refault_note(struct pv *pv, uint32_t la, unsigned access);
int pv_refault(struct pv *pv);
void pv_space_note(struct pv *pv); /* the figures, beside the events */
void xen_audit_running(struct vcpu *v); /* xen_audit.c, in RINGLAB_HOSTILE builds */
/* The first member of struct space: is there anything for pv_space_sync to do? */
static inline bool pv_scan_due(const struct pv *pv)
{
	return pv->scan && *(const bool *)pv->scan; /* struct scan's first member: an executable page was written to */
}
static inline bool pv_space_due(const struct pv *pv)
{
	return *(const bool *)pv->space;
}

/* ---- --user-isolation keys (pv_keys.c) ---- */
bool pv_keys_cpu(void);
const char *pv_keys_init(struct pv *pv);                   /* NULL, or a sentence why not */
void pv_keys_fini(struct pv *pv);
int pv_keys_gate(struct pv *pv);                           /* needs pv->cpu. 0 or -errno */
bool pv_keys_in_gate(const struct pv *pv, uint64_t rip);
void pv_keys_trampoline(const struct pv *pv, uint8_t *at); /* 63 bytes */
#define PV_HEAD 64u  /* the trampoline's room at pv->top; behind it, previrt's entries */
#define PV_ENTRY 11u
int pv_keys_lock(struct pv *pv);

/* ---- --user-isolation unmap (pv_hide.c) ---- */
int pv_hide_switch(struct pv *pv, bool user);              /* before entering guest user or kernel code */
void pv_hide_mapped(struct pv *pv, uint32_t page, unsigned n);
int pv_hide_touch(struct pv *pv, uint32_t page);
void pv_hide_forget(struct pv *pv);

/* SYSENTER with a bad EBP: the host kernel went on at its landing pad, truncated to 32 bits, with EAX and EIP lost (Intel). */
bool pv_sysenter_landed(const struct pv *pv);

/* ---- the interfaces ---- */
enum step { STEP_GO, STEP_EXIT }; /* go on in the guest, or e is filled */
enum step pv_trap_fault(struct vcpu *v, struct exit *e);          /* pv_trap.c */
void pv_trap_start(struct vcpu *v);
enum step pv_step_result(struct vcpu *v, struct exit *e, enum interp_result r); /* what the interpreter's answer means for run */
int pv_previrt_start(struct vcpu *v);                             /* pv_previrt.c */
void pv_previrt_fini(struct pv *pv);
void pv_previrt_left(struct vcpu *v);                             /* pv_previrt_run.c: guest code was left */
int pv_previrt_enter(struct vcpu *v);                             /* and will be entered; 0 or -errno */
bool pv_previrt_direct(struct vcpu *v);                           /* it may run by itself */
bool pv_previrt_settle(struct vcpu *v, struct exit *e, enum pv_exit why, enum step *step);
enum step pv_previrt_hypercall(struct vcpu *v, struct exit *e);
int pv_previrt_medium(struct pv_cpu *c);
enum interp_result pv_previrt_step(struct vcpu *v);
bool pv_previrt_flush(struct pv *pv, uint32_t la, bool all);      /* pv_previrt_pte.c: true: nothing to do */
void pv_previrt_collect(struct vcpu *v);
enum step pv_trap_interpret(struct vcpu *v, struct exit *e);
int pv_patch_init(struct pv *pv);                                /* pv_patch.c: before the jail. 0 or -errno */
void pv_patch_fini(struct pv *pv);
int pv_patch_start(struct vcpu *v);                              /* scans the image. 0 or -errno */
int pv_patch_map(struct pv *pv, uint32_t la, gpa_t gpa, unsigned n, unsigned flags); /* for pv_shadow_map */
void pv_patch_fetch(struct vcpu *v, uint32_t la);                /* a fetch at la, which the guest's tables allow, faulted */
bool pv_patch_text_write(struct vcpu *v, uint32_t la);           /* is la mapped from a frame of code? Then a write is interpreted */
void pv_patch_written(struct pv *pv, gpa_t gpa, uint64_t len);   /* guest RAM was written by us */
bool pv_patch_trap(struct vcpu *v, struct exit *e, enum step *step); /* #BP: false when it is the guest's own */
enum step pv_patch_entry(struct vcpu *v, struct exit *e, bool *again); /* before guest code is entered; again: EIP has moved */
void pv_patch_collect(struct vcpu *v);                           /* pv_patch_report.c */
void pv_patch_describe(struct vcpu *v, FILE *out);
void pv_listing_describe(struct vcpu *v, FILE *out); /* pv_listing.c */
enum step xen_before_entry(struct vcpu *v, struct exit *e);     /* xen_event.c */
void xen_kicked(struct vcpu *v);
int xen_start(struct vcpu *v);                                 /* xen_build.c */
void xen_fini(struct pv *pv);
bool xen_adopt(struct vcpu *v, unsigned sreg, uint16_t sel, const struct segment *twin); /* xen_seg.c */
enum step xen_fault(struct vcpu *v, struct exit *e);           /* xen_traps.c */
enum step xen_hypercall_slow(struct vcpu *v, struct exit *e, enum event_mech mech); /* xen_hypercall.c */
int pv_hypercall_fast(struct pv_cpu *c);                       /* xen_fast.c: general registers only */
int pv_hypercall_medium(struct pv_cpu *c);                     /* xen_hypercall.c: the x87 and SSE state is saved */
void pv_flush_samples(struct pv_cpu *c);

#define PV_RULES_PATCH 49
#define PV_RULES_PREVIRT 49
#define PV_RULES (98 + PV_RULES_PATCH + PV_RULES_PREVIRT) /* rows of rules.c */
extern const struct backend_rule pv_rules[];
