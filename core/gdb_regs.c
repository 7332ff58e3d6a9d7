/*
 * gdb_regs.c - the registers as gdb numbers them: one table makes the target description and both packets.
 *
 * The features are gdb's own for i386 and amd64 (core, sse), so that it knows frames and types by itself, and one of ours
 * with the control, debug and descriptor-table registers, which gdb shows and cannot change. Values travel in guest byte
 * order. Called by gdb_command.c. "Debugging with gdb", appendix G, and gdb's own features/i386/.
 */
#include <stdarg.h>
#include <string.h>
#include "core/segment.h"
#include "gdb_private.h"

enum source { SRC_GPR, SRC_RIP, SRC_FLAGS, SRC_SEL, SRC_ST, SRC_FPU, SRC_XMM, SRC_MXCSR, SRC_STATE };

struct reg {
	const char *name;
	uint8_t bytes;
	const char *type;
	const char *group; /* or NULL */
	uint8_t source;
	uint16_t index;    /* SRC_STATE: offset in struct cpu_state */
};

#define G32(n, i, t) { n, 4, t, NULL, SRC_GPR, i }
#define G64(n, i, t) { n, 8, t, NULL, SRC_GPR, i }
#define SEL(n, i) { n, 4, "int32", NULL, SRC_SEL, i }
#define ST(i) { "st" #i, 10, "i387_ext", NULL, SRC_ST, i }
#define FPU(n, i) { n, 4, "int", "float", SRC_FPU, i }
#define XMM(i) { "xmm" #i, 16, "vec128", NULL, SRC_XMM, i }
#define SYS(n, field) { n, 8, "int64", "system", SRC_STATE, offsetof(struct cpu_state, field) }

enum { F_CTRL, F_STAT, F_TAG, F_ISEG, F_IOFF, F_OSEG, F_OOFF, F_OP };

#define SEL_REGS SEL("cs", S_CS), SEL("ss", S_SS), SEL("ds", S_DS), SEL("es", S_ES), SEL("fs", S_FS), SEL("gs", S_GS)
#define X87_REGS ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7), FPU("fctrl", F_CTRL), FPU("fstat", F_STAT), \
	FPU("ftag", F_TAG), FPU("fiseg", F_ISEG), FPU("fioff", F_IOFF), FPU("foseg", F_OSEG), FPU("fooff", F_OOFF), FPU("fop", F_OP)

static const struct reg core32[] = {
	G32("eax", R_EAX, "int32"), G32("ecx", R_ECX, "int32"), G32("edx", R_EDX, "int32"), G32("ebx", R_EBX, "int32"),
	G32("esp", R_ESP, "data_ptr"), G32("ebp", R_EBP, "data_ptr"), G32("esi", R_ESI, "int32"), G32("edi", R_EDI, "int32"),
	{ "eip", 4, "code_ptr", NULL, SRC_RIP, 0 }, { "eflags", 4, "i386_eflags", NULL, SRC_FLAGS, 0 }, SEL_REGS, X87_REGS,
};

static const struct reg core64[] = {
	G64("rax", R_EAX, "int64"), G64("rbx", R_EBX, "int64"), G64("rcx", R_ECX, "int64"), G64("rdx", R_EDX, "int64"),
	G64("rsi", R_ESI, "int64"), G64("rdi", R_EDI, "int64"), G64("rbp", R_EBP, "data_ptr"), G64("rsp", R_ESP, "data_ptr"),
	G64("r8", 8, "int64"), G64("r9", 9, "int64"), G64("r10", 10, "int64"), G64("r11", 11, "int64"),
	G64("r12", 12, "int64"), G64("r13", 13, "int64"), G64("r14", 14, "int64"), G64("r15", 15, "int64"),
	{ "rip", 8, "code_ptr", NULL, SRC_RIP, 0 }, { "eflags", 4, "i386_eflags", NULL, SRC_FLAGS, 0 }, SEL_REGS, X87_REGS,
};

static const struct reg sse[] = {
	XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), XMM(8), XMM(9), XMM(10), XMM(11), XMM(12), XMM(13), XMM(14), XMM(15),
};
static const struct reg mxcsr = { "mxcsr", 4, "i386_mxcsr", "vector", SRC_MXCSR, 0 };

static const struct reg sys[] = {
	SYS("cr0", cr0), SYS("cr2", cr2), SYS("cr3", cr3), SYS("cr4", cr4), SYS("efer", efer),
	SYS("dr0", dr[0]), SYS("dr1", dr[1]), SYS("dr2", dr[2]), SYS("dr3", dr[3]), SYS("dr6", dr[6]), SYS("dr7", dr[7]),
	SYS("base_cs", seg[S_CS].base), SYS("base_ss", seg[S_SS].base), SYS("base_ds", seg[S_DS].base), SYS("base_es", seg[S_ES].base),
	SYS("base_fs", seg[S_FS].base), SYS("base_gs", seg[S_GS].base), SYS("base_gdtr", gdtr.base), SYS("base_idtr", idtr.base),
	SYS("base_ldtr", seg[S_LDTR].base), SYS("base_tr", seg[S_TR].base),
};

struct feature {
	const char *name;
	const struct reg *regs;
	size_t n;
};
#define FEATURES 4

static void features(const struct gdb *g, struct feature f[FEATURES])
{
	bool wide = gdb_is_64bit(g);

	f[0] = (struct feature){ "org.gnu.gdb.i386.core", wide ? core64 : core32, wide ? ARRAY_LEN(core64) : ARRAY_LEN(core32) };
	f[1] = (struct feature){ "org.gnu.gdb.i386.sse", sse, wide ? 16 : 8 };
	f[2] = (struct feature){ NULL, &mxcsr, 1 }; /* of the feature before it */
	f[3] = (struct feature){ "org.ringlab.system", sys, ARRAY_LEN(sys) };
}

static const struct reg *reg_find(const struct gdb *g, uint64_t number)
{
	struct feature f[FEATURES];

	features(g, f);
	for (size_t i = 0; i < FEATURES; i++) {
		if (number < f[i].n)
			return &f[i].regs[number];
		number -= f[i].n;
	}
	return NULL;
}

/* --- the target description --- */

static const char flag_types[] =
	"<flags id=\"i386_eflags\" size=\"4\"><field name=\"\" start=\"22\" end=\"31\"/><field name=\"CF\" start=\"0\" end=\"0\"/>"
	"<field name=\"\" start=\"1\" end=\"1\"/><field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
	"<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" start=\"8\" end=\"8\"/>"
	"<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>"
	"<field name=\"IOPL\" start=\"12\" end=\"13\"/><field name=\"NT\" start=\"14\" end=\"14\"/><field name=\"RF\" start=\"16\" end=\"16\"/>"
	"<field name=\"VM\" start=\"17\" end=\"17\"/><field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"VIF\" start=\"19\" end=\"19\"/>"
	"<field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"ID\" start=\"21\" end=\"21\"/></flags>";

static const char vector_types[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	"<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
	"<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
	"<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>"
	"<flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/>"
	"<field name=\"ZE\" start=\"2\" end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" end=\"4\"/>"
	"<field name=\"PE\" start=\"5\" end=\"5\"/><field name=\"DAZ\" start=\"6\" end=\"6\"/><field name=\"IM\" start=\"7\" end=\"7\"/>"
	"<field name=\"DM\" start=\"8\" end=\"8\"/><field name=\"ZM\" start=\"9\" end=\"9\"/><field name=\"OM\" start=\"10\" end=\"10\"/>"
	"<field name=\"UM\" start=\"11\" end=\"11\"/><field name=\"PM\" start=\"12\" end=\"12\"/><field name=\"FZ\" start=\"15\" end=\"15\"/></flags>";

struct text {
	char *p;
	size_t n, len;
};

__attribute__((format(printf, 2, 3)))
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vsnprintf(t->len < t->n ? t->p + t->len : NULL, t->len < t->n ? t->n - t->len : 0, fmt, ap);
	va_end(ap);
	t->len += r > 0 ? (size_t)r : 0;
}

size_t gdb_description(const struct gdb *g, char *xml, size_t n)
{
	struct text t = { xml, n, 0 };
	struct feature f[FEATURES];

	features(g, f);
	put(&t, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><architecture>%s</architecture>",
		gdb_is_64bit(g) ? "i386:x86-64" : "i386");
	for (size_t i = 0; i < FEATURES; i++) {
		if (f[i].name)
			put(&t, "%s<feature name=\"%s\">%s", i ? "</feature>" : "", f[i].name, i == 0 ? flag_types : i == 1 ? vector_types : "");
		for (size_t k = 0; k < f[i].n; k++) {
			const struct reg *r = &f[i].regs[k];
			put(&t, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"", r->name, r->bytes * 8u, r->type);
			if (r->group)
				put(&t, " group=\"%s\"", r->group);
			put(&t, "/>");
		}
	}
	put(&t, "</feature></target>");
	return t.len;
}

/* --- values --- */

/*
 * The x87 environment in the FXSAVE image (SDM vol. 1, table 10-2). gdb wants the full tag word: two bits a physical
 * register, 0 valid, 1 zero, 2 special, 3 empty (SDM vol. 1, 8.1.7); the image has one bit each.
 */
static uint32_t full_tags(const uint8_t *fx)
{
	unsigned top = fx[3] >> 3 & 7;
	uint32_t tags = 0;

	for (unsigned r = 0; r < 8; r++) {
		const uint8_t *st = fx + 32 + 16 * ((r - top) & 7);
		uint64_t mantissa;
		uint16_t exponent;

		memcpy(&mantissa, st, 8);
		memcpy(&exponent, st + 8, 2);
		exponent &= 0x7fff;
		tags |= (!(fx[4] >> r & 1) ? 3u : !exponent && !mantissa ? 1u : exponent == 0x7fff || !(mantissa >> 63) ? 2u : 0u) << 2 * r;
	}
	return tags;
}

static uint32_t word(const uint8_t *fx, unsigned at, unsigned bytes)
{
	uint32_t v = 0;

	memcpy(&v, fx + at, bytes);
	return v;
}

static uint32_t fpu_get(const uint8_t *fx, unsigned which)
{
	switch (which) {
	case F_CTRL: return word(fx, 0, 2);
	case F_STAT: return word(fx, 2, 2);
	case F_TAG: return full_tags(fx);
	case F_ISEG: return word(fx, 12, 2);
	case F_IOFF: return word(fx, 8, 4);
	case F_OSEG: return word(fx, 20, 2);
	case F_OOFF: return word(fx, 16, 4);
	default: return word(fx, 6, 2) & 0x7ff;
	}
}

static void fpu_set(uint8_t *fx, unsigned which, uint32_t v)
{
	switch (which) {
	case F_CTRL: memcpy(fx, &v, 2); break;
	case F_STAT: memcpy(fx + 2, &v, 2); break;
	case F_TAG:
		fx[4] = 0;
		for (unsigned r = 0; r < 8; r++)
			fx[4] |= (uint8_t)((v >> 2 * r & 3) != 3) << r;
		break;
	case F_ISEG: memcpy(fx + 12, &v, 2); break;
	case F_IOFF: memcpy(fx + 8, &v, 4); break;
	case F_OSEG: memcpy(fx + 20, &v, 2); break;
	case F_OOFF: memcpy(fx + 16, &v, 4); break;
	default: v &= 0x7ff; memcpy(fx + 6, &v, 2); break;
	}
}

static void value_get(const struct cpu_state *s, const struct reg *r, uint8_t out[16])
{
	uint64_t v = 0;

	switch (r->source) {
	case SRC_GPR: v = s->gpr[r->index]; break;
	case SRC_RIP: v = s->rip; break;
	case SRC_FLAGS: v = s->rflags; break;
	case SRC_SEL: v = s->seg[r->index].sel; break;
	case SRC_FPU: v = fpu_get(s->fx, r->index); break;
	case SRC_MXCSR: v = word(s->fx, 24, 4); break;
	case SRC_STATE: memcpy(&v, (const char *)s + r->index, 8); break;
	case SRC_ST: memcpy(out, s->fx + 32 + 16 * r->index, 10); return;
	case SRC_XMM: memcpy(out, s->fx + 160 + 16 * r->index, 16); return;
	}
	memcpy(out, &v, 8);
}

/* A selector is loaded as MOV would load it, with its checks; CS only changes by a branch of the guest. */
static bool selector_set(struct gdb *g, unsigned sreg, uint16_t sel)
{
	struct vcpu *v = &g->vm->vcpu;
	struct fault f;

	if (sel == v->state.seg[sreg].sel)
		return true;
	if (sreg == S_CS || !(v->state.cr0 & CR0_PE) || (v->state.efer & EFER_LMA))
		return false;
	g->dirty |= REGS_SYS;
	return !segment_load(v, sreg, sel, &f);
}

#define FLAGS_WRITABLE (FL_ARITH | FL_TF | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_RF | FL_AC | FL_ID)

/* False when the register cannot be given that value. */
static bool value_set(struct gdb *g, const struct reg *r, const uint8_t in[16])
{
	struct cpu_state *s = &g->vm->vcpu.state;
	uint8_t now[16];
	uint64_t v = 0;

	value_get(s, r, now);
	if (!memcmp(now, in, r->bytes))
		return true;
	memcpy(&v, in, r->bytes < 8 ? r->bytes : 8);
	switch (r->source) {
	case SRC_GPR: s->gpr[r->index] = v; break;
	case SRC_RIP: s->rip = v; break;
	case SRC_FLAGS: s->rflags = (s->rflags & ~(uint64_t)FLAGS_WRITABLE) | (v & FLAGS_WRITABLE); break;
	case SRC_SEL: return selector_set(g, r->index, (uint16_t)v);
	case SRC_FPU: fpu_set(s->fx, r->index, (uint32_t)v); break;
	case SRC_MXCSR: v &= 0xffbf; memcpy(s->fx + 24, &v, 4); break; /* what the CPU model has: FXRSTOR would refuse others */
	case SRC_ST: memcpy(s->fx + 32 + 16 * r->index, in, 10); break;
	case SRC_XMM: memcpy(s->fx + 160 + 16 * r->index, in, 16); break;
	default: return false;
	}
	g->dirty |= r->source <= SRC_FLAGS ? REGS_GPR : REGS_FPU;
	return true;
}

void gdb_regs_read(struct gdb *g, char *hex)
{
	const struct reg *r;
	uint8_t value[16];

	*hex = 0;
	for (uint64_t i = 0; (r = reg_find(g, i)); i++, hex += 2 * r->bytes) {
		value_get(&g->vm->vcpu.state, r, value);
		gdb_tohex(hex, value, r->bytes);
		if (!reg_find(g, i + 1))
			break;
	}
}

bool gdb_regs_write(struct gdb *g, const char *hex)
{
	const struct reg *r;
	bool ok = true;

	for (uint64_t i = 0; *hex && (r = reg_find(g, i)); i++, hex += 2 * r->bytes) {
		uint8_t value[16];
		if (!gdb_unhex(hex, value, r->bytes))
			return false;
		ok &= value_set(g, r, value);
	}
	return ok;
}

bool gdb_reg_read(struct gdb *g, uint64_t number, char *hex)
{
	const struct reg *r = reg_find(g, number);
	uint8_t value[16];

	if (!r)
		return false;
	value_get(&g->vm->vcpu.state, r, value);
	gdb_tohex(hex, value, r->bytes);
	return true;
}

bool gdb_reg_write(struct gdb *g, uint64_t number, const char *hex)
{
	const struct reg *r = reg_find(g, number);
	uint8_t value[16];

	return r && gdb_unhex(hex, value, r->bytes) && value_set(g, r, value);
}
