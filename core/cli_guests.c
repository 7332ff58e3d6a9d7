/*
 * cli_guests.c - guests.cfg: the guests' names, images, and what is expected of them; and `ringlab list`.
 *
 * The guests' directory is $RINGLAB_GUESTS, or "guests" beside the ringlab binary. One guest a line:
 *   name | native ELF or - | Xen ELF or - | default command line | expected end | what it is
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"

static void guests_dir(char *dir, size_t n)
{
	const char *env = getenv("RINGLAB_GUESTS");
	char exe[400];
	ssize_t len;

	if (env) {
		snprintf(dir, n, "%s", env);
		return;
	}
	len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[len > 0 ? len : 0] = 0;
	char *slash = strrchr(exe, '/');
	if (slash)
		*slash = 0;
	snprintf(dir, n, "%s/guests", exe);
}

/* Copies the next field, without the blanks around it; returns where the one after it begins. */
static const char *field(const char *s, char *out, size_t n)
{
	const char *end = s + strcspn(s, "|\n"), *next = *end == '|' ? end + 1 : end;

	while (*s == ' ' || *s == '\t')
		s++;
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	snprintf(out, n, "%.*s", (int)(end > s ? end - s : 0), s);
	return next;
}

static void guest_parse(struct guest *g, const char *line)
{
	line = field(line, g->name, sizeof(g->name));
	line = field(line, g->native, sizeof(g->native));
	line = field(line, g->xen, sizeof(g->xen));
	line = field(line, g->append, sizeof(g->append));
	line = field(line, g->expect, sizeof(g->expect));
	line = field(line, g->text, sizeof(g->text));
	field(line, g->disk, sizeof(g->disk));
}

int guests_read(struct guest_list *l)
{
	char path[600], line[600];

	memset(l, 0, sizeof(*l));
	guests_dir(l->dir, sizeof(l->dir));
	snprintf(path, sizeof(path), "%s/guests.cfg", l->dir);
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno; /* no list: guests can still be named by path */
	while (fgets(line, sizeof(line), f)) {
		if (*line == '#' || *line == '\n')
			continue;
		struct guest *g = realloc(l->guest, (l->n + 1) * sizeof(*g));
		if (!g)
			break;
		l->guest = g;
		memset(&g[l->n], 0, sizeof(*g));
		guest_parse(&g[l->n++], line);
	}
	fclose(f);
	return 0;
}

void guests_free(struct guest_list *l)
{
	free(l->guest);
	memset(l, 0, sizeof(*l));
}

const struct guest *guests_find(const struct guest_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->guest[i].name, name))
			return &l->guest[i];
	return NULL;
}

/*
 * A Xen image is for a backend that builds Xen domains, unless another interface was asked for; a pre-virtualized one is
 * the native one's neighbour, kernel-previrt.elf beside kernel.elf.
 */
static bool pick_image(const struct guest *g, const struct backend_ops *ops, const char *interface, char *file, size_t n)
{
	bool builds = false, xen;

	for (const char *const *i = ops->interfaces; i && *i; i++)
		builds |= !strcmp(*i, "xen");
	xen = interface ? !strcmp(interface, "xen") : builds && strcmp(g->xen, "-");
	if (interface && !strcmp(interface, "previrt"))
		snprintf(file, n, "%.*s-previrt.elf", (int)(strlen(g->native) - (strlen(g->native) > 4 ? 4 : 0)), g->native);
	else
		snprintf(file, n, "%s", xen ? g->xen : g->native);
	return strcmp(file, "-");
}

/* A row of the list; the file must be there for the interfaces whose builds are not listed. */
static int resolve_row(const struct guest_list *l, const struct guest *g, const struct backend_ops *ops, const char *interface,
	struct guest_files *f)
{
	char file[80];
	bool there = pick_image(g, ops, interface, file, sizeof(file));

	snprintf(f->path, sizeof(f->path), "%s/%s", l->dir, file);
	if (!there || (strcmp(file, g->native) && strcmp(file, g->xen) && access(f->path, F_OK))) {
		say("guest %s has no image for %s%s%s; see: ringlab list", g->name, ops->name, interface ? " --interface " : "",
			interface ? interface : "");
		return -ENOENT;
	}
	f->append = g->append[0] ? g->append : NULL;
	if (g->disk[0])
		snprintf(f->disk, sizeof(f->disk), "%s/%s", l->dir, g->disk);
	return 0;
}

int guests_resolve(const struct guest_list *l, const char *name, const struct backend_ops *ops, const char *interface, struct guest_files *f)
{
	const struct guest *g = guests_find(l, name);
	int r;

	memset(f, 0, sizeof(*f));
	snprintf(f->path, sizeof(f->path), "%s", name);
	if (g && (r = resolve_row(l, g, ops, interface, f)))
		return r;
	if (access(f->path, R_OK)) {
		r = -errno;
		if (g || strchr(name, '/'))
			say("cannot read %s: %s", f->path, strerror(-r));
		else
			say("there is no guest and no file named '%s'; `ringlab list` prints the guests", name);
		return r;
	}
	return 0;
}

int cmd_list(int argc, char **argv)
{
	static const struct option options[] = { { "help", 0, 0, 'h' }, { 0 } };
	struct guest_list l;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c != 'h')
			return STATUS_USAGE;
		printf("usage: ringlab list\n\nPrints the guests of guests.cfg, and Debian's Linux kernels and GRUB: name, which images exist, how it should end, what it is.\n");
		return 0;
	}
	if (guests_read(&l)) {
		say("cannot read %s/guests.cfg: build the guests (ninja guests), or set RINGLAB_GUESTS to their directory", l.dir);
		return STATUS_USAGE;
	}
	for (size_t i = 0; i < l.n; i++)
		printf("%-24s %-10s %-8s %s\n", l.guest[i].name,
			!strcmp(l.guest[i].xen, "-") ? "native" : !strcmp(l.guest[i].native, "-") ? "xen" : "native,xen",
			l.guest[i].expect, l.guest[i].text);
	linux_guests_list();
	grub_guest_list();
	guests_free(&l);
	return 0;
}
