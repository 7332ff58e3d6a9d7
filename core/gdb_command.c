/*
 * gdb_command.c - the packets that the stub understands; an empty answer says that it does not know one.
 *
 * Each is parsed within the bounds of its NUL-terminated text; numbers are checked before they are used. Called by gdb.c
 * with the guest held. "Debugging with gdb", E.2 (packets) and E.3 (stop replies).
 */
#include <errno.h>
#include <string.h>
#include "gdb_private.h"

#define ERROR_TEXT "E16" /* what follows the letter makes no sense */
#define ERROR_FAULT "E0e" /* not mapped, or not RAM */

/* --- the end of a turn --- */

void gdb_stop_reply(struct gdb *g)
{
	static const char *const watch[] = { "", "watch", "rwatch", "awatch" };
	const struct exit *e = &g->stop;
	const struct cpu_state *s = &g->vm->vcpu.state;
	uint64_t lin = (s->efer & EFER_LMA ? 0 : s->seg[S_CS].base) + s->rip;
	char why[64] = "";

	if (g->ended) {
		gdb_send(g, "T06thread:1;");
		return;
	}
	if (e->reason == EXIT_KICK) {
		gdb_send(g, "T02thread:1;");
		return;
	}
	if (e->debug.why == DEBUG_WATCH)
		snprintf(why, sizeof(why), "%s:%llx;", watch[e->debug.access & 3], (unsigned long long)e->debug.addr.a);
	for (unsigned i = 0; e->debug.why == DEBUG_BREAK && i < g->set.breaks; i++)
		if (g->set.brk[i] == lin && (g->hw[i] ? g->hwbreak : g->swbreak))
			snprintf(why, sizeof(why), "%s:;", g->hw[i] ? "hwbreak" : "swbreak");
	gdb_reply(g, "T05%sthread:1;", why);
}

static void resume(struct gdb *g, bool step, const char *address)
{
	struct vcpu *v = &g->vm->vcpu;
	uint64_t rip;

	if (step && !g->can && !g->ended) {
		gdb_reply(g, "E.backend %s cannot execute single instructions", g->vm->ops->name);
		return;
	}
	if (address && *address) {
		if (!gdb_number(&address, &rip)) {
			gdb_send(g, ERROR_TEXT);
			return;
		}
		v->state.rip = rip;
		g->dirty |= REGS_GPR;
	}
	v->debug.step = step;
	g->resume = g->told = true;
}

/* c, s [ADDRESS]; C, S SIGNAL[;ADDRESS]: a signal means nothing to a machine. */
static void cmd_resume(struct gdb *g, const char *p)
{
	bool step = *p == 's' || *p == 'S';

	if (*p == 'c' || *p == 's') {
		resume(g, step, p + 1);
	} else {
		p = strchr(p, ';');
		resume(g, step, p ? p + 1 : NULL);
	}
}

/* vCont[;ACTION[:THREAD]]...: the only thread is the first action's. */
static void cmd_vcont(struct gdb *g, const char *p)
{
	if (*p == '?')
		gdb_send(g, "vCont;c;C;s;S");
	else if (*p == ';' && strchr("cCsS", p[1]) && p[1])
		resume(g, p[1] == 's' || p[1] == 'S', NULL);
	else
		gdb_send(g, ERROR_TEXT);
}

static void detach(struct gdb *g)
{
	gdb_send(g, "OK");
	gdb_drain(g);
	gdb_lost(g);
	g->resume = g->detached = true;
}

static void kill_guest(struct gdb *g)
{
	g->resume = true;
	vm_stop(g->vm, END_INTERRUPTED, 0, "killed by gdb");
}

/* --- registers and memory --- */

static void cmd_reg_read(struct gdb *g, const char *p)
{
	uint64_t number;

	if (gdb_number(&p, &number) && gdb_reg_read(g, number, g->reply))
		gdb_send(g, g->reply);
	else
		gdb_send(g, ERROR_TEXT);
}

static void cmd_reg_write(struct gdb *g, const char *p)
{
	uint64_t number;

	if (gdb_number(&p, &number) && *p == '=' && gdb_reg_write(g, number, p + 1))
		gdb_send(g, "OK");
	else
		gdb_send(g, ERROR_TEXT);
}

/* "ADDRESS,LENGTH", and what must follow it. */
static bool range(const char **p, uint64_t *lin, uint64_t *n, char then)
{
	return gdb_number(p, lin) && *(*p)++ == ',' && gdb_number(p, n) && **p == then;
}

static void cmd_read(struct gdb *g, const char *p)
{
	uint8_t buf[GDB_PACKET / 2];
	uint64_t lin, n;
	size_t got;

	if (!range(&p, &lin, &n, 0)) {
		gdb_send(g, ERROR_TEXT);
		return;
	}
	got = gdb_memory_read(g, lin, buf, n < sizeof(buf) ? n : sizeof(buf));
	if (!got && n) {
		gdb_send(g, ERROR_FAULT);
		return;
	}
	gdb_tohex(g->reply, buf, got);
	gdb_send(g, g->reply);
}

static void write_answer(struct gdb *g, bool ok)
{
	gdb_send(g, ok ? "OK" : ERROR_FAULT);
}

static void cmd_write(struct gdb *g, const char *p)
{
	uint8_t buf[GDB_PACKET / 2];
	uint64_t lin, n;

	if (!range(&p, &lin, &n, ':') || n > sizeof(buf) || strlen(p + 1) != 2 * n || !gdb_unhex(p + 1, buf, n))
		gdb_send(g, ERROR_TEXT);
	else
		write_answer(g, gdb_memory_write(g, lin, buf, n));
}

/* X: as M, but binary: '}' escapes the byte after it. */
static void cmd_write_binary(struct gdb *g, const char *p)
{
	const char *end = g->packet + g->len;
	uint8_t buf[GDB_PACKET];
	uint64_t lin, n;
	size_t got = 0;

	if (!range(&p, &lin, &n, ':') || n > sizeof(buf)) {
		gdb_send(g, ERROR_TEXT);
		return;
	}
	for (p++; p < end && got < n; p++) {
		bool escaped = *p == '}' && p + 1 < end;
		p += escaped;
		buf[got++] = (uint8_t)(escaped ? *p ^ 0x20 : *p);
	}
	if (got != n || p != end)
		gdb_send(g, ERROR_TEXT);
	else
		write_answer(g, gdb_memory_write(g, lin, buf, n));
}

/* --- queries --- */

static void query_supported(struct gdb *g, const char *p)
{
	g->swbreak = strstr(p, "swbreak+") != NULL;
	g->hwbreak = strstr(p, "hwbreak+") != NULL;
	gdb_reply(g, "PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak+;hwbreak+", GDB_PACKET);
}

/* qXfer:features:read:target.xml:OFFSET,LENGTH */
static void query_features(struct gdb *g, const char *p)
{
	static const char name[] = "target.xml:";
	char xml[16384];
	uint64_t off, n;
	size_t len;

	if (strncmp(p, name, sizeof(name) - 1)) {
		gdb_send(g, "E00");
		return;
	}
	p += sizeof(name) - 1;
	len = gdb_description(g, xml, sizeof(xml));
	if (len >= sizeof(xml) || !range(&p, &off, &n, 0) || off > len) {
		gdb_send(g, "E01");
		return;
	}
	if (n > GDB_PACKET / 2)
		n = GDB_PACKET / 2;
	bool more = len - off > n;
	gdb_reply(g, "%c%.*s", more ? 'm' : 'l', (int)(more ? n : len - off), xml + off);
}

static void query_monitor(struct gdb *g, const char *hex)
{
	char command[256];
	size_t n = strlen(hex) / 2;

	if (n >= sizeof(command) || strlen(hex) % 2 || !gdb_unhex(hex, command, n)) {
		gdb_send(g, ERROR_TEXT);
		return;
	}
	command[n] = 0;
	gdb_monitor(g, command);
}

/* What follows prefix in the packet, or NULL. */
static const char *after(const char *p, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(p, prefix, n) ? NULL : p + n;
}

static void cmd_query(struct gdb *g, const char *q)
{
	const char *p;

	if ((p = after(q, "qSupported"))) {
		query_supported(g, p);
	} else if ((p = after(q, "qXfer:features:read:"))) {
		query_features(g, p);
	} else if ((p = after(q, "qRcmd,"))) {
		query_monitor(g, p);
	} else if (!strcmp(q, "qAttached")) {
		gdb_send(g, "1");
	} else if (!strcmp(q, "qC")) {
		gdb_send(g, "QC1");
	} else if (!strcmp(q, "qfThreadInfo")) {
		gdb_send(g, "m1");
	} else if (!strcmp(q, "qsThreadInfo")) {
		gdb_send(g, "l");
	} else if (after(q, "qThreadExtraInfo,")) {
		char text[40];
		int n = snprintf(text, sizeof(text), "vCPU in ring %u", CPL(&g->vm->vcpu.state));
		gdb_tohex(g->reply, text, (size_t)n);
		gdb_send(g, g->reply);
	} else if (!strcmp(q, "QStartNoAckMode")) {
		gdb_send(g, "OK");
		g->no_ack = true;
	} else {
		gdb_send(g, "");
	}
}

static void cmd_v(struct gdb *g, const char *q)
{
	const char *p;

	if ((p = after(q, "vCont"))) {
		cmd_vcont(g, p);
	} else if (after(q, "vKill;")) {
		gdb_send(g, "OK");
		kill_guest(g);
	} else {
		gdb_send(g, "");
	}
}

void gdb_command(struct gdb *g)
{
	const char *p = g->packet;

	switch (*p) {
	case '?': gdb_stop_reply(g); break;
	case 'g':
		gdb_regs_read(g, g->reply);
		gdb_send(g, g->reply);
		break;
	case 'G': gdb_send(g, gdb_regs_write(g, p + 1) ? "OK" : ERROR_TEXT); break;
	case 'p': cmd_reg_read(g, p + 1); break;
	case 'P': cmd_reg_write(g, p + 1); break;
	case 'm': cmd_read(g, p + 1); break;
	case 'M': cmd_write(g, p + 1); break;
	case 'X': cmd_write_binary(g, p + 1); break;
	case 'c': case 'C': case 's': case 'S': cmd_resume(g, p); break;
	case 'Z': case 'z': gdb_break(g, *p == 'Z', p + 1); break;
	case 'H': case 'T': gdb_send(g, "OK"); break;
	case 'q': case 'Q': cmd_query(g, p); break;
	case 'v': cmd_v(g, p); break;
	case 'D': detach(g); break;
	case 'k': kill_guest(g); break;
	default: gdb_send(g, ""); break;
	}
}
