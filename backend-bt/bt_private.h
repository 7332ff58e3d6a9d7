/*
 * bt_private.h - what the files of this backend share: the translator's state and the contracts between its parts.
 *
 * One struct bt hangs off each vCPU. Reading order: bt.c (run loop), bt_entry.S, bt_translate.c, bt_rewrite.c, bt_flow.c,
 * bt_cache.c, bt_window.c, bt_shadow.c, bt_validate.c, bt_share.c, bt_fault.c, bt_async.c, bt_callout.c, bt_smc.c.
 */
#pragma once
#include <Zydis/Zydis.h>
#include <assert.h>
#include <signal.h>
#include <string.h>
#include "bt_asm.h"
#include "core/vm.h"
#include "core/walk.h"

#define GUARD (4ull << 30)   /* inaccessible, before each window: no 32-bit displacement or bit offset crosses it */
#define GUARD_HI (40ull << 30) /* behind it: an index is scaled by up to 8 */
#define WINDOW (4ull << 30)
#define TABLE_BYTES (16ull << 30) /* flat table: one 32-bit code offset for each guest address */
#define LIN_PAGES (1u << 20)

#ifdef RINGLAB_HOSTILE
#define BT_CODE_DEFAULT (64u << 10)
#define BT_VIEWS 4
#else
#define BT_CODE_DEFAULT (32u << 20) /* touched as it fills */
#define BT_VIEWS 64
#endif
#define BT_CODE_MIN (32u << 10)
#define BT_BLOCK_INSNS 64   /* guest instructions in a superblock */
#define BT_BLOCK_BYTES 16384 /* host bytes that one superblock may need at most */
#define BT_COUNT_BYTES 64u /* of each instruction's code, with vcpu.insns.on: bt_count.c */
#define BT_MAPS_MAX 30000   /* host mappings, of vm.max_map_count's 65530 */

/* TH_INTERP_FPU: with the guest's FPU state in state.fx. */
enum bt_thunk { TH_MISS, TH_CHAIN, TH_INTERP, TH_INTERP_FPU, TH_STI_WINDOW, TH_IN, TH_OUT, TH_CPUID, TH_POPF, TH_STOP, TH_SOFT, TH_SOFT_FPU,
	TH_LIGHT, /* from here on: bt_light.S */
	TH_INT = TH_LIGHT, TH_IRET, TH_SYSENTER, TH_SYSEXIT, TH_SEG_LOAD, TH_VERIFY, TH_COUNT };

/* Read and written by translated code through r14, which points just past it. */
struct bt_hot {
	uint64_t host_rsp;
	struct cpu_state *state;
	struct bt *bt;
	uint64_t ret;      /* host address after the callout's jump */
	uint64_t resume;   /* where bt_enter and callouts go on */
	uint64_t hflags;   /* host EFLAGS to resume with: arithmetic flags and DF are the guest's */
	uint64_t win, win_hi, table;
	volatile uint8_t *attention;
	uint32_t fpu;      /* the guest has an FPU state worth keeping */
	uint32_t mxcsr;    /* the host's own */
	uint8_t *fx;       /* state->fx */
	uint32_t fpu_mem;  /* it is in fx; else x87 and MXCSR are in the CPU, and XMM too while translated code runs */
	uint32_t gmxcsr;
	uint64_t gs;       /* the host's GS base as we set it: gs_win; GS_NONE where the host has no WRGSBASE */
	_Alignas(16) uint8_t xmm[8][16]; /* the guest's, while C code runs and fpu_mem is 0 */
	uint64_t thunk[32];
	struct insn_count *insns;
	uint32_t light_eip, light_arg; /* of the light callout under way, should it have to be done the long way */
	uint64_t gs_win;       /* what the host's GS base has to be: the window of user code, or with paging off that one */
	uint64_t ram_win;      /* the window that has all of guest RAM: bt_soft.c */
	uint64_t side_win[2];  /* windows: the kernel's, and that of the user view */
	uint8_t side[256];     /* for each 16 MiB: which of the two has it, for SITE_USER */
	uint8_t pad[352];
	/* within an 8-bit displacement */
	uint32_t vif;      /* the virtual IF: 0 or FL_IF */
	uint32_t vrest;    /* the other virtual flags, with the host's own IF subtracted: what PUSHF adds */
	uint32_t irq_window; /* core waits for interrupts to come on: 0 or FL_IF */
	uint32_t seg_base[2]; /* FS, GS */
	uint32_t sel[6];
	uint64_t seg_win[2];  /* the window for FS and GS, or an address in the guard zone when a limit has to be checked */
	uint8_t pad2[64];
};

#define GS_NONE UINT64_MAX
#define HOT_OFF(field) ((int)offsetof(struct bt_hot, field) - HOT_SIZE)
#define HOT_THUNK(t) (HOT_OFF(thunk) + 8 * (int)(t))

/* One guest instruction of a block, in host order. */
struct imap {
	uint16_t host;  /* offset from the block's start */
	uint16_t guest; /* offset from the block's first byte | IM_* */
};
#define IM_GUEST   0x03ff
#define IM_PROBE   0x0400 /* a branch that touches the top of the stack for our sake */
#define IM_RESTART 0x0800 /* nothing guest-visible changes before its last host instruction, or doing it twice is harmless */
#define IM_SHADOW  0x1000 /* follows STI */
#define IM_SWAP    0x2000 /* AL..BL and AH..BH are exchanged while it runs: of register guest >> IM_SWAPREG */
#define IM_SWAPREG 14

struct block {
	uint32_t host, host_len; /* in the code cache, stubs included */
	uint32_t body;           /* host bytes that belong to instructions */
	uint32_t start, len;     /* guest-linear */
	uint32_t pfn[2];         /* physical pages of its first and last byte; equal when one */
	uint32_t next[2];        /* in the lists of those pages: block index + 1 */
	uint32_t imap, insns;
	uint32_t links;          /* jumps of other blocks into this one: link index + 1 */
	uint16_t view;           /* of a block of the kernel: whose flat table it is in */
	bool user;               /* belongs to its pages, and is in the flat table of each user view that has installed them */
	bool dead;
};

/* A direct jump between blocks: while chained it is in its target's list. */
struct link {
	uint32_t site;   /* offset of the rel32 */
	uint32_t stub;   /* offset of the code that finds the target anew */
	uint32_t target; /* guest-linear */
	uint32_t next;   /* link index + 1 */
	uint32_t pfn;    /* user mode: the physical page that the target must be in; LINK_ANY */
};
#define LINK_ANY UINT32_MAX

/* A part of the code cache, with its part of each index. Within it blocks are sorted by host address. */
#define CACHE_UNITS 8
struct unit {
	uint32_t code, code_end;  /* where its next block goes, and its end */
	uint32_t blocks, block_end, imap, imap_end, links, link_end; /* likewise, as indexes */
};

/* The part of a view that one page-directory entry covers with PAE, and half of it without. */
#define SPAN_PAGES 512u
#define SPANS (LIN_PAGES / SPAN_PAGES)
struct span {
	uint64_t pde;                  /* the directory entry under which its entries were made */
	uint64_t have[SPAN_PAGES / 64];  /* pages with an entry in shadow */
	uint64_t local[SPAN_PAGES / 64]; /* those that a MOV to CR3 concerns: not global */
	uint32_t trace;                /* page_info.trace of its table when all entries were last found to agree; 0: not */
	uint32_t clean;                /* entries compared since one last disagreed */
};

/*
 * A guest address space as seen by user mode, or the one that the guest's kernel has: it is kept across address spaces, and
 * what is not global is compared with the tables at each flush. Where address spaces disagree about the kernel's part (page
 * table isolation: most of it is absent while user mode runs), there are KERNEL_VIEWS of the latter at most.
 */
struct view {
	bool used, user;
	uint64_t cr3;         /* VIEW_FLAT with paging off, VIEW_KERNEL */
	uint8_t *region;      /* guard, window, guard */
	uint8_t *win;         /* 4-GiB-aligned, so that truncating a host address gives the guest's */
	uint32_t *table;
	uint32_t *shadow;     /* for each linear page: pfn << SH_SHIFT | SH_*; 0: not mapped */
	uint64_t *pte;        /* what it was made from: a table or directory entry */
	struct span *span;
	uint64_t spans[SPANS / 64];       /* with any entry */
	uint64_t local_spans[SPANS / 64]; /* with any that is not global */
	uint64_t *table_used; /* linear pages whose part of the flat table was ever written */
	uint32_t table_pages; /* how many: it stays resident up to a limit */
	uint32_t mapped;      /* entries with SH_MAPPED */
	uint32_t maps;        /* host mappings: an upper bound, counted anew when it matters */
	uint32_t epoch;       /* changes when much of it is dropped at once */
	bool stale;           /* kernel: global entries were flushed while another was current */
	struct view *kernel;  /* user: the kernel's view that fits this address space */
	uint64_t last_use;
};
#define VIEW_FLAT UINT64_MAX
#define VIEW_KERNEL (UINT64_MAX - 1)
#define KERNEL_VIEWS (BT_VIEWS < 16 ? 1u : 3u)
#define SH_MAPPED 1u
#define SH_WRITE 2u
#define SH_CODE 4u     /* code was translated through it; user: the flat table has all blocks of this page */
#define SH_GLOBAL 8u
#define SH_TAIL 16u    /* user: an instruction that begins on the page before ends here */
#define SH_FLAGS (SH_MAPPED | SH_WRITE | SH_CODE | SH_GLOBAL | SH_TAIL)
#define SH_SHIFT 8
/* Linear pages whose part of a user view's flat table stays resident, 16 KiB each: of one view when it is emptied; of all. */
#define TABLE_PAGES_KEPT 256
#define TABLE_PAGES_MAX 3072

/* For each physical page of RAM. */
struct page_info {
	uint32_t rmap;   /* index + 1 of the first entry of a view that names it */
	uint32_t blocks; /* index + 1 of the first block translated from it */
	uint8_t flags;   /* PG_* */
	uint8_t writes;  /* times that a write took all its code away, lately */
	uint8_t traced;  /* times that a trace on it ended with a write */
	uint32_t when;   /* of the last of writes, in translations */
	uint32_t trace;  /* PG_TABLE: a number of its own for each trace */
};
#define PG_CODE 1u       /* translated code comes from it: read-only everywhere */
#define PG_TABLE 2u      /* a page table under trace: read-only everywhere, so that flushes need not compare its entries */
#define PG_PROTECTED (PG_CODE | PG_TABLE)
#define PG_MIXED_AFTER 3 /* so many writes soon after each other: code and data are mixed on it */
#define PG_MIXED_SOON 4096 /* translations */
/* Entries of a span compared in vain before its table is traced, twice as many after each write; and how many at once. */
#ifdef RINGLAB_HOSTILE
#define TRACE_AFTER 1
#define TRACE_ENTRIES 1
#else
#define TRACE_AFTER 4096
#define TRACE_ENTRIES 16
#endif

struct rmap {
	uint32_t lin_view; /* linear page << 8 | view */
	uint32_t next;
};

/* Guest instructions that have to be translated in a special way. Open addressing by EIP. */
#define SITES 4096
#define SITE_SOFT 1u /* through the soft TLB (bt_soft.c) or the interpreter: it keeps hitting MMIO, code pages or guest faults */
#define SITE_WRAP 2u /* its address wraps around: compute it in 32 bits */
#define SITE_USER 4u /* kernel code that reaches user pages: the window is chosen by address, see bt_hot.side */
#define SITE_INTERP 8u /* beside SITE_SOFT: faults that no soft TLB saves it from */
struct site {
	uint32_t eip, flags;
	bool used;
	uint8_t faults;     /* host faults taken for it: the guest's own, and refills of the same page */
	uint32_t when;      /* of the last fault, by DROP_CLOCK */
	uint16_t quiet;     /* soft executions since it was marked */
	uint32_t page;      /* of the last refill */
};
/* Pages dropped lately, by a hash of view and linear page. */
#define DROPS 4096
#define DROPS_VOLATILE 4 /* so often, soon after each other: not worth host mappings, whoever touches it becomes soft */
#define DROP_CLOCK 16    /* cycles, as a power of 2 */
#define DROP_SOON 4      /* in this clock */
#define DROP_LATELY 64
struct drop {
	uint32_t when;
	uint8_t n;
};
#define SITE_SWEEP (1ull << 26) /* TSC cycles */
#define SITE_BUSY 8       /* events in that time that keep a site soft */
#define SITE_FAULTS 4     /* so many, soon after each other, make it soft */
#define SITE_QUIET 4000   /* and so many executions make it hard again */

/* bt_segment.c: beside CO_*, in the argument of bt_lt_seg_load. */
#define SEG_ARG_REG 5      /* bits 5 to 7: enum sreg */
#define SEG_ARG_POP 0x100u /* ESP moves by 4 */
#define SEG_ARG_WRITE 0x200u /* bt_lt_verify: VERW */
#define SEG_CACHE 16
/* A data segment that was parsed: all checks that depend on these three alone have passed. */
struct seg_entry {
	uint64_t raw;
	uint32_t key; /* selector | CPL << 16 | 1 << 31 */
	struct segment seg;
};

/* An event of a light callout that is still to be recorded with its time, and where to go on. */
struct light_event {
	enum event_kind kind;
	gva_t eip;
	uint64_t t0, t1;
	void *to; /* NULL: at state.rip, which may have to be translated */
};

/* Counted for --stats beside the events. */
#define BT_STATS(X) X(FILLS, "fills") X(FILLED_PAGES, "filled-pages") X(DROPS, "dropped-pages") X(DOWNGRADES, "downgraded-pages") \
	X(FLUSHES, "flushes") X(VALIDATED, "validated-entries") X(INVLPGS, "invlpg") X(UNMAPS, "unmap-calls") X(PROTECTS, "mprotect-calls") \
	X(MAPS, "map-calls") X(INSTALLS, "installed-pages") X(VIEW_SWITCHES, "view-switches") X(VIEW_RECYCLES, "view-recycles") \
	X(VIEW_DROPS, "view-drops") X(SITES_USER, "user-sites") X(SITES_SOFT, "soft-sites") X(EVICTIONS, "cache-evictions") \
	X(CODE_WRITES, "code-page-writes") X(TRACES, "traces") X(TRACE_WRITES, "trace-writes") X(TRACE_SKIPS, "trace-skips") \
	X(PREFILLS, "prefills") X(SOFT_FILLS, "soft-tlb-fills") X(SOFT_INTERP, "soft-tlb-interpreted") X(SOFT_BACK, "soft-sites-back") \
	X(SOFT_FAULTS, "soft-tlb-guest-faults")
enum bt_stat {
#define X(id, name) BS_##id,
	BT_STATS(X)
#undef X
	BS_COUNT
};

struct bt_fault {
	int sig;
	uint64_t addr;    /* host address */
	uint32_t trapno, err;
	bool kick;        /* no fault: a kick at a boundary */
	bool probe;       /* IM_PROBE */
	uint16_t cs, ss;  /* the CPU's own, and EFLAGS, for --witness */
	uint32_t eflags;
};

struct bt {
	struct vm *vm;
	struct vcpu *v;
	struct bt_hot *hot;
	uint8_t *area;
	size_t area_size;
	uint8_t *code;
	uint32_t code_size, code_first, lookup;
	struct unit unit[CACHE_UNITS]; /* in which the cache is filled, and emptied when it is full */
	uint32_t units, unit_now, unit_size;
	ZydisDecoder decoder;

	struct block *blocks;
	struct imap *imap;
	struct link *links;
	uint32_t max_blocks, max_imap, max_links;
	uint32_t gen;     /* changes whenever a block dies */
	uint32_t flushes; /* changes whenever space in the cache is given back */

	struct view views[BT_VIEWS];
	struct view *view;          /* of the current privilege level: one of these two */
	struct view *kview, *uview;
	uint64_t use_clock;
	uint64_t key_bits;   /* CR0, CR4 and EFER bits that the windows depend on */
	bool flush_pending;  /* the guest flushed its TLB */
	bool flush_global;   /* global entries too */
	bool many_spaces;    /* CR3 has had more than one value */
	uint64_t mixed[4];   /* bit for each 16 MiB that hold user and kernel pages: bt_hot.side stays 0 there */
	uint32_t maps;       /* host mappings: an upper bound */
	uint32_t translations;
	uint32_t table_pages; /* of all views */
	uint32_t traces;     /* begun so far */
	uint64_t stat[BS_COUNT];

	struct page_info *pages;
	uint32_t npages; /* of RAM */
	uint32_t all_pages; /* up to the end of shared memory, which pages[] reaches too, with nothing in between */
	struct rmap *rmaps;
	uint32_t nrmaps, rmaps_used, rmap_free, max_rmaps;

	uint8_t *ram_region;
	bool soft_used;      /* some entry of the soft TLB may be valid */
	uint64_t soft_swept; /* TSC: when soft sites were looked through last */
	struct site *sites;
	uint32_t nsites;
	struct drop drops[DROPS];
	bool fp_ok;             /* CR0.TS and EM are clear: translated FP instructions run */
	bool sse_ok;            /* CR4.OSFXSR is set: translated SSE instructions run */
	bool fp_seen;           /* the cache holds translations that depend on these two */
	bool stopped;           /* stop_eip (tests) or a breakpoint of the debugger was reached */

	enum interp_result leave; /* why a callout left: an interpreter's result */
	struct bt_fault fault;
	struct prefill {        /* a page fault was delivered to the guest for an access that would be filled in view w */
		struct view *w; /* NULL: none */
		uint32_t eip, lin;
		bool write, user;
	} prefill;
	struct light_event light;
	struct seg_entry segs[SEG_CACHE];
	uint32_t stop_eip;      /* tests: leave before this instruction */
	bool have_stop;
	struct bt_listing *listing; /* copies of blocks that vm_config.listing names */
	struct debug brk;       /* the debugger's breakpoints as translated code has them */
	volatile bool stepping;
	bool installed;
	void *altstack;
	stack_t old_altstack;
	struct sigaction old[5];
};

static inline struct bt *bt_of(struct vcpu *v) { return v->priv; }
static inline uint32_t drop_slot(const struct bt *b, const struct view *w, uint32_t linpage)
{
	return (linpage + ((uint32_t)(w - b->views) + w->epoch * 61) * 977) % DROPS;
}
static inline uint32_t imap_guest(const struct imap *i) { return i->guest & IM_GUEST; }

/* bt_entry.S */
int bt_enter(void *hot_end);
extern const char bt_resume_start[], bt_resume_end[], bt_fault_exit[];
extern const uint64_t bt_thunks[TH_LIGHT];

extern const uint64_t bt_witness_thunks[TH_LIGHT];

/* bt_light.S */
extern const char bt_light_start[], bt_light_end[];
extern const uint64_t bt_light_thunks[TH_COUNT - TH_LIGHT], bt_witness_light_thunks[TH_COUNT - TH_LIGHT];

/* bt_witness.c: what a host fault interrupted; nothing without --witness. */
void bt_witness_fault(struct bt *b);

/* bt.c */
void bt_flags_out(struct bt *b); /* the translator's flags into state.rflags */
void bt_flags_in(struct bt *b);  /* and back */
bool bt_mode_ok(struct bt *b);   /* the guest's mode is one that is translated: flat 32-bit, no TF, CPL 0 or 3 */
void bt_privilege(struct bt *b); /* CS and SS changed, both flat: the view of the new CPL */
void bt_mode_sync(struct bt *b); /* after system state may have changed: the view, segment bases, FP */
void *bt_code_for(struct bt *b, uint32_t eip); /* translated code, or NULL: the interpreter has to do it */
enum interp_result bt_interp(struct bt *b, enum event_mech mech); /* one step, flags and mode synchronised */

/* bt_debug.c */
bool debug_stops_at(const struct bt *b, uint32_t eip); /* translated code is to stop before this instruction */
void debug_push(struct bt *b);                         /* v->debug has changed */
/* The debugger wants the guest held at this instruction: then *e says why. stepped: one instruction has been executed. */
bool debug_stops(struct bt *b, bool stepped, struct exit *e);

/* bt_window.c */
int view_reserve(struct view *w);
void view_release(struct bt *b, struct view *w);
void view_drop(struct bt *b, struct view *w);  /* forget mappings and code of w */
void view_drop_all(struct bt *b);
void view_sync(struct bt *b);   /* CR0, CR3, CR4 or the privilege level may have changed */
void view_load(struct bt *b);   /* b->view changed */
void view_unmap_all(struct bt *b, struct view *w);
void view_maps_bound(struct bt *b); /* before a mapping is made: drops views when there are too many */
static inline bool view_is_kernel(const struct view *w) { return !w->user; }
/* Whether its code may go through GS: not that of a kernel with paging, so that a system call leaves GS alone. */
static inline bool view_gs(const struct view *w) { return w->user || w->cr3 == VIEW_FLAT; }

/* A physical page that is memory: RAM, or shared memory. */
static inline bool is_ram(const struct bt *b, uint32_t pfn)
{
	return pfn < b->npages || (pfn < b->all_pages && pfn >= MEM_SHARED_BASE >> PAGE_SHIFT);
}

/* bt_shadow.c */
enum fill { FILL_OK, FILL_FAULT, FILL_MMIO, FILL_PROTECTED, FILL_USER };
enum fill shadow_fill(struct bt *b, struct view *w, uint32_t lin, bool write, bool force, uint32_t *error);
void shadow_protect(struct bt *b, uint32_t pfn, uint8_t flag); /* PG_*: writes shall be noticed from now on */
void shadow_code(struct bt *b, struct view *w, uint32_t lin, const struct walk *k, uint32_t flags); /* code was translated from there */
void shadow_entry_clear(struct bt *b, struct view *w, uint32_t linpage); /* the caller sees to the host mapping */
void shadow_unmap(struct bt *b, struct view *w, uint32_t linpage, uint32_t n);
void shadow_readonly(struct bt *b, struct view *w, uint32_t linpage, uint32_t n);
void shadow_drop_page(struct bt *b, struct view *w, uint32_t linpage);
void shadow_forget(struct bt *b, struct view *w); /* all of a view's entries, without touching host mappings */
uint64_t shadow_table_entry(const struct bt *b, gpa_t gpa, unsigned size);

/* bt_validate.c */
void validate_view(struct bt *b, struct view *w, bool all); /* all: global entries too */
void validate_span(struct bt *b, struct view *w, uint32_t s, uint64_t pde);
void validate_page(struct bt *b, uint32_t lin);             /* INVLPG */
void validate_table_written(struct bt *b, uint32_t pfn); /* a page with PG_TABLE: its trace ends */
unsigned validate_misfit(struct bt *b, const struct view *w); /* per cent of w's local spans that CR3 has otherwise */

/* bt_share.c */
bool share_install(struct bt *b, uint32_t eip);  /* user mode: existing blocks for eip into the current view's flat table */
void share_added(struct bt *b, uint32_t block);  /* a new user block, for all views that have its page installed */
void share_remove(struct bt *b, const struct block *k);
void share_clear(struct bt *b, struct view *w, uint32_t linpage, uint32_t flags); /* an entry with SH_CODE or SH_TAIL goes */
void share_touch(struct bt *b, struct view *w, uint32_t linpage); /* its flat table is written there */
void share_forget(struct bt *b, struct view *w);  /* the view's whole flat table */

/* bt_gate.c */
bool gate_deliver(struct bt *b, unsigned vector, unsigned how, bool has_error, uint32_t error);

/* bt_soft.c */
struct soft_entry {
	uint32_t tag; /* minus the linear page number, or SOFT_NONE */
	uint32_t add; /* to a linear address: gives the physical one */
};
#define SOFT_ENTRIES 256
#define SOFT_NONE 1u
#define SOFT_BYTES (4 * SOFT_ENTRIES * 8) /* kernel and user, each for reading and for writing */
#define SOFT_OFFSET (-(int)(PAGE_SIZE + SOFT_BYTES)) /* from the code cache */
#define SOFT_ARG_WRITE 0x20u
#define SOFT_ARG_SIZE 8
int soft_init(struct bt *b);
void soft_fini(struct bt *b);
void soft_tlb_flush(struct bt *b, uint32_t lin, bool all); /* the guest's tables may say something else now */
void soft_tlb_protect(struct bt *b, uint32_t pfn);         /* writes to that page have to be noticed from now on */

/* bt_cache.c */
int cache_init(struct bt *b, uint64_t size);
void cache_fini(struct bt *b);
void cache_flush(struct bt *b);
void cache_room(struct bt *b, uint32_t bytes); /* the current unit has room for one more block: another, emptied, if need be */
void cache_kill_view(struct bt *b, uint32_t view); /* the blocks of a kernel view */
static inline struct unit *cache_unit(struct bt *b) { return &b->unit[b->unit_now]; }
void block_kill(struct bt *b, uint32_t index);
void block_kill_range(struct bt *b, uint32_t pfn, uint32_t off, uint32_t len);
void block_kill_linear(struct bt *b, const struct view *w, uint32_t pfn, uint32_t linpage);
void block_kill_at(struct bt *b, uint32_t eip); /* every block that holds the instruction at eip, in any view */
struct block *block_of_host(struct bt *b, uint64_t rip);
const struct imap *block_insn(struct bt *b, const struct block *k, uint64_t rip);
void link_set(struct bt *b, uint32_t link, uint32_t block, uint32_t host);

/* bt_translate.c */
bool translate(struct bt *b, uint32_t eip);
const uint8_t *code_page(struct bt *b, uint32_t lin, struct walk *k); /* core's view of it; NULL: a fault, or not RAM */

/* bt_listing.c */
void bt_listing_keep(struct bt *b, const struct block *k); /* a block was translated: copies it if it is asked for */
void bt_listing_kept(struct vcpu *v, FILE *out);
void bt_listing_free(struct bt *b);

/* bt_smc.c */
uint32_t site_flags(struct bt *b, uint32_t eip);
void site_mark(struct bt *b, uint32_t eip, uint32_t flag);
void site_fault(struct bt *b, uint32_t eip, uint32_t page); /* page: SITE_GUEST for the guest's own faults */
void site_ran(struct bt *b, uint32_t eip); /* the interpreter executed it */
void site_event(struct bt *b, uint32_t eip); /* its entry of the soft TLB was filled */
void site_sweep(struct bt *b);              /* soft sites where little has happened lately become hard */
#define SITE_GUEST UINT32_MAX
bool smc_page_write(struct bt *b, uint32_t pfn); /* a host fault for a write to a page with code: may it become writable? */
void smc_phys_write(void *ctx, gpa_t gpa, unsigned len);
void smc_tlb_flush(void *ctx, gva_t gva, bool all, bool global);

/* bt_fault.c */
void fault_bind(struct bt *b); /* this thread runs b from now on */
int fault_install(struct bt *b);
void fault_remove(struct bt *b);
enum interp_result fault_handle(struct bt *b);
void fault_prefill(struct bt *b); /* the guest returned to where its page fault was: the page, before it is asked for again */
void fault_capture(struct bt *b, ucontext_t *uc, const struct block *k, const struct imap *im);

/* bt_async.c */
void async_kick(struct vcpu *v, void *ucontext);
void async_step(struct bt *b, ucontext_t *uc);

/* bt_callout.c, called from bt_entry.S. The argument of those that run an instruction: */
#define CO_LEN 15u /* its length */
#define CO_END 16u /* nothing follows in the block */
/* ... and that of bt_co_stop: */
#define CO_COUNT 1u  /* vcpu.insns.left is used up */
#define CO_SHADOW 2u /* right behind STI */
typedef void *callout_fn(struct bt *b, uint32_t eip, uint32_t arg);
callout_fn bt_co_miss, bt_co_chain, bt_co_interp, bt_co_sti_window, bt_co_in, bt_co_out, bt_co_cpuid,
	bt_co_popf, bt_co_stop, bt_co_soft, bt_co_light_end;

/*
 * Light callouts (bt_gate.c, bt_segment.c): compiled for general registers only, so that nothing of the guest's FPU state has
 * to be saved, and called by bt_light.S. arg as above; operand: what translated code had in r8. They return where to go on,
 * having set state.rip to match, or one of LIGHT_*.
 */
typedef void *light_fn(struct bt *b, uint32_t eip, uint32_t arg, uint32_t operand);
light_fn bt_lt_seg_load, bt_lt_verify, bt_lt_int, bt_lt_iret, bt_lt_sysenter, bt_lt_sysexit;

#define BT_RULES 54
extern const struct backend_rule bt_rules[BT_RULES];
