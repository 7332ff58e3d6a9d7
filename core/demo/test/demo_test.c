/*
 * demo_test.c - every demonstration in the list, present and future: it runs, fits the screen, makes a page, and its facts are facts.
 *
 * The text goes through a pipe, as for a reader without a terminal; one test has a terminal, for the pauses. facts_check.c looks facts up.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "facts_check.h"
#include "file_read.h"

#define BAD_USAGE 223
#define HOST_FAILURE 222
#define DEMOS_MAX 40

struct outcome {
	int status;
	char *text;
};

/* By the shell; both outputs unless the arguments say otherwise. */
static struct outcome shell(const char *command)
{
	struct outcome o = { .text = NULL };
	size_t size = 0;
	FILE *p = popen(command, "r");

	cr_assert(p);
	if (getdelim(&o.text, &size, 0, p) < 0)
		o.text[0] = 0;
	int w = pclose(p);
	o.status = WIFEXITED(w) ? WEXITSTATUS(w) : 1000 + WTERMSIG(w);
	return o;
}

static struct outcome ringlab(const char *args)
{
	char command[2000];

	snprintf(command, sizeof(command), "timeout 120 %s %s 2>&1 </dev/null", RINGLAB_BINARY, args);
	return shell(command);
}

/* The names in `ringlab demo`, in memory that Criterion's workers can read. */
static size_t demo_names(char (*name)[64])
{
	struct outcome o = ringlab("demo");
	size_t n = 0;

	for (char *save, *line = strtok_r(o.text, "\n", &save); line && n < DEMOS_MAX; line = strtok_r(NULL, "\n", &save))
		if (*line != ' ') /* else a title goes on */
			snprintf(name[n++], 64, "%.*s", (int)strcspn(line, " "), line);
	free(o.text);
	return n;
}

static size_t columns(const char *line, size_t n)
{
	size_t c = 0;

	for (size_t i = 0; i < n; i++)
		c += (line[i] & 0xc0) != 0x80;
	return c;
}

static void fits_screen(const char *name, const char *text)
{
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		cr_expect_leq(columns(line, n), 80, "demo %s: a line of %zu columns: %.*s", name, columns(line, n), (int)n, line);
		for (size_t i = 0; i < n; i++)
			cr_expect((unsigned char)line[i] >= ' ' && line[i] != 127, "demo %s: control character %d in: %.*s", name, line[i], (int)n, line);
		line += n + (line[n] == '\n');
	}
}

/* Well-formed by an XML parser, which HTML need not be, but ours is; and nothing that a browser would fetch. */
static void page_whole(const char *name, const char *path, const char *text)
{
	char command[500], *page = file_read(path);

	snprintf(command, sizeof(command), "python3 -c 'import sys, xml.etree.ElementTree as e; r = e.parse(sys.argv[1]).getroot(); "
		"assert r.find(\"body/h1\").text == sys.argv[2]' %s %s 2>&1", path, name);
	struct outcome o = shell(command);
	cr_expect_eq(o.status, 0, "demo %s --html: %s", name, o.text);
	free(o.text);
	cr_assert(page);
	cr_expect(!strstr(page, "http") && !strstr(page, "src=") && !strstr(page, "<script"), "demo %s --html asks for something outside", name);
	/* The same content: each step's heading. */
	for (const char *step = text; (step = strchr(step, '\n')); step++) {
		char head[100];
		if (!(step[1] >= '1' && step[1] <= '9' && (step[2] == '.' || step[3] == '.')) || !strchr(step + 1, '\n') || strchr(step + 1, '\n')[1] != '-')
			continue;
		snprintf(head, sizeof(head), "<h2>%.*s</h2>", (int)strcspn(step + 1, "&<>\"\n"), step + 1);
		head[strcspn(head, "<") + 4 + strcspn(step + 1, "&<>\"\n")] = 0;
		cr_expect(strstr(page, head), "demo %s --html lacks %s", name, head);
	}
	free(page);
}

ParameterizedTestParameters(demo, shows_what_is_so)
{
	static char name[DEMOS_MAX][64];

	return cr_make_param_array(char[64], name, demo_names(name));
}

ParameterizedTest(char name[64], demo, shows_what_is_so, .timeout = 200)
{
	char dir[] = "/tmp/demo-test-XXXXXX", args[400], page[100], facts[100], why[1000] = "";
	json_error_t err;

	cr_assert(mkdtemp(dir));
	snprintf(page, sizeof(page), "%s/page.html", dir);
	snprintf(facts, sizeof(facts), "%s/facts.json", dir);
	snprintf(args, sizeof(args), "demo %s --auto --html %s --facts %s", name, page, facts);
	struct outcome o = ringlab(args);
	cr_assert_eq(o.status, 0, "ringlab %s: status %d: %s", args, o.status, o.text);
	fits_screen(name, o.text);
	cr_expect(strstr(o.text, "\nThe point: ") && strstr(o.text, "\nSource: "), "demo %s makes no point", name);
	page_whole(name, page, o.text);
	free(o.text);

	json_t *file = json_load_file(facts, 0, &err);
	cr_assert(file, "%s: %s", facts, err.text);
	cr_expect(json_object_size(json_object_get(file, "facts")), "demo %s records no fact", name);
	cr_expect_eq(facts_check(file, why, sizeof(why)), 0, "demo %s: %s", name, why);
	int runs = facts_rerun(file, why, sizeof(why));
	cr_assert_geq(runs, 0, "demo %s: %s", name, why);
	cr_expect_eq(facts_check(file, why, sizeof(why)), 0, "demo %s, against %d runs of the test's own: %s", name, runs, why);
	json_decref(file);
	snprintf(args, sizeof(args), "rm -r %s", dir);
	cr_expect_eq(system(args), 0);
}

/* The checks above must be able to fail: each kind of fact of one demonstration is changed, one at a time. */
Test(demo, a_false_fact_is_found)
{
	char facts[] = "/tmp/demo-facts-XXXXXX", args[200], why[1000];
	json_error_t err;
	json_t *v;
	const char *key;
	void *tmp;

	cr_assert_geq(mkstemp(facts), 0);
	snprintf(args, sizeof(args), "demo rings --auto --facts %s", facts);
	struct outcome o = ringlab(args);
	cr_assert_eq(o.status, 0, "%s", o.text);
	free(o.text);
	json_t *file = json_load_file(facts, 0, &err);
	cr_assert(file);
	unlink(facts);
	json_object_foreach_safe(json_object_get(file, "facts"), tmp, key, v) {
		json_t *old = json_incref(v), *wrong = json_is_integer(v) ? json_integer(json_integer_value(v) + 1) : json_string("0x1234");
		char *name = strdup(key);

		json_object_set_new(json_object_get(file, "facts"), name, wrong);
		cr_expect_eq(facts_check(file, why, sizeof(why)), 1, "%s was changed, and nobody noticed", name);
		cr_expect(strstr(why, name), "%s is not in: %s", name, why);
		json_object_set_new(json_object_get(file, "facts"), name, old);
		free(name);
	}
	json_object_set_new(json_object_get(file, "facts"), "bt.speed.cli", json_integer(1));
	cr_expect_eq(facts_check(file, why, sizeof(why)), 1, "a key that means nothing was let pass");
	json_decref(file);
}

Test(demo, list_fits_the_screen)
{
	struct outcome o = ringlab("demo");

	cr_expect_eq(o.status, 0);
	fits_screen("(list)", o.text);
	free(o.text);
}

static void fails(const char *args, int status, const char *word)
{
	struct outcome o = ringlab(args);

	cr_expect_eq(o.status, status, "ringlab %s: status %d: %s", args, o.status, o.text);
	cr_expect(strstr(o.text, word), "ringlab %s: '%s' lacks '%s'", args, o.text, word);
	free(o.text);
}

Test(demo, bad_usage_gets_a_sentence)
{
	fails("demo no-such", BAD_USAGE, "rings");
	fails("demo rings rings", BAD_USAGE, "one demonstration");
	fails("demo --html /tmp/x", BAD_USAGE, "name a demonstration");
	fails("demo rings --slow", BAD_USAGE, "--slow");
}

Test(demo, what_cannot_be_written_is_said)
{
	fails("demo rings --html /no/such/place.html", HOST_FAILURE, "cannot write /no/such/place.html");
	fails("demo rings --facts /dev/full", HOST_FAILURE, "cannot write /dev/full");
	fails("demo rings --html /dev/full", HOST_FAILURE, "cannot write /dev/full");
	struct stat st;
	cr_expect(!stat("/dev/full", &st) && S_ISCHR(st.st_mode), "/dev/full has become something else");

	char command[300];
	snprintf(command, sizeof(command), "%s demo rings 2>&1 >/dev/full </dev/null", RINGLAB_BINARY);
	struct outcome o = shell(command);
	cr_expect_eq(o.status, HOST_FAILURE);
	cr_expect(strstr(o.text, "cannot write to standard output"), "%s", o.text);
	free(o.text);
}

Test(demo, without_guests_it_says_so)
{
	char command[300];

	snprintf(command, sizeof(command), "RINGLAB_GUESTS=/no/such timeout 60 %s demo rings 2>&1 </dev/null", RINGLAB_BINARY);
	struct outcome o = shell(command);
	cr_expect_eq(o.status, HOST_FAILURE, "status %d: %s", o.status, o.text);
	cr_expect(strstr(o.text, "/no/such"), "%s", o.text);
	free(o.text);
}

/* Reads what comes from the terminal until `until` is there, or nothing comes for long. */
static void terminal_until(int fd, char *text, size_t size, const char *until)
{
	size_t n = strlen(text);
	ssize_t got;

	while (!strstr(text, until) && n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0)
		text[n += (size_t)got] = 0;
}

Test(demo, waits_on_a_terminal, .timeout = 60)
{
	static char text[1 << 16];
	int fd, status;
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);

	cr_assert_geq(pid, 0);
	if (!pid) {
		setenv("TERM", "dumb", 1);
		execl(RINGLAB_BINARY, "ringlab", "demo", "rings", NULL);
		_exit(99);
	}
	terminal_until(fd, text, sizeof(text), "[Enter goes on");
	cr_expect(strstr(text, "\n1. ") && !strstr(text, "\n2. "), "%s", text);
	cr_assert_eq(write(fd, "\n", 1), 1);
	text[0] = 0;
	terminal_until(fd, text, sizeof(text), "[Enter goes on");
	cr_expect(strstr(text, "2. ") && !strstr(text, "\n3. "), "%s", text);
	cr_expect(!strchr(text, 033), "colour on a dumb terminal");
	cr_assert_eq(write(fd, "q\n", 2), 2);
	text[0] = 0;
	terminal_until(fd, text, sizeof(text), "3. ");
	cr_expect(!strstr(text, "\n3. "), "it went on: %s", text);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && !WEXITSTATUS(status), "wait status %#x", (unsigned)status);
	close(fd);
}
