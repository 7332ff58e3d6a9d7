/*
 * cli_report.c - `ringlab report`: result directories as one page. Its options; bench/report.c does the work.
 */
#include <errno.h>
#include <getopt.h>
#include "cli.h"
#include "report.h"

static const char report_help[] =
	"usage: ringlab report [OPTION…] DIR…\n\n"
	"Writes the results of `ringlab bench` in DIR… as one HTML page that needs no network and no other file: tables that sort,\n"
	"plots, and the raw samples behind each figure. Several directories stand side by side, compared with the first.\n\n"
	"  -o, --output FILE   the page (default report.html; - is standard output)\n";

int cmd_report(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *output = "report.html";
	char why[1000] = "";
	int c, r;

	while ((c = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			output = optarg;
			break;
		case 'h':
			fputs(report_help, stdout);
			return 0;
		default:
			return cli_usage("report", "that option is not known, or lacks its value");
		}
	}
	if (optind == argc)
		return cli_usage("report", "a result directory is needed");
	if (argc - optind > REPORT_MACHINES_MAX)
		return cli_usage("report", "%d result directories; a page has room for %d", argc - optind, REPORT_MACHINES_MAX);
	r = report_make(output, (const char *const *)argv + optind, (unsigned)(argc - optind), why, sizeof(why));
	if (r) {
		say("report: %s", why);
		return r == -ENOENT || r == -EINVAL || r == -ENOTDIR ? STATUS_USAGE : STATUS_HOST;
	}
	return 0;
}
