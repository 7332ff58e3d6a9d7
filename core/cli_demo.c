/*
 * cli_demo.c - `ringlab demo`: lists the demonstrations, or shows one. Read next: demo/demo.h, demo/demo_rings.c.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"
#include "demo/demo.h"

static const char demo_help[] =
	"usage: ringlab demo\n"
	"       ringlab demo NAME [--auto] [--html FILE] [--facts FILE]\n\n"
	"Without a name, lists the demonstrations. With one, tells it on standard output: what will be shown, the guest's code, runs under\n"
	"each backend and technique, and what they mean. On a terminal it waits for Enter before each step.\n\n"
	"  --auto        do not wait\n"
	"  --html FILE   also write it as a page\n"
	"  --facts FILE  also write what it found as JSON: {demo, facts, columns} (docs/lectures/README.md)\n";

static bool native_image(void *ctx, const char *name, char *path, size_t n)
{
	const struct guest_list *l = ctx;
	const struct guest *g = guests_find(l, name);

	if (!g || !strcmp(g->native, "-"))
		return false;
	return snprintf(path, n, "%s/%s", l->dir, g->native) < (int)n;
}

static bool vtx_here(void)
{
	const struct backend_ops *vtx = cli_backend("vtx");
	char engine[64] = "";

	return vtx && !vtx->probe(engine, sizeof(engine)) && !strcmp(engine, "kvm_intel");
}

/* A place relative to the binary's directory, as the guests are. */
static void beside_binary(const char *what, char *dir, size_t n)
{
	char exe[400];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[len > 0 ? len : 0] = 0;
	char *slash = strrchr(exe, '/');
	if (slash)
		*slash = 0;
	snprintf(dir, n, "%s/%s", exe, what);
}

static int demo_parse(struct demo_setup *setup, int argc, char **argv)
{
	static const struct option options[] = {
		{ "auto", 0, 0, 'a' }, { "html", 1, 0, 'H' }, { "facts", 1, 0, 'f' }, { "help", 0, 0, 'h' }, { 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (opt) {
		case 'a': setup->automatic = true; break;
		case 'H': setup->html = optarg; break;
		case 'f': setup->facts = optarg; break;
		case 'h':
			fputs(demo_help, stdout);
			exit(0);
		default: return STATUS_USAGE;
		}
	if (argc - optind > 1)
		return cli_usage("demo", "one demonstration at a time");
	if (optind == argc && (setup->html || setup->facts))
		return cli_usage("demo", "name a demonstration");
	return 0;
}

int cmd_demo(int argc, char **argv)
{
	struct guest_list guests = { 0 };
	char recorded[450], nested[450];
	struct demo_setup setup = { .recorded = recorded, .nested = nested, .image = native_image, .ctx = &guests, .backends = cli_backends };
	int status = demo_parse(&setup, argc, argv);

	if (status)
		return status;
	if (optind == argc)
		return demo_list() ? STATUS_HOST : 0;
	guests_read(&guests);
	setup.guests = guests.dir;
	setup.vtx_here = vtx_here();
	beside_binary("recorded", recorded, sizeof(recorded));
	beside_binary("../nested", nested, sizeof(nested));
	status = demo_show(argv[optind], &setup);
	guests_free(&guests);
	return status == -ENOENT ? STATUS_USAGE : status;
}
