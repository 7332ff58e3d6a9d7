/*
 * pv_previrt_code.c - the code that stands in for a site: byte templates, filled in when the guest is loaded.
 *
 * Three forms. In place: a store to or a load from the shared page, as long as the room. A stub: more than fits, reached by a jump,
 * left by one; it keeps the arithmetic flags, and can be undone at each of its instructions (pv_previrt_run.c), for it saves what it
 * needs in the shared page and has one instruction that does the deed. An entry: a far jump into 64-bit code that names the site and
 * goes on to pv_hc_begin. All memory operands go through SS, the one data segment that a kernel always has. SDM vol. 2, 2.1 for the bytes.
 */
#include "pv_previrt.h"
#include <stddef.h>
#include <string.h>

#define ENTRY_SIZE PV_ENTRY
#define HEAD_SIZE PV_HEAD /* pv_previrt.c puts the way to pv_hc_begin there */
#define HOST_CS64 0x33

struct emit {
	struct previrt *p;
	struct previrt_site *s;
	uint32_t start, at; /* offsets in the area */
};

static void bytes(struct emit *e, const void *b, unsigned n)
{
	memcpy(e->p->area + e->at, b, n);
	e->at += n;
}
#define B(e, ...) bytes((e), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void word(struct emit *e, uint32_t v)
{
	bytes(e, &v, 4);
}

/* SS: prefix, opcode bytes, the address of a field of the shared page. */
static void field(struct emit *e, const uint8_t *op, unsigned n, uint32_t offset)
{
	B(e, 0x36);
	bytes(e, op, n);
	word(e, e->p->shared_la + offset);
}
#define F(e, offset, ...) field((e), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), (uint32_t)(offset))
#define SH(f) offsetof(struct previrt_shared, f)
#define STORE_EAX(e, f) F(e, SH(f), 0xa3)
#define LOAD_EAX(e, f) F(e, SH(f), 0xa1)
#define STORE_ECX(e, f) F(e, SH(f), 0x89, 0x0d)
#define LOAD_ECX(e, f) F(e, SH(f), 0x8b, 0x0d)

static uint8_t here(const struct emit *e)
{
	return (uint8_t)(e->at - e->start);
}

static uint32_t entry_of(const struct previrt *p, const struct previrt_site *s)
{
	return HEAD_SIZE + (uint32_t)(s - p->site) * ENTRY_SIZE;
}

static void far_jump(struct emit *e)
{
	B(e, 0xea);
	word(e, e->p->top_host + entry_of(e->p, e->s));
	B(e, HOST_CS64, 0);
}

static void jump_back(struct emit *e)
{
	e->s->done = here(e);
	B(e, 0xe9);
	word(e, e->s->addr + e->s->len - (e->p->top + e->at + 4));
}

/* A forward conditional jump of one byte: returns where its distance goes. */
static uint32_t short_jump(struct emit *e, uint8_t op)
{
	B(e, op, 0);
	return e->at;
}

static void short_land(struct emit *e, uint32_t from)
{
	e->p->area[from - 1] = (uint8_t)(e->at - from);
}

/* One more of its kind, flags untouched. */
static void count_one(struct emit *e)
{
	uint32_t counter = (uint32_t)(offsetof(struct previrt_shared, count) + 4u * e->s->count);

	STORE_ECX(e, sk);
	e->s->k_saved = here(e);
	F(e, counter, 0x8b, 0x0d);
	B(e, 0x8d, 0x49, 0x01);
	F(e, counter, 0x89, 0x0d);
	e->s->counted = here(e);
	LOAD_ECX(e, sk);
	e->s->k_restored = here(e);
}

/* ---- the pieces that stand in place where they fit ---- */

static void body_flag(struct emit *e, bool set)
{
	F(e, SH(vif) + 1, 0xc6, 0x05);
	B(e, set ? 2 : 0);
}

static void body_load(struct emit *e, unsigned reg, uint32_t offset)
{
	F(e, offset, 0x8b, (uint8_t)(0x05 | reg << 3));
}

static void body_push(struct emit *e, uint32_t offset)
{
	F(e, offset, 0xff, 0x35);
}

/* ---- stubs ---- */

static void stub_sti(struct emit *e)
{
	body_flag(e, true);
	STORE_ECX(e, sc);
	e->s->c_saved = here(e);
	LOAD_ECX(e, pend);
	uint32_t none = short_jump(e, 0xe3); /* JECXZ */
	LOAD_ECX(e, sc);
	far_jump(e);
	short_land(e, none);
	LOAD_ECX(e, sc);
}

static void stub_pushf(struct emit *e)
{
	STORE_EAX(e, sa);
	e->s->a_saved = here(e);
	STORE_ECX(e, sc);
	e->s->c_saved = here(e);
	B(e, 0x9c);             /* pushfl */
	e->s->low = here(e);
	B(e, 0x58);             /* pop %eax */
	LOAD_ECX(e, vif);
	B(e, 0x8d, 0x04, 0x08); /* lea (%eax,%ecx),%eax */
	LOAD_ECX(e, vbase);
	B(e, 0x8d, 0x04, 0x08);
	LOAD_ECX(e, sc);
	B(e, 0x50);             /* push %eax: the deed */
	e->s->done = here(e);
	LOAD_EAX(e, sa);
}

/* What only the VMM can do with an image goes there: another IOPL, single-stepping, nested tasks; and an interrupt that waits. */
static void stub_popf(struct emit *e)
{
	STORE_EAX(e, sa);
	e->s->a_saved = here(e);
	B(e, 0x8b, 0x04, 0x24); /* mov (%esp),%eax */
	F(e, SH(viopl), 0x33, 0x05);
	B(e, 0xa9);             /* test $imm,%eax */
	word(e, FL_IOPL | FL_TF | FL_NT | FL_VM);
	uint32_t other = short_jump(e, 0x75);
	B(e, 0x25);             /* and $imm,%eax */
	word(e, FL_IF);
	STORE_EAX(e, vif);
	uint32_t off = short_jump(e, 0x74);
	F(e, SH(pend), 0x80, 0x3d);
	B(e, 0);                /* cmpb $0,pend */
	uint32_t waits = short_jump(e, 0x75);
	short_land(e, off);
	LOAD_EAX(e, sa);
	B(e, 0x9d);             /* popfl: the deed */
	jump_back(e);
	uint8_t done = e->s->done;
	short_land(e, other);
	short_land(e, waits);
	LOAD_EAX(e, sa);
	far_jump(e);
	e->s->done = done;
}

/* ---- which form ---- */

#define MODRM_REG(b) ((b) >> 3 & 7)

/* The instruction without prefixes, as this code knows it: its opcode bytes begin at orig[0]. */
static bool plain(const struct previrt_site *s, uint8_t op)
{
	return s->orig[0] == op;
}

/* MOV r32, CRn and MOV r32, Sreg: reads of the shared page. */
static bool load_of(const struct previrt_site *s, unsigned *reg, uint32_t *offset)
{
	const uint8_t *o = s->orig;

	if (s->kind == AB_CR_READ && s->insn_len == 3 && o[0] == 0x0f && o[1] == 0x20) {
		unsigned cr = MODRM_REG(o[2]);
		*reg = o[2] & 7;
		*offset = (uint32_t)(offsetof(struct previrt_shared, cr) + 4 * cr);
		return cr == 0 || (cr >= 2 && cr <= 4);
	}
	if (s->kind == AB_SEG_READ && s->insn_len == 2 && o[0] == 0x8c && o[1] >= 0xc0) {
		unsigned sreg = MODRM_REG(o[1]);
		*reg = o[1] & 7;
		*offset = (uint32_t)(offsetof(struct previrt_shared, sel) + 4 * sreg);
		return sreg <= S_GS;
	}
	return false;
}

static bool push_of(const struct previrt_site *s, uint32_t *offset)
{
	static const uint8_t op[6] = { [S_ES] = 0x06, [S_CS] = 0x0e, [S_SS] = 0x16, [S_DS] = 0x1e };
	unsigned sreg;

	if (s->kind != AB_SEG_PUSH)
		return false;
	for (sreg = 0; sreg < 4; sreg++)
		if (s->insn_len == 1 && s->orig[0] == op[sreg])
			break;
	if (s->insn_len == 2 && s->orig[0] == 0x0f)
		sreg = s->orig[1] == 0xa0 ? S_FS : S_GS;
	else if (sreg == 4)
		return false;
	*offset = (uint32_t)(offsetof(struct previrt_shared, sel) + 4 * sreg);
	return true;
}

static void form_choose(const struct previrt *p, struct previrt_site *s)
{
	unsigned reg;
	uint32_t offset;

	s->form = FORM_HYPERCALL;
	if (s->kind == AB_CLI || load_of(s, &reg, &offset) || push_of(s, &offset))
		s->form = p->count_inline ? FORM_STUB : FORM_INLINE;
	else if (s->kind == AB_STI)
		s->form = s->dead && !p->count_inline ? FORM_INLINE : FORM_STUB;
	else if ((s->kind == AB_PUSHF && plain(s, 0x9c)) || (s->kind == AB_POPF && plain(s, 0x9d)))
		s->form = FORM_STUB;
	s->count = s->kind == AB_CLI || s->kind == AB_STI ? PC_INT_FLAG : s->kind == AB_CR_READ ? PC_CR_READ :
		s->kind == AB_SEG_READ || s->kind == AB_SEG_PUSH ? PC_SEG_READ : PC_FLAGS_IMAGE;
}

static void stub_write(struct emit *e)
{
	struct previrt_site *s = e->s;
	unsigned reg;
	uint32_t offset;

	if (e->p->count_inline)
		count_one(e);
	if (s->kind == AB_STI) {
		stub_sti(e);
	} else if (s->kind == AB_PUSHF) {
		stub_pushf(e);
		uint8_t done = s->done;
		jump_back(e);
		s->done = done;
		return;
	} else if (s->kind == AB_POPF) {
		stub_popf(e);
		return;
	} else if (s->kind == AB_CLI) {
		body_flag(e, false);
	} else if (load_of(s, &reg, &offset)) {
		body_load(e, reg, offset);
	} else if (push_of(s, &offset)) {
		body_push(e, offset);
	}
	jump_back(e);
}

/* `mov $n,%r13d; jmp head`: 64-bit code, each site's own. */
static void entry_write(struct emit *e)
{
	B(e, 0x41, 0xbd);
	word(e, (uint32_t)(e->s - e->p->site));
	B(e, 0xe9);
	word(e, 0u - (e->at + 4));
}

bool previrt_generate(struct previrt *p)
{
	struct emit e = { .p = p };

	e.at = HEAD_SIZE;
	for (unsigned i = 0; i < p->n; i++) {
		e.s = &p->site[i];
		entry_write(&e);
	}
	for (unsigned i = 0; i < p->n; i++) {
		struct previrt_site *s = e.s = &p->site[i];
		s->a_saved = s->c_saved = s->k_saved = s->k_restored = s->counted = s->low = s->done = NOWHERE;
		if (s->form == FORM_REFUSED)
			continue;
		form_choose(p, s);
		bool dead_sti = s->kind == AB_STI && s->form == FORM_INLINE;
		if (s->form != FORM_STUB && !dead_sti)
			continue;
		if (e.at + 160 > PREVIRT_AREA)
			return false;
		s->stub = e.start = e.at;
		if (dead_sti)
			far_jump(&e); /* the way for an interrupt that waits */
		else
			stub_write(&e);
		s->stub_len = here(&e);
	}
	p->area_used = e.at;
	return true;
}

static void nops(uint8_t *to, unsigned n)
{
	static const uint8_t seven[7] = { 0x0f, 0x1f, 0x80 };

	for (; n >= 7; n -= 7, to += 7)
		memcpy(to, seven, 7);
	memset(to, 0x90, n);
}

void previrt_patch_bytes(const struct previrt *p, const struct previrt_site *s, uint8_t *to)
{
	uint8_t buf[64];
	struct previrt view = *p;
	struct emit e = { .p = &view, .s = (struct previrt_site *)(uintptr_t)s };
	unsigned reg;
	uint32_t offset, rel;

	view.area = buf;
	if (s->form == FORM_HYPERCALL) {
		far_jump(&e);
	} else if (s->form == FORM_STUB) {
		rel = p->top + s->stub - (s->addr + 5);
		B(&e, 0xe9);
		word(&e, rel);
	} else if (s->kind == AB_CLI) {
		body_flag(&e, false);
	} else if (s->kind == AB_STI) {
		body_flag(&e, true);
		F(&e, SH(pend), 0x80, 0x3d);
		B(&e, 0, 0x0f, 0x85);
		rel = p->top + s->stub - (s->addr + e.at + 4);
		word(&e, rel);
	} else if (load_of(s, &reg, &offset)) {
		body_load(&e, reg, offset);
	} else if (push_of(s, &offset)) {
		body_push(&e, offset);
	}
	memcpy(to, buf, e.at);
	if (!s->insn_at) /* behind: room that was NOPs; before the instruction: it and its NOPs stay */
		nops(to + e.at, s->len - e.at);
}
