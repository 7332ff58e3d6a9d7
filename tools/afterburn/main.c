/*
 * main.c - afterburn: an assembler stage that annotates sensitive instructions (pre-virtualization), and a check of the result.
 *
 * Called in one of these ways:
 *   as ARGS...             by gcc -B DIR, DIR holding a link of that name: rewrites the input and runs the real assembler
 *   afterburn CC ARGS...   as CC="afterburn gcc": runs the compiler with such a -B
 *   afterburn --stage FILE text in, text out
 *   afterburn --check FILE is every sensitive instruction of an ELF file annotated, and every annotation right?
 *   afterburn --list FILE  the sites of a linked file
 * Options travel through the compiler as -Wa,--afterburn-pte=FUNCTION and so on. docs/previrt.md; read next: stage.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/afterburn.h"
#include "stage.h"

static const char usage[] =
	"usage: afterburn COMPILER ARGUMENT...   compile, with this stage between compiler and assembler\n"
	"       afterburn --stage FILE [OPTION]  annotate assembly text, to standard output\n"
	"       afterburn --check FILE [OPTION]  sensitive instructions of an ELF file that are not annotated\n"
	"       afterburn --list FILE            the sites of a linked ELF file\n"
	"options, after -Wa, when a compiler is between:\n"
	"  --afterburn-pte=FUNCTION    stores of this function are page-table writes; may be repeated\n"
	"  --afterburn-skip=SECTION    leave this section alone (user code); may be repeated\n"
	"  --afterburn-rdtsc           annotate RDTSC too\n"
	"  --afterburn-strict          fail when the object holds a sensitive instruction without an annotation\n"
	"  --afterburn-quiet           do not look\n";

/* ---- small things ---- */

static char *file_read(int fd, size_t *n)
{
	char *p = NULL;
	size_t room = 0;
	ssize_t got = 0;

	for (*n = 0;; *n += (size_t)got) {
		if (*n + 1 >= room) {
			char *q = realloc(p, room = room ? 2 * room : 65536);
			if (!q)
				break;
			p = q;
		}
		got = read(fd, p + *n, room - *n - 1);
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			break;
	}
	if (p)
		p[*n] = 0;
	return p;
}

static char *path_read(const char *path, size_t *n)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(0);
	char *p;

	if (fd < 0) {
		fprintf(stderr, "afterburn: cannot open %s: %s\n", path, strerror(errno));
		return NULL;
	}
	p = file_read(fd, n);
	close(fd);
	return p;
}

/* One of our own options: true. */
static bool option_take(struct options *o, const char *a)
{
	if (!strncmp(a, "--afterburn-pte=", 16) && o->pte_functions < AB_NAMES)
		o->pte_function[o->pte_functions++] = a + 16;
	else if (!strncmp(a, "--afterburn-skip=", 17) && o->skips < AB_NAMES)
		o->skip[o->skips++] = a + 17;
	else if (!strcmp(a, "--afterburn-rdtsc"))
		o->rdtsc = true;
	else if (!strcmp(a, "--afterburn-strict"))
		o->strict = true;
	else if (!strcmp(a, "--afterburn-quiet"))
		o->quiet = true;
	else
		return false;
	return true;
}

/* The directory of this program, with a slash. */
static bool own_directory(char *to, size_t n)
{
	ssize_t len = readlink("/proc/self/exe", to, n - 1);

	if (len <= 0)
		return false;
	to[len] = 0;
	char *slash = strrchr(to, '/');
	if (!slash)
		return false;
	slash[1] = 0;
	return true;
}

/* ---- as the assembler ---- */

/* The first `as` of PATH that is not this program; AFTERBURN_AS overrides. */
static bool real_assembler(char *to, size_t n)
{
	struct stat self, st;
	const char *env = getenv("AFTERBURN_AS"), *path = getenv("PATH");

	if (env) {
		snprintf(to, n, "%s", env);
		return true;
	}
	if (stat("/proc/self/exe", &self))
		return false;
	for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
		size_t len = strcspn(p, ":");
		snprintf(to, n, "%.*s/as", (int)len, p);
		if (!access(to, X_OK) && !stat(to, &st) && (st.st_ino != self.st_ino || st.st_dev != self.st_dev))
			return true;
		p += len + (p[len] == ':');
	}
	return false;
}

struct job {
	char **argv;        /* for the real assembler */
	int argc, input;    /* argv[input] is the source, or -1: standard input */
	const char *output;
	bool wide;          /* not --32: nothing is annotated */
};

static bool takes_value(const char *a)
{
	static const char *const list[] = { "-o", "-I", "--defsym", "-MD", "--MD", "--debug-prefix-map", "-G" };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (!strcmp(a, list[i]))
			return true;
	return false;
}

static void job_parse(struct job *j, struct options *o, int argc, char **argv)
{
	j->input = -1;
	j->output = "a.out";
	j->wide = true;
	for (int i = 1; i < argc; i++) {
		if (option_take(o, argv[i]))
			continue;
		j->argv[j->argc++] = argv[i];
		if (!strcmp(argv[i], "--32"))
			j->wide = false;
		if (takes_value(argv[i]) && i + 1 < argc) {
			if (!strcmp(argv[i], "-o"))
				j->output = argv[i + 1];
			j->argv[j->argc++] = argv[++i];
		} else if (argv[i][0] != '-' || !argv[i][1]) {
			j->input = j->argc - 1;
		}
	}
	if (j->input < 0) {
		j->input = j->argc;
		j->argv[j->argc++] = "-";
	}
	j->argv[j->argc] = NULL;
}

static int run(char **argv)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execv(argv[0], argv);
		fprintf(stderr, "afterburn: cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The input, annotated, in a file of its own, whose name goes to temp. */
static bool stage_to_file(const char *input, const struct options *o, char *temp, size_t n)
{
	const char *dir = getenv("TMPDIR");
	size_t size;
	char *text = path_read(input, &size);
	int fd, r = -1;
	FILE *f;

	if (!text)
		return false;
	snprintf(temp, n, "%s/afterburn-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(temp);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f) {
		r = stage_run(text, size, o, f);
		if (fclose(f))
			r = -errno;
	}
	free(text);
	if (r)
		fprintf(stderr, "afterburn: cannot annotate %s: %s\n", input, r == -1 ? strerror(errno) : strerror(-r));
	return !r;
}

static int check_file(const char *path, const struct options *o)
{
	size_t n;
	char *p = path_read(path, &n);
	int r = p ? afterburn_check(path, p, n, o->skip, stdout) : -1;

	free(p);
	return r;
}

static int as_main(int argc, char **argv)
{
	struct options o = { 0 };
	struct job j = { .argv = calloc((size_t)argc + 3, sizeof(char *)) };
	char real[4096], temp[4096] = "";
	int r = 1;

	if (!j.argv || !real_assembler(real, sizeof(real))) {
		fprintf(stderr, "afterburn: there is no assembler `as` in PATH: set AFTERBURN_AS\n");
		free(j.argv);
		return 1;
	}
	j.argv[j.argc++] = real;
	job_parse(&j, &o, argc, argv);
	if (!j.wide && stage_to_file(j.argv[j.input], &o, temp, sizeof(temp)))
		j.argv[j.input] = temp;
	if (j.wide || j.argv[j.input] == temp)
		r = run(j.argv);
	if (*temp)
		unlink(temp);
	fflush(stdout);
	dup2(2, 1); /* findings are messages here */
	if (!r && !j.wide && !o.quiet && check_file(j.output, &o) && o.strict)
		r = 1;
	free(j.argv);
	return r;
}

/* ---- the other ways ---- */

static int cc_main(int argc, char **argv)
{
	char dir[4096], option[4200];
	char **args = calloc((size_t)argc + 2, sizeof(*args));

	if (!args || !own_directory(dir, sizeof(dir)))
		return 1;
	snprintf(option, sizeof(option), "-B%safterburn.d/", dir);
	args[0] = argv[1];
	args[1] = option;
	for (int i = 2; i < argc; i++)
		args[i] = argv[i];
	execvp(args[0], args);
	fprintf(stderr, "afterburn: cannot run %s: %s\n", args[0], strerror(errno));
	return 127;
}

static int list_main(const char *path)
{
	size_t n, size, sites = 0;
	const char *why;
	char *p = path_read(path, &n);
	const uint8_t *s = p ? afterburn_section(p, n, &size, &why) : NULL;
	struct afterburn_record r;

	if (!s) {
		fprintf(stderr, "afterburn: %s: %s\n", path, p && why ? why : "no section " AFTERBURN_SECTION);
		free(p);
		return 1;
	}
	for (; size >= sizeof(r); size -= sizeof(r), s += sizeof(r), sites++) {
		memcpy(&r, s, sizeof(r));
		printf("%#010x %2u bytes, instruction of %u at +%u: %s%s\n", r.addr, r.len, r.insn_len, r.insn_at,
			r.kind < AB_COUNT ? afterburn_kind_name[r.kind] : "?", r.flags & AFTERBURN_FLAGS_DEAD ? ", flags dead" : "");
	}
	printf("%zu sites\n", sites);
	free(p);
	return 0;
}

static int stage_main(const char *path, const struct options *o)
{
	size_t n;
	char *text = path_read(path, &n);
	int r = text ? stage_run(text, n, o, stdout) : -1;

	free(text);
	return r != 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	struct options o = { 0 };
	int found;

	if (!strcmp(slash ? slash + 1 : argv[0], "as"))
		return as_main(argc, argv);
	if (argc > 1 && argv[1][0] != '-')
		return cc_main(argc, argv);
	for (int i = 3; i < argc; i++)
		if (!option_take(&o, argv[i])) {
			fputs(usage, stderr);
			return 2;
		}
	if (argc >= 3 && !strcmp(argv[1], "--stage"))
		return stage_main(argv[2], &o);
	if (argc >= 3 && !strcmp(argv[1], "--list"))
		return list_main(argv[2]);
	if (argc < 3 || strcmp(argv[1], "--check")) {
		fputs(usage, stderr);
		return 2;
	}
	found = check_file(argv[2], &o);
	if (found > 0)
		printf("%s: %d findings\n", argv[2], found);
	return found != 0;
}
