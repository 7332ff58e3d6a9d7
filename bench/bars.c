/*
 * bars.c - what the project holds itself to: figures that must stay below a number, or below another engine's.
 *
 * A bar against an engine is about the ratio within a round. A bar on all workloads of a suite is about the geometric mean of
 * their ratios within a round, without those that are there for their own sake. Where the bar lies within the 95 % interval nothing is decided.
 * Nothing is judged by an exit status: a noisy host would fail it.
 * Called by summary.c and report_bars.c. Read next: view.c, which makes the ratios.
 */
#include "bars.h"
#include <math.h>
#include <string.h>
#include "table.h"
#include "view.h"

struct bar {
	const char *suite, *workload; /* workload NULL: the geometric mean over all of the suite */
	const char *engine, *against; /* against NULL: the bar is in the unit of the metric */
	const char *metric;
	double most;
};

static const struct bar bars[] = {
	{ "nano", "cli-sti", "bt", NULL, "cycles", 10 },
	{ "nano", "syscall-int", "bt", NULL, "cycles", 400 },
	{ "nano", "in", "bt", NULL, "cycles", 120 },
	{ "nano", "hypercall", "pv-xen", NULL, "cycles", 250 },
	{ "nano", "cli-sti", "pv-xen", NULL, "cycles", 5 },
	{ "nano", "cli-sti", "pv-previrt", NULL, "cycles", 5 },
	{ "nano", "cli-sti", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "syscall-int", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "syscall-sysenter", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "in", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "out", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "cr3-write", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "call-ret", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "page-fault", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "divide-error", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "pte-invlpg", "bt", "qemu-tcg", "cycles", 1 },
	{ "nano", "smc-call", "bt", "qemu-tcg", "cycles", 1 },
	{ "compute", NULL, "bt", "native", "cycles", 1.10 },
	{ "compute", NULL, "pv-xen", "native", "cycles", 1.03 },
	{ "compute", NULL, "pv-previrt", "native", "cycles", 1.03 },
	{ "compute", NULL, "pv-patch", "native", "cycles", 1.03 },
	{ "compute", NULL, "pv-trap", "native", "cycles", 1.03 },
	{ "kernel", "boot to a user program", "pv-xen", "bt", "seconds", 3 },
	{ "linux", "boot 686", "bt", "qemu-tcg", "seconds", 0.4 },
	{ "linux", "boot 686-pae", "bt", "qemu-tcg", "seconds", 0.4 },
	{ "linux", "fork-exec", "bt", "qemu-tcg", "cycles", 1 },
	{ "linux", "getppid", "bt", "qemu-tcg", "cycles", 1 },
	{ "linux", "pipe-pingpong", "bt", "qemu-tcg", "cycles", 1 },
	{ "linux", "mmap-touch-64", "bt", "qemu-tcg", "cycles", 1 },
	{ "startup", "first instruction", "bt", NULL, "seconds", 0.010 },
	{ "startup", "first instruction", "pv-xen", NULL, "seconds", 0.010 },
	{ "startup", "own memory", "bt", NULL, "bytes", 8 << 20 },
	{ "startup", "own memory", "pv-xen", NULL, "bytes", 8 << 20 },
	{ "devices", "read virtio qd=32", "bt", "read ata qd=32", "exits-total", 0.1 },
	{ "devices", "read virtio-modern qd=32", "bt", "read ata qd=32", "exits-total", 0.1 },
	{ "devices", "read xen qd=32", "pv-xen", "read ata qd=32", "exits-total", 0.1 },
};

#define WORKLOADS_MAX 64

/* Kernels that are measured beside the others, and are in no mean. */
static const char *const extras[] = { "x87", "sse", "repmovs" };

static bool extra(const char *workload)
{
	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++)
		if (!strcmp(workload, extras[i]))
			return true;
	return false;
}

/* The geometric mean of the ratios of all workloads that both engines have, within a round. mid NAN: there are none. */
static struct interval geomean(const struct result *r, const struct bar *b)
{
	const struct result_group *ours[WORKLOADS_MAX], *theirs[WORKLOADS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < r->groups && n < WORKLOADS_MAX; i++) {
		const struct result_group *g = &r->group[i];

		if (g->key->modelled || *g->key->variant || strcmp(g->key->suite, b->suite) || strcmp(g->key->engine, b->engine) ||
		    strcmp(g->key->metric, b->metric) || extra(g->key->workload))
			continue;
		ours[n] = g;
		theirs[n] = result_find(r, b->suite, g->key->workload, b->against, b->metric);
		n += theirs[n] != NULL;
	}
	return groups_geomean(ours, theirs, n);
}

/* The bar's figure; mid NAN: this result has none. */
static struct interval figure(const struct result *r, const struct bar *b)
{
	struct interval none = { NAN, NAN, NAN };
	const struct result_group *g, *other;

	if (!b->workload)
		return geomean(r, b);
	g = result_find(r, b->suite, b->workload, b->engine, b->metric);
	if (!g || !b->against)
		return g ? g->median : none;
	/* Another engine's figure of the same workload; or, where that names no engine, this engine's of another. */
	other = result_find(r, b->suite, b->workload, b->against, b->metric);
	if (!other)
		other = result_find(r, b->suite, b->against, b->engine, b->metric);
	return other ? group_ratio(g, other, NULL) : none;
}

bool bars_next(const struct result *r, size_t *at, struct bar_figure *out)
{
	while (*at < sizeof(bars) / sizeof(bars[0])) {
		const struct bar *b = &bars[(*at)++];
		struct interval v = figure(r, b);

		if (isnan(v.mid))
			continue;
		*out = (struct bar_figure){ b->suite, b->workload ? b->workload : "geometric mean", b->engine, b->metric, b->against ? b->against : "",
			b->most, v, v.low <= b->most && v.high > b->most ? BAR_OPEN : v.mid <= b->most ? BAR_MET : BAR_MISSED };
		return true;
	}
	return false;
}

int bars_print(const struct result *r, FILE *f)
{
	static const char *const heads[] = { "suite", "workload", "engine", "metric", "against", ">at most", ">is", "95 % interval", "verdict", NULL };
	struct table *t = table_new(heads);
	char most[32], mid[32], low[32], high[32];
	struct bar_figure b;
	bool any = false;

	for (size_t at = 0; bars_next(r, &at, &b); any = true) {
		if (!any)
			fputs("## Held to\n\nWhat the project expects of itself; ratios are within a round. Undecided: the bar lies within the interval.\n\n", f);
		table_cell(t, "%s", b.suite);
		table_cell(t, "%s", b.workload);
		table_cell(t, "%s", b.engine);
		table_cell(t, "%s", b.metric);
		table_cell(t, "%s", b.against);
		table_cell(t, "%s", number_text(most, b.most));
		table_cell(t, "%s", number_text(mid, b.is.mid));
		if (isnan(b.is.low))
			table_cell(t, "%s", "");
		else
			table_cell(t, "[%s, %s]", number_text(low, b.is.low), number_text(high, b.is.high));
		table_cell(t, "%s", b.met == BAR_MET ? "met" : b.met == BAR_OPEN ? "undecided" : "NOT MET");
	}
	return table_end(t, f);
}
