/*
 * gdb_monitor.c - what gdb's `monitor` command prints: the machine's state that gdb has no registers for.
 *
 * `monitor info`, `monitor walk ADDRESS`, `monitor help`. Called by gdb_command.c.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "core/walk.h"
#include "gdb_private.h"

__attribute__((format(printf, 2, 3)))
static void line(struct gdb *g, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gdb_print(g, text);
}

static unsigned long long llu(uint64_t v)
{
	return v;
}

static void print_segment(struct gdb *g, const char *name, const struct segment *s)
{
	if (!(s->attr & SEG_P)) {
		line(g, "%-4s %04x  not usable\n", name, s->sel);
		return;
	}
	line(g, "%-4s %04x  base %08llx limit %08x  attr %04x: type %x%s dpl %u%s%s%s\n", name, s->sel, llu(s->base), s->limit, s->attr,
		SEG_TYPE(s), s->attr & SEG_S ? "" : " system", SEG_DPL(s), s->attr & SEG_DB ? " 32-bit" : "", s->attr & SEG_L ? " 64-bit" : "",
		s->attr & SEG_G ? " pages" : "");
}

static const char *mode_name(const struct cpu_state *s)
{
	if (!(s->cr0 & CR0_PE))
		return "real mode";
	if (s->efer & EFER_LMA)
		return "long mode";
	if (s->rflags & FL_VM)
		return "virtual-8086 mode";
	return !(s->cr0 & CR0_PG) ? "protected mode, no paging" : s->cr4 & CR4_PAE ? "protected mode, PAE paging" :
		"protected mode, 2-level paging";
}

static void info_idt(struct gdb *g)
{
	const struct cpu_state *s = &g->vm->vcpu.state;

	line(g, "IDT  base %08llx limit %04x\n", llu(s->idtr.base), s->idtr.limit);
	if (s->efer & EFER_LMA || !(s->cr0 & CR0_PE))
		return;
	for (unsigned n = 0; n < 256 && n * 8 + 7 <= s->idtr.limit; n++) {
		uint32_t gate[2];
		if (gdb_memory_read(g, s->idtr.base + n * 8, gate, 8) != 8)
			continue;
		if (!(gate[1] & 0x8000) || (n >= 32 && !memcmp(gate, (uint32_t[2]){ 0 }, 8)))
			continue;
		/* Linux fills all 256: of the interrupts, only those that user mode may call, and the first sixteen, are of interest. */
		if (n >= 48 && (gate[1] >> 13 & 3) != 3)
			continue;
		line(g, "  %02x  %04x:%08x type %x dpl %u\n", n, gate[0] >> 16, (gate[1] & 0xffff0000u) | (gate[0] & 0xffff), gate[1] >> 8 & 15,
			gate[1] >> 13 & 3);
	}
}

static void cmd_info(struct gdb *g)
{
	static const char *const name[SREG_COUNT] = { "ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR" };
	const struct vm *vm = g->vm;
	const struct cpu_state *s = &vm->vcpu.state;

	line(g, "%s, ring %u, backend %s%s\n", mode_name(s), CPL(s), vm->ops->name, s->halted ? ", halted" : "");
	line(g, "CR0 %08llx CR2 %08llx CR3 %08llx CR4 %08llx EFER %llx\n", llu(s->cr0), llu(s->cr2), llu(s->cr3), llu(s->cr4), llu(s->efer));
	line(g, "DR0 %08llx DR1 %08llx DR2 %08llx DR3 %08llx DR6 %08llx DR7 %08llx\n", llu(s->dr[0]), llu(s->dr[1]), llu(s->dr[2]),
		llu(s->dr[3]), llu(s->dr[6]), llu(s->dr[7]));
	line(g, "SYSENTER %04llx:%08llx esp %08llx\n", llu(s->sysenter_cs), llu(s->sysenter_eip), llu(s->sysenter_esp));
	for (unsigned i = 0; i < SREG_COUNT; i++)
		print_segment(g, name[i], &s->seg[i]);
	line(g, "GDT  base %08llx limit %04x\n", llu(s->gdtr.base), s->gdtr.limit);
	info_idt(g);
	gdb_send(g, "OK");
}

static void cmd_walk(struct gdb *g, const char *text)
{
	char *end;
	uint64_t lin = strtoull(text, &end, 0);
	uint32_t error = 0;
	struct walk w = { 0 };
	gpa_t gpa;

	if (end == text) {
		line(g, "monitor walk ADDRESS\n");
		gdb_send(g, "OK");
		return;
	}
	bool ok = gdb_translate(g, lin, &gpa, &error);
	if (!(g->vm->vcpu.state.efer & EFER_LMA) && !(lin >> 32))
		walk_page(&g->vm->vcpu.state, &g->vm->mem, GVA(lin), ACCESS_R, false, &w);
	for (unsigned i = 0; i < w.levels; i++) {
		uint64_t e = 0;
		const void *p = mem_ptr(&g->vm->mem, w.entry[i], w.entry_size);
		if (p)
			memcpy(&e, p, w.entry_size);
		line(g, "entry at %08llx: %0*llx%s\n", llu(w.entry[i].a), 2 * w.entry_size, llu(e), p ? "" : " (not RAM)");
	}
	if (ok)
		line(g, "%08llx -> %08llx, page of %u KiB%s%s%s%s%s\n", llu(lin), llu(gpa.a), w.page_size >> 10, w.writable ? " writable" : "",
			w.user ? " user" : "", w.exec ? " executable" : "", w.dirty ? " dirty" : "", w.global ? " global" : "");
	else
		line(g, "%08llx is not mapped\n", llu(lin));
	gdb_send(g, "OK");
}

void gdb_monitor(struct gdb *g, const char *command)
{
	command += strspn(command, " ");
	if (!strcmp(command, "info")) {
		cmd_info(g);
	} else if (!strncmp(command, "walk", 4)) {
		cmd_walk(g, command + 4);
	} else {
		line(g, "info          control, debug and segment registers, descriptor tables, IDT\n");
		line(g, "walk ADDRESS  the page-table entries that map it\n");
		gdb_send(g, "OK");
	}
}
