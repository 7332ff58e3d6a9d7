/*
 * cli_diff.c - `ringlab diff A B`: the command line of bench/diff.h.
 *
 * Read next: bench/diff.c, docs/attribution.md.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "diff.h"

#define TOP_DEFAULT 20
#define STATUS_ABOVE 1

enum { OPT_JSON = 256, OPT_BACKEND, OPT_GUEST, OPT_BY, OPT_OPERATIONS, OPT_TOP, OPT_FAIL, OPT_HELP };

struct cli_diff {
	struct diff_options opt;
	bool json, fails;
	double fail_above;
};

static const struct option diff_options[] = {
	{ "json", 0, 0, OPT_JSON }, { "backend", 1, 0, OPT_BACKEND }, { "guest", 1, 0, OPT_GUEST }, { "by", 1, 0, OPT_BY },
	{ "operations", 1, 0, OPT_OPERATIONS }, { "top", 1, 0, OPT_TOP }, { "fail-above", 1, 0, OPT_FAIL }, { "help", 0, 0, OPT_HELP }, { 0 }
};

static const char diff_help[] =
	"usage: ringlab diff [OPTION…] A B\n\n"
	"Explains the difference between two runs, or two result directories. A and B: files of `run --stats` or `compare\n"
	"--json`; or directories of `ringlab bench`. Runs made with --by-symbol are compared by guest symbol, too.\n\n"
	"  --backend B       the column of a comparison: bt, pv:xen; bt,pv:xen takes one from A and the other from B\n"
	"  --guest NAME      the guest of a comparison of several\n"
	"  --by cost|count   rank by cycles in the VMM (default where both are known), or by events\n"
	"  --operations N[,M]  figures of one operation, of which A made N and B made M (default: as N)\n"
	"  --top N           rows to print (default 20)\n"
	"  --json            all of it as JSON (docs/attribution.md)\n"
	"  --fail-above P    status 1 when B is worse by more than P per cent: its total of cycles (or events), or, of result\n"
	"                    directories, any figure that changed for certain\n\n"
	"The status is 0 whether they differ or not, and 223 for what cannot be compared.\n";

static bool number_parse(const char *text, char **end, double *v)
{
	*v = strtod(text, end);
	return isdigit((unsigned char)*text) && *v >= 0 && *v < 1e15;
}

static int operations_parse(struct cli_diff *c, const char *text)
{
	double *n = c->opt.operations;
	char *end;
	bool ok = number_parse(text, &end, &n[0]) && n[0] > 0;

	n[1] = n[0];
	if (ok && *end == ',')
		ok = number_parse(end + 1, &end, &n[1]) && n[1] > 0;
	return ok && !*end ? 0 : cli_usage("diff", "--operations %s: give a number, or two as 1000,2000", text);
}

static int diff_option(struct cli_diff *c, int o)
{
	char *end;
	double v;

	switch (o) {
	case OPT_JSON: c->json = true; break;
	case OPT_BACKEND: c->opt.backend = optarg; break;
	case OPT_GUEST: c->opt.guest = optarg; break;
	case OPT_OPERATIONS: return operations_parse(c, optarg);
	case OPT_BY:
		c->opt.by_count = !strcmp(optarg, "count");
		return c->opt.by_count || !strcmp(optarg, "cost") ? 0 : cli_usage("diff", "--by %s: cost or count", optarg);
	case OPT_TOP:
		if (!number_parse(optarg, &end, &v) || *end || v < 1 || v > 1e6)
			return cli_usage("diff", "--top %s: give a number from 1", optarg);
		c->opt.top = (unsigned)v;
		break;
	case OPT_FAIL:
		if (!number_parse(optarg, &end, &c->fail_above) || *end)
			return cli_usage("diff", "--fail-above %s: give a number of per cent", optarg);
		c->fails = true;
		break;
	default: return STATUS_USAGE;
	}
	return 0;
}

static int diff_out(const struct cli_diff *c, const struct diff *d)
{
	json_t *j = c->json ? diff_json(d) : NULL;
	int bad = 0;

	if (c->json && j)
		bad = json_dumpf(j, stdout, JSON_INDENT(1) | JSON_ENSURE_ASCII) || fputc('\n', stdout) == EOF;
	else if (!c->json)
		diff_print(d, stdout);
	json_decref(j);
	if ((c->json && !j) || bad || fflush(stdout) || ferror(stdout)) {
		say("cannot write the difference: %s", strerror(errno ? errno : ENOMEM));
		return STATUS_HOST;
	}
	return c->fails && diff_above(d, c->fail_above) ? STATUS_ABOVE : 0;
}

int cmd_diff(int argc, char **argv)
{
	struct cli_diff c = { .opt.top = TOP_DEFAULT };
	struct diff *d;
	char why[1200];
	int o, status;

	while ((o = getopt_long(argc, argv, "", diff_options, NULL)) >= 0) {
		if (o == OPT_HELP)
			return fputs(diff_help, stdout) < 0;
		if ((status = diff_option(&c, o)))
			return status;
	}
	if (argc - optind != 2)
		return cli_usage("diff", "name two runs, or two result directories");
	c.opt.path[0] = argv[optind];
	c.opt.path[1] = argv[optind + 1];
	if (!(d = malloc(sizeof(*d)))) {
		say("no memory");
		return STATUS_HOST;
	}
	o = diff_open(d, &c.opt, why, sizeof(why));
	if (o)
		say("%s", why);
	status = !o ? diff_out(&c, d) : o == -ENOMEM ? STATUS_HOST : STATUS_USAGE;
	diff_close(d);
	free(d);
	return status;
}
