/*
 * out.c - formatted output, buffered for descriptor 1.
 */
#include "user.h"

static struct {
	char buf[2048];
	size_t have;
	bool lost;      /* something could not be written */
	int8_t by_line; /* -1: not known yet */
} out = { .by_line = -1 };

ssize_t write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;
	size_t left = n;

	while (left) {
		ssize_t k = write(fd, p, left);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		left -= k;
	}
	return n;
}

int out_flush(void)
{
	size_t n = out.have;

	out.have = 0; /* first: a handler may print */
	if (n && write_all(1, out.buf, n) < 0)
		out.lost = true;
	return out.lost ? -1 : 0;
}

void out_write(const void *buf, size_t n)
{
	const char *p = buf;

	if (out.by_line < 0)
		out.by_line = isatty(1);
	for (size_t i = 0; i < n; i++) {
		out.buf[out.have++] = p[i];
		if (out.have == sizeof(out.buf) || (out.by_line && p[i] == '\n'))
			out_flush();
	}
}

int putchar(int c)
{
	char ch = c;

	out_write(&ch, 1);
	return c;
}

int puts(const char *s)
{
	out_write(s, strlen(s));
	return putchar('\n');
}

/* ---- formatting: into a sink that counts, and keeps what fits ---- */
struct sink {
	char *buf;
	size_t room, n;
};

static void put(struct sink *s, char c)
{
	if (s->n < s->room)
		s->buf[s->n] = c;
	s->n++;
}

struct format { bool left, zero; int width, precision; };

static void put_field(struct sink *s, const struct format *f, const char *text, int n, const char *sign)
{
	int signs = strlen(sign), fill = f->width - n - signs;

	for (; !f->left && !f->zero && fill > 0; fill--)
		put(s, ' ');
	while (*sign)
		put(s, *sign++);
	for (; !f->left && f->zero && fill > 0; fill--)
		put(s, '0');
	for (int i = 0; i < n; i++)
		put(s, text[i]);
	for (; fill > 0; fill--)
		put(s, ' ');
}

static void put_number(struct sink *s, const struct format *f, uint64_t v, uint32_t base, bool upper, const char *sign)
{
	char digits[24];
	int at = sizeof(digits);
	uint32_t d;

	do {
		v = div64(v, base, &d);
		digits[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[d];
	} while (v);
	put_field(s, f, digits + at, sizeof(digits) - at, sign);
}

static const char *parse_format(const char *p, struct format *f, va_list *args)
{
	*f = (struct format){ .precision = -1 };
	for (;; p++) {
		if (*p == '-')
			f->left = true;
		else if (*p == '0')
			f->zero = true;
		else
			break;
	}
	if (*p == '*') {
		f->width = va_arg(*args, int);
		p++;
	}
	while (*p >= '0' && *p <= '9')
		f->width = f->width * 10 + *p++ - '0';
	if (*p == '.') {
		f->precision = 0;
		if (*++p == '*') {
			f->precision = va_arg(*args, int);
			p++;
		}
		while (*p >= '0' && *p <= '9')
			f->precision = f->precision * 10 + *p++ - '0';
	}
	return p;
}

static void format_string(struct sink *s, struct format *f, const char *text)
{
	int n = 0;

	text = text ? text : "(null)";
	while ((f->precision < 0 || n < f->precision) && text[n])
		n++;
	f->zero = false;
	put_field(s, f, text, n, "");
}

static void format_one(struct sink *s, struct format *f, char kind, bool wide, va_list *args)
{
	int64_t v;
	char c;

	switch (kind) {
	case 'd': case 'i':
		v = wide ? va_arg(*args, int64_t) : va_arg(*args, int32_t);
		put_number(s, f, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, false, v < 0 ? "-" : "");
		break;
	case 'u': case 'x': case 'X': case 'o':
		put_number(s, f, wide ? va_arg(*args, uint64_t) : va_arg(*args, uint32_t), kind == 'u' ? 10 : kind == 'o' ? 8 : 16,
			kind == 'X', "");
		break;
	case 'p':
		put_number(s, f, va_arg(*args, uint32_t), 16, false, "0x");
		break;
	case 's':
		format_string(s, f, va_arg(*args, const char *));
		break;
	case 'c':
		c = va_arg(*args, int);
		put_field(s, f, &c, 1, "");
		break;
	default:
		put(s, kind);
	}
}

static size_t format(struct sink *s, const char *p, va_list args)
{
	va_list copy;

	va_copy(copy, args);
	for (; *p; p++) {
		struct format f;
		int longs = 0;

		if (*p != '%') {
			put(s, *p);
			continue;
		}
		p = parse_format(p + 1, &f, &copy);
		for (; *p == 'l' || *p == 'z'; p++)
			longs += *p == 'l';
		if (!*p)
			break;
		format_one(s, &f, *p, longs == 2, &copy);
	}
	va_end(copy);
	return s->n;
}

int vsnprintf(char *buf, size_t n, const char *fmt, va_list args)
{
	struct sink s = { .buf = buf, .room = n ? n - 1 : 0 };
	size_t len = format(&s, fmt, args);

	if (n)
		buf[len < n ? len : n - 1] = 0;
	return len;
}

int snprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(buf, n, fmt, args);
	va_end(args);
	return len;
}

/* A line longer than this is cut. */
#define LINE_MAX 1024

int printf(const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	out_write(line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
	return len;
}

int eprintf(const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	return write_all(2, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
}
