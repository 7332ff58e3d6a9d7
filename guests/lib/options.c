/*
 * options.c - words of the command line: `det`, `n=1000`, `only=cpuid`.
 */
#include "hal.h"

/*
 * The text after `name` where it is a whole word or the left side of one; or NULL. The loader's first word is the image's
 * name.
 */
static const char *find(const char *name)
{
	size_t n = strlen(name);
	for (const char *p = hal_cmdline(); *p;) {
		while (*p == ' ')
			p++;
		if (!strncmp(p, name, n) && (p[n] == 0 || p[n] == ' ' || p[n] == '='))
			return p + n;
		while (*p && *p != ' ')
			p++;
	}
	return NULL;
}

bool hal_flag(const char *name)
{
	const char *p = find(name);
	return p && (*p == 0 || *p == ' ');
}

bool hal_word(const char *name, char *out, size_t n)
{
	const char *p = find(name);
	size_t i = 0;
	if (!p || *p++ != '=')
		return false;
	for (; p[i] && p[i] != ' ' && i + 1 < n; i++)
		out[i] = p[i];
	out[i] = 0;
	return true;
}

uint32_t hal_number(const char *name, uint32_t otherwise)
{
	char word[16];
	uint32_t v = 0, base = 10;
	const char *p = word;
	if (!hal_word(name, word, sizeof word))
		return otherwise;
	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	for (; *p; p++) {
		uint32_t d = *p >= 'a' ? (uint32_t)(*p - 'a' + 10) : (uint32_t)(*p - '0');
		if (d >= base)
			return otherwise;
		v = v * base + d;
	}
	return v;
}
