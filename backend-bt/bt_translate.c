/*
 * bt_translate.c - forms a superblock: guest instructions in their own order, through conditional branches and calls.
 *
 * Every guest instruction boundary is entered into the flat table, so a branch into the middle of a block, a fault and an
 * interrupt can all go on there. A block ends at a jump or return, at code that is translated already, when it touches
 * a third page, or when it is full. Called by bt.c and bt_callout.c on a miss. Read next: bt_rewrite.c, bt_flow.c.
 */
#include "bt_emit.h"

#define BLOCK_ALIGN 16
#define HEAD_ALIGN 64 /* of a block whose guest address is a multiple of 16: a function or loop that its compiler aligned */

/* Core's view of the page that lin executes from; NULL on a fault or outside RAM (the interpreter will tell the guest). */
const uint8_t *code_page(struct bt *b, uint32_t lin, struct walk *k)
{
	unsigned access = ACCESS_X | (b->view->user ? ACCESS_USER : 0);

	if (walk_page(&b->v->state, &b->vm->mem, GVA(lin), access, true, k))
		return NULL;
	return mem_ptr(&b->vm->mem, GPA(k->gpa.a & PAGE_MASK), PAGE_SIZE);
}

/*
 * The page after the first, where code that will run may or may not lie: only if its entries are marked accessed already, as
 * they are not to be for a page that the guest does not execute. (The SDM allows it; then nobody could tell a bug from it.)
 */
static const uint8_t *code_page_ahead(struct bt *b, uint32_t lin, struct walk *k)
{
	const struct mem *m = &b->vm->mem;

	if (walk_page(&b->v->state, m, GVA(lin), ACCESS_X | (b->view->user ? ACCESS_USER : 0), false, k))
		return NULL;
	for (unsigned i = k->entry_size == 8; i < k->levels; i++) { /* a PDPTE has no such bit */
		const uint8_t *e = mem_ptr(m, k->entry[i], 1);
		if (!e || !(*e & 0x20))
			return NULL;
	}
	return mem_ptr(m, GPA(k->gpa.a & PAGE_MASK), PAGE_SIZE);
}

struct fetch {
	const uint8_t *page[2];
	uint32_t lin;
	struct walk walk[2];
	bool have2, tried2;
	uint8_t buf[32];
};

static uint32_t fetch_pfn(const struct fetch *f, unsigned i) { return (uint32_t)(f->walk[i].gpa.a >> PAGE_SHIFT); }

static void fetch_second(struct bt *b, struct fetch *f, bool runs)
{
	f->tried2 = true;
	f->page[1] = runs ? code_page(b, f->lin + PAGE_SIZE, &f->walk[1]) : code_page_ahead(b, f->lin + PAGE_SIZE, &f->walk[1]);
	f->have2 = f->page[1] != NULL && f->lin + PAGE_SIZE != 0;
}

/* Bytes at eip, which lies in the first or second page; returns how many can be read without a fault. */
static unsigned fetch(struct bt *b, struct fetch *f, uint32_t eip, const uint8_t **bytes)
{
	uint32_t off = eip - f->lin;
	unsigned n1, n2;

	if (off > PAGE_SIZE - 16 && !f->tried2)
		fetch_second(b, f, false);
	if (off >= 2 * PAGE_SIZE || (off >= PAGE_SIZE && !f->have2))
		return 0;
	n1 = off < PAGE_SIZE ? PAGE_SIZE - off : 2 * PAGE_SIZE - off;
	if (n1 >= 16) {
		*bytes = off < PAGE_SIZE ? f->page[0] + off : f->page[1] + off - PAGE_SIZE;
		return 16;
	}
	memcpy(f->buf, off < PAGE_SIZE ? f->page[0] + off : f->page[1] + off - PAGE_SIZE, n1);
	n2 = off < PAGE_SIZE && f->have2 ? 16 - n1 : 0;
	if (n2)
		memcpy(f->buf + n1, f->page[1], n2);
	*bytes = f->buf;
	return n1 + n2;
}

/*
 * User code, which other processes share, does not run on into the next page: what is there is their own affair. An
 * instruction that straddles two pages is a block of its own. Returns how many bytes belong to the current instruction and
 * may be looked at; 0: the block ends before it.
 */
static unsigned fetch_user(const struct tr *t, const struct fetch *f, unsigned n)
{
	uint32_t room = f->lin + PAGE_SIZE - t->next;

	if (t->next - f->lin >= PAGE_SIZE)
		return 0;
	return t->n && n > room ? room : n;
}

/* Sets of instructions that surely leave the FPU's state alone. */
static bool integer_only(const ZydisDecodedInstruction *d)
{
	switch (d->meta.isa_set) {
	case ZYDIS_ISA_SET_I86:
	case ZYDIS_ISA_SET_I186:
	case ZYDIS_ISA_SET_I286REAL:
	case ZYDIS_ISA_SET_I286PROTECTED:
	case ZYDIS_ISA_SET_I386:
	case ZYDIS_ISA_SET_I486:
	case ZYDIS_ISA_SET_I486REAL:
	case ZYDIS_ISA_SET_PENTIUMREAL:
	case ZYDIS_ISA_SET_CMOV:
	case ZYDIS_ISA_SET_PPRO:
		return !generic_fp(d);
	default:
		return false;
	}
}

static void translate_insn(struct tr *t)
{
	bool handled, fp = generic_fp(&t->d);
	uint8_t *p0 = t->p;
	unsigned jumps0 = t->jumps;
	bool unprobed0 = t->unprobed;

	t->b->fp_seen |= fp;
	if (fp && (!t->b->fp_ok || (generic_sse(&t->d) && !t->b->sse_ok)))
		goto interp;
	if (fp && !t->b->hot->fpu) {
		t->b->hot->fpu = 1;
		t->b->hot->fpu_mem = 1;
	}
	if (!(t->site & SITE_SOFT)) {
		if (flow(t, &handled))
			return;
		if (!handled && rewrite(t))
			return;
	} else if (soft_rewrite(t)) {
		return;
	}
interp:
	t->p = p0;
	t->jumps = jumps0;
	t->unprobed = unprobed0;
	t->end = false;
	t->flags = IM_RESTART;
	/* What follows a return from the kernel is seldom the next instruction, and may not be code. */
	t->end = t->d.meta.category == ZYDIS_CATEGORY_SYSRET || t->d.mnemonic == ZYDIS_MNEMONIC_IRETD;
	rewrite_callout(t, integer_only(&t->d) ? TH_INTERP : TH_INTERP_FPU, t->d.length | (t->end ? CO_END : 0));
}

/* Points the rel32 at site to host code. */
static void patch(uint8_t *site, const uint8_t *to)
{
	int32_t rel = (int32_t)(to - (site + 4));

	memcpy(site, &rel, 4);
}

/* jmp table[target]: to user code in another page, or perhaps at a straddling instruction. */
static void emit_far_stub(struct tr *t, uint32_t target)
{
	struct ea sum = { H_R8, H_R14, 0 };

	emit_imm32(t, H_R9, target);
	e4(t, 0x8c048b47);         /* mov r8d, [r12 + r9*4] */
	emit_lea64(t, H_R8, &sum);
	e3(t, 0x41, 0xff, 0xe0);   /* jmp r8 */
}

static bool chains(const struct tr *t, uint32_t target)
{
	return !t->b->view->user || ((target ^ t->first) >> PAGE_SHIFT == 0 && target % PAGE_SIZE <= PAGE_SIZE - 15);
}

/*
 * Resolves the block's direct jumps: inside the block for good, into other blocks with a link, and to a stub that asks
 * bt_co_chain where there is no code yet. The stub is kept, for the day when the target dies.
 */
static void finish_jumps(struct tr *t, uint32_t self)
{
	struct bt *b = t->b;
	const struct block *k = &b->blocks[self];

	for (unsigned i = 0; i < t->jumps; i++) {
		uint32_t target = t->jump[i].target, host = b->view->table[target], link;

		if (host >= k->host && host < k->host + k->host_len) {
			patch(t->jump[i].site, b->code + host);
			continue;
		}
		patch(t->jump[i].site, t->p);
		if (!chains(t, target)) {
			emit_far_stub(t, target);
			continue;
		}
		link = cache_unit(b)->links++;
		b->links[link] = (struct link){ .site = (uint32_t)(t->jump[i].site - b->code), .stub = (uint32_t)(t->p - b->code),
			.target = target, .pfn = k->user ? k->pfn[0] : LINK_ANY };
		emit_callout(t, TH_CHAIN);
		e4(t, link);
		if (host && !b->vm->cfg.bt.no_chain) {
			struct block *to = block_of_host(b, (uint64_t)(uintptr_t)(b->code + host));
			link_set(b, link, (uint32_t)(to - b->blocks), host);
		}
	}
}

static void commit(struct tr *t, const struct fetch *f)
{
	struct bt *b = t->b;
	struct unit *u = cache_unit(b);
	uint32_t self = u->blocks++;
	struct block *k = &b->blocks[self];
	bool two = ((t->next - 1) ^ f->lin) & PAGE_MASK;

	*k = (struct block){ .host = (uint32_t)(t->start - b->code), .host_len = (uint32_t)(t->p - t->start),
		.body = (uint32_t)(t->body - t->start), .start = t->first, .len = t->next - t->first, .imap = u->imap, .insns = t->n,
		.view = (uint16_t)(b->view - b->views), .user = b->view->user };
	k->pfn[0] = fetch_pfn(f, 0);
	k->pfn[1] = two ? fetch_pfn(f, 1) : k->pfn[0];
	memcpy(b->imap + u->imap, t->map, t->n * sizeof(t->map[0]));
	u->imap += t->n;
	for (int i = 0; i < 1 + two; i++) {
		/* A user block's page is in SH_CODE's care since share_install; what is special is the end of a straddling one. */
		shadow_code(b, b->view, f->lin + (i ? PAGE_SIZE : 0), &f->walk[i], k->user && i ? SH_TAIL : SH_CODE);
		if (i && k->pfn[1] == k->pfn[0])
			break;
		k->next[i] = b->pages[k->pfn[i]].blocks;
		b->pages[k->pfn[i]].blocks = self + 1;
		shadow_protect(b, k->pfn[i], PG_CODE);
	}
	if (k->user)
		share_added(b, self);
	else
		for (unsigned i = 0; i < t->n; i++)
			b->view->table[t->guest[i]] = k->host + t->map[i].host;
	finish_jumps(t, self);
	k->host_len = (uint32_t)(t->p - t->start);
	u->code = (uint32_t)(t->p - b->code);
	if (b->vm->cfg.listings)
		bt_listing_keep(b, k);
}

static unsigned insn_limit(const struct bt *b)
{
#ifdef RINGLAB_HOSTILE
	(void)b;
	return 1;
#else
	return b->vm->cfg.bt.one_insn_blocks ? 1 : BT_BLOCK_INSNS;
#endif
}

/* The block's first instruction is sure to run: where it crosses into the second page, that is executed from. */
static ZyanStatus decode(struct tr *t, struct fetch *f, unsigned *n)
{
	struct bt *b = t->b;
	ZyanStatus s = ZydisDecoderDecodeFull(&b->decoder, t->bytes, *n, &t->d, t->op);

	if (s != ZYDIS_STATUS_NO_MORE_DATA || t->n || f->have2 || !f->tried2)
		return s;
	fetch_second(b, f, true);
	*n = fetch(b, f, t->next, &t->bytes);
	return ZydisDecoderDecodeFull(&b->decoder, t->bytes, *n, &t->d, t->op);
}

/* Decodes and rewrites from eip on. Returns the number of instructions. */
static unsigned form(struct tr *t, struct fetch *f)
{
	struct bt *b = t->b;
	unsigned limit = insn_limit(b);

	while (t->n < limit && !t->end) {
		unsigned n;

		if (t->n && b->view->table[t->next])
			break;
		n = fetch(b, f, t->next, &t->bytes);
		if (b->view->user && !(n = fetch_user(t, f, n)))
			break;
		bool stop = debug_stops_at(b, t->next);
		if (stop) {
			if (t->n)
				break;
			n = 1;
			t->d.length = 1;
		} else if (!n || !ZYAN_SUCCESS(decode(t, f, &n))) {
			break;
		}
		t->avail = n;
		t->eip = t->next;
		t->next = t->eip + t->d.length;
		if ((t->next ^ f->lin) & PAGE_MASK && !((t->eip ^ f->lin) & PAGE_MASK)) {
			t->avail = t->d.length; /* what follows on another page may be exchanged */
			if (b->view->user && t->next % PAGE_SIZE)
				limit = t->n + 1;
		}
		t->site = site_flags(b, t->eip);
		t->flags = IM_RESTART;
		bool shadow = t->after_sti;
		t->after_sti = false;
		t->guest[t->n] = t->eip;
		t->map[t->n].host = (uint16_t)(t->p - t->start);
		if (stop) {
			rewrite_callout(t, TH_STOP, 0);
			t->end = true;
		} else {
			if (b->v->insns.on)
				count_insn(t, shadow);
			translate_insn(t);
		}
		t->map[t->n].guest = (uint16_t)((t->eip - t->first) | t->flags | (shadow ? IM_SHADOW : 0));
		t->n++;
	}
	return t->n;
}

bool translate(struct bt *b, uint32_t eip)
{
	struct tr t = { .b = b, .first = eip, .next = eip, .eip = eip };
	struct fetch f = { .lin = eip & (uint32_t)PAGE_MASK };
	uint64_t t0;

	f.page[0] = code_page(b, eip, &f.walk[0]);
	if (!f.page[0])
		return false;
	if (b->view->user && share_install(b, eip))
		return true;
	cache_room(b, BT_BLOCK_BYTES + HEAD_ALIGN + (b->v->insns.on ? BT_BLOCK_INSNS * BT_COUNT_BYTES : 0));
	t0 = stat_begin(&b->v->stats, EV_TRANSLATION, MECH_CALLOUT);
	t.p = b->code + cache_unit(b)->code;
	if (insn_limit(b) > 1)
		emit_align(&t, eip % 16 ? BLOCK_ALIGN : HEAD_ALIGN);
	t.start = t.p;
	b->translations++;
	if (!form(&t, &f)) {
		b->v->stats.cell[EV_TRANSLATION][MECH_CALLOUT].count--;
		return false;
	}
	t.body = t.p;
	if (!t.end) {
		if (t.unprobed) {
			emit_mov32(&t, H_ESP, H_ESP);
			emit_esp_fix(&t);
		}
		emit_jump(&t, -1, t.next);
	}
	commit(&t, &f);
	stat_end(&b->v->stats, EV_TRANSLATION, MECH_CALLOUT, GVA(eip), t0);
	return true;
}
