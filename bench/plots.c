/*
 * plots.c - the pictures of a result directory, by gnuplot: which there are, and how each is drawn.
 *
 * For each plot its writer makes NAME.dat and NAME.set in a scratch directory; gnuplot runs bench/NAME.gp there and leaves NAME.svg and
 * NAME.png, which are moved into the result directory when both are whole. Without gnuplot the rest of the results stands.
 * Called by runner.c. Read next: plot_data.h, plot_dots.c, style.gp.
 */
#include "plots.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "plot_data.h"

#define GROUPS_MAX 20000  /* more than a picture can show; looking for pairs among them would take too long */
#define GNUPLOT_SECONDS 60
#define COMMAND_MISSING 127

const struct plot plots[] = {
	{ "exits-per-op", "exits an operation by engine, stacked by kind", plot_exits_write },
	{ "cost-per-op", "cost of an operation by engine, logarithmic", plot_cost_write },
	{ "compute", "compute against native", plot_compute_write },
	{ "linux-boot", "Linux boot, milestones by engine", plot_boot_write },
	{ "exits-over-time", "exits over time, by kind", plot_time_write },
	{ "ablations", "ablations of bt", plot_ablations_write },
	{ "techniques", "techniques of pv", plot_techniques_write },
	{ "modelled", "MODELLED cycles of VT-x exits by CPU generation", plot_modelled_write },
};
const size_t plot_count = sizeof(plots) / sizeof(plots[0]);

static int plot_write(const struct plot *p, const struct result *r, FILE *data, FILE *set, char *why, size_t n)
{
	if (r->groups <= GROUPS_MAX)
		return p->write(r, data, set, why, n);
	snprintf(why, n, "there are more than %d figures", GROUPS_MAX);
	return 0;
}

bool plot_absent(const struct result *r, size_t i, char *why, size_t n)
{
	return plot_write(&plots[i], r, NULL, NULL, why, n) == 0;
}

/* Where the scripts are: RINGLAB_PLOTS in the environment, else where this was built. */
static const char *scripts_dir(void)
{
	const char *own = getenv("RINGLAB_PLOTS");

	return own && *own ? own : RINGLAB_PLOT_SCRIPTS;
}

struct drawing {
	const struct result *r;
	char scratch[200], why[300];
};

static void path_of(char *out, size_t n, const struct drawing *d, const char *name, const char *end)
{
	snprintf(out, n, "%s/%s%s", d->scratch, name, end);
}

/* Writes the two files that the script reads. As plot_write. */
static int inputs_write(struct drawing *d, const struct plot *p)
{
	char path[2][300];
	FILE *f[2];
	int e;

	path_of(path[0], sizeof(path[0]), d, p->name, ".dat");
	path_of(path[1], sizeof(path[1]), d, p->name, ".set");
	f[0] = fopen(path[0], "we");
	f[1] = fopen(path[1], "we");
	e = f[0] && f[1] ? plot_write(p, d->r, f[0], f[1], d->why, sizeof(d->why)) : -errno;
	for (int i = 0; i < 2; i++)
		if (f[i] && (ferror(f[i]) | fclose(f[i])) && e > 0)
			e = errno ? -errno : -EIO;
	return e;
}

static void gnuplot_child(const struct drawing *d, const char *script)
{
	int null = open("/dev/null", O_RDWR), log;

	if (chdir(d->scratch))
		_exit(126);
	log = open("log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	alarm(GNUPLOT_SECONDS); /* survives exec */
	execlp("gnuplot", "gnuplot", script, NULL);
	_exit(errno == ENOENT ? COMMAND_MISSING : 126);
}

/* What gnuplot said last. */
static void log_tail(const struct drawing *d, char *out, size_t n)
{
	char path[300], line[200];
	FILE *f;

	path_of(path, sizeof(path), d, "log", "");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strspn(line, " \t\n^") < strlen(line))
			snprintf(out, n, "%.*s", (int)strcspn(line, "\n"), line + strspn(line, " \t"));
	if (f)
		fclose(f);
}

/* 0; -ENOENT: there is no gnuplot; another -errno with d->why. */
static int gnuplot_run(struct drawing *d, const struct plot *p)
{
	char script[4300], said[200] = "it says nothing";
	int status, e;
	pid_t pid;

	if ((size_t)snprintf(script, sizeof(script), "%s/%s.gp", scripts_dir(), p->name) >= sizeof(script) || access(script, R_OK)) {
		snprintf(d->why, sizeof(d->why), "there is no %.200s; RINGLAB_PLOTS can name the directory of the scripts", script);
		return -EIO;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		gnuplot_child(d, script);
	if (pid < 0) {
		e = errno;
		snprintf(d->why, sizeof(d->why), "gnuplot could not be started: %s", strerror(e));
		return -EIO;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == COMMAND_MISSING)
		return -ENOENT;
	log_tail(d, said, sizeof(said));
	if (WIFSIGNALED(status))
		snprintf(d->why, sizeof(d->why), "gnuplot was stopped by signal %d%s", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
	else
		snprintf(d->why, sizeof(d->why), "gnuplot failed: %.200s", said);
	return -EIO;
}

/* Copies a file that is made into the result directory: whole, or not at all. 0 or -errno. */
static int picture_copy(const struct drawing *d, const char *name, const char *end)
{
	char from[300], part[sizeof(d->r->dir) + 80], to[sizeof(d->r->dir) + 80], block[65536];
	ssize_t got = 0;
	int in, out, e = 0;

	path_of(from, sizeof(from), d, name, end);
	snprintf(to, sizeof(to), "%s/%s%s", d->r->dir, name, end);
	snprintf(part, sizeof(part), "%s/%s%s.part", d->r->dir, name, end);
	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		e = errno;
	while (!e && (got = read(in, block, sizeof(block))) > 0) {
		ssize_t put = write(out, block, (size_t)got);

		if (put != got)
			e = put < 0 ? errno : ENOSPC;
	}
	if (!e && got < 0)
		e = errno;
	if (out >= 0 && close(out) && !e)
		e = errno;
	if (!e && rename(part, to))
		e = errno;
	if (e && out >= 0)
		unlink(part);
	close(in);
	return -e;
}

static bool picture_made(const struct drawing *d, const char *name, const char *end)
{
	char path[300];
	struct stat st;

	path_of(path, sizeof(path), d, name, end);
	return !stat(path, &st) && st.st_size > 100;
}

/* 0, also when it is not drawn for a reason that d->why has; -ENOENT: there is no gnuplot; -errno: the result directory cannot be written. */
static int plot_draw(struct drawing *d, const struct plot *p, char *why, size_t n)
{
	int e = inputs_write(d, p);
	char svg[300];

	if (!e)
		return 0;
	if (e < 0) {
		snprintf(d->why, sizeof(d->why), "its data could not be written: %s", strerror(-e));
		return 0;
	}
	e = gnuplot_run(d, p);
	if (e == -ENOENT)
		return e;
	if (!e && (!picture_made(d, p->name, ".svg") || !picture_made(d, p->name, ".png")))
		snprintf(d->why, sizeof(d->why), "gnuplot left no picture");
	if (e || *d->why)
		return 0;
	path_of(svg, sizeof(svg), d, p->name, ".svg");
	e = plot_svg_fonts(svg);
	if (!e)
		e = picture_copy(d, p->name, ".svg");
	if (!e)
		e = picture_copy(d, p->name, ".png");
	if (e)
		snprintf(why, n, "%.300s/%s: cannot write it: %s", d->r->dir, p->name, strerror(-e));
	return e == -ENOENT ? -EIO : e;
}

static void scratch_remove(const struct drawing *d)
{
	static const char *const ends[] = { ".dat", ".set", ".svg", ".png" };
	char path[300];

	for (size_t i = 0; i < plot_count; i++)
		for (int k = 0; k < 4; k++) {
			path_of(path, sizeof(path), d, plots[i].name, ends[k]);
			unlink(path);
		}
	path_of(path, sizeof(path), d, "log", "");
	unlink(path);
	rmdir(d->scratch);
}

static int plots_draw(struct drawing *d, char *why, size_t n)
{
	int e = 0;

	for (size_t i = 0; i < plot_count && !e; i++) {
		d->why[0] = 0;
		e = plot_draw(d, &plots[i], why, n);
		if (!e && *d->why)
			fprintf(stderr, "ringlab: %s is not drawn: %s\n", plots[i].name, d->why);
	}
	if (e != -ENOENT)
		return e;
	fprintf(stderr, "ringlab: there is no gnuplot, so that no plots are drawn; install it (package gnuplot-nox), then: ringlab bench --redraw DIR\n");
	return 0;
}

int plots_write(const char *dir, char *why, size_t n)
{
	const char *tmp = getenv("TMPDIR");
	struct drawing d = { 0 };
	struct result r;
	int e = result_read(&r, dir, why, n);

	if (e)
		return e;
	d.r = &r;
	snprintf(d.scratch, sizeof(d.scratch), "%.150s/ringlab-plots.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (mkdtemp(d.scratch)) {
		e = plots_draw(&d, why, n);
		scratch_remove(&d);
	} else {
		e = -errno;
		snprintf(why, n, "%.200s: cannot make a directory for the plots: %s", d.scratch, strerror(-e));
	}
	result_free(&r);
	return e;
}
