/*
 * recognise.c - which statements are sensitive instructions, which are stores, and after which the arithmetic flags are dead.
 *
 * By mnemonic and operands, with AT&T's size suffixes. What only the assembler can know (a macro's argument as mnemonic, .byte) is
 * left to the check of the object file. Called by stage.c.
 */
#include <ctype.h>
#include <string.h>
#include "stage.h"

struct name {
	const char *name;
	enum afterburn_kind kind;
	const char *suffixes; /* that it may carry */
};

static const struct name names[] = {
	{ "cli", AB_CLI, "" }, { "sti", AB_STI, "" }, { "pushf", AB_PUSHF, "lwd" }, { "popf", AB_POPF, "lwd" }, { "iret", AB_IRET, "lwd" },
	{ "hlt", AB_HLT, "" }, { "int", AB_INT, "" }, { "sysexit", AB_SYSEXIT, "l" }, { "lgdt", AB_LGDT, "lwd" }, { "lidt", AB_LIDT, "lwd" },
	{ "lldt", AB_LLDT, "w" }, { "ltr", AB_LTR, "w" }, { "sgdt", AB_SGDT, "lwd" }, { "sidt", AB_SIDT, "lwd" }, { "sldt", AB_SLDT, "lw" },
	{ "str", AB_STR, "lw" }, { "smsw", AB_SMSW, "lw" }, { "lmsw", AB_LMSW, "w" }, { "clts", AB_CLTS, "" }, { "invlpg", AB_INVLPG, "" },
	{ "wbinvd", AB_WBINVD, "" }, { "invd", AB_WBINVD, "" }, { "rdmsr", AB_RDMSR, "" }, { "wrmsr", AB_WRMSR, "" }, { "rdpmc", AB_RDPMC, "" },
	{ "in", AB_IN, "bwl" }, { "out", AB_OUT, "bwl" }, { "ins", AB_INS, "bwld" }, { "outs", AB_OUTS, "bwld" },
	{ "lds", AB_LDS, "lw" }, { "les", AB_LDS, "lw" }, { "lfs", AB_LDS, "lw" }, { "lgs", AB_LDS, "lw" }, { "lss", AB_LDS, "lw" },
	{ "ljmp", AB_FAR_JMP, "lw" }, { "lcall", AB_FAR_CALL, "lw" }, { "lret", AB_FAR_RET, "lw" }, { "retf", AB_FAR_RET, "" },
	{ "lar", AB_LAR, "lw" }, { "lsl", AB_LSL, "lw" }, { "verr", AB_VERR, "w" }, { "verw", AB_VERW, "w" },
	{ "cpuid", AB_CPUID, "" }, { "rdtsc", AB_RDTSC, "" },
};

/* m is base, or base and one of the suffixes. */
static bool is_mnemonic(const char *m, const char *base, const char *suffixes)
{
	size_t n = strlen(base);

	return !strncmp(m, base, n) && (!m[n] || (!m[n + 1] && strchr(suffixes, m[n])));
}

static void trim_into(char *to, size_t size, const char *p, size_t n)
{
	while (n && (*p == ' ' || *p == '\t'))
		p++, n--;
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	if (n >= size)
		n = size - 1;
	for (size_t i = 0; i < n; i++)
		to[i] = (char)tolower((unsigned char)p[i]);
	to[n] = 0;
}

void operands_split(struct operand_list *l, const char *text, bool intel)
{
	int depth = 0;

	l->n = 0;
	for (const char *p = text, *from = text;; p++) {
		depth += *p == '(' || *p == '[';
		depth -= *p == ')' || *p == ']';
		if (*p && (*p != ',' || depth > 0))
			continue;
		if (l->n < AB_OPERANDS && (p > from || *p))
			trim_into(l->op[l->n++], sizeof(l->op[0]), from, (size_t)(p - from));
		if (!*p)
			break;
		from = p + 1;
	}
	if (intel && l->n == 2) { /* destination first there */
		char t[sizeof(l->op[0])];
		memcpy(t, l->op[0], sizeof(t));
		memcpy(l->op[0], l->op[1], sizeof(t));
		memcpy(l->op[1], t, sizeof(t));
	}
}

static const char *bare(const char *op)
{
	return *op == '%' ? op + 1 : op;
}

static bool is_segment(const char *op, bool intel)
{
	const char *r = bare(op);

	return (intel || *op == '%') && strlen(r) == 2 && r[1] == 's' && strchr("ecsdfg", r[0]);
}

/* %cr0, %dr7, %db7 */
static bool is_numbered(const char *op, bool intel, char a, char b)
{
	const char *r = bare(op);

	return (intel || *op == '%') && r[0] == a && r[1] == b && isdigit((unsigned char)r[2]) && !r[3];
}

static enum afterburn_kind recognise_mov(const struct operand_list *l, bool intel)
{
	if (l->n != 2)
		return AB_NONE;
	if (is_numbered(l->op[0], intel, 'c', 'r'))
		return AB_CR_READ;
	if (is_numbered(l->op[1], intel, 'c', 'r'))
		return AB_CR_WRITE;
	for (int i = 0; i < 2; i++)
		if (is_numbered(l->op[i], intel, 'd', 'r') || is_numbered(l->op[i], intel, 'd', 'b'))
			return AB_DR;
	if (is_segment(l->op[1], intel))
		return AB_SEG_LOAD;
	return is_segment(l->op[0], intel) ? AB_SEG_READ : AB_NONE;
}

enum afterburn_kind recognise(const struct statement *st, bool intel)
{
	const char *m = st->mnemonic;
	struct operand_list l;

	operands_split(&l, st->operands, intel);
	if (is_mnemonic(m, "mov", "lw"))
		return recognise_mov(&l, intel);
	if (is_mnemonic(m, "push", "lw") && l.n == 1 && is_segment(l.op[0], intel))
		return AB_SEG_PUSH;
	if (is_mnemonic(m, "pop", "lw") && l.n == 1 && is_segment(l.op[0], intel))
		return AB_SEG_POP;
	if (intel && (!strcmp(m, "jmp") || !strcmp(m, "call")) && (!strncmp(l.op[0], "far", 3) || (l.n && strchr(l.op[0], ':') && !strchr(l.op[0], '['))))
		return *m == 'j' ? AB_FAR_JMP : AB_FAR_CALL;
	if (!intel && (!strcmp(m, "jmp") || !strcmp(m, "call")) && l.n == 2) /* jmp $0x10,$label */
		return *m == 'j' ? AB_FAR_JMP : AB_FAR_CALL;
	if (!strcmp(m, "int") && l.n == 1) {
		const char *v = *l.op[0] == '$' ? l.op[0] + 1 : l.op[0];
		return !strcmp(v, "3") || !strcmp(v, "0x3") || !strcmp(v, "0x03") ? AB_NONE : AB_INT; /* INT 3 is assembled as INT3 */
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_mnemonic(m, names[i].name, names[i].suffixes))
			return names[i].kind;
	return AB_NONE;
}

/* ---- stores ---- */

static bool is_memory(const char *op, bool intel)
{
	if (intel)
		return strchr(op, '[') || strstr(op, "ptr");
	return *op && *op != '%' && *op != '$' ? true : strchr(op, '(') || (*op == '%' && strchr(op, ':'));
}

bool is_pte_store(const struct statement *st, bool intel)
{
	static const char *const stores[] = { "mov", "and", "or", "xor", "xchg", "bts", "btr", "btc", "cmpxchg", "cmpxchg8b" };
	struct operand_list l;
	const char *to = NULL;

	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]) && !to; i++)
		if (is_mnemonic(st->mnemonic, stores[i], "bwl"))
			to = stores[i];
	if (!to)
		return false;
	operands_split(&l, st->operands, intel);
	if (!l.n)
		return false;
	to = l.op[l.n - 1];
	if (!strcmp(st->mnemonic, "xchg") && !is_memory(to, intel))
		to = l.op[0];
	return is_memory(to, intel) && !strstr(to, "esp");
}

/* ---- liveness of the arithmetic flags ---- */

enum effect { FLAGS_UNKNOWN, FLAGS_KEEP, FLAGS_WRITE, FLAGS_LEAVE };

static enum effect flags_effect(const char *m)
{
	static const char *const keep[] = { "mov", "lea", "push", "pop", "nop", "cli", "sti", "hlt", "in", "out", "movzb", "movzw", "movzx", "movsx",
		"movsb", "movsw", "xchg", "bswap", "not", "lgdt", "lidt", "invlpg", "lfence", "mfence", "sfence", "pause" };
	static const char *const write[] = { "add", "sub", "and", "or", "xor", "cmp", "test", "neg", "popf" };

	for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
		if (is_mnemonic(m, keep[i], "bwl"))
			return FLAGS_KEEP;
	for (size_t i = 0; i < sizeof(write) / sizeof(write[0]); i++)
		if (is_mnemonic(m, write[i], "bwl"))
			return FLAGS_WRITE;
	return !strcmp(m, "ret") || !strcmp(m, "call") ? FLAGS_LEAVE : FLAGS_UNKNOWN;
}

/*
 * Straight-line scan. Behind an asm statement of the compiler's, a return or a call ends the flags' life (System V ABI); in text
 * that a person wrote nothing does but an instruction that writes them all. A label or anything unknown: alive.
 */
bool flags_dead_after(const struct source *s, size_t k)
{
	for (size_t i = k + 1; i < s->n; i++) {
		const struct statement *st = &s->st[i];
		if (st->label)
			return false;
		if (!st->mnemonic[0] || st->mnemonic[0] == '.') {
			if (!strncmp(st->mnemonic, ".loc", 4) || !strncmp(st->mnemonic, ".cfi", 4))
				continue;
			return false;
		}
		switch (flags_effect(st->mnemonic)) {
		case FLAGS_KEEP:
			continue;
		case FLAGS_WRITE:
			return true;
		case FLAGS_LEAVE:
			return s->compiled && !st->app;
		case FLAGS_UNKNOWN:
			return false;
		}
	}
	return false;
}
