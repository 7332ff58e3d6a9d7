/*
 * demo_nonfaulting_state.c - the sensitive instructions of x86 that do not fault: what each told the guest, by each technique.
 *
 * The guest (guests/demo/nonfaulting.c) knows what is right, for it loaded the tables itself; the reference interpreter has to agree before
 * anything is called wrong. Read next: demo_guest_syscalls.c.
 */
#include <string.h>
#include "cells.h"

#define GUEST "demo/nonfaulting"
#define VTX 5 /* of demo_techniques */

/* In the order of Robin and Irvine's paper. line: what the guest prints; rule: in `ringlab explain`. */
static const struct {
	const char *label, *line, *rule;
} rows[] = {
	{ "SGDT", "sgdt", "sgdt" },
	{ "SIDT", "sidt", "sidt" },
	{ "SLDT", "sldt", "sldt" },
	{ "SMSW", "smsw", "smsw" },
	{ "PUSHF", "pushf", "pushf" },
	{ "POPF", "popf", "popf" },
	{ "LAR", "lar", "lar" },
	{ "LSL", "lsl", "lsl" },
	{ "VERR", "verr", "verr" },
	{ "VERW", "verw", "verw" },
	{ "POP FS", "pop", "pop seg" },
	{ "PUSH CS", "push", "push seg" },
	{ "CALL far", "call", "far call" },
	{ "JMP far", "jmp", "far jmp" },
	{ "INT n", "int", "int" },
	{ "RET far", "ret", "far ret" },
	{ "STR", "str", "str" },
	{ "MOV r, CS", "mov", "mov from seg" },
	{ "MOV GS, r", "mov-to", "mov to seg" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char *right_of(const json_t *column, const char *line)
{
	char name[40];

	snprintf(name, sizeof(name), "%s-right", line);
	return demo_console(column, name);
}

/* "ok", or what it saw instead; "-" where it saw nothing; with a question mark where nothing is right or wrong. */
static bool answer(struct stage *s, struct demo_table *t, const json_t *column, const char *line)
{
	const char *saw = column && demo_console(column, line) ? demo_fact_console(s, column, line) : NULL;
	const char *right = saw ? right_of(column, line) : NULL;

	if (!saw)
		demo_cell(t, "-");
	else if (!right)
		demo_cell(t, "%s?", saw);
	else
		demo_cell(t, "%s", strcmp(saw, right) ? saw : "ok");
	return saw && right && strcmp(saw, right);
}

static void answers(struct stage *s, const json_t *oracle, const json_t *const column[])
{
	const char *const heads[] = { "", "right", "bt", "trap", "patch", "previrt", "xen", cell_vtx(column[VTX]), NULL };
	struct demo_table *t = demo_table(s, heads);
	long long wrong[DEMO_TECHNIQUES] = { 0 };

	for (unsigned i = 0; i < ROWS; i++) {
		demo_cell(t, "%s", rows[i].label);
		cell_console(s, t, oracle, rows[i].line);
		for (unsigned c = 0; c < DEMO_TECHNIQUES; c++)
			wrong[c] += answer(s, t, column[c], rows[i].line);
	}
	demo_cell(t, "wrong");
	demo_cell(t, "0");
	for (unsigned c = 0; c < DEMO_TECHNIQUES; c++) {
		char key[60];

		if (!column[c]) {
			demo_cell(t, "-");
			continue;
		}
		snprintf(key, sizeof(key), "derived.wrong.%s", demo_name(column[c]));
		demo_cell(t, "%lld", demo_fact(s, key, wrong[c]));
	}
	demo_table_end(t);
}

/* The yardstick itself: all that the interpreter saw is what the guest calls right. */
static bool oracle_holds(struct stage *s, const json_t *oracle)
{
	for (unsigned i = 0; i < ROWS; i++) {
		const char *saw = demo_console(oracle, rows[i].line), *right = right_of(oracle, rows[i].line);
		if (!saw || !right || strcmp(saw, right)) {
			demo_say(s, "The reference interpreter disagrees with the guest about %s: %s, and should be %s. Nothing below can be trusted.",
				rows[i].label, saw ? saw : "nothing", right ? right : "known");
			return false;
		}
	}
	return true;
}

static void seen(struct stage *s, const json_t *oracle, const json_t *const column[])
{
	const char *const heads[] = { "kind of event", "executed", "bt", "trap", "patch", "previrt", "xen", cell_vtx(column[VTX]), NULL };
	static const char *const kinds[] = { "dt-store", "flags-image", "seg-query", "seg-read", "seg-load", "far-branch" };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		demo_cell(t, "%s", kinds[k]);
		cell_count(s, t, oracle, kinds[k]);
		for (unsigned c = 0; c < DEMO_TECHNIQUES; c++)
			cell_count(s, t, column[c], kinds[k]);
	}
	demo_table_end(t);
}

static void rules(struct stage *s, const json_t *const column[])
{
	static const char *const heads[] = { "instruction", "bt", "trap", "patch", "previrt", NULL };
	static const unsigned shown[] = { 0, 4, 5, 6, 11, 12, 14 };
	struct demo_table *t = demo_table(s, heads);

	for (unsigned i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		demo_cell(t, "%s", rows[shown[i]].label);
		for (unsigned c = 0; c < 4; c++) {
			const struct backend_rule *r = column[c] ? cell_rule(s, column[c], rows[shown[i]].rule) : NULL;
			demo_cell(t, "%s", r ? event_mech_name[r->mech] : "-");
		}
	}
	demo_table_end(t);
}

/* What Linux answers for an instruction that UMIP forbids: arch/x86/kernel/umip.c, the low 32 bits of its GDT's address. */
#define UMIP_GDT "0xfffe0000"

static void umip(struct stage *s, const json_t *trap)
{
	static const char *const heads[] = { "instruction", "the guest's own", "what it saw", NULL };
	static const unsigned five[] = { 0, 1, 2, 16, 3 };
	const char *gdt = demo_console(trap, "sgdt");
	struct demo_table *t;

	demo_step(s, "UMIP: who answered SGDT, SIDT, SLDT, STR and SMSW?");
	t = demo_table(s, heads);
	for (unsigned i = 0; i < 5; i++) {
		const char *right = right_of(trap, rows[five[i]].line);
		demo_cell(t, "%s", rows[five[i]].label);
		demo_cell(t, "%s", right ? right : "-");
		cell_console(s, t, trap, rows[five[i]].line);
	}
	demo_table_end(t);
	if (gdt && !strcmp(gdt, UMIP_GDT))
		demo_say(s, "Neither the guest nor the host's hardware. This CPU has User-Mode Instruction Prevention and the host's kernel has set CR4.UMIP, so "
			"all five raise #GP at ring 3. That would be the trap that Popek and Goldberg ask for - but it arrives in the host's kernel, which "
			"knows programs that break without these instructions, and executes them itself with constants: a table address in a hole of its "
			"own address space, fixed selectors, a fixed CR0. The VMM's process is not told. An answer that is wrong, safe and silent.");
	else
		demo_say(s, "This host lets SGDT run at ring 3: the address is the host kernel's own, a leak. With CR4.UMIP set, which newer CPUs can do, it would "
			"raise #GP in the host's kernel, which answers with constants and does not tell the VMM.");
	demo_say(s, "So UMIP turns five of the seventeen into instructions that trap, twenty years late, and a VMM in a process gains nothing by it. A VMM "
		"in the kernel would. The others are as they were on the 386.");
}

static void watch(struct stage *s)
{
	struct demo_guest g = { .guest = GUEST, .backend = "pv", .interface = "trap", .options = "--holes" };
	const json_t *column = demo_run(s, &g), *messages, *l;
	char text[4000] = "";
	size_t i, n = 0;

	if (!demo_ran(s, column))
		return;
	demo_step(s, "Caught in the act");
	demo_say(s, "`ringlab run --holes` single-steps the guest, lets the interpreter do each sensitive instruction first, and compares:");
	messages = json_object_get(column, "messages");
	json_array_foreach((json_t *)messages, i, l) {
		const char *line = json_string_value(l);
		char name[20], symbol[40];
		unsigned wrong;
		int at = 0;
		/* "push seg      001000d9 look_push+0x9    kernel native    1   1  stored …": its columns have fixed widths. */
		if (strlen(line) < 80 || sscanf(line + 14, "%*x %39s", symbol) != 1 || sscanf(line + 73, "%*u %u %n", &wrong, &at) != 1 || !wrong)
			continue;
		snprintf(name, sizeof(name), "%.13s", line);
		symbol[strcspn(symbol, ".+")] = 0;
		if (n + 120 < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%-14s%-12s %.50s\n", name, symbol, line + 73 + at);
	}
	demo_lines(s, "Wrong, and where:", text);
}

static int show(struct stage *s)
{
	const json_t *column[DEMO_TECHNIQUES];
	struct demo_guest g = { .guest = GUEST, .backend = "interp" };
	const json_t *oracle;
	int e;

	demo_step(s, "Sensitive, and deaf to privilege");
	demo_say(s, "An instruction is sensitive when what it tells or does depends on state that a VMM keeps for itself: the real tables, the real ring, the "
		"real interrupt flag. Trap-and-emulate needs each of them to trap in user mode. Robin and Irvine went through all of the Pentium's "
		"instructions in 2000 and found seventeen that do not.");
	if ((e = demo_code(s, GUEST ".elf", "look_push", 8)) || (e = demo_code(s, GUEST ".elf", "do_popf", 8)))
		return 222;
	demo_say(s, "PUSH CS shows the ring; POPF, told to close interrupts, keeps them as they are when the ring is 3, without a fault. Nothing in this code "
		"gives a VMM the chance to say so.");

	demo_step(s, "Each with its row");
	oracle = demo_run(s, &g);
	demo_techniques(s, GUEST, NULL, NULL, column);
	if (!demo_ran(s, oracle) || !oracle_holds(s, oracle))
		return 222;
	demo_say(s, "\"right\" is what the reference interpreter saw, and what the guest expects, for it loaded the tables itself. In the others' columns: ok, "
		"or the wrong value. SMSW: the guest has set CR0.TS. POPF: 1 when an interrupt came although it was told to close them. POP FS, MOV GS and the far branches name a "
		"selector that the guest does not have, and the host does: 1 when that was taken, where it must fault. With a question mark: the Xen "
		"interface gives its guest no such table, so nothing is right or wrong.");
	answers(s, oracle, column);
	demo_say(s, "The paper counts seventeen; by name there are these eighteen, with MOV in both directions nineteen rows. INT n is right under trap because a "
		"fault tells the VMM of it: the host's gates are closed to processes, and the one that Linux opens, 0x80, is caught by the VMM's jail.");

	demo_step(s, "Who noticed");
	seen(s, oracle, column);
	demo_say(s, "Counts of the VMM, for the whole guest. What trap counts of these was a fault on one of the guest's own selectors; what it lacks ran behind its "
		"back. Where a right answer has no count, it was given inline, without leaving the guest:");
	rules(s, column);
	if (column[1])
		umip(s, column[1]);
	watch(s);
	demo_point(s, "x86 has sensitive instructions that do not fault at ring 3, so that a VMM which only traps is not wrong loudly but wrong silently: it has to "
		"find these instructions before they run, or the CPU has to stop asking for it.",
		"Robin and Irvine, Analysis of the Intel Pentium's Ability to Support a Secure Virtual Machine Monitor, USENIX Security 2000, pp. 129-144; "
		"Popek and Goldberg, CACM 17(7), 1974 (the condition); Intel SDM vol. 3, CR4.UMIP; Linux arch/x86/kernel/umip.c.");
	return 0;
}

const struct demo demo_nonfaulting_state = { "nonfaulting-state", "the sensitive instructions that do not fault", show };
