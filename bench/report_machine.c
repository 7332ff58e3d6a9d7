/*
 * report_machine.c - what was measured where: env.json of each machine side by side, the noise, and what has no figures.
 *
 * Called by report.c. docs/results.md has the keys. Read next: report_suite.c.
 */
#include <math.h>
#include <string.h>
#include "report.h"

/* The value at "tasks.done", or NULL. */
static const json_t *env_at(const struct result *r, const char *path)
{
	const json_t *v = r->env;
	char word[64];

	while (v && *path) {
		size_t n = strcspn(path, ".");

		snprintf(word, sizeof(word), "%.*s", (int)n, path);
		v = json_object_get(v, word);
		path += n + (path[n] == '.');
	}
	return v;
}

static void put_value(FILE *out, const json_t *v)
{
	if (json_is_string(v) && json_string_length(v))
		html_text(out, json_string_value(v));
	else if (json_is_integer(v))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_real(v))
		fprintf(out, "%.10g", json_real_value(v));
	else if (json_is_boolean(v))
		fputs(json_is_true(v) ? "yes" : "no", out);
	else
		fputs("<span class=none>unknown</span>", out);
}

static void row_begin(const struct report *p, const char *name, bool differs)
{
	fprintf(p->out, "<tr%s><th scope=row>", differs ? " class=differs" : "");
	html_text(p->out, name);
	fputs("</th>", p->out);
}

/* One key, a column for each machine; a row whose machines differ is marked. */
static void row_text(const struct report *p, const char *name, const char *path)
{
	bool differs = false;

	for (unsigned m = 1; m < p->n; m++)
		differs |= !json_equal(env_at(&p->machine[m], path), env_at(&p->machine[0], path));
	row_begin(p, name, differs);
	for (unsigned m = 0; m < p->n; m++) {
		fputs("<td>", p->out);
		put_value(p->out, env_at(&p->machine[m], path));
		fputs("</td>", p->out);
	}
	fputs("</tr>\n", p->out);
}

static void row_tsc(const struct report *p)
{
	row_begin(p, "TSC", false);
	for (unsigned m = 0; m < p->n; m++) {
		double hz = json_number_value(env_at(&p->machine[m], "tsc_hz"));

		if (hz > 0)
			fprintf(p->out, "<td>%.4g GHz</td>", hz / 1e9);
		else
			fputs("<td><span class=none>unknown</span></td>", p->out);
	}
	fputs("</tr>\n", p->out);
}

static void row_noise(const struct report *p)
{
	row_begin(p, "Noise", false);
	for (unsigned m = 0; m < p->n; m++) {
		const struct result *r = &p->machine[m];
		double best = json_number_value(env_at(r, "calibration.best")), median = json_number_value(env_at(r, "calibration.median"));
		double n = json_number_value(env_at(r, "calibration.samples")), bad = json_number_value(env_at(r, "calibration.disturbed"));

		fputs("<td>", p->out);
		if (best > 0 && n > 0)
			fprintf(p->out, "calibration loop at its median %.2f of its best; %.0f of %.0f samples (%.0f%%) disturbed", median / best, bad, n,
				100 * bad / n);
		else
			fputs("<span class=none>unknown</span>", p->out);
		fputs("</td>", p->out);
	}
	fputs("</tr>\n", p->out);
}

static void row_extent(const struct report *p)
{
	row_begin(p, "Extent", false);
	for (unsigned m = 0; m < p->n; m++) {
		const struct result *r = &p->machine[m];
		double planned = json_number_value(env_at(r, "tasks.planned")), done = json_number_value(env_at(r, "tasks.done"));

		fprintf(p->out, "<td>%zu rows, %zu figures", r->rows, r->groups);
		if (planned > 0)
			fprintf(p->out, "; %.0f of %.0f tasks", done, planned);
		fputs("</td>", p->out);
	}
	fputs("</tr>\n", p->out);
}

static void head_machines(const struct report *p, const char *first)
{
	fprintf(p->out, "<thead><tr><th scope=col>%s</th>", first);
	for (unsigned m = 0; m < p->n; m++) {
		fputs("<th scope=col>", p->out);
		if (p->n > 1)
			fprintf(p->out, "<span class=key>%c</span> ", 'A' + m);
		html_text(p->out, p->machine[m].name);
		fputs("</th>", p->out);
	}
	fputs("</tr></thead>\n", p->out);
}

/* An object of texts (packages, mitigations): every name that any machine has. */
static void details(const struct report *p, const char *title, const char *path)
{
	json_t *names = json_object(), *v;
	const char *name;
	char key[300];

	for (unsigned m = 0; m < p->n; m++)
		json_object_foreach((json_t *)env_at(&p->machine[m], path), name, v)
			json_object_set_new(names, name, json_true());
	if (json_object_size(names)) {
		fprintf(p->out, "<details><summary>%s <small>%zu</small></summary><div class=wrap><table class=facts>", title, json_object_size(names));
		head_machines(p, "Name");
		fputs("<tbody>\n", p->out);
		json_object_foreach(names, name, v) {
			bool differs = false;

			for (unsigned m = 1; m < p->n; m++)
				differs |= !json_equal(json_object_get(env_at(&p->machine[m], path), name),
					json_object_get(env_at(&p->machine[0], path), name));
			snprintf(key, sizeof(key), "%.250s", name);
			row_begin(p, key, differs);
			for (unsigned m = 0; m < p->n; m++) {
				fputs("<td>", p->out);
				put_value(p->out, json_object_get(env_at(&p->machine[m], path), name));
				fputs("</td>", p->out);
			}
			fputs("</tr>\n", p->out);
		}
		fputs("</tbody></table></div></details>\n", p->out);
	}
	json_decref(names);
}

static void interrupted(const struct report *p)
{
	for (unsigned m = 0; m < p->n; m++)
		if (json_is_false(env_at(&p->machine[m], "complete"))) {
			fputs("<p class=notice><strong>", p->out);
			html_text(p->out, p->machine[m].name);
			fputs("</strong> was ended before all was measured: what there is, is shown.</p>\n", p->out);
		}
}

void report_machines(const struct report *p)
{
	static const char *const row[][2] = { { "CPU", "cpu" }, { "CPUs", "cpus" }, { "Microcode", "microcode" }, { "Kernel", "kernel" },
		{ "Behind /dev/kvm", "kvm_module" }, { "Huge pages", "huge_pages" }, { "Host", "host" }, { "Commit", "commit" },
		{ "Begun", "date.start" }, { "Ended", "date.end" }, { "Command", "command" } };

	fprintf(p->out, "<section id=machines><h2>%s</h2>\n", p->n > 1 ? "Machines" : "Machine");
	interrupted(p);
	fputs("<div class=wrap><table class=facts>", p->out);
	head_machines(p, "");
	fputs("<tbody>\n", p->out);
	row_text(p, row[0][0], row[0][1]);
	row_tsc(p);
	for (size_t i = 1; i < sizeof(row) / sizeof(row[0]); i++)
		row_text(p, row[i][0], row[i][1]);
	row_extent(p);
	row_noise(p);
	fputs("</tbody></table></div>\n", p->out);
	details(p, "Mitigations", "mitigations");
	details(p, "Packages", "packages");
	details(p, "Peers", "peers");
	details(p, "Options", "options");
	fputs("</section>\n", p->out);
}

void report_missing(const struct report *p)
{
	size_t n = 0;

	for (unsigned m = 0; m < p->n; m++)
		n += json_array_size(env_at(&p->machine[m], "missing"));
	fputs("<section id=missing><h2>Not measured</h2>\n", p->out);
	if (!n) {
		fputs("<p>Every part of every suite that was asked for has figures.</p></section>\n", p->out);
		return;
	}
	fprintf(p->out, "<div class=wrap><table class=data><thead><tr>%s<th scope=col>suite</th><th scope=col>engine</th><th scope=col>part</th>"
		"<th scope=col>why</th></tr></thead><tbody>\n", p->n > 1 ? "<th scope=col>machine</th>" : "");
	for (unsigned m = 0; m < p->n; m++) {
		static const char *const key[] = { "suite", "engine", "part", "why" };
		json_t *v;
		size_t i;

		json_array_foreach(env_at(&p->machine[m], "missing"), i, v) {
			fputs("<tr data-e=\"", p->out);
			html_text(p->out, json_string_value(json_object_get(v, "engine")));
			fputs("\" data-s=\"", p->out);
			html_text(p->out, json_string_value(json_object_get(v, "suite")));
			fputs("\">", p->out);
			if (p->n > 1)
				fprintf(p->out, "<td><span class=key>%c</span></td>", 'A' + m);
			for (size_t k = 0; k < sizeof(key) / sizeof(key[0]); k++) {
				fputs(k == 3 ? "<td class=why>" : "<td>", p->out);
				html_text(p->out, json_string_value(json_object_get(v, key[k])));
				fputs("</td>", p->out);
			}
			fputs("</tr>\n", p->out);
		}
	}
	fputs("</tbody></table></div></section>\n", p->out);
}
