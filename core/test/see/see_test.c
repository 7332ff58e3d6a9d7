/*
 * see_test.c - --top, --symbols, --listing and --trace of `ringlab run`, as a user gives them.
 *
 * The trace is checked against the Trace Event Format as Perfetto's importer reads it: every event has the members and types
 * of its phase, each track has a name, events of one track nest, and the file keeps to its size.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD_USAGE 223

struct outcome {
	int status;
	char text[1 << 18];
};

static struct outcome *ringlab(const char *args)
{
	struct outcome *o = calloc(1, sizeof(*o));
	char command[1200];
	size_t n = 0;
	FILE *p;
	int w;

	snprintf(command, sizeof(command), "timeout 60 %s %s 2>&1 </dev/null", RINGLAB_BINARY, args);
	p = popen(command, "r");
	cr_assert(p);
	while (n < sizeof(o->text) - 1 && !feof(p) && !ferror(p))
		n += fread(o->text + n, 1, sizeof(o->text) - 1 - n, p);
	w = pclose(p);
	o->status = WIFEXITED(w) ? WEXITSTATUS(w) : 1000 + WTERMSIG(w);
	return o;
}

static void refused(const char *args, const char *word)
{
	struct outcome *o = ringlab(args);

	cr_expect_eq(o->status, BAD_USAGE, "ringlab %s: status %d: %s", args, o->status, o->text);
	cr_expect(strstr(o->text, word), "ringlab %s: '%s' lacks '%s'", args, o->text, word);
	free(o);
}

/* Each on the interpreter, which every build has. */
Test(see, bad_options_get_a_sentence)
{
	refused("run --backend interp --top 0 hello", "--top 0");
	refused("run --backend interp --top many hello", "--top many");
	refused("run --backend interp --top 3 --symbols /no/such/file hello", "/no/such/file");
	refused("run --backend interp --symbols " RINGLAB_SOURCE "/README.md hello", "line 1");
	refused("run --backend interp --symbols-out /tmp/x hello", "--symbols");
	refused("run --backend interp --listing main hello", "changes no code");
	refused("run --backend interp --listing-out /tmp/x hello", "without --listing");
	refused("run --backend interp --trace-size big hello", "--trace-size");
#ifdef HAVE_BACKEND_BT
	refused("run --backend bt --listing no_such_symbol hello", "no_such_symbol");
	refused("run --backend bt --listing main+ hello", "main+");
	refused("run --backend bt --listing 0x1ffffffff hello", "0x1ffffffff");
	refused("run --backend bt --listing guest_main --listing-out /no/such/dir/x hello", "/no/such/dir");
#endif
}

/* The row "SYMBOL KIND ..." of the table: its count, or 0. */
static unsigned long row_count(const char *text, const char *symbol, const char *kind)
{
	char name[100], k[40], rest[40];
	unsigned long count;

	for (const char *p = text; (p = strchr(p, '\n')); )
		if (sscanf(++p, "%99s %39s %39s %lu", name, k, rest, &count) == 4 && !strcmp(name, symbol) && !strcmp(k, kind))
			return count;
	return 0;
}

Test(see, top_names_who_caused_the_events)
{
	struct outcome *o = ringlab("run --backend interp --append n=50 --top 1000 nano");

	cr_assert_eq(o->status, 0, "%s", o->text);
	cr_expect_gt(row_count(o->text, "hal_putc", "port-out"), 400, "%s", o->text);
	cr_expect_geq(row_count(o->text, "page_set", "tlb-flush"), 50, "%s", o->text);
	free(o);
}

/* Names from a file instead, and the same table as a System.map. */
Test(see, symbols_from_a_file_and_back)
{
	char map[] = "/tmp/ringlab-map-XXXXXX", args[400], line[300];
	int fd = mkstemp(map);
	bool found = false;
	struct outcome *o;
	FILE *f;

	cr_assert_geq(fd, 0);
	close(fd);
	snprintf(args, sizeof(args), "run --backend interp --symbols " RINGLAB_GUESTS "/hello.elf --symbols-out %s hello", map);
	o = ringlab(args);
	cr_expect(strstr(o->text, "what guest code made the VMM do"), "%s", o->text);
	free(o);
	f = fopen(map, "r");
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, " T guest_main\n") != NULL;
	fclose(f);
	cr_expect(found, "no guest_main in the System.map");
	snprintf(args, sizeof(args), "run --backend interp --symbols %s --top 1000 hello", map);
	o = ringlab(args);
	cr_expect_gt(row_count(o->text, "hal_putc", "port-out"), 5, "%s", o->text);
	free(o);
	o = ringlab("run --backend interp --symbols guest hello");
	cr_expect(strstr(o->text, "no symbol table of an i386 Linux"), "%s", o->text);
	free(o);
	unlink(map);
}

/* Counters between lines of the console: nano's cells, each of which prints a line when it is done. */
Test(see, phases_are_cut_at_console_lines)
{
	char path[] = "/tmp/ringlab-phase-XXXXXX", args[300];
	int fd = mkstemp(path);
	json_t *j, *phases, *e;
	json_int_t cpuid = 0;
	struct outcome *o;
	size_t i;

	cr_assert_geq(fd, 0);
	close(fd);
	snprintf(args, sizeof(args), "run --backend interp --append n=50 --phase \"NANO pushf\" --phase \"NANO cpuid\" --stats %s nano", path);
	o = ringlab(args);
	cr_assert(strstr(o->text, "phase: up to the line"), "%s", o->text);
	free(o);
	j = json_load_file(path, 0, NULL);
	phases = json_object_get(j, "phases");
	cr_assert_eq(json_array_size(phases), 2);
	json_array_foreach(json_object_get(json_array_get(phases, 1), "events"), i, e)
		if (!strcmp(json_string_value(json_object_get(e, "kind")), "cpuid")) {
			cpuid += json_integer_value(json_object_get(e, "count"));
			cr_expect_gt(json_integer_value(json_object_get(e, "median")), 0, "the cell's CPUIDs have no median cost");
		}
	cr_expect(cpuid >= 50 && cpuid < 120, "%lld CPUID in the cell of 50", (long long)cpuid);
	cr_expect_gt(json_integer_value(json_object_get(json_array_get(phases, 1), "cycles")), 0);
	json_decref(j);
	unlink(path);
}

/* --- trace --- */

static double number(const json_t *e, const char *key)
{
	json_t *v = json_object_get(e, key);

	cr_assert(json_is_number(v), "an event without a number %s: %s", key, json_dumps(e, JSON_ENCODE_ANY));
	return json_number_value(v);
}

#define TRACKS 64

/* One event of the array; tracks[] has who was named. Returns whether it is a complete event. */
static bool event_check(const json_t *e, bool *named, double *until)
{
	const char *ph = json_string_value(json_object_get(e, "ph")), *name = json_string_value(json_object_get(e, "name"));
	const json_t *args = json_object_get(e, "args");
	int tid = (int)number(e, "tid");

	cr_assert(ph && name && json_is_object(args));
	cr_assert(json_is_integer(json_object_get(e, "pid")) && json_is_integer(json_object_get(e, "tid")));
	cr_assert(tid > 0 && tid < TRACKS);
	if (!strcmp(ph, "M")) {
		cr_expect(!strcmp(name, "process_name") || !strcmp(name, "thread_name") || !strcmp(name, "thread_sort_index"), "%s", name);
		if (!strcmp(name, "thread_sort_index"))
			cr_expect(json_is_integer(json_object_get(args, "sort_index")));
		else
			cr_expect(json_is_string(json_object_get(args, "name")));
		named[tid] |= !strcmp(name, "thread_name");
		return false;
	}
	cr_assert_str_eq(ph, "X");
	double ts = number(e, "ts"), dur = number(e, "dur");
	cr_assert(ts >= 0 && dur >= 0);
	cr_expect(json_is_string(json_object_get(e, "cat")));
	cr_expect(json_is_string(json_object_get(args, "eip")));
	cr_expect(named[tid], "track %d has no name", tid);
	/* events of one track come in the order in which they ended; a later one lies after an earlier one or around it */
	cr_expect(ts + dur + 0.002 >= until[tid], "track %d goes backwards", tid);
	until[tid] = ts + dur;
	return true;
}

static size_t trace_check(const char *path, json_int_t *dropped)
{
	bool named[TRACKS] = { false };
	double until[TRACKS] = { 0 };
	json_error_t err;
	json_t *t = json_load_file(path, 0, &err), *e, *events;
	size_t i, n = 0;

	cr_assert(t, "%s: line %d: %s", path, err.line, err.text);
	events = json_object_get(t, "traceEvents");
	cr_assert(json_is_array(events));
	json_array_foreach(events, i, e)
		n += event_check(e, named, until);
	*dropped = json_integer_value(json_object_get(json_object_get(t, "otherData"), "dropped"));
	json_decref(t);
	return n;
}

Test(see, a_trace_is_what_perfetto_reads)
{
	char path[] = "/tmp/ringlab-trace-XXXXXX.json", args[300];
	int fd = mkstemps(path, 5);
	struct stat st;
	json_int_t dropped;
	struct outcome *o;
	size_t n;

	cr_assert_geq(fd, 0);
	close(fd);
	snprintf(args, sizeof(args), "run --backend interp --append n=50 --trace %s nano", path);
	o = ringlab(args);
	cr_assert_eq(o->status, 0, "%s", o->text);
	free(o);
	n = trace_check(path, &dropped);
	cr_expect_gt(n, 1000);
	cr_expect_eq(dropped, 0);
	snprintf(args, sizeof(args), "run --backend interp --append n=50 --trace-size 100K --trace %s nano", path);
	o = ringlab(args);
	cr_expect(strstr(o->text, "--trace: the last "), "nothing was said of what is missing: %s", o->text);
	free(o);
	stat(path, &st);
	cr_expect_leq(st.st_size, 100 << 10);
	n = trace_check(path, &dropped);
	cr_expect_gt(n, 100);
	cr_expect_gt(dropped, 100);
	unlink(path);
}

/* --- listing --- */

#ifdef HAVE_BACKEND_BT
Test(see, a_listing_shows_both_sides_and_says_what_calls_out)
{
	struct outcome *o = ringlab("run --backend bt --append n=20 --listing cli_sti --listing hal_putc --listing 0x100003 nano");

	cr_assert_eq(o->status, 0, "%s", o->text);
	cr_expect(strstr(o->text, "listing of cli_sti"), "%s", o->text);
	cr_expect(strstr(o->text, "inline CLI"), "%s", o->text);
	cr_expect(strstr(o->text, "callout: OUT"), "%s", o->text);
	cr_expect(strstr(o->text, "; to "), "no branch target by name: %s", o->text);
	cr_expect(strstr(o->text, "it was never translated"), "%s", o->text);
	free(o);
}

Test(see, a_listing_goes_where_it_is_told)
{
	char path[] = "/tmp/ringlab-listing-XXXXXX", args[300], text[200] = "";
	int fd = mkstemp(path);
	struct outcome *o;

	cr_assert_geq(fd, 0);
	snprintf(args, sizeof(args), "run --backend bt --listing guest_main --listing-out %s hello", path);
	o = ringlab(args);
	cr_expect(!strstr(o->text, "listing of"), "%s", o->text);
	free(o);
	cr_expect_gt(read(fd, text, sizeof(text) - 1), 0);
	cr_expect(strstr(text, "listing of guest_main"), "%s", text);
	close(fd);
	unlink(path);
}
#endif
