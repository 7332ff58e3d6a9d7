/*
 * bt.c - the binary-translation backend: life cycle, run loop, and the guest mode that translated code assumes.
 *
 * Translated code runs while the guest is in flat 32-bit protected mode, paged or not, in ring 0 or 3 and without TF;
 * in any other mode the reference interpreter runs the guest until it is back. The shared struct cpu_state is the truth
 * whenever C code runs, but for the flags, which bt_flags_out and bt_flags_in move. Read next: bt_entry.S, bt_translate.c.
 */
#include "bt_test.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include "bt_private.h"

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

#define AT(field, off) _Static_assert(HOT_OFF(field) == (off), #field)
_Static_assert(sizeof(struct bt_hot) == HOT_SIZE, "bt_asm.h");
AT(host_rsp, HOT_HOST_RSP);
AT(state, HOT_STATE);
AT(bt, HOT_BT);
AT(ret, HOT_RET);
AT(resume, HOT_RESUME);
AT(hflags, HOT_HFLAGS);
AT(win, HOT_WIN);
AT(win_hi, HOT_WIN_HI);
AT(table, HOT_TABLE);
AT(attention, HOT_ATTENTION);
AT(fpu, HOT_FPU);
AT(mxcsr, HOT_MXCSR);
AT(fx, HOT_FX);
AT(fpu_mem, HOT_FPU_MEM);
AT(gmxcsr, HOT_GMXCSR);
AT(gs, HOT_GS);
AT(xmm, HOT_XMM);
AT(light_eip, HOT_LIGHT_EIP);
AT(light_arg, HOT_LIGHT_ARG);
AT(gs_win, HOT_GS_WIN);
_Static_assert(offsetof(struct cpu_state, gpr) == STATE_GPR, "bt_asm.h");
_Static_assert(offsetof(struct cpu_state, fx) % 16 == 0, "fxsave needs it");

#define FL_HOST (FL_ARITH | FL_DF) /* what lives in the host's EFLAGS */

/* --- flags and mode --- */

void bt_flags_out(struct bt *b)
{
	struct bt_hot *h = b->hot;

	b->v->state.rflags = (h->hflags & FL_HOST) | h->vif | (uint32_t)(h->vrest + FL_IF) | FL_FIXED;
}

void bt_flags_in(struct bt *b)
{
	struct bt_hot *h = b->hot;
	uint32_t f = (uint32_t)b->v->state.rflags;

	/* RF matters to instruction breakpoints only; translated code would never clear it. */
	if (!interp_debug_needed(b->v))
		f &= ~FL_RF;
	h->hflags = (f & FL_HOST) | FL_FIXED | FL_IF;
	h->vif = f & FL_IF;
	h->vrest = (f & ~(FL_HOST | FL_FIXED | FL_IF)) - FL_IF;
}

static bool data_flat(const struct segment *s)
{
	return s->base == 0 && s->limit == 0xffffffffu && (s->attr & (SEG_P | SEG_S | 0xe)) == (SEG_P | SEG_S | 2);
}

bool bt_mode_ok(struct bt *b)
{
	const struct cpu_state *s = &b->v->state;
	const struct segment *cs = &s->seg[S_CS], *ss = &s->seg[S_SS];
	unsigned cpl = CPL(s);

	return (s->cr0 & CR0_PE) && !interp_debug_needed(b->v) && !(s->rflags & (FL_TF | FL_VM)) && (cpl == 0 || cpl == 3) && b->view &&
		cs->base == 0 && cs->limit == 0xffffffffu && (cs->attr & (SEG_P | SEG_S | SEG_DB | 8)) == (SEG_P | SEG_S | SEG_DB | 8) &&
		data_flat(ss) && (ss->attr & SEG_DB) && data_flat(&s->seg[S_DS]) && data_flat(&s->seg[S_ES]) &&
		!(cpl == 3 && (s->cr0 & CR0_AM) && (s->rflags & FL_AC));
}

static void sync_segments(struct bt *b)
{
	const struct cpu_state *s = &b->v->state;
	struct bt_hot *h = b->hot;

	for (unsigned i = 0; i < 6; i++)
		h->sel[i] = s->seg[i].sel;
	for (unsigned i = 0; i < 2; i++) {
		const struct segment *g = &s->seg[S_FS + i];
		bool open = g->limit == 0xffffffffu && (g->attr & (SEG_P | SEG_S | 0xe)) == (SEG_P | SEG_S | 2);

		h->seg_base[i] = (uint32_t)g->base;
		h->seg_win[i] = h->win - (open ? 0 : GUARD);
	}
}

/* Only the privilege level changed, and CS and SS with it. */
void bt_privilege(struct bt *b)
{
	const struct cpu_state *s = &b->v->state;
	struct bt_hot *h = b->hot;
	bool user = CPL(s) == 3;

	h->sel[S_CS] = s->seg[S_CS].sel;
	h->sel[S_SS] = s->seg[S_SS].sel;
	if (b->view->user == user)
		return;
	uint64_t fs = h->win - h->seg_win[0], gs = h->win - h->seg_win[1];
	b->view = user ? b->uview : b->kview;
	view_load(b);
	h->seg_win[0] = h->win - fs;
	h->seg_win[1] = h->win - gs;
}

/* System state may have changed: everything that translated code assumes about it follows. */
void bt_mode_sync(struct bt *b)
{
	const struct cpu_state *s = &b->v->state;
	uint64_t key = (s->cr0 & (CR0_PE | CR0_PG | CR0_WP)) | (s->cr4 & (CR4_TSD | CR4_PSE | CR4_PAE)) << 32 | (s->efer & EFER_NX) << 40;
	bool fp_ok = !(s->cr0 & (CR0_TS | CR0_EM)), sse_ok = s->cr4 & CR4_OSFXSR;

	if (key != b->key_bits) {
		b->key_bits = key;
		view_drop_all(b);
	}
	if (fp_ok != b->fp_ok || sse_ok != b->sse_ok) {
		b->fp_ok = fp_ok;
		b->sse_ok = sse_ok;
		if (b->fp_seen)
			cache_flush(b);
	}
	view_sync(b);
	if (b->view)
		sync_segments(b);
	if (b->prefill.w && (uint32_t)s->rip == b->prefill.eip)
		fault_prefill(b);
}

void *bt_code_for(struct bt *b, uint32_t eip)
{
	uint32_t off = b->view->table[eip];

	if (b->v->insns.on && !b->v->insns.left)
		return NULL; /* nothing may be done for an instruction that is not to run yet */
	if (!off && translate(b, eip))
		off = b->view->table[eip];
	return off ? b->code + off : NULL;
}

enum interp_result bt_interp(struct bt *b, enum event_mech mech)
{
	struct vcpu *v = b->v;
	enum interp_result r;

	v->interp.mech = mech;
	bt_flags_out(b);
	r = interp_step(v);
	v->interp.mech = MECH_CALLOUT;
	bt_flags_in(b);
	bt_mode_sync(b);
	return r;
}

/* --- run --- */

static bool bt_ready(struct vcpu *v)
{
	return (v->state.rflags & FL_IF) && !v->state.int_shadow;
}

/* Whether an interpreter's result ends the run. */
static bool result_exit(struct bt *b, enum interp_result r, struct exit *e)
{
	switch (r) {
	case INTERP_DONE:
		return false;
	case INTERP_HLT:
		e->reason = EXIT_HLT;
		return true;
	case INTERP_SHUTDOWN:
		e->reason = EXIT_SHUTDOWN;
		return true;
	case INTERP_CRASH:
	default:
		exit_crash(e, GVA(b->v->state.rip), "%s", b->v->interp.why);
		return true;
	}
}

/* Reasons to stop before the next instruction. */
static bool must_leave(struct bt *b, struct exit *e)
{
	struct vcpu *v = b->v;

	if (b->vm->end != END_NONE) {
		e->reason = EXIT_STOPPED;
	} else if (b->stopped && debug_stops(b, false, e)) {
		return true;
	} else if (v->attention || b->stopped || (v->insns.on && !v->insns.left)) {
		e->reason = EXIT_KICK;
		stat_count(&v->stats, EV_KICK, b->fault.kick ? MECH_TRAP : MECH_CALLOUT);
	} else if (v->irq_window && bt_ready(v)) {
		e->reason = EXIT_IRQ_WINDOW;
		stat_count(&v->stats, EV_IRQ_WINDOW, MECH_CALLOUT);
	} else {
		return false;
	}
	return true;
}

static enum interp_result run_once(struct bt *b)
{
	struct vcpu *v = b->v;
	void *code;

	if (v->state.int_shadow || v->debug.step || !bt_mode_ok(b) || !(code = bt_code_for(b, (uint32_t)v->state.rip))) {
		if (v->insns.on)
			v->insns.left--;
		uint64_t t0 = stat_begin(&v->stats, EV_INTERPRET, MECH_CALLOUT);
		gva_t eip = GVA(v->state.rip);
		enum interp_result r = bt_interp(b, MECH_CALLOUT);

		stat_end(&v->stats, EV_INTERPRET, MECH_CALLOUT, eip, t0);
		return r;
	}
	b->hot->resume = (uint64_t)(uintptr_t)code;
	b->leave = INTERP_DONE;
	if (bt_enter(b->code) == LEAVE_FAULT && !b->fault.kick) {
		bt_witness_fault(b);
		return fault_handle(b);
	}
	return b->leave;
}

static void note_stats(struct bt *b)
{
	static const char *const name[BS_COUNT] = {
#define X(id, text) [BS_##id] = "bt." text,
		BT_STATS(X)
#undef X
	};

	for (unsigned i = 0; i < BS_COUNT; i++)
		stat_note(&b->v->stats, name[i], b->stat[i]);
	stat_note(&b->v->stats, "bt.host-mappings-bound", b->maps);
	stat_note(&b->v->stats, "bt.shadow-entries", b->rmaps_used);
}

static int bt_run(struct vcpu *v, struct exit *e)
{
	struct bt *b = bt_of(v);
	enum interp_result r;
	bool stepped = false;

	fault_bind(b);
	b->hot->irq_window = v->irq_window ? FL_IF : 0;
	b->stopped = false;
	bt_flags_in(b);
	bt_mode_sync(b);
	site_sweep(b);
	do {
		bt_flags_out(b);
		if (must_leave(b, e)) {
			if (e->reason == EXIT_STOPPED)
				note_stats(b);
			return 0;
		}
		b->fault.kick = false;
		if (debug_active(&v->debug) && debug_stops(b, stepped, e))
			break;
		r = run_once(b);
		stepped = true;
	} while (!result_exit(b, r, e));
	bt_flags_out(b);
	return 0;
}

static int bt_inject(struct vcpu *v, uint8_t vector)
{
	struct bt *b = bt_of(v);
	uint64_t t0 = stat_begin(&v->stats, EV_IRQ_DELIVERED, MECH_CALLOUT);

	bt_flags_in(b);
	if (!interp_debug_needed(v) && gate_deliver(b, vector, DELIVER_HW, false, 0))
		bt_flags_out(b);
	else if (interp_deliver(v, vector, DELIVER_HW, false, 0) == INTERP_SHUTDOWN)
		vm_stop(v->vm, END_CRASH, 0, "triple fault while an external interrupt, vector %u, was delivered", vector);
	stat_end(&v->stats, EV_IRQ_DELIVERED, MECH_CALLOUT, GVA(v->state.rip), t0);
	return 0;
}

/* --- for tests --- */

void bt_stop_at(struct vcpu *v, uint32_t eip)
{
	struct bt *b = bt_of(v);

	cache_flush(b);
	b->have_stop = true;
	b->stop_eip = eip;
}

void bt_stop_nowhere(struct vcpu *v)
{
	struct bt *b = bt_of(v);

	cache_flush(b);
	b->have_stop = false;
}

bool bt_stopped(const struct vcpu *v)
{
	return ((const struct bt *)v->priv)->stopped;
}

/* --- life --- */

static const char *bt_probe(char *engine, size_t n)
{
	snprintf(engine, n, "bt");
	return NULL;
}

static void bt_describe(struct vcpu *v, FILE *out)
{
	if (v && v->vm->cfg.listings)
		bt_listing_kept(v, out);
}

static int bt_vm_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

static void bt_vm_fini(struct vm *vm)
{
	(void)vm;
}

static void *reserve(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void bt_vcpu_fini(struct vcpu *v)
{
	struct bt *b = bt_of(v);

	if (!b)
		return;
	if (b->installed || b->altstack)
		fault_remove(b);
	for (unsigned i = 0; i < BT_VIEWS; i++)
		view_release(b, &b->views[i]);
	cache_fini(b);
	soft_fini(b);
	bt_listing_free(b);
	if (b->pages)
		munmap(b->pages, b->all_pages * sizeof(*b->pages));
	if (b->rmaps)
		munmap(b->rmaps, b->max_rmaps * sizeof(*b->rmaps));
	free(b->sites);
	free(b);
	v->priv = NULL;
	memset(&v->interp.hooks, 0, sizeof(v->interp.hooks));
}

static void hot_init(struct bt *b)
{
	struct bt_hot *h = b->hot;
	uint32_t mxcsr;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	h->state = &b->v->state;
	h->bt = b;
	h->fx = b->v->state.fx;
	h->attention = &b->v->attention;
	h->insns = &b->v->insns;
	h->mxcsr = h->gmxcsr = mxcsr;
	h->fpu_mem = 1;
	h->gs = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE ? 0 : GS_NONE;
	for (unsigned i = 0; i < TH_COUNT; i++)
		h->thunk[i] = i < TH_LIGHT ? bt_thunks[i] : bt_light_thunks[i - TH_LIGHT];
}

static int bt_tables_init(struct bt *b)
{
	b->npages = (uint32_t)(b->vm->mem.size >> PAGE_SHIFT);
	b->all_pages = b->vm->mem.shared ? (uint32_t)((MEM_SHARED_BASE + b->vm->mem.shared_size) >> PAGE_SHIFT) : b->npages;
	b->max_rmaps = b->npages * 16 + (1u << 20);
	b->pages = reserve(b->all_pages * sizeof(*b->pages));
	b->rmaps = reserve(b->max_rmaps * sizeof(*b->rmaps));
	b->sites = calloc(SITES, sizeof(*b->sites));
	return b->pages && b->rmaps && b->sites ? 0 : -ENOMEM;
}

static int bt_vcpu_init(struct vcpu *v)
{
	struct bt *b = calloc(1, sizeof(*b));
	uint64_t size = v->vm->cfg.bt.code_cache;
	int r;

	if (!b)
		return -ENOMEM;
	v->priv = b;
	b->vm = v->vm;
	b->v = v;
	b->fp_ok = true;
	ZydisDecoderInit(&b->decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	ZydisDecoderEnableMode(&b->decoder, ZYDIS_DECODER_MODE_TZCNT, ZYAN_FALSE);
	ZydisDecoderEnableMode(&b->decoder, ZYDIS_DECODER_MODE_LZCNT, ZYAN_FALSE);
	ZydisDecoderEnableMode(&b->decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	ZydisDecoderEnableMode(&b->decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
	if ((r = bt_tables_init(b)) || (r = cache_init(b, size ? size : BT_CODE_DEFAULT)) || (r = soft_init(b)) || (r = fault_install(b))) {
		bt_vcpu_fini(v);
		return r;
	}
	hot_init(b);
	v->interp.hooks = (struct interp_hooks){ b, smc_phys_write, smc_tlb_flush };
	v->interp.count = true;
	return 0;
}

static int bt_start(struct vcpu *v)
{
	struct bt *b = bt_of(v);

	for (unsigned i = 0; v->stats.witness && i < TH_COUNT; i++)
		b->hot->thunk[i] = i < TH_LIGHT ? bt_witness_thunks[i] : bt_witness_light_thunks[i - TH_LIGHT];
	return 0;
}

/* The shared state is the truth between runs. */
static int bt_pull(struct vcpu *v, unsigned groups)
{
	(void)v;
	(void)groups;
	return 0;
}

/* Core or a test changed registers or system state behind our back. */
static int bt_push(struct vcpu *v, unsigned groups)
{
	struct bt *b = bt_of(v);

	if (groups & REGS_SYS) {
		b->flush_pending = b->flush_global = true;
		soft_tlb_flush(b, 0, true);
		interp_tlb_flush(&v->interp);
	}
	if (groups & REGS_DEBUG)
		debug_push(b);
	return 0;
}

static void bt_mem_written(struct vm *vm, gpa_t gpa, uint64_t len)
{
	struct bt *b = bt_of(&vm->vcpu);

	for (uint64_t a = gpa.a; b && a < gpa.a + len && is_ram(b, (uint32_t)(a >> PAGE_SHIFT)); a = (a & PAGE_MASK) + PAGE_SIZE) {
		uint32_t pfn = (uint32_t)(a >> PAGE_SHIFT);
		if (b->pages[pfn].blocks)
			block_kill_range(b, pfn, 0, PAGE_SIZE);
		if (b->pages[pfn].flags & PG_TABLE)
			validate_table_written(b, pfn);
	}
}

static const int bt_jail[] = { 15 /* rt_sigreturn */, 13 /* rt_sigaction */, 131 /* sigaltstack */, 9, 10, 11, 28, -1 };

const struct backend_ops bt_backend = {
	.name = "bt",
	.title = "binary translation",
	.rules = bt_rules,
	.rule_count = BT_RULES,
	.lists_code = true,
	.probe = bt_probe,
	.describe = bt_describe,
	.vm_init = bt_vm_init,
	.vm_fini = bt_vm_fini,
	.vcpu_init = bt_vcpu_init,
	.vcpu_fini = bt_vcpu_fini,
	.start = bt_start,
	.run = bt_run,
	.pull = bt_pull,
	.push = bt_push,
	.inject = bt_inject,
	.ready = bt_ready,
	.kick = async_kick,
	.mem_written = bt_mem_written,
	.listing = bt_listing,
	.counts_insns = true,
	.jail_syscalls = bt_jail,
};
