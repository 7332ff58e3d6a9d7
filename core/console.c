/*
 * console.c - buffers, writes and hashes the guest's console output; polls its input.
 *
 * On a terminal, Ctrl-A is a key for ringlab, as QEMU has it: X quits, A sends a Ctrl-A, H prints help. The input is
 * therefore read ahead of the guest, by a few bytes: a guest that does not listen can still be quit. Called by the UART, by pv's console hypercalls, and by the run loop at idle and at the end. Writes go out whole
 * lines at a time, so that two VMs sharing a terminal do not mix within a line.
 */
#include "core/console.h"
#include <errno.h>
#include <poll.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/phase.h"
#include "core/vm.h"

#define AHEAD 64
#define CTRL_A 1
#define WATCH_NS 100000000ull

struct console {
	SHA2_CTX hash;
	size_t n;
	bool eof, escaped; /* escaped: the last byte was Ctrl-A */
	uint8_t ahead[AHEAD]; /* read, and not yet taken by the guest */
	size_t ahead_n;
	struct clock_timer watch;
	char buf[4096];
};

int console_create(struct vm *vm)
{
	vm->console = calloc(1, sizeof(*vm->console));
	if (!vm->console)
		return -ENOMEM;
	SHA256Init(&vm->console->hash);
	return 0;
}

void console_destroy(struct vm *vm)
{
	free(vm->console);
	vm->console = NULL;
}

/* Writes everything or gives up: a closed pipe must not stop the guest, whose output is hashed all the same. */
static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 100);
			continue;
		}
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

void console_flush(struct vm *vm)
{
	struct console *c = vm->console;

	if (!c || !c->n)
		return;
	SHA256Update(&c->hash, (const uint8_t *)c->buf, c->n);
	if (vm->cfg.console_out >= 0)
		write_all(vm->cfg.console_out, c->buf, c->n);
	c->n = 0;
}

void console_write(struct vm *vm, const void *buf, size_t n)
{
	struct console *c = vm->console;

	for (const char *p = buf; n; p++, n--) {
		if (vm->phases)
			phases_console(vm->phases, &vm->vcpu.stats, *p);
		c->buf[c->n++] = *p;
		if (c->n == sizeof(c->buf) || *p == '\n')
			console_flush(vm);
	}
}

static const char help[] = "\r\nCtrl-A H  this help\r\nCtrl-A X  quit\r\nCtrl-A A  send Ctrl-A (so does Ctrl-A Ctrl-A)\r\n";

/* The byte after Ctrl-A. True when the guest gets a byte. */
static bool console_command(struct vm *vm, uint8_t c)
{
	switch (c) {
	case 'a': case 'A': case CTRL_A:
		return true;
	case 'x': case 'X':
		vm_stop(vm, END_INTERRUPTED, 0, "quit by Ctrl-A X");
		return false;
	case 'h': case 'H': case '?':
		console_flush(vm);
		if (vm->cfg.console_out >= 0)
			write_all(vm->cfg.console_out, help, sizeof(help) - 1);
		return false;
	default:
		return false;
	}
}

static void console_typed(struct vm *vm, uint8_t c)
{
	struct console *con = vm->console;

	if (vm->cfg.console_escape && !con->escaped && c == CTRL_A) {
		con->escaped = true;
		return;
	}
	if (!con->escaped || console_command(vm, c))
		con->ahead[con->ahead_n++] = con->escaped ? CTRL_A : c;
	con->escaped = false;
}

void console_poll(struct vm *vm)
{
	struct console *c = vm->console;
	struct pollfd p = { .fd = vm->cfg.console_in, .events = POLLIN };
	uint8_t buf[AHEAD];

	if (p.fd < 0 || c->eof || c->ahead_n == AHEAD || poll(&p, 1, 0) <= 0)
		return;
	ssize_t r = read(p.fd, buf, AHEAD - c->ahead_n);
	if (r <= 0) {
		c->eof = r == 0 || (errno != EINTR && errno != EAGAIN);
		return;
	}
	for (ssize_t i = 0; i < r; i++)
		console_typed(vm, buf[i]);
}

static void watch_fire(void *ctx)
{
	console_watch(ctx); /* the kick was all: the run loop polls */
}

void console_watch(struct vm *vm)
{
	struct clock_timer *t = &vm->console->watch;

	t->fire = watch_fire;
	t->ctx = vm;
	clock_arm(&vm->clock, t, clock_now(&vm->clock) + WATCH_NS);
}

size_t console_read(struct vm *vm, void *buf, size_t n)
{
	struct console *c = vm->console;

	if (!n)
		return 0;
	if (!c->ahead_n)
		console_poll(vm);
	n = n < c->ahead_n ? n : c->ahead_n;
	memcpy(buf, c->ahead, n);
	c->ahead_n -= n;
	memmove(c->ahead, c->ahead + n, c->ahead_n);
	return n;
}

bool console_input_waits(const struct vm *vm)
{
	return vm->console && vm->console->ahead_n;
}

bool console_input_open(const struct vm *vm)
{
	return vm->cfg.console_in >= 0 && vm->console && (!vm->console->eof || vm->console->ahead_n);
}

void console_sha256(const struct vm *vm, char hex[65])
{
	SHA2_CTX h = vm->console->hash;
	uint8_t d[SHA256_DIGEST_LENGTH];

	SHA256Final(d, &h);
	for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(hex + 2 * i, 3, "%02x", d[i]);
}
