/*
 * pv_listing.c - `--listing` under direct execution: the guest's code beside what stands in its place when the CPU runs it.
 *
 * Under `xen` and `trap` that is the guest's code itself. Under `patch` the executable copy of a page has INT3 in some places;
 * under `previrt` noted places were overwritten, by instructions or by a jump to a stub, which is listed below its place. Printed by
 * Capstone when the run has ended (backend_ops.describe), from memory as it is then. Called by pv.c.
 */
#include <capstone/capstone.h>
#include <string.h>
#include "core/symbols.h"
#include "core/walk.h"
#include "pv_patch.h"
#include "pv_previrt.h"

#define LEFT_WIDTH 46 /* columns of the guest's side, as in a listing of bt */

struct printer {
	csh cs;
	FILE *out;
	struct vcpu *v;
	struct pv *pv;
};

/* Where the guest has la: by the image, or else by its page tables as they are now. */
static const uint8_t *guest_at(const struct printer *p, uint32_t la, gpa_t *gpa)
{
	const struct vm *vm = p->v->vm;
	struct walk w;

	if (!loader_vaddr_to_gpa(&vm->image, la, gpa)) {
		if (walk_page(&p->v->state, &vm->mem, GVA(la), ACCESS_X, false, &w))
			return NULL;
		*gpa = w.gpa;
	}
	return mem_ptr(&vm->mem, *gpa, 1);
}

/* The guest's own bytes, up to a hole; what previrt overwrote is as it was. */
static unsigned guest_read(const struct printer *p, uint32_t la, uint8_t *buf, unsigned n)
{
	unsigned got = 0;
	gpa_t gpa;

	for (; got < n; got++) {
		const uint8_t *b = guest_at(p, la + got, &gpa);
		const struct previrt_site *s = p->pv->previrt ? previrt_site_at(p->pv->previrt, la + got) : NULL;
		uint32_t off = s ? la + got - s->addr - s->insn_at : 0;

		if (!b)
			break;
		buf[got] = s && la + got >= s->addr + s->insn_at && off < s->insn_len ? s->orig[off] : s && s->form != FORM_REFUSED ? 0x90 : *b;
	}
	return got;
}

static void text_of(const struct printer *p, const uint8_t *bytes, size_t n, uint32_t at, char *buf, size_t room)
{
	cs_insn *in;
	size_t got = cs_disasm(p->cs, bytes, n, at, 1, &in);
	char name[80];

	if (!got) {
		snprintf(buf, room, "%08x  .byte 0x%02x", at, bytes[0]);
		return;
	}
	const cs_x86 *x = &in->detail->x86;
	if ((cs_insn_group(p->cs, in, CS_GRP_JUMP) || cs_insn_group(p->cs, in, CS_GRP_CALL)) && x->op_count && x->operands[0].type == X86_OP_IMM)
		snprintf(buf, room, "%08x  %s %s", at, in->mnemonic, symbols_text(p->v->vm->cfg.symbols, (uint32_t)x->operands[0].imm, name, sizeof(name)));
	else
		snprintf(buf, room, "%08x  %s %s", at, in->mnemonic, in->op_str);
	cs_free(in, got);
}

static void line(const struct printer *p, const char *left, const char *right, const char *words)
{
	fprintf(p->out, words ? "%-*s | %-38s ; %s\n" : "%-*s | %s\n", LEFT_WIDTH, left, right, words);
}

/* All instructions of [bytes, bytes + n); the first beside left. */
static void code_print(const struct printer *p, const char *left, const uint8_t *bytes, unsigned n, uint32_t at, const char *words)
{
	cs_insn *in;
	size_t got = cs_disasm(p->cs, bytes, n, at, 0, &in);
	char right[240];

	for (size_t i = 0; i < got; i++) {
		snprintf(right, sizeof(right), "%08x  %s %s", (unsigned)in[i].address, in[i].mnemonic, in[i].op_str);
		line(p, i ? "" : left, right, i ? NULL : words);
		if (in[i].id == X86_INS_JMP || in[i].id == X86_INS_LJMP)
			break; /* what is left of the place is never reached */
	}
	if (got)
		cs_free(in, got);
	else
		line(p, left, "", words);
}

static void site_print(const struct printer *p, const char *left, const struct previrt_site *s)
{
	static const char *const words[] = { [FORM_REFUSED] = "refused: it traps", [FORM_HYPERCALL] = "to the VMM: a call, no trap", [FORM_INLINE] = "inline",
		[FORM_STUB] = "to a stub" };
	const struct previrt *v = p->pv->previrt;
	uint8_t bytes[64];
	gpa_t gpa;

	for (unsigned i = 0; i < s->len && i < sizeof(bytes); i++) {
		const uint8_t *b = guest_at(p, s->addr + i, &gpa);
		bytes[i] = b ? *b : 0x90;
	}
	code_print(p, left, bytes, s->len, s->addr, words[s->form]);
	if (s->form == FORM_STUB && v->mapped)
		code_print(p, "  the stub:", (const uint8_t *)(uintptr_t)(v->top_host + s->stub), s->stub_len, v->top + s->stub, NULL);
}

/* One guest instruction; returns where the next one is, or 0 when there is nothing. */
static uint32_t insn_print(const struct printer *p, uint32_t la)
{
	uint8_t bytes[INSN_MAX];
	unsigned n = guest_read(p, la, bytes, sizeof(bytes));
	const struct patch *patch = p->pv->patch;
	const struct previrt_site *s = p->pv->previrt ? previrt_site_at(p->pv->previrt, la) : NULL;
	char left[240];
	cs_insn *in;
	size_t got = n ? cs_disasm(p->cs, bytes, n, la, 1, &in) : 0;
	uint32_t len = got ? in->size : 1;
	gpa_t gpa;

	if (!n)
		return 0;
	if (got)
		cs_free(in, got);
	if (s) { /* the whole place, which begins or ends with NOPs */
		text_of(p, s->orig, s->insn_len, s->addr + s->insn_at, left, sizeof(left));
		site_print(p, left, s);
		return s->addr + s->len;
	}
	text_of(p, bytes, n, la, left, sizeof(left));
	guest_at(p, la, &gpa);
	uint32_t frame = (uint32_t)(gpa.a >> PAGE_SHIFT);
	if (patch && frame < patch->frames && patch->state[frame] == CODE_SCANNED && patch_is_site(patch, frame, (unsigned)gpa.a & (PAGE_SIZE - 1)))
		code_print(p, left, patch->copy + gpa.a, 1, la, "trap: the VMM does it");
	else if (patch && (frame >= patch->frames || patch->state[frame] == CODE_NONE))
		line(p, left, "(not executable: never fetched)", NULL);
	else
		fprintf(p->out, "%s\n", left);
	return la + len;
}

void pv_listing_describe(struct vcpu *v, FILE *out)
{
	struct printer p = { .out = out, .v = v, .pv = v->vm->priv };
	const struct vm_config *cfg = &v->vm->cfg;

	if (!cfg->listings || cs_open(CS_ARCH_X86, CS_MODE_32, &p.cs))
		return;
	cs_option(p.cs, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	cs_option(p.cs, CS_OPT_DETAIL, CS_OPT_ON);
	for (unsigned i = 0; i < cfg->listings; i++) {
		const struct code_range *r = &cfg->listing[i];
		uint32_t la = r->from;

		fprintf(out, "%slisting of %s, guest %#x..%#x: guest code | what stands in its place\n", i ? "\n" : "", r->name, r->from, r->to);
		while (la && la < r->to)
			la = insn_print(&p, la);
		if (!la)
			fprintf(out, "  the rest is not mapped\n");
	}
	cs_close(&p.cs);
}
