/*
 * cli_lockstep.c - `ringlab lockstep`: one guest on two engines at once, compared; stops at the first difference.
 *
 * Takes the options of `run` and a few of its own. A first pair of VMs runs in long strides; when they differ, a second pair,
 * made before the jail closed, repeats the run and finds the very instruction. Read next: lockstep.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cli_run.h"
#include "core/lockstep.h"

#define STATUS_DIFFER 1

struct lock_options {
	struct lockstep_config cfg;
	const char *name[2];
	uint64_t insns;
};

static const char lockstep_help[] =
	"usage: ringlab lockstep [OPTION…] GUEST\n\n"
	"Runs GUEST on two engines with the same virtual time and the same interrupts, and compares registers and memory; at the\n"
	"first difference prints both states and the code. The exit status is 0 when all was alike, 1 when something differed,\n"
	"221 at the time-out, 222 host failure, 223 bad usage.\n\n"
	"  --a E, --b E   the engines: bt, interp (default: bt leads, interp follows)\n"
	"  --insns N      stop after N instructions (default: when the guest ends)\n"
	"  --skip N       the first N instructions with engine a on both sides, which is faster\n"
	"  --every K      instructions between comparisons (default 1000); 1 compares after each\n"
	"and the options of `run` that say what is run and how: see ringlab run --help\n";

static bool take(const char *arg, const char *name, int argc, char **argv, int *i, const char **value)
{
	size_t n = strlen(name);

	if (strncmp(arg, name, n) || (arg[n] && arg[n] != '='))
		return false;
	*value = arg[n] ? arg + n + 1 : *i + 1 < argc ? argv[++*i] : NULL;
	return true;
}

static bool parse_count(const char *s, uint64_t *out)
{
	char *end;

	if (!s || *s == '-')
		return false;
	errno = 0;
	*out = strtoull(s, &end, 0);
	if (end != s && (*end == 'k' || *end == 'M' || *end == 'G') && !end[1])
		*out *= *end == 'k' ? 1000ull : *end == 'M' ? 1000000ull : 1000000000ull;
	else if (end == s || *end)
		return false;
	return !errno && *out;
}

/* Takes what is lockstep's own out of argv; the rest is for run_parse. */
static int own_options(struct lock_options *o, int *argc, char **argv)
{
	int n = 1;

	for (int i = 1; i < *argc; i++) {
		const char *value = NULL, *arg = argv[i];

		if (take(arg, "--a", *argc, argv, &i, &value) || take(arg, "--b", *argc, argv, &i, &value)) {
			o->name[arg[2] == 'b'] = value;
		} else if (take(arg, "--insns", *argc, argv, &i, &value)) {
			if (!parse_count(value, &o->insns))
				return cli_usage("lockstep", "--insns: give a number of instructions, such as 20000000 or 20M");
		} else if (take(arg, "--skip", *argc, argv, &i, &value)) {
			if (!parse_count(value, &o->cfg.skip))
				return cli_usage("lockstep", "--skip: give a number of instructions");
		} else if (take(arg, "--every", *argc, argv, &i, &value)) {
			if (!parse_count(value, &o->cfg.every))
				return cli_usage("lockstep", "--every: give a number of instructions");
		} else if (!strcmp(arg, "--help")) {
			fputs(lockstep_help, stdout);
			exit(0);
		} else {
			argv[n++] = argv[i];
		}
	}
	argv[n] = NULL;
	*argc = n;
	for (unsigned i = 0; i < 2; i++) {
		o->cfg.ops[i] = o->name[i] ? cli_backend(o->name[i]) : NULL;
		if (!o->cfg.ops[i] || !o->cfg.ops[i]->counts_insns)
			return cli_usage("lockstep", "--%c: '%s' is no engine that counts instructions: give bt or interp", "ab"[i],
				o->name[i] ? o->name[i] : "");
	}
	return 0;
}

static void say_end(const struct lockstep *l, enum lockstep_end end)
{
	say("lockstep: %llu instructions %s: %s", (unsigned long long)lockstep_insns(l), end == LOCKSTEP_DIFFER ? "until a difference" : "alike",
		lockstep_why(l));
}

static int finish(struct lockstep *l[2], enum lockstep_end end)
{
	enum lockstep_end fine;

	say_end(l[0], end);
	switch (end) {
	case LOCKSTEP_DIFFER:
		fine = lockstep_refine(l[1], l[0]);
		if (fine != LOCKSTEP_DIFFER)
			say("lockstep: one instruction at a time it does not show: what follows is as coarse as --every");
		lockstep_report(l[fine == LOCKSTEP_DIFFER], stdout);
		return STATUS_DIFFER;
	case LOCKSTEP_TIMEOUT:
		return STATUS_TIMEOUT;
	case LOCKSTEP_HOST:
		return STATUS_HOST;
	default:
		return 0;
	}
}

static int lockstep_child(struct run *r)
{
	struct lock_options *o = r->more;
	struct guest_list guests = { 0 };
	struct lockstep *l[2] = { NULL };
	int status = run_open(r, &guests), e = 0;

	setvbuf(stdout, r->stats_buf, _IOFBF, sizeof(r->stats_buf)); /* no fstat in the jail */
	o->cfg.vm = r->cfg;
	o->cfg.timeout_ns = r->cfg.timeout_ns;
	for (unsigned i = 0; !status && i < 2; i++) {
		o->cfg.vm.console_out = i ? -1 : r->cfg.console_out;
		if ((e = lockstep_create(&l[i], &o->cfg))) {
			say("cannot create two VMs on %s and %s: %s", o->name[0], o->name[1], strerror(-e));
			status = STATUS_HOST;
		} else if (lockstep_load(l[i], &r->req)) {
			say("%s", lockstep_why(l[i]));
			status = STATUS_USAGE;
		}
	}
	for (unsigned i = 0; !status && i < 4; i++)
		run_disk(r, lockstep_vm(l[i / 2], i % 2));
	if (!status && (run_watch(r, lockstep_vm(l[0], 0)) || run_jail(r)))
		status = STATUS_HOST;
	if (!status)
		status = finish(l, lockstep_run(l[0], o->insns));
	if (r->no_jail)
		run_unwatch(r);
	for (unsigned i = 2; r->no_jail && i-- > 0;) /* in the jail the end of the process gives everything back */
		if (l[i])
			lockstep_destroy(l[i]);
	guests_free(&guests);
	fflush(stdout);
	return status;
}

int cmd_lockstep(int argc, char **argv)
{
	struct lock_options o = { .insns = UINT64_MAX, .cfg.every = 1000, .name = { "bt", "interp" } };
	struct run r = { .more = &o };
	int status;

	if ((status = own_options(&o, &argc, argv)))
		return status;
	/* The jail is that of whichever engine asks for more. */
	r.backend = o.cfg.ops[0]->jail_syscalls ? o.name[0] : o.name[1];
	if ((status = run_parse(&r, argc, argv)))
		return status;
	if (r.stats_path || r.see.trace_path || r.see.top || r.see.symbols_froms || r.see.listings || r.verify_vmm)
		return cli_usage("lockstep", "--stats, --trace, --top, --symbols, --listing and --verify-vmm are for run");
	return run_supervised(&r, lockstep_child);
}
