/*
 * string.c - memory, strings, numbers, and a stable sort of pointers.
 */
#include "user.h"

void *memcpy(void *d, const void *s, size_t n)
{
	void *to = d;
	size_t words = n / 4;

	__asm__ volatile("rep movsl" : "+D"(to), "+S"(s), "+c"(words) : : "memory");
	words = n % 4;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(s), "+c"(words) : : "memory");
	return d;
}

void *memmove(void *d, const void *s, size_t n)
{
	uint8_t *to = d;
	const uint8_t *from = s;

	if (to <= from || to >= from + n)
		return memcpy(d, s, n);
	while (n--)
		to[n] = from[n];
	return d;
}

void *memset(void *d, int c, size_t n)
{
	void *to = d;
	size_t words = n / 4;

	__asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"((uint32_t)(uint8_t)c * 0x01010101u) : "memory");
	words = n % 4;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(words) : "a"(c) : "memory");
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n--; x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const uint8_t *p = s;

	for (; n--; p++)
		if (*p == (uint8_t)c)
			return (void *)p;
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

char *strcpy(char *d, const char *s) { return memcpy(d, s, strlen(s) + 1); }

char *strcat(char *d, const char *s)
{
	strcpy(d + strlen(d), s);
	return d;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (uint8_t)*a - (uint8_t)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	char *last = NULL;

	for (;; s++) {
		if (*s == (char)c)
			last = (char *)s;
		if (!*s)
			return last;
	}
}

char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (; *s; s++)
		if (!strncmp(s, what, n))
			return (char *)s;
	return n ? NULL : (char *)s;
}

char *strdup(const char *s)
{
	char *d = malloc(strlen(s) + 1);

	return d ? strcpy(d, s) : NULL;
}

const char *strerror(int err)
{
	switch (err) {
#define X(name, number, text) case number: return text;
	LINUX_ERRORS(X)
#undef X
	default: return "Unknown error";
	}
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

long strtol(const char *s, char **end, int base)
{
	const char *start = s;
	bool minus = false;
	uint32_t v = 0;

	while (*s == ' ' || *s == '\t')
		s++;
	if (*s == '-' || *s == '+')
		minus = *s++ == '-';
	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16) {
		s += 2;
		base = 16;
	}
	if (base == 0)
		base = *s == '0' ? 8 : 10;
	if (digit(*s) >= base)
		s = start;
	else
		while (digit(*s) < base)
			v = v * base + digit(*s++);
	if (end)
		*end = (char *)s;
	return minus ? -v : v;
}

int atoi(const char *s) { return strtol(s, NULL, 10); }

/* Two steps of long division, each of which DIV can do. */
uint64_t div64(uint64_t n, uint32_t by, uint32_t *rest)
{
	uint32_t hi = n >> 32, lo = n, qhi = hi / by, r = hi % by, qlo;

	__asm__("divl %4" : "=a"(qlo), "=d"(r) : "0"(lo), "1"(r), "rm"(by));
	if (rest)
		*rest = r;
	return (uint64_t)qhi << 32 | qlo;
}

/* Merges the sorted halves of p through `spare`. */
static void merge(void **p, void **spare, size_t n, int (*compare)(const void *a, const void *b))
{
	size_t half = n / 2, i = 0, j = half;

	if (n < 2)
		return;
	merge(p, spare, half, compare);
	merge(p + half, spare, n - half, compare);
	for (size_t k = 0; k < n; k++)
		spare[k] = j >= n || (i < half && compare(p[i], p[j]) <= 0) ? p[i++] : p[j++];
	memcpy(p, spare, n * sizeof(*p));
}

void sort_pointers(void **p, size_t n, int (*compare)(const void *a, const void *b))
{
	void **spare = malloc(n * sizeof(*p) + 1);

	if (!spare)
		die("out of memory");
	merge(p, spare, n, compare);
	free(spare);
}
