/*
 * plot_data.c - what the data writers of the plots share: settings as gnuplot reads them, and the order of kinds.
 *
 * A plot is two files for its script: NAME.set, which it loads, and NAME.dat. Text from result files goes into single quotes; the
 * reader has refused control characters, so that doubling the quotes is all the escaping there is.
 */
#include "plot_data.h"
#include <stdlib.h>
#include <string.h>

static void quoted(FILE *set, const char *text)
{
	putc('\'', set);
	for (; *text; text++) {
		if (*text == '\'')
			putc('\'', set);
		if ((unsigned char)*text >= 0x20)
			putc(*text, set);
	}
	putc('\'', set);
}

void set_text(FILE *set, const char *name, const char *text)
{
	fprintf(set, "%s = ", name);
	quoted(set, text);
	putc('\n', set);
}

void set_number(FILE *set, const char *name, double value)
{
	fprintf(set, "%s = %.10g\n", name, value);
}

void set_heading(FILE *set, const struct result *r, const char *title)
{
	const char *cpu = json_string_value(json_object_get(r->env, "cpu")), *commit = json_string_value(json_object_get(r->env, "commit"));
	const char *host = json_string_value(json_object_get(r->env, "host")), *name = json_string_value(json_object_get(r->env, "name"));
	char text[600];

	set_text(set, "heading", title);
	snprintf(text, sizeof(text), "%.80s (host %.40s); Ringlab %.40s; %.60s", cpu ? cpu : "unknown CPU", host ? host : "unknown", commit ? commit : "unknown",
		name ? name : r->name);
	set_text(set, "machine", text);
}

void set_array(FILE *set, const char *name, const char *const *text, size_t n)
{
	fprintf(set, "array %s[%zu]\n", name, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		fprintf(set, "%s[%zu] = ", name, i + 1);
		quoted(set, text[i]);
		putc('\n', set);
	}
}

void set_ytick(FILE *set, double y, const char *text)
{
	char cut[80];

	snprintf(cut, sizeof(cut), "%.60s", text);
	fputs("set ytics add (", set);
	quoted(set, cut);
	fprintf(set, " %.10g)\n", y);
}

void set_label(FILE *set, double x, double y, const char *align, int size, bool bold, const char *colour, const char *text)
{
	fputs("set label ", set);
	quoted(set, text);
	fprintf(set, " at %.10g,%.10g %s font font_name.'%s,'.(font_size + (%d)) tc rgb '%s' noenhanced front\n", x, y, align, bold ? ":Bold" : "", size, colour);
}

void kind_weigh(struct kind_rank *k, const char *kind, double weight)
{
	int i = 0;

	while (i < k->n && strcmp(k->name[i], kind))
		i++;
	if (i == (int)(sizeof(k->name) / sizeof(k->name[0])))
		return;
	if (i == k->n) {
		k->name[k->n++] = kind;
		k->weight[i] = 0;
	}
	k->weight[i] += weight;
}

void kind_sort(struct kind_rank *k)
{
	for (int i = 1; i < k->n; i++)
		for (int j = i; j && k->weight[j] > k->weight[j - 1]; j--) {
			const char *name = k->name[j];
			double weight = k->weight[j];

			k->name[j] = k->name[j - 1];
			k->weight[j] = k->weight[j - 1];
			k->name[j - 1] = name;
			k->weight[j - 1] = weight;
		}
}

int kind_colour(const struct kind_rank *k, const char *kind)
{
	for (int i = 0; i < k->n && i < KIND_COLOURS - 1; i++)
		if (!strcmp(k->name[i], kind))
			return i + 1;
	return KIND_COLOURS;
}

void kind_legend(FILE *set, const struct kind_rank *k)
{
	const char *name[KIND_COLOURS];
	int n = k->n < KIND_COLOURS ? k->n : KIND_COLOURS;

	for (int i = 0; i < n; i++)
		name[i] = i == KIND_COLOURS - 1 ? "all other kinds" : k->name[i];
	set_array(set, "kind_name", name, (size_t)n);
	set_number(set, "kinds", n);
}
