/*
 * plot_svg.c - fonts of an SVG as browsers understand them. Called by plots.c.
 *
 * gnuplot's svg terminal writes its own notation of a bold font as a family, "DejaVu Sans:Bold", and never a second choice: where there is
 * no such family, a browser takes one with serifs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plot_data.h"

static const struct {
	const char *from, *to;
} fonts[] = {
	{ "font-family=\"DejaVu Sans:Bold\"", "font-family=\"DejaVu Sans, Verdana, sans-serif\" font-weight=\"bold\"" },
	{ "font-family=\"DejaVu Sans\"", "font-family=\"DejaVu Sans, Verdana, sans-serif\"" },
};

/* Puts text into f with its fonts replaced. */
static void text_put(const char *text, FILE *f)
{
	while (*text) {
		size_t i = 0, n = sizeof(fonts) / sizeof(fonts[0]);

		while (i < n && strncmp(text, fonts[i].from, strlen(fonts[i].from)))
			i++;
		if (i < n) {
			fputs(fonts[i].to, f);
			text += strlen(fonts[i].from);
		} else {
			putc(*text++, f);
		}
	}
}

int plot_svg_fonts(const char *path)
{
	char *text = NULL;
	size_t room = 0;
	FILE *f = fopen(path, "re");
	ssize_t n = f ? getdelim(&text, &room, 0, f) : -1;
	int e = f ? 0 : -errno;

	if (f)
		fclose(f);
	if (!e && n <= 0)
		e = -EIO;
	f = e ? NULL : fopen(path, "we");
	if (f)
		text_put(text, f);
	if (!e && (!f || ferror(f)))
		e = -EIO;
	if (f && fclose(f))
		e = -errno;
	free(text);
	return e;
}
