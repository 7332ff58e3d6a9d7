/*
 * pv_holes.c - `--interface trap --holes`: which sensitive instructions ran unnoticed, where, and what they should have done.
 *
 * An audit by single-stepping. A sensitive instruction that ring 3 may run is first executed by the reference interpreter on the
 * virtual CPU; state and memory are put back, the CPU executes it natively, with the host's EFLAGS.TF set so that it comes back as
 * #DB behind it, and the two results are compared. The guest goes on with the native one, and goes wrong as it would without the
 * audit. The instructions in between are the same on every CPU: the interpreter executes them (and they are counted as
 * interpreted), for a signal at each would be a hundred times slower. What faults is not listed: that is trapped and emulated.
 *
 * TF is the guest's too: what it set is kept here and put back; PUSHF's image is cleaned of ours; POPF's value is taken as
 * the guest's. Two instructions step at once where the host kernel emulates the first (UMIP) and behind a native MOV or POP to SS:
 * the second is then listed, but not compared. Called by pv_run.c; read next: pv_insn.c.
 */
#include "pv_holes.h"
#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>
#include "core/sort.h"
#include "core/walk.h"

#define ROWS_MAX 4096u
#define DEST_MAX 8u
#define BATCH 100000u /* instructions between looks at what the run loop may want */
#define SEEN 4096u /* harmless instructions that are remembered, by address */
#define SEEN_BYTES 11u
#define FL_SHOWN (FL_ARITH | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_AC | FL_ID)

struct hole {
	uint32_t la;
	uint8_t bytes[INSN_MAX], len;
	bool user, compared, emulated; /* emulated: by the host kernel */
	uint64_t ran, wrong;
	char first[120];               /* the first difference */
};

struct seen {
	uint32_t la;
	uint8_t len; /* 0: empty */
	uint8_t bytes[SEEN_BYTES];
};

struct holes {
	struct seen seen[SEEN];
	struct hole *row;
	unsigned rows, room;
	uint64_t left, steps, lost;    /* lost: no room for a row */
	bool stepping, guest_tf;       /* this entry is single-stepped; what the guest's TF is */
	bool watching, compare;        /* the instruction at la is sensitive; it was interpreted before */
	uint32_t la, eip;
	uint8_t bytes[INSN_MAX];
	unsigned avail;
	struct insn_info insn;
	struct cpu_state want;         /* after the interpreter */
	uint32_t dest;                 /* linear address of a memory operand that is written, */
	unsigned dest_len;             /* 0: none */
	uint8_t dest_want[DEST_MAX];
	uint8_t dest_reg;              /* a register that is written, or NO_REG */
};

int pv_holes_init(struct pv *pv)
{
	pv->holes = calloc(1, sizeof(*pv->holes));
	if (!pv->holes)
		return -1;
	pv->holes->left = pv->vm->cfg.holes;
	return 0;
}

void pv_holes_fini(struct pv *pv)
{
	if (pv->holes)
		free(pv->holes->row);
	free(pv->holes);
	pv->holes = NULL;
}

/* ---- what the instruction should do ---- */

static uint32_t segment_base(const struct cpu_state *s, ZydisRegister r)
{
	static const uint8_t sreg[] = { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS };

	return r >= ZYDIS_REGISTER_ES && r <= ZYDIS_REGISTER_GS ? (uint32_t)s->seg[sreg[r - ZYDIS_REGISTER_ES]].base : 0;
}

static bool decode_full(const uint8_t *bytes, unsigned n, ZydisDecodedInstruction *z, ZydisDecodedOperand *op)
{
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, n, z, op));
}

/* The number of the general register that an operand writes, or NO_REG. */
static uint8_t written_register(const ZydisDecodedOperand *op)
{
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER || !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return NO_REG;
	ZydisRegister r = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LEGACY_32, op->reg.value);
	return r >= ZYDIS_REGISTER_EAX && r <= ZYDIS_REGISTER_EDI ? (uint8_t)(r - ZYDIS_REGISTER_EAX) : NO_REG;
}

static bool writes_register(const uint8_t *bytes, unsigned n, uint8_t reg)
{
	ZydisDecodedInstruction z;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];

	if (!decode_full(bytes, n, &z, op))
		return true;
	for (unsigned i = 0; i < z.operand_count; i++)
		if (written_register(&op[i]) == reg)
			return true;
	return false;
}

/* Where a memory operand that is written lies; its length, 0 where there is none. And a register that is. */
static unsigned written_operand(const struct cpu_state *s, const uint8_t *bytes, unsigned n, uint32_t *la, uint8_t *reg)
{
	ZydisDecodedInstruction z;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisRegisterContext regs;
	ZyanU64 at;

	*reg = NO_REG;
	if (!decode_full(bytes, n, &z, op))
		return 0;
	memset(&regs, 0, sizeof(regs));
	for (unsigned i = 0; i < 8; i++) {
		regs.values[ZYDIS_REGISTER_EAX + i] = (uint32_t)s->gpr[i];
		regs.values[ZYDIS_REGISTER_AX + i] = (uint16_t)s->gpr[i];
	}
	for (unsigned i = 0; i < z.operand_count; i++) {
		if (op[i].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT && written_register(&op[i]) != NO_REG)
			*reg = written_register(&op[i]);
		if (op[i].type != ZYDIS_OPERAND_TYPE_MEMORY || !(op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		unsigned len = op[i].size / 8 < DEST_MAX ? op[i].size / 8 : DEST_MAX;
		if (op[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			*la = (uint32_t)(s->seg[S_SS].base + (uint32_t)s->gpr[R_ESP] - len); /* a push */
		else if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddressEx(&z, &op[i], 0, &regs, &at)))
			*la = segment_base(s, op[i].mem.segment) + (uint32_t)at;
		else
			return 0;
		return len;
	}
	return 0;
}

static bool transfers(const struct insn_info *i)
{
	return i->flow != FLOW_NEXT || i->mnemonic == ZYDIS_MNEMONIC_INT || i->mnemonic == ZYDIS_MNEMONIC_INT3 ||
		i->mnemonic == ZYDIS_MNEMONIC_INTO || i->mnemonic == ZYDIS_MNEMONIC_INT1 || i->mnemonic == ZYDIS_MNEMONIC_SYSENTER ||
		i->mnemonic == ZYDIS_MNEMONIC_SYSCALL;
}

/*
 * The interpreter's turn. An exception that it raises writes below the stack pointer, or to the inner stack, where nothing
 * of the guest's lives; everything else is put back.
 */
static void rehearse(struct vcpu *v, struct holes *h)
{
	struct cpu_state before = v->state;
	unsigned access = CPL(&v->state) == 3 ? ACCESS_USER : 0;
	uint8_t old[DEST_MAX];
	bool count = v->interp.count;

	h->dest_len = written_operand(&before, h->bytes, h->avail, &h->dest, &h->dest_reg);
	if (h->dest_len && interp_read_virt(v, GVA(h->dest), old, h->dest_len, access))
		h->dest_len = 0;
	v->interp.count = false;
	v->state.rflags &= ~(uint64_t)FL_TF;
	h->compare = interp_step(v) == INTERP_DONE;
	v->interp.count = count;
	h->want = v->state;
	v->state = before;
	if (!h->dest_len)
		return;
	interp_read_virt(v, GVA(h->dest), h->dest_want, h->dest_len, access);
	if (memcmp(old, h->dest_want, h->dest_len))
		interp_write_virt(v, GVA(h->dest), old, h->dest_len, access);
}

/* As many bytes of code at la as can be fetched. */
static unsigned fetch(struct vcpu *v, uint32_t la, uint8_t *bytes)
{
	unsigned access = ACCESS_X | (CPL(&v->state) == 3 ? ACCESS_USER : 0), room = PAGE_SIZE - (la & (PAGE_SIZE - 1));

	if (!interp_read_virt(v, GVA(la), bytes, INSN_MAX, access))
		return INSN_MAX;
	return room < INSN_MAX && !interp_read_virt(v, GVA(la), bytes, room, access) ? room : 0;
}

/* Looks at the next instruction. True: it is to be watched, or cannot be told. */
static bool look(struct vcpu *v, struct holes *h)
{
	h->eip = (uint32_t)v->state.rip;
	h->la = (uint32_t)(v->state.seg[S_CS].base + v->state.rip);
	h->watching = false;
	if (!(v->state.seg[S_CS].attr & SEG_DB) || !(h->avail = fetch(v, h->la, h->bytes)))
		return true;
	struct seen *seen = &h->seen[(h->la ^ h->la >> 12) % SEEN];
	if (seen->len && seen->la == h->la && !memcmp(seen->bytes, h->bytes, seen->len))
		return false;
	if (!insn_info(h->bytes, h->avail, h->la, &h->insn))
		return true;
	h->watching = h->insn.unprivileged;
	if (!h->watching && h->insn.len <= SEEN_BYTES) {
		*seen = (struct seen){ .la = h->la, .len = h->insn.len };
		memcpy(seen->bytes, h->bytes, h->insn.len);
	}
	return h->watching;
}

enum step pv_holes_advance(struct vcpu *v, struct exit *e, bool *again)
{
	struct holes *h = ((struct pv *)v->vm->priv)->holes;

	for (unsigned i = 0; h->left; i++) {
		if (i == BATCH || v->attention || v->irq_window || v->vm->end != END_NONE) {
			*again = i > 0;
			if (*again)
				return STEP_GO;
		}
		if (look(v, h))
			return STEP_GO;
		h->left--;
		h->steps++;
		if (pv_trap_interpret(v, e) == STEP_EXIT)
			return STEP_EXIT;
	}
	return STEP_GO;
}

void pv_holes_arm(struct vcpu *v)
{
	struct pv *pv = v->vm->priv;
	struct holes *h = pv->holes;

	h->stepping = h->left > 0;
	if (!h->stepping)
		return;
	h->left--;
	h->steps++;
	h->guest_tf = v->state.rflags & FL_TF;
	h->compare = false;
	if (h->watching && !transfers(&h->insn))
		rehearse(v, h);
	pv->cpu->iret[2] |= FL_TF;
}

/* ---- what it did ---- */

static struct hole *row_at(struct vcpu *v, struct holes *h, uint32_t la, const uint8_t *bytes, unsigned len)
{
	bool user = CPL(&v->state) == 3;

	for (unsigned i = 0; i < h->rows; i++)
		if (h->row[i].la == la && h->row[i].user == user && h->row[i].len == len && !memcmp(h->row[i].bytes, bytes, len))
			return &h->row[i];
	if (h->rows == h->room && h->room < ROWS_MAX) {
		unsigned room = h->room ? 2 * h->room : 64;
		struct hole *more = realloc(h->row, room * sizeof(*more));
		if (more) {
			h->row = more;
			h->room = room;
		}
	}
	if (h->rows == h->room) {
		h->lost++;
		return NULL;
	}
	struct hole *r = &h->row[h->rows++];
	*r = (struct hole){ .la = la, .len = (uint8_t)len, .user = user };
	memcpy(r->bytes, bytes, len);
	return r;
}

static const char *const gpr_name[8] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi" };
static const char *const seg_name[6] = { "es", "cs", "ss", "ds", "fs", "gs" };
static const char *const vector_name[20] = { "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9", "#TS", "#NP", "#SS", "#GP",
	"#PF", "#15", "#MF", "#AC", "#MC", "#XM" };

/* Which exception's handler begins where the interpreter went. */
static const char *exception_at(struct vcpu *v, uint32_t eip)
{
	uint32_t gate[2];

	for (unsigned i = 0; i < ARRAY_LEN(vector_name); i++)
		if (8 * i + 7 <= v->state.idtr.limit && !interp_read_virt(v, GVA((uint32_t)v->state.idtr.base + 8 * i), gate, 8, ACCESS_R) &&
				((gate[0] & 0xffff) | (gate[1] & 0xffff0000)) == eip)
			return vector_name[i];
	return "an exception";
}

static uint64_t bytes_value(const uint8_t *b, unsigned n)
{
	uint64_t v = 0;

	memcpy(&v, b, n);
	return v;
}

/* The first difference as text; false when there is none. two: another instruction ran behind this one. */
static bool difference(struct vcpu *v, struct holes *h, bool two, char *text, size_t n)
{
	const struct cpu_state *s = &v->state, *w = &h->want;
	uint8_t got[DEST_MAX] = { 0 };

	if ((uint32_t)w->rip != h->eip + h->insn.len) {
		snprintf(text, n, "ran, and should raise %s", exception_at(v, (uint32_t)w->rip));
		return true;
	}
	if (h->dest_len) {
		interp_read_virt(v, GVA(h->dest), got, h->dest_len, CPL(s) == 3 ? ACCESS_USER : 0);
		if (memcmp(got, h->dest_want, h->dest_len)) {
			snprintf(text, n, "stored %0*llx, should be %0*llx", (int)(2 * h->dest_len), (unsigned long long)bytes_value(got, h->dest_len),
				(int)(2 * h->dest_len), (unsigned long long)bytes_value(h->dest_want, h->dest_len));
			return true;
		}
	}
	for (unsigned i = 0; i < 8; i++)
		if ((uint32_t)s->gpr[i] != (uint32_t)w->gpr[i] && (!two || i == h->dest_reg)) {
			snprintf(text, n, "%s became %08x, should be %08x", gpr_name[i], (uint32_t)s->gpr[i], (uint32_t)w->gpr[i]);
			return true;
		}
	for (unsigned i = 0; i < 6 && !two; i++)
		if (s->seg[i].sel != w->seg[i].sel) {
			snprintf(text, n, "%s became %04x, should be %04x", seg_name[i], s->seg[i].sel, w->seg[i].sel);
			return true;
		}
	if (!two && ((s->rflags ^ w->rflags) & FL_SHOWN & ~(uint64_t)FL_TF)) {
		snprintf(text, n, "flags became %06x, should be %06x", (uint32_t)(s->rflags & FL_SHOWN), (uint32_t)(w->rflags & FL_SHOWN));
		return true;
	}
	return false;
}

/* PUSHF has stored our TF. */
static void clean_pushed_flags(struct vcpu *v)
{
	uint32_t at = (uint32_t)(v->state.seg[S_SS].base + v->state.gpr[R_ESP]);
	unsigned access = CPL(&v->state) == 3 ? ACCESS_USER : 0;
	uint8_t b;

	if (interp_read_virt(v, GVA(at + 1), &b, 1, access))
		return;
	b &= (uint8_t)~(FL_TF >> 8);
	interp_write_virt(v, GVA(at + 1), &b, 1, access);
}

/* The instruction behind one that does not stop by itself. */
static void note_second(struct vcpu *v, struct holes *h)
{
	uint8_t bytes[INSN_MAX];
	unsigned n = fetch(v, h->la + h->insn.len, bytes);
	struct insn_info i;

	if (!n || !insn_info(bytes, n, h->la + h->insn.len, &i))
		return;
	if (h->dest_reg != NO_REG && writes_register(bytes, n, h->dest_reg))
		h->dest_reg = NO_REG;
	if (i.mnemonic == ZYDIS_MNEMONIC_PUSHFD && !h->guest_tf)
		clean_pushed_flags(v);
	if (!i.unprivileged)
		return;
	struct hole *r = row_at(v, h, h->la + h->insn.len, bytes, i.len);
	if (r)
		r->ran++;
}

static void note_executed(struct vcpu *v, struct holes *h)
{
	bool two = !transfers(&h->insn) && (uint32_t)v->state.rip != h->eip + h->insn.len;
	bool flags = h->insn.mnemonic == ZYDIS_MNEMONIC_POPF || h->insn.mnemonic == ZYDIS_MNEMONIC_POPFD || h->insn.flow == FLOW_RETURN;
	struct hole *r;
	char text[sizeof(r->first)];

	if (two)
		note_second(v, h);
	r = row_at(v, h, h->la, h->bytes, h->insn.len);
	if (flags && !two)
		h->guest_tf = v->state.rflags & FL_TF;
	if ((h->insn.mnemonic == ZYDIS_MNEMONIC_PUSHF || h->insn.mnemonic == ZYDIS_MNEMONIC_PUSHFD) && !h->guest_tf)
		clean_pushed_flags(v);
	if (r) {
		r->ran++;
		r->emulated |= two && h->insn.mnemonic != ZYDIS_MNEMONIC_MOV && h->insn.mnemonic != ZYDIS_MNEMONIC_POP;
		r->compared |= h->compare;
		if (h->compare && difference(v, h, two, text, sizeof(text)) && !r->wrong++)
			memcpy(r->first, text, sizeof(text));
	}
}

bool pv_holes_after(struct vcpu *v, enum pv_exit why)
{
	struct pv *pv = v->vm->priv;
	const struct pv_cpu *c = pv->cpu;
	struct holes *h = pv->holes;

	if (!h->stepping || why == PVX_ABORT || why == PVX_BADENTRY)
		return false;
	h->stepping = false;
	bool stepped = why == PVX_FAULT && c->sig == SIGTRAP && c->trapno == VEC_DB;
	bool guests = h->guest_tf; /* as the instruction began: POPF's own value counts from the next one on */
	if (stepped && h->watching)
		note_executed(v, h);
	v->state.rflags = (v->state.rflags & ~(uint64_t)FL_TF) | (h->guest_tf ? FL_TF : 0);
	return stepped && !guests;
}

/* ---- the table ---- */

static int by_address(const void *a, const void *b)
{
	const struct hole *x = a, *y = b;

	return x->la < y->la ? -1 : x->la > y->la ? 1 : (int)x->user - (int)y->user;
}

static void row_print(const struct vm *vm, const struct hole *r, FILE *out)
{
	char name[32], at[96];
	uint64_t off = 0;
	const char *s = loader_symbolize(&vm->image, r->la, &off);

	if (s)
		snprintf(at, sizeof(at), "%08x %.60s+%#llx", r->la, s, (unsigned long long)off);
	else
		snprintf(at, sizeof(at), "%08x", r->la);
	fprintf(out, "%-13s %-40s %-6s %-11s %8llu %8llu  %s\n", insn_name(r->bytes, r->len, name, sizeof(name)), at,
		r->user ? "user" : "kernel", r->emulated ? "host kernel" : "native", (unsigned long long)r->ran, (unsigned long long)r->wrong,
		r->wrong ? r->first : r->compared ? "as it should be" : "not compared");
}

void pv_holes_describe(struct vcpu *v, FILE *out)
{
	struct holes *h = ((struct pv *)v->vm->priv)->holes;
	uint64_t ran = 0, wrong = 0;

	if (!h)
		return;
	if (h->rows)
		sort_array(h->row, h->rows, sizeof(*h->row), by_address);
	fprintf(out, "\nsensitive instructions that ran unnoticed (%llu instructions watched%s)\n", (unsigned long long)h->steps,
		h->left ? "" : ", then the limit was reached");
	fprintf(out, "%-13s %-40s %-6s %-11s %8s %8s  %s\n", "instruction", "address and symbol", "level", "by", "ran", "wrong", "first difference");
	for (unsigned i = 0; i < h->rows; i++) {
		row_print(v->vm, &h->row[i], out);
		ran += h->row[i].ran;
		wrong += h->row[i].wrong;
	}
	fprintf(out, "%llu ran, %llu of these wrong, at %u places\n", (unsigned long long)ran, (unsigned long long)wrong, h->rows);
	if (h->lost)
		fprintf(out, "%llu more at places for which there was no room\n", (unsigned long long)h->lost);
}

void pv_holes_collect(struct vcpu *v)
{
	struct holes *h = ((struct pv *)v->vm->priv)->holes;
	uint64_t ran = 0, wrong = 0, places = 0;

	if (!h)
		return;
	for (unsigned i = 0; i < h->rows; i++) {
		ran += h->row[i].ran;
		wrong += h->row[i].wrong;
		places += h->row[i].wrong != 0;
	}
	stat_note(&v->stats, "holes.steps", h->steps);
	stat_note(&v->stats, "holes.ran", ran);
	stat_note(&v->stats, "holes.wrong", wrong);
	stat_note(&v->stats, "holes.wrong-places", places);
}
