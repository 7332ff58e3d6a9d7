/*
 * print.c - a printf small enough to read: %s %c %d %u %x %p with width and zero fill.
 */
#include "hal.h"

void hal_puts(const char *s)
{
	while (*s)
		hal_putc(*s++);
}

static void put_number(uint32_t v, unsigned base, unsigned width, char fill, bool negative)
{
	char buf[12];
	unsigned n = 0;
	do {
		buf[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (negative && fill == '0')
		hal_putc('-');
	for (unsigned used = n + negative; used < width; used++)
		hal_putc(fill);
	if (negative && fill != '0')
		hal_putc('-');
	while (n)
		hal_putc(buf[--n]);
}

static void put_text(const char *s, unsigned width)
{
	size_t n = strlen(s);
	hal_puts(s);
	for (; n < width; n++)
		hal_putc(' ');
}

void hal_vprintf(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			hal_putc(*fmt);
			continue;
		}
		char fill = ' ';
		unsigned width = 0;
		if (*++fmt == '-')
			fmt++;
		if (*fmt == '0')
			fill = '0';
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + (unsigned)(*fmt++ - '0');
		int32_t d;
		switch (*fmt) {
		case 's': put_text(va_arg(ap, const char *), width); break;
		case 'c': hal_putc((char)va_arg(ap, int)); break;
		case 'd':
			d = va_arg(ap, int32_t);
			put_number(d < 0 ? 0u - (uint32_t)d : (uint32_t)d, 10, width, fill, d < 0);
			break;
		case 'u': put_number(va_arg(ap, uint32_t), 10, width, fill, false); break;
		case 'p':
			hal_puts("0x");
			put_number(va_arg(ap, uint32_t), 16, 8, '0', false);
			break;
		case 'x': put_number(va_arg(ap, uint32_t), 16, width, fill, false); break;
		case '%': hal_putc('%'); break;
		default: hal_puts("%?"); fmt--; break;
		}
	}
}

void hal_printf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	hal_vprintf(fmt, ap);
	va_end(ap);
}
