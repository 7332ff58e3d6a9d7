/*
 * pv_patch_report.c - how much of the image was proved to be code, and what was not.
 *
 * Executable bytes are those of sections with instructions where the file has section headers, else of executable segments. Of
 * those that no scan reached, short runs before an aligned instruction are taken for padding; the rest is listed with the
 * symbol before it. Called by pv.c at the end of a run: figures for --stats, lines for --coverage.
 */
#include "pv_patch.h"
#include <stdlib.h>
#include <string.h>

#define PADDING_MAX 31u
#define RUNS_LISTED 64u

struct coverage {
	struct patch *p;
	FILE *out; /* NULL: only count */
	uint64_t bytes, reached, padding, unresolved, runs;
};

static bool reached(struct patch *p, uint32_t la)
{
	int64_t frame = patch_frame_of(p, la);
	const struct code_page *g = frame < 0 ? NULL : p->page[frame];

	return g && (g->covered[(la & (PAGE_SIZE - 1)) / 8] >> la % 8 & 1);
}

/* Bytes [la, end) were never reached. */
static void run_note(struct coverage *c, uint32_t la, uint32_t end, bool last)
{
	char name[128] = "";
	uint64_t off = 0;

	if (end - la <= PADDING_MAX && (end % 4 == 0 || last)) {
		c->padding += end - la;
		return;
	}
	c->unresolved += end - la;
	if (c->runs++ >= RUNS_LISTED || !c->out)
		return;
	const char *s = loader_symbolize(&c->p->pv->vm->image, la, &off);
	if (s)
		snprintf(name, sizeof(name), "  %s+%#llx", s, (unsigned long long)off);
	fprintf(c->out, "unresolved %08x %u bytes%s\n", la, end - la, name);
}

static void range_note(struct coverage *c, uint64_t from, uint64_t size)
{
	uint64_t to = from + size;

	c->bytes += size;
	for (uint64_t la = from; la < to; la++) {
		uint64_t run = la;
		while (la < to && !reached(c->p, (uint32_t)la))
			la++;
		if (la > run)
			run_note(c, (uint32_t)run, (uint32_t)la, la == to);
		c->reached += la < to;
	}
}

static struct coverage cover(struct patch *p, FILE *out)
{
	struct coverage c = { .p = p, .out = out };

	p->loading = p->scanning = true; /* addresses are the image's */
	p->last_page = 0;
	for (unsigned i = 0; i < p->ranges; i++)
		range_note(&c, p->range[i].from, p->range[i].to - p->range[i].from);
	p->loading = p->scanning = false;
	return c;
}

void pv_patch_collect(struct vcpu *v)
{
	struct patch *p = ((struct pv *)v->vm->priv)->patch;
	struct stats *s = &v->stats;

	if (!p || !p->ready)
		return;
	struct coverage c = cover(p, NULL);
	stat_note(s, "patch.code-bytes", c.bytes);
	stat_note(s, "patch.reached-bytes", c.reached);
	stat_note(s, "patch.padding-bytes", c.padding);
	stat_note(s, "patch.unresolved-bytes", c.unresolved);
	stat_note(s, "patch.instructions", p->scan.insns);
	stat_note(s, "patch.sensitive", p->n.found);
	stat_note(s, "patch.privileged", p->n.privileged);
	stat_note(s, "patch.overlaps", p->n.overlaps);
	stat_note(s, "patch.traps", p->n.traps);
	stat_note(s, "patch.follows", p->n.follows);
	stat_note(s, "patch.indirect", p->scan.indirect);
	stat_note(s, "patch.jump-tables", p->scan.tables);
	stat_note(s, "patch.late-scans", p->n.scans);
	stat_note(s, "patch.late-instructions", p->n.late);
	stat_note(s, "patch.dropped-pages", p->n.dropped);
	stat_note(s, "patch.text-writes", p->n.text_writes);
	stat_note(s, "patch.user-pages-left", p->n.left);
}

void pv_patch_describe(struct vcpu *v, FILE *out)
{
	struct patch *p = ((struct pv *)v->vm->priv)->patch;

	if (!p || !p->ready)
		return;
	struct coverage c = cover(p, out);
	fprintf(out, "code: %llu bytes, %llu reached, %llu padding, %llu unresolved in %llu runs\n", (unsigned long long)c.bytes,
		(unsigned long long)c.reached, (unsigned long long)c.padding, (unsigned long long)c.unresolved, (unsigned long long)c.runs);
	fprintf(out, "instructions: %llu, of these %llu sensitive and replaced (%llu privileged), %llu replaced because they overlap one\n",
		(unsigned long long)p->scan.insns, (unsigned long long)p->n.found, (unsigned long long)p->n.privileged,
		(unsigned long long)p->n.overlaps);
	fprintf(out, "found at run time: %llu instructions in %llu scans; %llu pages written and dropped, %llu writes beside code\n",
		(unsigned long long)p->n.late, (unsigned long long)p->n.scans, (unsigned long long)p->n.dropped,
		(unsigned long long)p->n.text_writes);
	fprintf(out, "targets unknown: %llu indirect jumps and calls; %llu jump tables proved; %llu calls that never return; %llu dead ends\n",
		(unsigned long long)p->scan.indirect, (unsigned long long)p->scan.tables, (unsigned long long)p->scan.no_return,
		(unsigned long long)p->scan.dead_ends);
	fprintf(out, "traps taken: %llu, and %llu instructions behind one without a trap of their own; pages of user code left alone: %llu\n",
		(unsigned long long)p->n.traps, (unsigned long long)p->n.follows, (unsigned long long)p->n.left);
	if (p->n.limited)
		fprintf(out, "scans cut short at their limit: %llu\n", (unsigned long long)p->n.limited);
}
