/*
 * lockstep_diff.c - what is compared between two VMs in lock step, and how a difference is printed.
 *
 * Not compared: RF, which lives from an IRET to the next instruction and matters to instruction breakpoints only; the
 * interrupt shadow of STI, which an engine need not keep where no interrupt waits; and x87's pointers and opcode (FIP, FDP, FOP), which processors differ in (SDM vol. 1, 8.1.8). Called by lockstep.c.
 */
#include <string.h>
#include "lockstep.h"

/* One piece of struct cpu_state: bytes that must be alike. */
struct field {
	const char *name;
	uint16_t off, size;
};
#define F(n, m) { n, offsetof(struct cpu_state, m), sizeof(((struct cpu_state *)0)->m) }
#define SEG(n, i) { n ".sel", offsetof(struct cpu_state, seg[i].sel), 2 }, { n ".base", offsetof(struct cpu_state, seg[i].base), 8 }, \
	{ n ".limit", offsetof(struct cpu_state, seg[i].limit), 4 }, { n ".attr", offsetof(struct cpu_state, seg[i].attr), 2 }
#define FX(n, o, s) { n, offsetof(struct cpu_state, fx) + (o), s }
#define ST(n) FX("st" #n, 32 + 16 * n, 10)
#define XMM(n) FX("xmm" #n, 160 + 16 * n, 16)

static const struct field fields[] = {
	F("eax", gpr[R_EAX]), F("ecx", gpr[R_ECX]), F("edx", gpr[R_EDX]), F("ebx", gpr[R_EBX]), F("esp", gpr[R_ESP]), F("ebp", gpr[R_EBP]),
	F("esi", gpr[R_ESI]), F("edi", gpr[R_EDI]), F("eip", rip), F("eflags", rflags),
	SEG("es", S_ES), SEG("cs", S_CS), SEG("ss", S_SS), SEG("ds", S_DS), SEG("fs", S_FS), SEG("gs", S_GS), SEG("ldtr", S_LDTR), SEG("tr", S_TR),
	F("gdtr.base", gdtr.base), F("gdtr.limit", gdtr.limit), F("idtr.base", idtr.base), F("idtr.limit", idtr.limit),
	F("cr0", cr0), F("cr2", cr2), F("cr3", cr3), F("cr4", cr4), F("efer", efer),
	F("dr0", dr[0]), F("dr1", dr[1]), F("dr2", dr[2]), F("dr3", dr[3]), F("dr6", dr[6]), F("dr7", dr[7]),
	F("sysenter_cs", sysenter_cs), F("sysenter_esp", sysenter_esp), F("sysenter_eip", sysenter_eip), F("pat", pat),
	F("misc_enable", misc_enable), F("tsc_offset", tsc_offset),
	FX("fcw", 0, 2), FX("fsw", 2, 2), FX("ftw", 4, 1), FX("mxcsr", 24, 4),
	ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7), XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7),
};

static const uint8_t *at(const struct cpu_state *s, const struct field *f)
{
	return (const uint8_t *)s + f->off;
}

static bool field_differs(const struct cpu_state *a, const struct cpu_state *b, const struct field *f)
{
	if (f->off == offsetof(struct cpu_state, rflags))
		return (a->rflags ^ b->rflags) & ~(uint64_t)FL_RF;
	return memcmp(at(a, f), at(b, f), f->size) != 0;
}

bool lockstep_regs_differ(const struct cpu_state *a, const struct cpu_state *b)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (field_differs(a, b, &fields[i]))
			return true;
	return false;
}

bool lockstep_page_differs(const struct lockstep *l, uint32_t pfn)
{
	uint64_t off = (uint64_t)pfn << PAGE_SHIFT;

	return memcmp(l->vm[0]->mem.host + off, l->vm[1]->mem.host + off, PAGE_SIZE) != 0;
}

int64_t lockstep_memory_differs(struct lockstep *l, bool all)
{
	int64_t first = -1;

	for (uint32_t i = 0; i < l->watches && i < LOCK_WATCH; i++)
		if (lockstep_page_differs(l, l->watch[i]))
			first = l->watch[i];
	for (uint32_t i = 0; i < l->dirties; i++) {
		if (first < 0 && !all && lockstep_page_differs(l, l->dirty[i]))
			first = l->dirty[i];
		l->dirty_bit[l->dirty[i]] = 0;
	}
	l->dirties = 0;
	for (uint32_t p = 0; all && first < 0 && p < l->pages; p++)
		if (lockstep_page_differs(l, p))
			first = p;
	return first;
}

/* --- the report --- */

static void print_value(FILE *out, const uint8_t *p, unsigned size)
{
	char hex[40];
	unsigned n = 0;

	for (unsigned i = size; i-- > 0;)
		n += (unsigned)snprintf(hex + n, sizeof(hex) - n, "%02x", p[i]);
	const char *s = hex;
	while (size == 8 && n > 8 && *s == '0')
		s++, n--;
	fprintf(out, " %*s", size > 8 ? 32 : 10, s);
}

/* The general registers always; others where something has changed or differs. */
static void print_regs(struct lockstep *l, FILE *out)
{
	const struct cpu_state *a = &l->vm[0]->vcpu.state, *b = &l->vm[1]->vcpu.state;

	fprintf(out, "%-14s %10s %10s %10s\n", "", "before", l->vm[0]->ops->name, l->vm[1]->ops->name);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct field *f = &fields[i];
		bool differs = field_differs(a, b, f);

		if (f->off > offsetof(struct cpu_state, rflags) && !differs && !field_differs(&l->before, a, f) &&
		    f->off != offsetof(struct cpu_state, cr3) && f->off != offsetof(struct cpu_state, cr0))
			continue;
		fprintf(out, "%c %-12s", differs ? '*' : ' ', f->name);
		print_value(out, at(&l->before, f), f->size);
		print_value(out, at(a, f), f->size);
		print_value(out, at(b, f), f->size);
		fputc('\n', out);
	}
}

static void print_memory(struct lockstep *l, FILE *out)
{
	unsigned lines = 0;

	for (uint32_t p = 0; p < l->pages && lines < 16; p++) {
		const uint8_t *a = l->vm[0]->mem.host + ((uint64_t)p << PAGE_SHIFT), *b = l->vm[1]->mem.host + ((uint64_t)p << PAGE_SHIFT);

		if (!lockstep_page_differs(l, p))
			continue;
		for (unsigned i = 0; i < PAGE_SIZE && lines < 16; i += 4) {
			uint32_t x, y;

			memcpy(&x, a + i, 4);
			memcpy(&y, b + i, 4);
			if (x != y && lines++ < 16)
				fprintf(out, "* [%#10llx] physical %8x %8x\n", (unsigned long long)(((uint64_t)p << PAGE_SHIFT) + i), x, y);
		}
	}
	if (lines == 16)
		fprintf(out, "  ... and perhaps more\n");
}

void lockstep_report(struct lockstep *l, FILE *out)
{
	uint32_t eip = (uint32_t)(l->before.seg[S_CS].base + l->before.rip);
	bool exact = l->every == 1;

	fprintf(out, "%s (%s) and %s (%s) %s between %llu and %llu instructions: %s\n", l->vm[0]->ops->name, "leader", l->vm[1]->ops->name,
		"follower", l->differ ? "differ" : "are alike", (unsigned long long)(exact ? l->done - 1 : l->same),
		(unsigned long long)l->done, l->why);
	fprintf(out, exact ? "the instruction is at %#x\n" : "the last comparison was at eip %#x\n", eip);
	print_regs(l, out);
	print_memory(l, out);
	for (unsigned i = 0; i < 2; i++)
		if (l->vm[i]->ops->listing) {
			fprintf(out, "%s, around %#x:\n", l->vm[i]->ops->name, eip);
			l->vm[i]->ops->listing(&l->vm[i]->vcpu, out, eip);
		}
}
