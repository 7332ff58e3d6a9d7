/*
 * cli_stats.c - a finished run as JSON: the element that `run --stats` writes and `compare` collects.
 *
 * Its schema is a promise: docs/exits.md. The guest's ground truth is read from its memory, at the symbol that
 * abi/truth.h names.
 */
#include <stdlib.h>
#include <string.h>
#include "abi/truth.h"
#include "cli.h"
#include "core/console.h"
#include "core/phase.h"
#include "core/witness.h"

const char *cli_end_name(enum vm_end end)
{
	static const char *const names[] = {
		[END_NONE] = "none", [END_EXIT] = "exit", [END_CRASH] = "crash", [END_TIMEOUT] = "timeout",
		[END_HOST] = "host-failure", [END_INTERRUPTED] = "interrupted",
	};
	return names[end];
}

int cli_status(const struct vm *vm)
{
	return cli_status_of(vm->end, vm->status);
}

int cli_status_of(enum vm_end end, int guest_status)
{
	switch (end) {
	case END_EXIT:
		return guest_status >= 0 && guest_status <= STATUS_GUEST_MAX ? guest_status : STATUS_GUEST_MAX;
	case END_CRASH:
		return STATUS_CRASH;
	case END_TIMEOUT:
		return STATUS_TIMEOUT;
	case END_INTERRUPTED:
		return STATUS_INTERRUPTED;
	default:
		return STATUS_HOST;
	}
}

static const struct truth *read_truth(const struct vm *vm)
{
	uint64_t vaddr, size;
	gpa_t gpa;

	if (!loader_symbol(&vm->image, TRUTH_SYMBOL, &vaddr, &size) || !loader_vaddr_to_gpa(&vm->image, vaddr, &gpa))
		return NULL;
	const struct truth *t = mem_ptr(&vm->mem, gpa, sizeof(*t));
	return t && t->magic == TRUTH_MAGIC && t->kinds == TRUTH_KINDS ? t : NULL;
}

static json_t *cycles_json(const struct hist *h)
{
	if (!h || !h->n)
		return json_null();
	return json_pack("{s:I,s:I,s:I}", "min", (json_int_t)h->min, "median", (json_int_t)hist_quantile(h, 0.5),
		"p99", (json_int_t)hist_quantile(h, 0.99));
}

static json_t *truth_of(const struct truth *t, int kind)
{
	return t && (t->known >> kind & 1) ? json_integer(t->count[kind]) : json_null();
}

static void add_event(json_t *events, int kind, int mech, const struct stat_hw *hw, const struct stat_cell *c,
	const struct truth *t)
{
	json_array_append_new(events, json_pack("{s:s,s:s,s:o,s:o,s:o,s:I,s:o}", "kind", event_kind_name[kind],
		"mechanism", event_mech_name[mech],
		"hw_reason", hw ? json_pack("{s:i,s:s}", "number", (int)hw->reason, "name", hw->reason_name) : json_null(),
		"handled_by", json_string(hw && hw->by == BY_KVM ? "kvm" : "vmm"),
		"truth", truth_of(t, kind), "count", (json_int_t)c->count, "cycles", cycles_json(c->hist)));
}

/* Rows in the taxonomy's order; a kind the guest vouches for has at least one row, of count 0 if it was never seen. */
static json_t *events_json(const struct stats *s, const struct truth *t)
{
	static const struct stat_cell none;
	json_t *events = json_array();

	for (int k = 0; k < EV_COUNT; k++) {
		bool any = false;
		for (int m = 0; m < MECH_COUNT; m++)
			if (s->cell[k][m].count) {
				add_event(events, k, m, NULL, &s->cell[k][m], t);
				any = true;
			}
		for (unsigned i = 0; i < s->hw_n; i++)
			if (s->hw[i].kind == k) {
				add_event(events, k, s->hw[i].mech, &s->hw[i], &s->hw[i].cell, t);
				any = true;
			}
		if (!any && t && (t->known >> k & 1) && t->count[k])
			add_event(events, k, MECH_NATIVE, NULL, &none, t);
	}
	return events;
}

static json_t *cells_json(const struct truth *t)
{
	json_t *cells = json_array();

	for (uint32_t i = 0; t && i < t->cells && i < TRUTH_CELLS; i++) {
		const struct truth_cell *c = &t->cell[i];
		char name[sizeof(c->name) + 1] = { 0 };
		memcpy(name, c->name, sizeof(c->name));
		json_t *cell = json_pack("{s:s,s:I,s:I,s:I,s:b}", "name", name, "n", (json_int_t)c->n, "first", (json_int_t)c->first,
			"steady", (json_int_t)c->steady, "hole", (int)(c->flags & TRUTH_HOLE));
		if (cell) /* a hostile guest's name may not be UTF-8 */
			json_array_append_new(cells, cell);
	}
	return cells;
}

static json_t *truth_json(const struct truth *t)
{
	if (!t)
		return json_null();
	json_t *o = json_object();
	for (int k = 0; k < EV_COUNT; k++)
		if (t->known >> k & 1)
			json_object_set_new(o, event_kind_name[k], json_integer(t->count[k]));
	return o;
}

static json_t *hex(uint64_t v)
{
	char s[24];

	snprintf(s, sizeof(s), "%#llx", (unsigned long long)v);
	return json_string(s);
}

static json_t *registers_json(const struct cpu_state *s)
{
	static const char *const gpr[] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi" };
	static const char *const seg[] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_LEN(gpr); i++)
		json_object_set_new(o, gpr[i], hex(s->gpr[i]));
	json_object_set_new(o, "eip", hex(s->rip));
	json_object_set_new(o, "eflags", hex(s->rflags));
	for (size_t i = 0; i < ARRAY_LEN(seg); i++)
		json_object_set_new(o, seg[i], hex(s->seg[i].sel));
	json_object_set_new(o, "cr0", hex(s->cr0));
	json_object_set_new(o, "cr2", hex(s->cr2));
	json_object_set_new(o, "cr3", hex(s->cr3));
	json_object_set_new(o, "cr4", hex(s->cr4));
	return o;
}

static json_t *notes_json(const struct stats *s)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < s->note_n; i++)
		json_object_set_new(o, s->note[i].name, json_integer((json_int_t)s->note[i].value));
	return o;
}

/* What was counted between one console line that --phase names and the next. */
static json_t *phases_json(const struct phases *p)
{
	static const struct phase_note start;
	const struct phase_note *n, *last;
	json_t *a = json_array();

	for (unsigned i = 0; (n = phases_note(p, i)); i++) {
		json_t *events = json_array();

		last = i ? phases_note(p, i - 1) : &start;
		for (int k = 0; k < EV_COUNT; k++)
			for (int m = 0; m < MECH_COUNT; m++)
				if (n->count[k][m] > last->count[k][m])
					json_array_append_new(events, json_pack("{s:s,s:s,s:I,s:o}", "kind", event_kind_name[k], "mechanism", event_mech_name[m],
						"count", (json_int_t)(n->count[k][m] - last->count[k][m]),
						"median", n->median[k][m] ? json_integer(n->median[k][m]) : json_null()));
		json_array_append_new(a, json_pack("{s:s,s:I,s:I,s:o}", "line", n->line, "cycles", (json_int_t)(n->cycles - last->cycles),
			"string_elements", (json_int_t)(n->string_elements - last->string_elements), "events", events));
	}
	return a;
}

static json_t *seen(bool yes, json_t *v)
{
	if (yes)
		return v;
	json_decref(v);
	return json_null();
}

/* An event's first entry: what the CPU held, null where that could not be seen, and what the guest believes. */
static json_t *witness_row(unsigned k, unsigned m, const struct witness_note *n)
{
	const struct witness_real *r = &n->real;

	return json_pack("{s:s,s:s,s:o,s:{s:o,s:o,s:o,s:o,s:s},s:{s:o,s:o,s:o,s:i}}", "kind", event_kind_name[k], "mechanism", event_mech_name[m],
		"eip", hex(n->eip),
		"real", "cs", seen(r->seen & WITNESS_CS, hex(r->cs)), "ss", seen(r->seen & WITNESS_SS, hex(r->ss)),
		"eflags", seen(r->seen & WITNESS_FLAGS, hex(r->eflags)), "cpl", seen(r->seen & WITNESS_CPL, json_integer(r->cpl)),
		"mode", r->nonroot ? "non-root" : "root",
		"guest", "cs", hex(n->guest.cs), "ss", hex(n->guest.ss), "eflags", hex(n->guest.eflags), "cpl", (int)n->guest.cpl);
}

static json_t *witness_json(struct stats *s)
{
	if (!s->witness)
		return json_null();
	json_t *a = json_array();
	witness_end(s);
	for (unsigned k = 0; k < EV_COUNT; k++)
		for (unsigned m = 0; m < MECH_COUNT; m++)
			if (s->witness->note[k][m].taken)
				json_array_append_new(a, witness_row(k, m, &s->witness->note[k][m]));
	return a;
}

json_t *stats_json(struct vm *vm, const char *engine, int status, const char *guest)
{
	const struct truth *t = read_truth(vm);
	char console[65], memory[65];
	const char *interface = vm->cfg.interface;

	if (!interface && vm->ops->interfaces)
		interface = vm->image.kind == IMAGE_XEN ? "xen" : "trap";
	console_sha256(vm, console);
	mem_sha256(&vm->mem, memory);
	return json_pack("{s:s,s:s,s:o,s:s,s:s,s:b,s:o,s:s,s:i,s:s,s:s,s:s,s:o,s:I,s:o,s:o,s:o,s:o,s:o,s:f,s:I,s:o,s:o}",
		"guest", guest, "backend", vm->ops->name, "interface", interface ? json_string(interface) : json_null(),
		"engine", engine, "origin", getenv("RINGLAB_NESTED") ? "nested" : "measured", "available", 1,
		"why", vm->end == END_EXIT ? json_null() : json_string(vm->why), "end", cli_end_name(vm->end), "status", status,
		"image_sha256", loader_sha256(&vm->image), "console_sha256", console, "memory_sha256", memory,
		"registers", registers_json(&vm->vcpu.state), "unknown_accesses", (json_int_t)vm->bus.unknown,
		"truth", truth_json(t), "cells", cells_json(t), "events", events_json(&vm->vcpu.stats, t),
		"notes", notes_json(&vm->vcpu.stats), "phases", phases_json(vm->phases),
		"run_seconds", (double)vm->run_ns / 1e9, "run_cycles", (json_int_t)vm->run_cycles, "timeline", timeline_json(vm->timeline),
		"witness", witness_json(&vm->vcpu.stats));
}
