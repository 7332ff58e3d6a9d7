/*
 * report_html.c - text, numbers and bytes as they may stand in the page.
 *
 * Names of workloads, kernels and reasons come from files that anybody may have written: nothing of them reaches the page but
 * through here. Called by all parts of the report. Read next: report.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "report.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* Bytes of the well-formed UTF-8 character at s (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Writes one character that needs no escape, or its replacement. Returns how far to go on. */
static size_t put_character(FILE *out, const unsigned char *s)
{
	size_t n = utf8_length(s);
	bool control = *s < ' ' || *s == 0x7f || (n == 2 && s[0] == 0xc2 && s[1] < 0xa0);
	/* Bidirectional overrides (U+202A..202E, 2066..2069) could make a name look like another. */
	bool bidi = n == 3 && s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) || (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));

	if (!n || control || bidi)
		fputs(REPLACEMENT, out);
	else
		fwrite(s, 1, n, out);
	return n ? n : 1;
}

void html_text(FILE *out, const char *text)
{
	for (const unsigned char *s = (const unsigned char *)(text ? text : ""); *s;) {
		const char *entity = *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '&' ? "&amp;" : *s == '"' ? "&quot;" : *s == '\'' ? "&#39;" :
			*s == '\n' || *s == '\t' ? " " : NULL;

		if (entity)
			fputs(entity, out), s++;
		else
			s += put_character(out, s);
	}
}

void html_json(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *s = (const unsigned char *)(text ? text : ""); *s;) {
		if (strchr("<>&\"\\'\n\t", *s))
			fprintf(out, "\\u%04x", *s++);
		else
			s += put_character(out, s);
	}
	fputc('"', out);
}

void html_json_number(FILE *out, double v)
{
	char text[40];

	if (!isfinite(v)) {
		fputs("null", out);
		return;
	}
	for (int digits = 6; digits <= 17; digits += digits < 15 ? 9 : 2) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	fputs(text, out);
}

void html_base64(FILE *out, const void *data, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *s = data;

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)s[i] << 16 | (i + 1 < n ? (unsigned)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0);

		fputc(digit[v >> 18], out);
		fputc(digit[v >> 12 & 63], out);
		fputc(i + 1 < n ? digit[v >> 6 & 63] : '=', out);
		fputc(i + 2 < n ? digit[v & 63] : '=', out);
	}
}

/* Digits in groups of three, for what is below a million. */
static void put_grouped(FILE *out, double v)
{
	long n = lround(v);

	if (labs(n) >= 1000)
		fprintf(out, "%ld,%03ld", n / 1000, labs(n) % 1000);
	else
		fprintf(out, "%ld", n);
}

/* Three digits, so that figures of one size look alike in a column. */
static void put_three(FILE *out, double v)
{
	double a = fabs(v);

	fprintf(out, a < .995 ? "%.3g" : a < 9.995 ? "%.2f" : a < 99.95 ? "%.1f" : "%.0f", v);
}

void html_number(FILE *out, double v, const char *unit)
{
	double a = fabs(v);

	if (!isfinite(v)) {
		fputs("–", out);
	} else if (!strcmp(unit, "s") && a > 0) {
		put_three(out, v * (a >= 1 ? 1 : a >= 1e-3 ? 1e3 : a >= 1e-6 ? 1e6 : 1e9));
		fprintf(out, "\u202f%s", a >= 1 ? "s" : a >= 1e-3 ? "ms" : a >= 1e-6 ? "µs" : "ns");
	} else if (a >= 999999.5) {
		put_three(out, v / (a >= 999.5e9 ? 1e12 : a >= 999.5e6 ? 1e9 : 1e6));
		fputs(a >= 999.5e9 ? "\u202fT" : a >= 999.5e6 ? "\u202fG" : "\u202fM", out);
	} else if (a >= 999.5) {
		put_grouped(out, v);
	} else if (!strncmp(unit, "1/", 2)) {
		fprintf(out, "%.4g", v); /* a count: 2 is 2 */
	} else {
		put_three(out, v);
	}
}

void html_ratio(FILE *out, double r)
{
	fputs("×", out);
	put_three(out, r);
}
