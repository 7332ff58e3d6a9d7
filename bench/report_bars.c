/*
 * report_bars.c - what the project holds itself to, and whether each machine's figures meet it. Called by report.c. Read next: bars.c.
 */
#include <string.h>
#include "bars.h"
#include "report.h"

static void put_text(FILE *out, const char *text)
{
	fputs("<td>", out);
	html_text(out, text);
	fputs("</td>", out);
}

static void put_figure(FILE *out, double v, const struct bar_figure *b)
{
	if (*b->against)
		html_ratio(out, v);
	else
		html_number(out, v, !strcmp(b->metric, "seconds") ? "s" : !strcmp(b->metric, "bytes") ? "B" : "cycles");
}

static void put_row(const struct report *p, unsigned machine, const struct bar_figure *b)
{
	FILE *out = p->out;

	fputs("<tr>", out);
	if (p->n > 1)
		fprintf(out, "<td><span class=key>%c</span></td>", 'A' + machine);
	put_text(out, b->suite);
	fputs("<th scope=row>", out);
	html_text(out, b->workload);
	fputs("</th>", out);
	put_text(out, b->engine);
	put_text(out, b->metric);
	put_text(out, b->against);
	fprintf(out, "<td data-v=\"%.12g\">", b->most);
	put_figure(out, b->most, b);
	fprintf(out, "</td><td data-v=\"%.12g\">", b->is.mid);
	put_figure(out, b->is.mid, b);
	if (b->is.high > b->is.low) {
		fputs(" <small>", out);
		put_figure(out, b->is.low, b);
		fputs("–", out);
		put_figure(out, b->is.high, b);
		fputs("</small>", out);
	}
	fprintf(out, "</td><td class=%s>%s</td></tr>\n", b->met == BAR_MISSED ? "unmet" : "met",
		b->met == BAR_MET ? "met" : b->met == BAR_OPEN ? "undecided" : "not met");
}

bool report_has_bars(const struct report *p)
{
	struct bar_figure b;
	bool any = false;

	for (unsigned m = 0; m < p->n; m++) {
		size_t at = 0;

		any |= bars_next(&p->machine[m], &at, &b);
	}
	return any;
}

void report_bars(const struct report *p)
{
	struct bar_figure b;
	size_t at = 0;

	if (!report_has_bars(p))
		return;
	fprintf(p->out, "<section id=bars><h2>Held to</h2>\n<p>What the project expects of itself; where it is against another engine or way, the median of "
		"the ratios within a round. Undecided: the bar lies within the interval.</p>\n<div class=wrap><table class=data><thead><tr>%s<th scope=col>suite</th><th scope=col>workload</th>"
		"<th scope=col>engine</th><th scope=col>metric</th><th scope=col>against</th><th scope=col class=num>at most</th>"
		"<th scope=col class=num>is</th><th scope=col>verdict</th></tr></thead>\n<tbody>\n", p->n > 1 ? "<th scope=col>machine</th>" : "");
	for (unsigned m = 0; m < p->n; m++, at = 0)
		while (bars_next(&p->machine[m], &at, &b))
			put_row(p, m, &b);
	fputs("</tbody></table></div></section>\n", p->out);
}
