/*
 * tty.c - the console as a terminal: echo, line editing, and the keys that send signals.
 *
 * tty_input gets bytes from interrupt handlers; a line becomes readable at its end (newline, or ^D). Backspace rubs out,
 * ^U the whole line, ^C and ^\ are signals to every process but the kernel's own; who should live on ignores them.
 * Without ICANON (TCSETS) every byte is readable at once. Output goes straight to the console.
 */
#include "proc.h"

#define LINE_BYTES 1024u

enum { ISIG = 1, ICANON = 2, ECHO = 8, ECHOE = 16 };
enum { ICRNL = 0x100 };
enum { CTRL_C = 3, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, CTRL_BACKSLASH = 28, RUBOUT = 127 };

struct termios { uint32_t iflag, oflag, cflag, lflag; uint8_t line, cc[19]; };

static struct {
	uint8_t data[LINE_BYTES]; /* a ring: from..ready can be read, ready..end is the line being typed */
	uint32_t from, ready, end;
	uint32_t ends;            /* ^D that are among them: each ends one read */
	struct waitq readable;
	struct termios termios;
} tty = { .termios = { .iflag = ICRNL, .cflag = 0xbf, .lflag = ISIG | ICANON | ECHO | ECHOE, .cc = { CTRL_C, CTRL_BACKSLASH, RUBOUT, CTRL_U, CTRL_D } } };

void tty_init(void)
{
	waitq_init(&tty.readable);
}

static void echo(const char *s, uint32_t n)
{
	if (tty.termios.lflag & ECHO)
		console_put(s, n);
}

static void rub_out(void)
{
	if (tty.end == tty.ready)
		return;
	tty.end--;
	echo("\b \b", 3);
}

static void put(uint8_t c)
{
	if (tty.end - tty.from < LINE_BYTES)
		tty.data[tty.end++ % LINE_BYTES] = c;
}

static void line_done(void)
{
	tty.ready = tty.end;
	wake(&tty.readable);
}

static void input_signal(uint32_t signo, const char *shown)
{
	tty.end = tty.ready;
	echo(shown, 3);
	signal_foreground(signo);
}

static void input_byte(uint8_t c)
{
	bool cooked = tty.termios.lflag & ICANON, keys = tty.termios.lflag & ISIG;

	if (c == '\r' && (tty.termios.iflag & ICRNL))
		c = '\n';
	if (keys && c == CTRL_C) {
		input_signal(LSIGINT, "^C\n");
	} else if (keys && c == CTRL_BACKSLASH) {
		input_signal(LSIGQUIT, "^\\\n");
	} else if (cooked && (c == BACKSPACE || c == RUBOUT)) {
		rub_out();
	} else if (cooked && c == CTRL_U) {
		while (tty.end != tty.ready)
			rub_out();
	} else if (cooked && c == CTRL_D) {
		tty.ends += tty.end == tty.ready;
		line_done();
	} else {
		put(c);
		echo((const char *)&c, 1);
		if (!cooked || c == '\n')
			line_done();
	}
}

void tty_input(const char *s, uint32_t n)
{
	while (n--)
		input_byte((uint8_t)*s++);
}

static int32_t tty_read(struct file *f, void *buf, uint32_t n)
{
	irq_flags flags = irq_save();
	uint8_t *to = buf;
	uint32_t done = 0;
	int r = 0;

	while (tty.from == tty.ready && !tty.ends && !r)
		r = f->flags & LO_NONBLOCK ? -LEAGAIN : proc_sleep(&tty.readable);
	if (!r && tty.from == tty.ready)
		tty.ends--;
	while (!r && done < n && tty.from != tty.ready) {
		uint8_t c = tty.data[tty.from++ % LINE_BYTES];
		to[done++] = c;
		if (c == '\n' && (tty.termios.lflag & ICANON))
			break;
	}
	irq_restore(flags);
	return r ? r : (int32_t)done;
}

static int32_t tty_write(struct file *f, const void *buf, uint32_t n)
{
	console_put(buf, n);
	return (int32_t)n;
}

static int32_t tty_ioctl(struct file *f, uint32_t cmd, uint32_t arg)
{
	static const uint16_t size[4] = { 25, 80 };

	switch (cmd) {
	case LTCGETS:
		return copy_to_user(arg, &tty.termios, sizeof tty.termios) ? 0 : -LEFAULT;
	case LTCSETS:
	case LTCSETS + 1: /* TCSETSW */
	case LTCSETS + 2: /* TCSETSF */
		return copy_from_user(&tty.termios, arg, sizeof tty.termios) ? 0 : -LEFAULT;
	case LTIOCGWINSZ:
		return copy_to_user(arg, size, sizeof size) ? 0 : -LEFAULT;
	}
	return -LENOTTY;
}

static int tty_stat(struct file *f, struct linux_stat64 *st)
{
	st->dev = 2;
	st->mode = LS_IFCHR | 0620;
	st->nlink = 1;
	st->rdev = 5 << 8 | 1;
	st->blksize = PAGE;
	return 0;
}

const struct file_ops tty_file_ops = { .read = tty_read, .write = tty_write, .ioctl = tty_ioctl, .stat = tty_stat };
