/*
 * gdb_packet.c - packets of gdb's remote serial protocol over one descriptor: framing, checksums, acknowledgement.
 *
 * The other side may be anybody: whatever comes, a packet is at most GDB_PACKET bytes, nothing is read past it, and every
 * wait ends when the connection or the VM does. The descriptor does not block. Called by gdb.c and gdb_command.c.
 * The protocol: "Debugging with gdb", appendix E.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "gdb_private.h"

#define TICK_MS 100       /* how soon a wait sees that the VM is to end */
#define WRITE_TICKS 100   /* a peer that reads nothing for so long is gone */

int gdb_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool gdb_number(const char **s, uint64_t *value)
{
	unsigned digits = 0;
	uint64_t v = 0;

	for (int d; (d = gdb_hex(**s)) >= 0; (*s)++, digits++)
		v = v << 4 | (uint64_t)d;
	*value = v;
	return digits > 0 && digits <= 16;
}

bool gdb_unhex(const char *s, void *out, size_t n)
{
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++) {
		int hi = gdb_hex(s[2 * i]), lo = hi < 0 ? -1 : gdb_hex(s[2 * i + 1]);
		if (lo < 0)
			return false;
		p[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

void gdb_tohex(char *out, const void *bytes, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		*out++ = digit[p[i] >> 4];
		*out++ = digit[p[i] & 15];
	}
	*out = 0;
}

void gdb_lost(struct gdb *g)
{
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
}

/* Waits for events; false when the connection or the VM ended meanwhile. */
static bool wait_for(struct gdb *g, short events, unsigned ticks)
{
	struct pollfd p = { .fd = g->fd, .events = events };

	for (unsigned i = 0; !ticks || i < ticks; i++) {
		int r = poll(&p, 1, TICK_MS);

		if (r > 0)
			return true;
		if (r < 0 && errno != EINTR)
			break;
		if (g->vm->interrupted)
			return false;
	}
	gdb_lost(g);
	return false;
}

/* More input; 0 or -1. */
static int fill(struct gdb *g, bool block)
{
	while (g->fd >= 0) {
		ssize_t n = read(g->fd, g->in, sizeof(g->in));

		if (n > 0) {
			g->in_pos = 0;
			g->in_len = (size_t)n;
			return 0;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			gdb_lost(g);
			return -1;
		}
		if (!block || !wait_for(g, POLLIN, 0))
			return -1;
	}
	return -1;
}

static int byte_in(struct gdb *g)
{
	if (g->in_pos == g->in_len && fill(g, true))
		return -1;
	return g->in[g->in_pos++];
}

static void bytes_out(struct gdb *g, const char *p, size_t n)
{
	while (n && g->fd >= 0) {
		ssize_t w = write(g->fd, p, n);

		if (w > 0) {
			p += w;
			n -= (size_t)w;
		} else if (w < 0 && errno == EAGAIN) {
			if (!wait_for(g, POLLOUT, WRITE_TICKS))
				return;
		} else if (w == 0 || errno != EINTR) {
			gdb_lost(g);
		}
	}
}

/* After '$': the payload up to '#' and two digits. 1: a packet, 0: not one, -1: the connection is gone. */
static int frame_in(struct gdb *g)
{
	uint8_t sum = 0;
	int c, hi, lo;

	g->len = 0;
	while ((c = byte_in(g)) != '#') {
		if (c < 0)
			return -1;
		if (c == '$') { /* the start of another: the first one was cut off */
			g->len = 0;
			sum = 0;
			continue;
		}
		sum = (uint8_t)(sum + c);
		if (g->len <= GDB_PACKET)
			g->packet[g->len++] = (char)c;
	}
	if ((hi = byte_in(g)) < 0 || (lo = byte_in(g)) < 0)
		return -1;
	hi = gdb_hex((char)hi);
	lo = gdb_hex((char)lo);
	if (g->len > GDB_PACKET || (!g->no_ack && (hi < 0 || lo < 0 || (hi << 4 | lo) != sum))) {
		bytes_out(g, "-", 1);
		return 0;
	}
	g->packet[g->len] = 0;
	if (!g->no_ack)
		bytes_out(g, "+", 1);
	return 1;
}

enum gdb_got gdb_receive(struct gdb *g)
{
	while (g->fd >= 0) {
		int c = byte_in(g), r;

		if (c < 0)
			break;
		if (c != '$') /* an acknowledgement, a late Ctrl-C, or noise */
			continue;
		r = frame_in(g);
		if (r > 0)
			return GDB_PACKET_IN;
		if (r < 0)
			break;
	}
	return g->fd < 0 ? GDB_LOST : GDB_STOPPING;
}

/* Nothing but Ctrl-C is expected while the guest runs; anything else is dropped. */
bool gdb_peek(struct gdb *g)
{
	bool found = false;

	while (g->fd >= 0) {
		if (g->in_pos == g->in_len && fill(g, false))
			break;
		found |= memchr(g->in + g->in_pos, 3, g->in_len - g->in_pos) != NULL;
		g->in_pos = g->in_len;
	}
	return found || g->fd < 0;
}

void gdb_drain(struct gdb *g)
{
	while (g->fd >= 0 && wait_for(g, POLLIN, 1000 / TICK_MS))
		if (fill(g, false))
			return;
}

/* '$', '#', '}' and '*' cannot stand for themselves in a reply. */
void gdb_send(struct gdb *g, const char *text)
{
	char *p = g->frame;
	uint8_t sum = 0;

	*p++ = '$';
	for (; *text && p < g->frame + sizeof(g->frame) - 6; text++) {
		char c = *text;
		if (c == '$' || c == '#' || c == '}' || c == '*') {
			*p++ = '}';
			sum = (uint8_t)(sum + '}');
			c ^= 0x20;
		}
		*p++ = c;
		sum = (uint8_t)(sum + (uint8_t)c);
	}
	p += sprintf(p, "#%02x", sum);
	bytes_out(g, g->frame, (size_t)(p - g->frame));
}

void gdb_reply(struct gdb *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(g->reply, sizeof(g->reply), fmt, ap);
	va_end(ap);
	gdb_send(g, g->reply);
}

void gdb_print(struct gdb *g, const char *text)
{
	size_t n = strlen(text);

	if (n > (GDB_PACKET - 1) / 2)
		n = (GDB_PACKET - 1) / 2;
	g->reply[0] = 'O';
	gdb_tohex(g->reply + 1, text, n);
	gdb_send(g, g->reply);
}
