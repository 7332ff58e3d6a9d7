/*
 * cli_see.c - the options of `ringlab run` that look inside: --trace, --top with --symbols, --listing, --timeline.
 *
 * Files are read and opened before the jail closes; what was seen is printed when the run has ended, on standard error,
 * for standard output is the guest's console. Called by cli_run.c. Read next: attrib.c, symbols.c, trace.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "core/attrib.h"
#include "core/phase.h"
#include "core/timeline.h"
#include "core/trace.h"
#include "core/witness.h"

#define TOP_DEFAULT 20
#define FROM_GUEST "guest" /* --symbols guest */

int see_symbols(struct see *s, const char *from)
{
	if (s->symbols_froms == SEE_MAX)
		return cli_usage("run", "more than %d --symbols", SEE_MAX);
	s->symbols_from[s->symbols_froms++] = from;
	return 0;
}

int see_top(struct see *s, const char *n)
{
	char *end;
	unsigned long v = strtoul(n, &end, 10);

	if (!isdigit((unsigned char)*n) || *end || !v || v > 1000000)
		return cli_usage("run", "--top %s: give a number from 1", n);
	s->top = (unsigned)v;
	return 0;
}

int see_listing(struct see *s, const char *of)
{
	if (s->listings == SEE_MAX)
		return cli_usage("run", "more than %d --listing", SEE_MAX);
	s->listing_of[s->listings++] = of;
	return 0;
}

int see_phase(struct see *s, const char *text)
{
	if (s->phases == SEE_MAX)
		return cli_usage("run", "more than %d --phase", SEE_MAX);
	s->phase[s->phases++] = text;
	return 0;
}

/* --- before the run --- */

static int symbols_read(struct see *s, struct vm *vm)
{
	char why[400];

	for (unsigned i = 0; i < s->symbols_froms; i++)
		if (strcmp(s->symbols_from[i], FROM_GUEST) && symbols_add_file(&s->symbols, s->symbols_from[i], why, sizeof(why))) {
			say("--symbols: %s", why);
			return STATUS_USAGE;
		}
	symbols_add_image(&s->symbols, &vm->image);
	return 0;
}

/* "0xc0101234" or hexadecimal digits that no symbol is called; a symbol; a symbol and an offset, "schedule+0x12". */
static int range_parse(struct see *s, const char *of, struct code_range *r)
{
	char name[200], *end;
	const char *plus = strchr(of, '+');
	unsigned long long at = strtoull(of, &end, 16), off = plus ? strtoull(plus + 1, &end, 0) : 0;
	const struct symbol *sym;

	snprintf(name, sizeof(name), "%.*s", (int)(plus ? plus - of : (long)strlen(of)), of);
	sym = symbols_named(&s->symbols, name);
	r->name = of;
	if (sym && (!plus || (plus[1] && !*end))) {
		r->from = (uint32_t)(sym->addr + off);
		r->to = plus ? r->from + 1 : (uint32_t)symbols_end(&s->symbols, sym);
		return 0;
	}
	if (!sym && !plus && *of && !*end && at <= UINT32_MAX) {
		r->from = (uint32_t)at;
		r->to = r->from + 1;
		return 0;
	}
	if (s->symbols.n)
		say("--listing %s: neither an address such as 0xc0101234 nor one of the %zu symbols", of, s->symbols.n);
	else
		say("--listing %s: not an address such as 0xc0101234, and the guest has no symbols: give --symbols System.map", of);
	return STATUS_USAGE;
}

static int out_open(const char *path, FILE **f, char *buf, size_t n)
{
	if (!path)
		return 0;
	*f = fopen(path, "we");
	if (!*f) {
		say("cannot write %s: %s", path, strerror(errno));
		return STATUS_USAGE;
	}
	setvbuf(*f, buf, _IOFBF, n);
	return 0;
}

static int listing_begin(struct see *s, struct vm *vm)
{
	int status;

	if (!s->listings)
		return s->listing_path ? cli_usage("run", "--listing-out without --listing") : 0;
	if (!vm->ops->lists_code)
		return cli_usage("run", "--listing: backend %s changes no code; use --backend bt or pv", vm->ops->name);
	for (unsigned i = 0; i < s->listings; i++)
		if ((status = range_parse(s, s->listing_of[i], &s->range[i])))
			return status;
	vm->cfg.listing = s->range;
	vm->cfg.listings = s->listings;
	vm->cfg.symbols = &s->symbols;
	return out_open(s->listing_path, &s->listing, s->listing_buf, sizeof(s->listing_buf));
}

static int see_open(struct see *s, struct vm *vm)
{
	struct stats *st = &vm->vcpu.stats;
	int status, e;

	if (s->symbols_froms && !s->top && !s->by_symbol && !s->listings && !s->trace_path)
		s->top = TOP_DEFAULT;
	if (s->symbols_path && !s->symbols_froms)
		return cli_usage("run", "--symbols-out without --symbols");
	if ((s->top || s->by_symbol || s->listings || s->trace_path) && (status = symbols_read(s, vm)))
		return status;
	if ((status = listing_begin(s, vm)) || (status = out_open(s->symbols_path, &s->symbols_out, s->symbols_buf, sizeof(s->symbols_buf))))
		return status;
	if (s->trace_path && (e = trace_open(&st->trace, s->trace_path, s->trace_size))) {
		say("cannot write %s: %s", s->trace_path, strerror(-e));
		return STATUS_USAGE;
	}
	if (s->witness && witness_create(&st->witness)) {
		say("no memory for --witness");
		return STATUS_HOST;
	}
	if (((s->top || s->by_symbol) && attrib_create(&st->attrib, &vm->vcpu.state)) || (s->phases && phases_create(&vm->phases, s->phase, s->phases))) {
		say("no memory for --top or --phase");
		return STATUS_HOST;
	}
	if (s->timeline_ms > 0 && (e = timeline_create(&vm->timeline, st, s->timeline_ms))) {
		say("--timeline: no thread for it: %s", strerror(-e));
		return STATUS_HOST;
	}
	st->every = st->trace || st->attrib;
	s->t0 = __rdtsc();
	return 0;
}

static void see_free(struct see *s, struct vm *vm)
{
	if (s->listing)
		fclose(s->listing);
	if (s->symbols_out)
		fclose(s->symbols_out);
	attrib_free(vm->vcpu.stats.attrib);
	vm->vcpu.stats.attrib = NULL;
	vm->vcpu.stats.every = false;
	vm->cfg.listings = 0;
	symbols_free(&s->symbols);
}

int see_begin(struct see *s, struct vm *vm)
{
	int status = see_open(s, vm);

	if (status)
		see_free(s, vm);
	return status;
}

/* --- after it --- */

/* How many events of each kind are in no row: those counted on paths too light for an address, or without room. The sum. */
static uint64_t rows_missing(const struct see *s, const struct stats *st, uint64_t left[EV_COUNT])
{
	uint64_t all = 0;

	for (int k = 0; k < EV_COUNT; k++)
		left[k] = stat_total(st, k);
	for (size_t i = 0; i < s->rows_n; i++)
		left[s->rows[i].kind] -= s->rows[i].count < left[s->rows[i].kind] ? s->rows[i].count : left[s->rows[i].kind];
	for (int k = 0; k < EV_COUNT; k++)
		all += left[k];
	return all;
}

/* The most frequent first. */
static void missing_print(const struct see *s, const struct stats *st)
{
	uint64_t left[EV_COUNT], all = rows_missing(s, st, left);

	if (!all)
		return;
	fprintf(stderr, "%llu events are in no row, for they are counted without an address, or found no room:", (unsigned long long)all);
	for (int shown = 0; shown < 8; shown++) {
		int most = 0;

		for (int k = 1; k < EV_COUNT; k++)
			most = left[k] > left[most] ? k : most;
		if (!left[most])
			break;
		fprintf(stderr, "%s %s %llu", shown ? "," : "", event_kind_name[most], (unsigned long long)left[most]);
		left[most] = 0;
	}
	fputc('\n', stderr);
}

static void rows_print(const struct attrib_row *rows, unsigned n, double all)
{
	fprintf(stderr, "%-40s %-19s %-12s %12s %15s %10s %7s\n", "symbol", "kind", "mechanism", "count", "cycles", "each", "share");
	for (unsigned i = 0; i < n; i++)
		fprintf(stderr, "%-40s %-19s %-12s %12llu %15llu %10llu %6.2f%%\n", rows[i].name, event_kind_name[rows[i].kind],
			event_mech_name[rows[i].mech], (unsigned long long)rows[i].count, (unsigned long long)rows[i].cycles,
			(unsigned long long)(rows[i].cycles / rows[i].count), 100 * (double)rows[i].cycles / all);
}

static void top_print(const struct see *s, const struct vm *vm, uint64_t cycles)
{
	unsigned shown = s->rows_n < s->top ? (unsigned)s->rows_n : s->top;

	fprintf(stderr, "\nwhat guest code made the VMM do: the %u dearest of %zu rows; %llu events, %.1f of the run's %.1f million cycles"
		" (%.1f %%)\n", shown, s->rows_n, (unsigned long long)s->sum.events, (double)s->sum.cycles / 1e6, (double)cycles / 1e6,
		100 * (double)s->sum.cycles / (double)cycles);
	rows_print(s->rows, shown, (double)cycles);
	missing_print(s, &vm->vcpu.stats);
}

/* The histogram by address becomes rows by symbol. */
static void rows_make(struct see *s, struct vm *vm)
{
	long n = attrib_rows(vm->vcpu.stats.attrib, &s->symbols, &s->rows, &s->sum);

	if (n < 0)
		say("no memory for the table of --top");
	else
		s->rows_n = (size_t)n;
}

/* A name out of a guest's memory or a damaged file may be anything, and JSON is UTF-8. */
static json_t *name_json(const char *name)
{
	char clean[sizeof(((struct attrib_row *)0)->name)];
	size_t i;

	for (i = 0; name[i] && i < sizeof(clean) - 1; i++)
		clean[i] = name[i] >= ' ' && name[i] < 0x7f ? name[i] : '?';
	clean[i] = 0;
	return json_string(clean);
}

void see_json(const struct see *s, const struct vm *vm, json_t *column)
{
	uint64_t left[EV_COUNT];
	json_t *rows = json_array(), *missing = json_object();

	if (!s->rows) {
		json_decref(rows);
		json_decref(missing);
		json_object_set_new(column, "symbols", json_null());
		json_object_set_new(column, "symbols_missing", json_null());
		json_object_set_new(column, "symbols_dropped", json_null());
		return;
	}
	for (size_t i = 0; i < s->rows_n; i++) {
		const struct attrib_row *r = &s->rows[i];

		json_array_append_new(rows, json_pack("{s:o,s:s,s:s,s:I,s:I,s:I}", "symbol", name_json(r->name), "kind", event_kind_name[r->kind],
			"mechanism", event_mech_name[r->mech], "count", (json_int_t)r->count, "cycles", (json_int_t)r->cycles,
			"typical", (json_int_t)r->typical));
	}
	rows_missing(s, &vm->vcpu.stats, left);
	for (int k = 0; k < EV_COUNT; k++)
		if (left[k])
			json_object_set_new(missing, event_kind_name[k], json_integer((json_int_t)left[k]));
	json_object_set_new(column, "symbols", rows);
	json_object_set_new(column, "symbols_missing", missing);
	json_object_set_new(column, "symbols_dropped", json_integer((json_int_t)s->sum.dropped));
}

void see_close(struct see *s)
{
	free(s->rows);
	s->rows = NULL;
	s->rows_n = 0;
}

/* What came since the note before, in the words of the tables: traps, callouts, and the dearest kinds. */
static void phases_print(const struct phases *p)
{
	const struct phase_note *n, *last;
	static const struct phase_note start;

	fprintf(stderr, "\n%-48s %12s %10s %10s %10s %10s %10s\n", "phase: up to the line", "Mcycles", "traps", "callouts", "fills",
		"translated", "interpreted");
	for (unsigned i = 0; (n = phases_note(p, i)); i++) {
		uint64_t mech[MECH_COUNT] = { 0 }, kind[EV_COUNT] = { 0 };

		last = i ? phases_note(p, i - 1) : &start;
		for (int k = 0; k < EV_COUNT; k++)
			for (int m = 0; m < MECH_COUNT; m++) {
				mech[m] += n->count[k][m] - last->count[k][m];
				kind[k] += n->count[k][m] - last->count[k][m];
			}
		fprintf(stderr, "%-48.48s %12.2f %10llu %10llu %10llu %10llu %10llu\n", n->line, (double)(n->cycles - last->cycles) / 1e6,
			(unsigned long long)mech[MECH_TRAP], (unsigned long long)mech[MECH_CALLOUT], (unsigned long long)kind[EV_SHADOW_FILL],
			(unsigned long long)kind[EV_TRANSLATION], (unsigned long long)kind[EV_INTERPRET]);
	}
	if (phases_dropped(p))
		fprintf(stderr, "%llu more such lines were not noted: %d are kept\n", (unsigned long long)phases_dropped(p), PHASES_MAX);
}

static void trace_end(struct see *s, struct vm *vm)
{
	struct trace *t = vm->vcpu.stats.trace;
	struct trace_summary sum;
	int e;

	if (!t)
		return;
	e = trace_close(t, &s->symbols, &sum);
	vm->vcpu.stats.trace = NULL;
	if (e)
		say("--trace: the file could not be written in full: %s", strerror(-e));
	if (sum.dropped)
		say("--trace: the last %llu of %llu events are in the file, whose size is bounded; --trace-size takes more",
			(unsigned long long)sum.written, (unsigned long long)(sum.written + sum.dropped));
}

void see_end(struct see *s, struct vm *vm)
{
	uint64_t cycles = __rdtsc() - s->t0;
	char why[400];

	for (unsigned i = 0; i < s->symbols_froms; i++)
		if (!strcmp(s->symbols_from[i], FROM_GUEST) && symbols_add_kallsyms(&s->symbols, &vm->mem, why, sizeof(why)))
			say("--symbols guest: %s", why);
	trace_end(s, vm);
	if (s->listings || ((vm->cfg.coverage || vm->cfg.holes) && vm->ops->describe))
		vm->ops->describe(&vm->vcpu, s->listing ? s->listing : stderr);
	if (vm->vcpu.stats.attrib)
		rows_make(s, vm);
	if (s->rows && s->top)
		top_print(s, vm, cycles);
	if (vm->phases)
		phases_print(vm->phases);
	if (s->chart)
		timeline_print(vm->timeline);
	if (s->symbols_out && symbols_write(&s->symbols, s->symbols_out))
		say("cannot write %s: %s", s->symbols_path, strerror(EIO));
	see_free(s, vm);
}
