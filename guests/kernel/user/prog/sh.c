/*
 * sh.c - the shell: sh [-c COMMAND | SCRIPT [ARGUMENT...]].
 *
 * Grammar: commands joined by | && || ; & and ends of lines; redirection by < > >> 2> 2>&1; '...' "..." and \; # comments;
 * NAME=VALUE; $NAME ${NAME} $? $$ $! $# $0..$9, whose values are not split into words. Built in: cd, exit, export, exec,
 * wait, and :. No loops, no functions, no patterns. A line is read as a whole, and must be complete.
 *
 * A line goes through three steps: lex (words and operators), run_list (&& || ; &), run_pipeline (fork, pipe, exec).
 */
#include "../lib/user.h"

#define WORDS_MAX 256
#define JOBS_MAX 16

enum token_kind { T_END, T_WORD, T_PIPE, T_AND, T_OR, T_SEMI, T_BACK, T_IN, T_OUT, T_APPEND, T_ERR, T_ERR_TO_OUT };

struct token {
	enum token_kind kind;
	bool quoted;  /* a part of it was: no assignment */
	char *raw;    /* words: as written; values are put in when the command runs */
};

static struct {
	struct token t[WORDS_MAX + 1];
	int at, n;
} line;

static int last_status;
static pid_t last_job;
static char **args; /* $0... */
static int arg_count;
static bool interactive;
static struct { pid_t pid; int status; bool done; } jobs[JOBS_MAX];

/* ---- words ---- */

struct text { char *p; size_t n, room; };

static void text_add(struct text *t, const char *s, size_t n)
{
	if (t->n + n + 1 > t->room) {
		t->room = (t->n + n + 1) * 2;
		t->p = realloc(t->p, t->room);
		if (!t->p)
			die("out of memory");
	}
	memcpy(t->p + t->n, s, n);
	t->n += n;
	t->p[t->n] = 0;
}

static bool name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* Puts the value of what follows a $ at p; gives how much of the text that was. */
static size_t expand_one(struct text *out, const char *p)
{
	char number[16], name[64];
	const char *value = NULL;
	size_t n = 0, skip;
	bool brace = *p == '{';

	if (strchr("?$!#", *p) && *p) {
		int v = *p == '?' ? last_status : *p == '$' ? getpid() : *p == '!' ? last_job : arg_count - 1;

		snprintf(number, sizeof(number), "%d", v);
		text_add(out, number, strlen(number));
		return 1;
	}
	if (*p >= '0' && *p <= '9') {
		if (*p - '0' < arg_count)
			text_add(out, args[*p - '0'], strlen(args[*p - '0']));
		return 1;
	}
	p += brace;
	while (name_char(p[n], n == 0) && n + 1 < sizeof(name)) {
		name[n] = p[n];
		n++;
	}
	name[n] = 0;
	skip = n + brace + (brace && p[n] == '}');
	if (!n) {
		text_add(out, "$", 1);
		return 0;
	}
	value = getenv(name);
	if (value)
		text_add(out, value, strlen(value));
	return skip;
}

/* Takes quotes away and puts values in. */
static char *expand(const char *p)
{
	struct text out = { 0 };
	char quote = 0;

	text_add(&out, "", 0);
	while (*p) {
		if (*p == '\\' && quote != '\'' && p[1] && (!quote || strchr("\\\"$", p[1]))) {
			text_add(&out, p + 1, 1);
			p += 2;
		} else if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? 0 : *p;
			p++;
		} else if (*p == '$' && quote != '\'') {
			p++;
			p += expand_one(&out, p);
		} else {
			text_add(&out, p++, 1);
		}
	}
	return out.p;
}

/* ---- the line as tokens ---- */

static const struct { const char *text; enum token_kind kind; } operators[] = {
	{ "2>&1", T_ERR_TO_OUT }, { "2>", T_ERR }, { "&&", T_AND }, { "||", T_OR }, { ">>", T_APPEND },
	{ "|", T_PIPE }, { ";", T_SEMI }, { "&", T_BACK }, { "<", T_IN }, { ">", T_OUT },
};

static int complain(const char *what)
{
	eprintf("sh: %s\n", what);
	last_status = 2;
	return -1;
}

/* Length of the word at p; -1: a quote is not closed. */
static int word_length(const char *p, bool *quoted)
{
	char quote = 0;
	int n = 0;

	for (; p[n] && (quote || !strchr(" \t|;&<>", p[n])); n++) {
		if (p[n] == '\\' && quote != '\'' && p[n + 1])
			n++;
		else if (quote ? p[n] == quote : p[n] == '\'' || p[n] == '"') {
			quote = quote ? 0 : p[n];
			*quoted = true;
		}
	}
	return quote ? -1 : n;
}

static int lex(const char *p)
{
	line.n = line.at = 0;
	for (;;) {
		struct token *t = &line.t[line.n];
		int n = 0;

		while (*p == ' ' || *p == '\t')
			p++;
		*t = (struct token){ .kind = T_END };
		if (!*p || *p == '#')
			return 0;
		if (line.n == WORDS_MAX)
			return complain("the line is too long");
		line.n++;
		for (size_t i = 0; i < ARRAY_LEN(operators) && !n; i++)
			if (!strncmp(p, operators[i].text, strlen(operators[i].text))) {
				t->kind = operators[i].kind;
				n = strlen(operators[i].text);
			}
		if (!n) {
			t->kind = T_WORD;
			n = word_length(p, &t->quoted);
			if (n < 0)
				return complain("a quote is not closed");
			t->raw = malloc(n + 1);
			if (!t->raw)
				die("out of memory");
			memcpy(t->raw, p, n);
			t->raw[n] = 0;
		}
		p += n;
	}
}

static void lex_free(void)
{
	for (int i = 0; i < line.n; i++)
		if (line.t[i].kind == T_WORD)
			free(line.t[i].raw);
}

/* ---- one command ---- */

struct command {
	char *argv[WORDS_MAX + 1];
	int argc, assigned; /* the first words that are NAME=VALUE */
	struct { enum token_kind kind; char *path; } redirect[8];
	int redirects;
};

static bool is_assignment(const struct token *t)
{
	int n = 0;

	while (name_char(t->raw[n], n == 0))
		n++;
	return n && t->raw[n] == '=';
}

/* Takes one command from the line; -1: that is none. */
static int parse_command(struct command *c)
{
	*c = (struct command){ 0 };
	for (;; line.at++) {
		struct token *t = &line.t[line.at];

		if (t->kind == T_WORD) {
			if (c->assigned == c->argc && is_assignment(t))
				c->assigned++;
			c->argv[c->argc++] = expand(t->raw);
		} else if (t->kind >= T_IN) {
			if (c->redirects == (int)ARRAY_LEN(c->redirect))
				return complain("too many redirections");
			c->redirect[c->redirects].kind = t->kind;
			if (t->kind != T_ERR_TO_OUT) {
				line.at++;
				if (t[1].kind != T_WORD)
					return complain("a redirection needs a file");
				c->redirect[c->redirects].path = expand(t[1].raw);
			}
			c->redirects++;
		} else {
			break;
		}
	}
	return c->argc || c->redirects ? 0 : complain("a command is missing");
}

static void command_free(struct command *c)
{
	for (int i = 0; i < c->argc; i++)
		free(c->argv[i]);
	for (int i = 0; i < c->redirects; i++)
		free(c->redirect[i].path);
}

static int redirect(const struct command *c)
{
	for (int i = 0; i < c->redirects; i++) {
		enum token_kind kind = c->redirect[i].kind;
		const char *path = c->redirect[i].path;
		int to = kind == T_IN ? 0 : kind >= T_ERR ? 2 : 1, fd;

		if (kind == T_ERR_TO_OUT) {
			dup2(1, 2);
			continue;
		}
		fd = kind == T_IN ? open(path, LO_RDONLY) : open(path, LO_WRONLY | LO_CREAT | (kind == T_APPEND ? LO_APPEND : LO_TRUNC), 0644);
		if (fd < 0) {
			warn(path);
			return -1;
		}
		if (fd != to) {
			dup2(fd, to);
			close(fd);
		}
	}
	return 0;
}

static void assign(const struct command *c)
{
	for (int i = 0; i < c->assigned; i++) {
		char *eq = strchr(c->argv[i], '=');

		*eq = 0;
		if (setenv(c->argv[i], eq + 1))
			die("out of memory");
		*eq = '=';
	}
}

static int (*builtin(const char *name))(struct command *c);

/* In a child, or for exec: does not return. */
static _Noreturn void run_here(struct command *c)
{
	int (*inside)(struct command *c);

	signal_default(LSIGINT);
	if (redirect(c))
		exit(1);
	assign(c);
	if (c->argc == c->assigned)
		exit(0);
	inside = c->assigned ? NULL : builtin(c->argv[0]);
	if (inside)
		exit(inside(c));
	execvp(c->argv[c->assigned], c->argv + c->assigned);
	if (errno == ENOENT)
		eprintf("sh: %s: not found\n", c->argv[c->assigned]);
	else
		warn(c->argv[c->assigned]);
	exit(errno == ENOENT ? 127 : 126);
}

/* ---- waiting ---- */

/* What a shell says of a child: its status, or 128 and the signal. */
static int status_of(int s)
{
	return WIFEXITED(s) ? WEXITSTATUS(s) : 128 + WTERMSIG(s);
}

static void job_add(pid_t pid)
{
	int slot = 0;

	for (int i = 0; i < JOBS_MAX; i++)
		if (!jobs[i].pid || (jobs[i].done && jobs[slot].pid))
			slot = i;
	jobs[slot].pid = last_job = pid;
	jobs[slot].done = false;
	if (interactive)
		eprintf("[%d]\n", pid);
}

static void job_ended(pid_t pid, int s)
{
	for (int i = 0; i < JOBS_MAX; i++)
		if (jobs[i].pid == pid) {
			jobs[i].done = true;
			jobs[i].status = status_of(s);
		}
}

/* Collects what has ended, orphans too: the shell may be the first process. */
static void reap(void)
{
	pid_t pid;
	int s;

	while ((pid = waitpid(-1, &s, LWNOHANG)) > 0)
		job_ended(pid, s);
}

/* Until pid has ended (0: all children); the status. */
static int wait_for(pid_t pid)
{
	for (;;) {
		int s;
		pid_t got = waitpid(-1, &s, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return pid ? 127 : 0;
		job_ended(got, s);
		if (got == pid)
			return status_of(s);
	}
}

/* ---- built-in commands ---- */

static int do_cd(struct command *c)
{
	const char *to = c->argc > 1 ? c->argv[1] : "/";

	if (!chdir(to))
		return 0;
	warn(to);
	return 1;
}

static int do_exit(struct command *c)
{
	exit(c->argc > 1 ? atoi(c->argv[1]) : last_status);
}

static int do_export(struct command *c)
{
	for (int i = 1; i < c->argc; i++) {
		char *eq = strchr(c->argv[i], '=');

		if (!eq)
			continue;
		*eq = 0;
		if (setenv(c->argv[i], eq + 1))
			return 1;
	}
	return 0;
}

static int do_exec(struct command *c)
{
	if (c->argc == 1)
		return redirect(c) ? 1 : 0;
	memmove(c->argv, c->argv + 1, c->argc * sizeof(c->argv[0]));
	c->argc--;
	run_here(c);
}

static int do_wait(struct command *c)
{
	pid_t pid = c->argc > 1 ? atoi(c->argv[1]) : 0;

	for (int i = 0; i < JOBS_MAX && pid; i++)
		if (jobs[i].pid == pid && jobs[i].done)
			return jobs[i].status;
	return wait_for(pid);
}

static int do_nothing(struct command *c)
{
	return 0;
}

static const struct { const char *name; int (*run)(struct command *c); } builtins[] = {
	{ "cd", do_cd }, { "exit", do_exit }, { "export", do_export }, { "exec", do_exec }, { "wait", do_wait }, { ":", do_nothing },
};

static int (*builtin(const char *name))(struct command *c)
{
	for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
		if (!strcmp(name, builtins[i].name))
			return builtins[i].run;
	return NULL;
}

/* True: it was one for this process, and has run. With a redirection only exec is. */
static bool run_builtin(struct command *c)
{
	int (*inside)(struct command *c) = c->argc ? builtin(c->argv[0]) : NULL;

	if (c->argc == c->assigned && !c->redirects) {
		assign(c);
		last_status = 0;
		return true;
	}
	if (!inside || (c->redirects && inside != do_exec))
		return false;
	last_status = inside(c);
	return true;
}

/* ---- pipelines and lists ---- */

static pid_t start(struct command *c, int in, int out, int unused)
{
	pid_t pid = fork();

	if (pid < 0)
		warn("fork");
	if (pid)
		return pid;
	if (in) {
		dup2(in, 0);
		close(in);
	}
	if (out != 1) {
		dup2(out, 1);
		close(out);
	}
	if (unused >= 0)
		close(unused);
	run_here(c);
}

struct pipeline { pid_t pid[32]; int n; };

/* Starts one pipeline, up to what does not belong to it. -1: it makes no sense, or there is no room for it. */
static int run_pipeline(struct pipeline *p)
{
	static struct command c; /* too large for a small stack */
	int in = 0, ends[2];
	pid_t pid;

	for (p->n = 0;;) {
		bool more;

		if (parse_command(&c))
			return -1;
		more = line.t[line.at].kind == T_PIPE;
		line.at += more;
		if (!p->n && !more && run_builtin(&c)) {
			command_free(&c);
			return 0;
		}
		ends[0] = -1;
		ends[1] = 1;
		if (p->n == (int)ARRAY_LEN(p->pid) || (more && pipe(ends)))
			return complain("no more pipes");
		pid = start(&c, in, ends[1], ends[0]);
		if (in)
			close(in);
		if (more)
			close(ends[1]);
		in = ends[0];
		command_free(&c);
		if (pid < 0)
			return complain("no more processes");
		p->pid[p->n++] = pid;
		if (!more)
			return 0;
	}
}

/* Steps over a pipeline that is not to run. */
static void skip_pipeline(void)
{
	while (line.t[line.at].kind == T_WORD || line.t[line.at].kind == T_PIPE || line.t[line.at].kind >= T_IN)
		line.at++;
}

static bool in_background(void)
{
	int i = line.at;

	while (line.t[i].kind == T_WORD || line.t[i].kind == T_PIPE || line.t[i].kind >= T_IN)
		i++;
	return line.t[i].kind == T_BACK;
}

/* Until all of it has ended; the last one's status counts. */
static void wait_pipeline(const struct pipeline *p)
{
	int ended = 0;

	while (ended < p->n) {
		int s;
		pid_t got = waitpid(-1, &s, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		job_ended(got, s);
		for (int i = 0; i < p->n; i++)
			ended += p->pid[i] == got;
		if (got == p->pid[p->n - 1])
			last_status = status_of(s);
	}
}

static void run_list(void)
{
	bool run = true;

	while (line.t[line.at].kind != T_END) {
		bool back = in_background();
		struct pipeline p = { 0 };

		if (!run)
			skip_pipeline();
		else if (run_pipeline(&p))
			return;
		if (p.n && back) {
			job_add(p.pid[p.n - 1]);
			last_status = 0;
		} else {
			wait_pipeline(&p);
		}
		switch (line.t[line.at].kind) {
		case T_AND: run = !last_status; break;
		case T_OR: run = last_status; break;
		default: run = true;
		}
		line.at += line.t[line.at].kind != T_END;
	}
}

static void run_line(const char *text)
{
	reap();
	if (!lex(text))
		run_list();
	lex_free();
}

static int run_script(int fd)
{
	struct line_reader in;
	char *text;

	line_init(&in, fd);
	for (;;) {
		if (interactive)
			write_all(2, "$ ", 2);
		text = line_next(&in, NULL);
		if (!text)
			break;
		run_line(text);
	}
	return last_status;
}

int main(int argc, char **argv)
{
	int fd = 0;

	args = argv;
	arg_count = argc;
	if (argc > 2 && !strcmp(argv[1], "-c")) {
		args = argv + 2;
		arg_count = argc - 2;
		run_line(argv[2]);
		return last_status;
	}
	if (argc > 1) {
		args = argv + 1;
		arg_count = argc - 1;
		fd = open(argv[1], LO_RDONLY | LO_CLOEXEC);
		if (fd < 0) {
			warn(argv[1]);
			return 127;
		}
	}
	interactive = argc < 2 && isatty(0);
	if (interactive)
		signal_ignore(LSIGINT);
	return run_script(fd);
}
