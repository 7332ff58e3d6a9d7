/*
 * bt_listing.c - guest instructions and what they were translated to, side by side, disassembled by Capstone, which shares
 * no code with the decoder that translated them.
 *
 * A cache is flushed, code is evicted and pages are unmapped, so a block that vm_config.listing names is copied when it is
 * translated, and printed when the run has ended (backend_ops.describe). The copy is as translated: jumps still lead to
 * their stubs. Tests print a living block on a difference. Called by bt_translate.c, bt.c, tests.
 */
#include "bt_test.h"
#include <capstone/capstone.h>
#include <stdlib.h>
#include "bt_private.h"
#include "core/symbols.h"

#define KEEP_MAX 512    /* translations kept; then the oldest goes */
#define LEFT_WIDTH 46   /* columns of the guest's side */

/* A block as it was translated. */
struct kept {
	struct kept *next;
	struct block block;
	struct imap imap[BT_BLOCK_INSNS];
	bool soft[BT_BLOCK_INSNS], user;
	uint64_t cr3;
	uint32_t skip;  /* bytes of counting before each instruction */
	uint32_t times; /* translated to the same, apart from addresses */
	uint8_t *guest, *host; /* block.len and block.host_len bytes */
	struct { uint32_t site, stub, target; } jump[BT_BLOCK_INSNS * 2 + 2];
	unsigned jumps;
};

struct bt_listing {
	struct kept *first, **last;
	unsigned n, dropped;
};

struct printer {
	csh guest, host;
	struct symbols *symbols;
	FILE *out;
	const struct kept *k;
};

static const char *const thunk_name[TH_COUNT] = {
	[TH_MISS] = "find the target of an indirect branch", [TH_CHAIN] = "find and chain the target", [TH_INTERP] = "interpreter",
	[TH_INTERP_FPU] = "interpreter, FPU state saved", [TH_STI_WINDOW] = "an interrupt is waiting", [TH_IN] = "IN", [TH_OUT] = "OUT",
	[TH_CPUID] = "CPUID", [TH_INT] = "INT", [TH_IRET] = "IRET", [TH_POPF] = "POPF", [TH_SYSENTER] = "SYSENTER",
	[TH_SYSEXIT] = "SYSEXIT", [TH_SOFT] = "soft TLB miss", [TH_SOFT_FPU] = "soft TLB miss, FPU state saved",
	[TH_SEG_LOAD] = "segment load", [TH_VERIFY] = "VERR or VERW", [TH_STOP] = "stop of a test",
};

/* --- keeping --- */

static void kept_free(struct kept *k)
{
	free(k->guest);
	free(k->host);
	free(k);
}

static const uint8_t *guest_byte(struct bt *b, const struct block *k, uint32_t i)
{
	uint32_t lin = k->start + i;
	uint64_t page = k->pfn[(lin ^ k->start) >> PAGE_SHIFT ? 1 : 0];

	return (const uint8_t *)mem_ptr(&b->vm->mem, GPA(page << PAGE_SHIFT), PAGE_SIZE) + (lin & (PAGE_SIZE - 1));
}

/* A copy of a living block, or NULL. */
static struct kept *kept_make(struct bt *b, const struct block *block)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->block = *block;
	k->times = 1;
	k->skip = b->v->insns.on ? BT_COUNT_BYTES : 0;
	k->user = block->user;
	k->cr3 = b->uview->cr3; /* where it was first seen: others may share it */
	k->guest = malloc(block->len);
	k->host = malloc(block->host_len);
	if (!k->guest || !k->host) {
		kept_free(k);
		return NULL;
	}
	for (uint32_t i = 0; i < block->len; i++)
		k->guest[i] = *guest_byte(b, block, i);
	memcpy(k->host, b->code + block->host, block->host_len);
	memcpy(k->imap, b->imap + block->imap, block->insns * sizeof(k->imap[0]));
	for (unsigned i = 0; i < block->insns; i++)
		k->soft[i] = site_flags(b, block->start + imap_guest(&k->imap[i])) & SITE_SOFT;
	for (uint32_t i = cache_unit(b)->links; i-- && k->jumps < ARRAY_LEN(k->jump);) { /* a block's own links are the newest */
		const struct link *l = &b->links[i];
		if (l->site < block->host)
			break;
		if (l->site >= block->host + block->host_len)
			continue;
		k->jump[k->jumps].site = l->site - block->host;
		k->jump[k->jumps].stub = l->stub - block->host;
		k->jump[k->jumps++].target = l->target;
	}
	return k;
}

static bool kept_same(const struct kept *a, const struct kept *b)
{
	return a->block.start == b->block.start && a->block.len == b->block.len && a->block.insns == b->block.insns &&
		a->block.body == b->block.body && a->user == b->user && !memcmp(a->soft, b->soft, sizeof(a->soft)) &&
		!memcmp(a->imap, b->imap, a->block.insns * sizeof(a->imap[0])) && !memcmp(a->guest, b->guest, a->block.len);
}

static bool range_hit(const struct code_range *r, const struct block *k)
{
	return k->start < r->to && r->from < k->start + k->len;
}

void bt_listing_keep(struct bt *b, const struct block *block)
{
	const struct vm_config *cfg = &b->vm->cfg;
	struct bt_listing *l = b->listing;
	bool hit = false;
	struct kept *k, **at;

	for (unsigned i = 0; i < cfg->listings && !hit; i++)
		hit = range_hit(&cfg->listing[i], block);
	if (!hit || (!l && !(l = b->listing = calloc(1, sizeof(*l)))) || !(k = kept_make(b, block)))
		return;
	if (!l->last)
		l->last = &l->first;
	for (at = &l->first; *at && !kept_same(*at, k); at = &(*at)->next)
		;
	if (!*at && l->n == KEEP_MAX) {
		at = &l->first;
		l->dropped++;
	}
	if (*at) { /* the newest copy stands for all; it moves to the end */
		struct kept *old = *at;

		if (kept_same(old, k))
			k->times += old->times;
		*at = old->next;
		if (l->last == &old->next)
			l->last = at;
		kept_free(old);
		l->n--;
	}
	*l->last = k;
	l->last = &k->next;
	l->n++;
}

void bt_listing_free(struct bt *b)
{
	struct bt_listing *l = b->listing;

	while (l && l->first) {
		struct kept *k = l->first;

		l->first = k->next;
		kept_free(k);
	}
	free(l);
	b->listing = NULL;
}

/* --- printing --- */

/* What a host instruction means to us, in words; "" when nothing. */
static void host_words(const struct printer *p, const cs_insn *in, char *words, size_t n)
{
	const cs_x86 *x = &in->detail->x86;
	uint32_t at = (uint32_t)in->address - p->k->block.host;
	char name[96];

	words[0] = 0;
	for (unsigned i = 0; i < p->k->jumps; i++)
		if (p->k->jump[i].site > at && p->k->jump[i].site < at + in->size)
			snprintf(words, n, "to %s", symbols_text(p->symbols, p->k->jump[i].target, name, sizeof(name)));
	for (unsigned i = 0; i < x->op_count; i++) {
		int64_t off = x->operands[i].mem.disp;

		if (x->operands[i].type != X86_OP_MEM || x->operands[i].mem.base != X86_REG_R14 || x->operands[i].mem.index != X86_REG_INVALID)
			continue;
		int64_t thunk = (off - HOT_THUNK(0)) / 8;
		if (in->id == X86_INS_JMP && thunk >= 0 && thunk < TH_COUNT)
			snprintf(words, n, "callout: %s", thunk_name[thunk] ? thunk_name[thunk] : "?");
		else if (off == HOT_OFF(vif))
			snprintf(words, n, "the virtual IF");
		else if (off == HOT_OFF(vrest))
			snprintf(words, n, "the other virtual flags");
		else if (off == HOT_OFF(irq_window))
			snprintf(words, n, "is an interrupt waiting?");
		else if (off >= HOT_OFF(sel) && off < HOT_OFF(sel) + 24)
			snprintf(words, n, "a virtual selector");
		else if (off >= HOT_OFF(seg_base) && off < HOT_OFF(seg_base) + 8)
			snprintf(words, n, "a segment's base");
	}
}

/* Guest instructions that would trap or lie in ring 3: worth a word when no callout does them. */
static const char *guest_words(const cs_insn *in)
{
	static const struct { unsigned id; const char *words; } sensitive[] = {
		{ X86_INS_CLI, "inline CLI" }, { X86_INS_STI, "inline STI" }, { X86_INS_PUSHFD, "inline PUSHF" }, { X86_INS_POPFD, "inline POPF" },
		{ X86_INS_RDTSC, "inline RDTSC" }, { X86_INS_CLTS, "inline CLTS" }, { X86_INS_INVLPG, "inline INVLPG" },
		{ X86_INS_LAR, "inline LAR" }, { X86_INS_LSL, "inline LSL" }, { X86_INS_IN, "inline IN" }, { X86_INS_OUT, "inline OUT" },
		{ X86_INS_CPUID, "inline CPUID" }, { X86_INS_IRETD, "inline IRET" }, { X86_INS_SYSEXIT, "inline SYSEXIT" },
		{ X86_INS_SYSENTER, "inline SYSENTER" },
	};

	for (size_t i = 0; i < ARRAY_LEN(sensitive); i++)
		if (sensitive[i].id == in->id)
			return sensitive[i].words;
	for (unsigned i = 0; in->id == X86_INS_MOV && i < in->detail->x86.op_count; i++) {
		const cs_x86_op *o = &in->detail->x86.operands[i];
		if (o->type == X86_OP_REG && (o->reg == X86_REG_ES || o->reg == X86_REG_DS || o->reg == X86_REG_FS ||
		    o->reg == X86_REG_GS || o->reg == X86_REG_SS || o->reg == X86_REG_CS))
			return "inline segment move";
	}
	return NULL;
}

/* The guest's side of one line. */
static const char *guest_text(const struct printer *p, const cs_insn *in, uint32_t eip, const uint8_t *bytes, unsigned len,
	char *buf, size_t n)
{
	char name[80];
	int used;

	if (!in) {
		used = snprintf(buf, n, "%08x  (not decodable:", eip);
		for (unsigned i = 0; i < len; i++)
			used += snprintf(buf + used, n - (size_t)used, " %02x", bytes[i]);
		snprintf(buf + used, n - (size_t)used, ")");
		return buf;
	}
	const cs_x86 *x = &in->detail->x86;
	if (cs_insn_group(p->guest, in, CS_GRP_JUMP) || cs_insn_group(p->guest, in, CS_GRP_CALL))
		if (x->op_count && x->operands[0].type == X86_OP_IMM && p->symbols) {
			snprintf(buf, n, "%08x  %s %s", eip, in->mnemonic, symbols_text(p->symbols, (uint32_t)x->operands[0].imm, name, sizeof(name)));
			return buf;
		}
	snprintf(buf, n, "%08x  %s %s", eip, in->mnemonic, in->op_str);
	return buf;
}

static void line(const struct printer *p, const char *left, const cs_insn *host, const char *words)
{
	char right[240] = "";

	if (host)
		snprintf(right, sizeof(right), "%6x  %s %s", (unsigned)host->address, host->mnemonic, host->op_str);
	fprintf(p->out, words && *words ? "%-*s | %-44s ; %s\n" : "%-*s | %s\n", LEFT_WIDTH, left, right, words);
}

/* Whether the instruction's host code calls out; how many host instructions it has is in n. */
static bool calls_out(const struct printer *p, const cs_insn *host, size_t n)
{
	char words[160];

	for (size_t i = 0; i < n; i++) {
		host_words(p, &host[i], words, sizeof(words));
		if (!strncmp(words, "callout", 7) && !strstr(words, "waiting"))
			return true;
	}
	return false;
}

static void insn_print(const struct printer *p, unsigned i)
{
	const struct block *k = &p->k->block;
	const struct imap *m = &p->k->imap[i];
	bool last = i + 1 == k->insns;
	uint32_t g = imap_guest(m), g_len = (last ? k->len : imap_guest(m + 1)) - g;
	uint32_t h = m->host + p->k->skip, h_len = (last ? k->body : m[1].host) - h;
	cs_insn *guest, *host;
	size_t guests = cs_disasm(p->guest, p->k->guest + g, g_len, k->start + g, 1, &guest);
	size_t hosts = cs_disasm(p->host, p->k->host + h, h_len, k->host + h, 0, &host);
	const char *what = guests && !calls_out(p, host, hosts) ? guest_words(guest) : NULL;
	char left[240], words[240], own[140];

	guest_text(p, guests ? guest : NULL, k->start + g, p->k->guest + g, g_len, left, sizeof(left));
	for (size_t j = 0; j < hosts || !j; j++) {
		own[0] = 0;
		if (j < hosts)
			host_words(p, &host[j], own, sizeof(own));
		snprintf(words, sizeof(words), "%s%s%s%s%s", !j && p->k->soft[i] ? "soft site" : "", !j && p->k->soft[i] && (what || *own) ? "; " : "",
			!j && what ? what : "", !j && what && *own ? ": " : "", own);
		line(p, j ? "" : left, j < hosts ? &host[j] : NULL, words);
	}
	if (guests)
		cs_free(guest, guests);
	if (hosts)
		cs_free(host, hosts);
}

static void kept_print(struct printer *p, const struct kept *k)
{
	const struct block *b = &k->block;
	char name[96];

	p->k = k;
	fprintf(p->out, "\n%#x..%#x %s, %s mode", b->start, b->start + b->len, symbols_text(p->symbols, b->start, name, sizeof(name)),
		k->user ? "user" : "kernel");
	if (k->cr3 != VIEW_FLAT)
		fprintf(p->out, ", cr3 %#llx", (unsigned long long)k->cr3);
	fprintf(p->out, ": %u instruction%s in %u bytes, %u bytes of host code and %u of stubs; translated %u time%s\n", b->insns,
		b->insns == 1 ? "" : "s", b->len, b->body, b->host_len - b->body, k->times, k->times == 1 ? "" : "s");
	for (unsigned i = 0; i < b->insns; i++)
		insn_print(p, i);
	for (unsigned i = k->jumps; i--;)
		fprintf(p->out, "%-*s | %6x  stub: find and chain %s\n", LEFT_WIDTH, "", b->host + k->jump[i].stub,
			symbols_text(p->symbols, k->jump[i].target, name, sizeof(name)));
}

static bool printer_open(struct printer *p, struct vcpu *v, FILE *out)
{
	*p = (struct printer){ .out = out, .symbols = v->vm->cfg.symbols };
	if (cs_open(CS_ARCH_X86, CS_MODE_32, &p->guest))
		return false;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &p->host)) {
		cs_close(&p->guest);
		return false;
	}
	cs_option(p->guest, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	cs_option(p->host, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	cs_option(p->guest, CS_OPT_DETAIL, CS_OPT_ON);
	cs_option(p->host, CS_OPT_DETAIL, CS_OPT_ON);
	return true;
}

static void printer_close(struct printer *p)
{
	cs_close(&p->guest);
	cs_close(&p->host);
}

void bt_listing_kept(struct vcpu *v, FILE *out)
{
	const struct vm_config *cfg = &v->vm->cfg;
	const struct bt_listing *l = bt_of(v)->listing;
	struct printer p;

	if (!printer_open(&p, v, out))
		return;
	for (unsigned i = 0; i < cfg->listings; i++) {
		const struct code_range *r = &cfg->listing[i];
		unsigned n = 0;

		fprintf(out, "%slisting of %s, guest %#x..%#x: guest code | translation as it was made, oldest first\n", i ? "\n" : "", r->name,
			r->from, r->to);
		for (const struct kept *k = l ? l->first : NULL; k; k = k->next)
			if (range_hit(r, &k->block)) {
				kept_print(&p, k);
				n++;
			}
		if (!n)
			fprintf(out, "  it was never translated: the guest did not get there, or only the interpreter ran it\n");
	}
	if (l && l->dropped)
		fprintf(out, "\n%u older translations are not shown: %d are kept\n", l->dropped, KEEP_MAX);
	printer_close(&p);
}

void bt_listing(struct vcpu *v, FILE *out, uint32_t eip)
{
	struct bt *b = bt_of(v);
	uint32_t off = b->view ? b->view->table[eip] : 0;
	const struct block *block = off ? block_of_host(b, (uint64_t)(uintptr_t)(b->code + off)) : NULL;
	struct kept *k = block ? kept_make(b, block) : NULL;
	struct printer p;

	if (!k) {
		fprintf(out, "no translation of %#x\n", eip);
		return;
	}
	if (printer_open(&p, v, out)) {
		kept_print(&p, k);
		printer_close(&p);
	}
	kept_free(k);
}
