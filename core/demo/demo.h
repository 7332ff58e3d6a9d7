/*
 * demo.h - `ringlab demo`: what the demonstrations share: a stage to speak on, guests to run, facts from the runs.
 *
 * A demonstration is one file, demo_NAME.c, with one function that tells its story on a stage. The stage renders it as text of 80
 * columns (pausing before each step on a terminal) or as a page. Whatever number, selector or mechanism is shown comes from a
 * run: demo_fact records it under a key, so that tests can compare it with what `compare --json` says. Prose holds no numbers that a run
 * could contradict. Read next: demo.c, then demo_rings.c.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stage;
struct backend_ops;

struct demo {
	const char *name, *title; /* "ring-aliasing"; one line for the list */
	/* 0, or a status to exit with after saying why on standard error. */
	int (*show)(struct stage *s);
};
/* Each demo_NAME.c defines one, `const struct demo demo_NAME` (- becomes _); demo.c has the list, where each name stands already. */

/* What the command line knows, and a demonstration needs not. */
struct demo_setup {
	const char *guests;   /* the guests' directory */
	const char *nested;   /* where scripts/nested-vtx keeps its results, without $XDG_CACHE_HOME */
	const char *recorded; /* of runs on the nested machine that are kept: NAME.json */
	const char *html, *facts; /* files to write, or NULL */
	bool automatic;       /* no pauses */
	bool vtx_here;        /* /dev/kvm is VT-x */
	/* The path of a guest's native image; false when there is none. */
	bool (*image)(void *ctx, const char *guest, char *path, size_t n);
	void *ctx;
	const struct backend_ops *const *backends; /* NULL-terminated: for their rules */
};
/* Runs one on standard output: 0; a status to exit with after saying why; or -ENOENT after saying which there are. */
int demo_show(const char *name, const struct demo_setup *setup);
/* Prints all names and titles; 0, or -EIO after saying so. */
int demo_list(void);
/* The i-th of the demonstrations that this build has; NULL behind the last. */
const struct demo *demo_at(unsigned i);

/* --- telling --- */

/* Begins a step; on a terminal waits for Enter before all but the first. */
__attribute__((format(printf, 2, 3)))
void demo_step(struct stage *s, const char *fmt, ...);
/* A paragraph; wrapped to 80 columns. */
__attribute__((format(printf, 2, 3)))
void demo_say(struct stage *s, const char *fmt, ...);
/* The point of the demonstration in one sentence, and where it is from. */
void demo_point(struct stage *s, const char *sentence, const char *source);
/* Lines as they are: a listing, a console. Tabs are kept; long lines are cut. */
void demo_lines(struct stage *s, const char *caption, const char *text);

/*
 * The guest's code at a symbol, by Capstone: at most max instructions, or up to the symbol's end. image: a file of the guests'
 * directory, "nano.elf".
 */
int demo_code(struct stage *s, const char *image, const char *symbol, unsigned max);

/*
 * What --listing printed in this column's run, both sides cut to fit 80 columns: at most max lines, from the first that holds `from`
 * (NULL: from the top).
 */
void demo_listing(struct stage *s, const char *caption, const json_t *column, const char *from, unsigned max);

/* A table. Cells are text; a cell that begins with a digit or '-' is right-aligned. */
struct demo_table;
struct demo_table *demo_table(struct stage *s, const char *const *heads); /* NULL-terminated; at most 8 columns */
__attribute__((format(printf, 2, 3)))
void demo_cell(struct demo_table *t, const char *fmt, ...); /* fills rows from left to right */
void demo_table_end(struct demo_table *t);                   /* prints it, and frees it */

/* --- running --- */

/* What to run; as `ringlab run` takes it. */
struct demo_guest {
	const char *guest;      /* a name of guests.cfg, "demo/aliasing" */
	const char *backend;    /* "bt", "pv", "interp", "vtx" */
	const char *interface;  /* pv: "xen", "trap" …; NULL elsewhere */
	const char *append;     /* NULL: as guests.cfg has it */
	/* More options of `ringlab run`, blank-separated, or NULL: "--witness", "--listing SYMBOL". For "vtx" also "--ept 0", shadow paging. */
	const char *options;
	unsigned timeout_s;     /* 0: 20 */
};

/*
 * Runs it in a child (ringlab run --stats) and returns a COLUMN of docs/exits.md, with "console" (array of lines) and "listing" (what
 * --listing printed) added; never NULL: available is false and why says why where it could not run. Borrowed: the stage frees it.
 * backend "vtx": from /dev/kvm where that is VT-x; else from what scripts/nested-vtx left in its cache for this guest, whose origin is
 * "nested"; else from the recorded run in docs/lectures/recorded/, whose origin is "recorded"; each is labelled where it is shown.
 */
json_t *demo_run(struct stage *s, const struct demo_guest *g);
/* True when the guest ran to its own end. Else says so on the stage, and why; a demonstration goes on without that column. */
bool demo_ran(struct stage *s, const json_t *column);
/* The same guest by each technique: bt, pv:trap, pv:patch, pv:previrt, pv:xen, vtx. NULL where demo_ran says no. append, options: as above. */
#define DEMO_TECHNIQUES 6
void demo_techniques(struct stage *s, const char *guest, const char *append, const char *options, const json_t *column[DEMO_TECHNIQUES]);

/* Of a COLUMN: events of that kind, over all mechanisms (mech NULL) or one. Counts; and the median cost of the row with most events, or -1. */
long long demo_count(const json_t *column, const char *kind, const char *mech);
long long demo_cost(const json_t *column, const char *kind);
/* The mechanism that most of its events came by, "native" when there were none. */
const char *demo_mechanism(const json_t *column, const char *kind);
/*
 * The value in a console line "NAME VALUE", without the blanks between: what the guest saw, as it printed it; NULL when it did not. Borrowed.
 * A guest prints what differs from run to run ("cost-…" names) in a fixed width, so that its port accesses are the same in each.
 */
const char *demo_console(const json_t *column, const char *name);
/* How the column is called where it is shown: "bt", "pv:xen", "vtx (nested)", and "vtx:shadow (nested)" for --ept 0. Borrowed until the next call on this column. */
const char *demo_name(const json_t *column);

/*
 * What the hardware did: in a COLUMN of a run with `--witness`, "witness" is an array of {kind, mechanism, eip, real: {cs, ss, eflags, cpl},
 * guest: {cs, ss, eflags, cpl}}: the first entry into the VMM of each kind, with the true registers of the CPU at that moment and those that
 * the guest believes in. NULL when there is none of that kind (kind NULL: the first of all).
 */
const json_t *demo_witness(const json_t *column, const char *kind);

/* --- facts --- */

/*
 * Every number, selector and mechanism shown is recorded, so that tests can look it up in the run's COLUMN, and in a run of their own.
 * These build the key: "GUEST[:APPEND]@NAME." and then, of the column with demo_name NAME, one of
 *   count.KIND[.MECHANISM]  truth.KIND  cost.KIND  mechanism.KIND  console.NAME  witness.KIND.real|guest.FIELD
 * Cost and counts that differ from run to run are only held against their own column.
 */
long long demo_fact_count(struct stage *s, const json_t *column, const char *kind, const char *mech);
/* How often the guest executed it, as it counted itself; -1: it does not vouch for the kind. */
long long demo_fact_truth(struct stage *s, const json_t *column, const char *kind);
long long demo_fact_cost(struct stage *s, const json_t *column, const char *kind);
const char *demo_fact_mechanism(struct stage *s, const json_t *column, const char *kind);
/* As demo_console: NULL when the guest printed no such line. */
const char *demo_fact_console(struct stage *s, const json_t *column, const char *name);
/* Of demo_witness: "cs", "ss", "eflags", "cpl", "mode" of the side "real" or "guest", as text; "-" for what cannot be seen. */
const char *demo_fact_witness(struct stage *s, const json_t *column, const char *kind, const char *side, const char *field);

/*
 * Records and returns what the functions above have no form for. The key is one of theirs, with NAME alone for "GUEST@NAME" if you like
 * ("bt.count.int-flag"), or begins with "derived." when it was worked out from several: tests look those up nowhere.
 */
long long demo_fact(struct stage *s, const char *key, long long v);
const char *demo_fact_text(struct stage *s, const char *key, const char *v);
