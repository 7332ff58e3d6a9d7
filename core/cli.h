/*
 * cli.h - what the command line's files share. Nothing outside core/main.c and core/cli_*.c includes it.
 *
 * main.c knows the backends and the commands; each command is one file. Read next: cli_run.c.
 */
#pragma once
#include <jansson.h>
#include "core/attrib.h"
#include "core/symbols.h"
#include "core/vm.h"

/* Exit statuses (docs/exits.md). A guest's own status is passed on up to STATUS_GUEST_MAX. */
enum {
	STATUS_GUEST_MAX = 219,
	STATUS_CRASH = 220,
	STATUS_TIMEOUT = 221,
	STATUS_HOST = 222,
	STATUS_USAGE = 223,
	STATUS_JAIL = 224,
	STATUS_INTERRUPTED = 225,
};

/* main.c */
extern const struct backend_ops *const cli_backends[]; /* NULL-terminated */
const struct backend_ops *cli_backend(const char *name); /* NULL when there is none */
/* Says what was wrong and where to read more; returns STATUS_USAGE. */
__attribute__((format(printf, 2, 3)))
int cli_usage(const char *command, const char *fmt, ...);
bool cli_parse_size(const char *s, uint64_t *bytes);   /* "64M", "1G", "4096" */
bool cli_parse_seconds(const char *s, uint64_t *ns);   /* "2", "0.5" */

int cmd_run(int argc, char **argv);
int cmd_lockstep(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_report(int argc, char **argv);

/* cli_guests.c: guests.cfg */
struct guest {
	char name[64];
	char native[64], xen[64]; /* file names in the guests' directory, or "-" */
	char append[128];
	char expect[32];          /* "exit 0", "crash", "timeout" */
	char text[160];
	char disk[64];            /* its disk image, or "" */
};
/* What a guest named in guests.cfg, or by a path, is run with. */
struct guest_files {
	char path[700];
	char disk[700];     /* "": none */
	const char *append; /* the default command line, owned by the list, or NULL */
};
struct guest_list {
	char dir[512];
	struct guest *guest;
	size_t n;
};
int guests_read(struct guest_list *l); /* 0, or -errno after saying why */
void guests_free(struct guest_list *l);
const struct guest *guests_find(const struct guest_list *l, const char *name);
/* The files for a guest named in guests.cfg, or for a path to an image: 0, or -ENOENT and the like after saying why. */
int guests_resolve(const struct guest_list *l, const char *name, const struct backend_ops *ops, const char *interface, struct guest_files *f);

/* cli_see.c: --trace, --top, --symbols, --phase, --listing, --timeline, --witness of `run` */
#define SEE_MAX 16
struct see {
	const char *trace_path, *symbols_path, *listing_path;
	const char *symbols_from[SEE_MAX], *listing_of[SEE_MAX], *phase[SEE_MAX];
	unsigned symbols_froms, listings, phases, top;
	bool witness;
	uint64_t trace_size, t0;
	bool by_symbol;     /* --by-symbol: as --top, for --stats alone */
	double timeline_ms; /* 0: no --timeline */
	bool chart;         /* of the timeline: nobody asked for --stats */
	struct attrib_row *rows; /* after the run, where --top or --by-symbol asked for them */
	size_t rows_n;
	struct attrib_sum sum;
	struct symbols symbols;
	struct code_range range[SEE_MAX];
	FILE *listing, *symbols_out;
	char listing_buf[4096], symbols_buf[4096]; /* no fstat in the jail */
};
/* Options: 0, or a status to exit with. */
int see_symbols(struct see *s, const char *from);
int see_top(struct see *s, const char *n);
int see_listing(struct see *s, const char *of);
int see_phase(struct see *s, const char *text);
int see_timeline(struct see *s, const char *width_ms); /* cli_timeline.c; NULL: the default */
/* After loading, before the jail: opens and reads what was asked for. 0, or a status to exit with, having said why. */
int see_begin(struct see *s, struct vm *vm);
/* After the run: prints it all. */
void see_end(struct see *s, struct vm *vm);
/* Then: the keys `symbols`, `symbols_missing` and `symbols_dropped` of docs/exits.md. */
void see_json(const struct see *s, const struct vm *vm, json_t *column);
/* At last: gives the rows back. */
void see_close(struct see *s);

/* cli_timeline.c */
json_t *timeline_json(const struct timeline *t); /* NULL: an empty array */
void timeline_print(const struct timeline *t);

/* cli_linux.c, cli_grub.c: their lines of `ringlab list`. */
void linux_guests_list(void);
void grub_guest_list(void);

/* cli_stats.c */
/* One element of compare's backends[], documented in docs/exits.md. */
json_t *stats_json(struct vm *vm, const char *engine, int status, const char *guest);
int cli_status(const struct vm *vm);
int cli_status_of(enum vm_end end, int guest_status);
const char *cli_end_name(enum vm_end end);

/* cli_table.c */
void table_print(FILE *out, const json_t *comparison);
const char *mech_brief(const char *name); /* a mechanism in six letters that fit a column */

/* cli_tsv.c */
void tsv_print(FILE *out, const json_t *comparison);
