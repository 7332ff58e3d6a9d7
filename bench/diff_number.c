/*
 * diff_number.c - numbers and names as `ringlab diff` prints them. Names come out of files and guests: nothing that moves a
 * terminal's cursor gets through.
 */
#include <math.h>
#include <string.h>
#include "diff.h"

/* 1234567 as "1,234,567". */
static const char *grouped(unsigned long long v, const char *sign, char buf[DIFF_TEXT])
{
	char digits[32];
	int n = snprintf(digits, sizeof(digits), "%llu", v), at = snprintf(buf, DIFF_TEXT, "%s", sign);

	for (int i = 0; i < n; i++) {
		buf[at++] = digits[i];
		if (i < n - 1 && (n - 1 - i) % 3 == 0)
			buf[at++] = ',';
	}
	buf[at] = 0;
	return buf;
}

static const char *number(double v, const char *sign, char buf[DIFF_TEXT])
{
	if (isnan(v))
		snprintf(buf, DIFF_TEXT, "-");
	else if (v >= 1e9)
		snprintf(buf, DIFF_TEXT, "%s%.3g G", sign, v / 1e9);
	else if (v >= 1e7)
		snprintf(buf, DIFF_TEXT, "%s%.3g M", sign, v / 1e6);
	else if (v >= 100 || v == floor(v))
		return grouped((unsigned long long)(v + 0.5), sign, buf);
	else
		snprintf(buf, DIFF_TEXT, "%s%.3g", sign, v);
	return buf;
}

const char *diff_count(double v, char buf[DIFF_TEXT])
{
	return number(fabs(v), v < 0 ? "-" : "", buf);
}

const char *diff_signed(double v, char buf[DIFF_TEXT])
{
	return number(fabs(v), v < 0 ? "-" : v > 0 ? "+" : "", buf);
}

const char *diff_change_text(double a, double b, char buf[DIFF_TEXT])
{
	double r = b / a;

	if (!(a > 0) || isnan(r))
		snprintf(buf, DIFF_TEXT, "%s", b > 0 ? "where there was nothing" : "as much");
	else if (r >= 2)
		snprintf(buf, DIFF_TEXT, "%.3g times as much", r);
	else if (fabs(r - 1) < 0.0005)
		snprintf(buf, DIFF_TEXT, "as much");
	else
		snprintf(buf, DIFF_TEXT, "%.*f %% %s", fabs(r - 1) < 0.1 ? 1 : 0, 100 * fabs(r - 1), r > 1 ? "more" : "less");
	return buf;
}

const char *diff_clean(const char *s, char buf[DIFF_TEXT])
{
	size_t i;

	for (i = 0; s[i] && i < DIFF_TEXT - 1; i++) {
		unsigned char c = (unsigned char)s[i], next = (unsigned char)s[i + 1];

		buf[i] = c < ' ' || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0) ? '?' : s[i]; /* C2 80 to C2 9F: C1 of Unicode */
	}
	buf[i] = 0;
	return buf;
}

void diff_wrap(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column && column + 1 + n > 100) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%.*s", column ? " " : "", (int)n, text);
		column += n + (column != 0);
		text += n;
		text += *text == ' ';
	}
	fputc('\n', out);
}
