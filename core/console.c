/*
 * console.c - buffers, writes and hashes the guest's console output; polls its input.
 *
 * Called by the UART, by pv's console hypercalls, and by the run loop at idle and at the end. Writes go out whole
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

struct console {
	SHA2_CTX hash;
	size_t n;
	bool eof;
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

size_t console_read(struct vm *vm, void *buf, size_t n)
{
	struct console *c = vm->console;
	struct pollfd p = { .fd = vm->cfg.console_in, .events = POLLIN };

	if (p.fd < 0 || c->eof || !n || poll(&p, 1, 0) <= 0)
		return 0;
	ssize_t r = read(p.fd, buf, n);
	if (r <= 0) {
		c->eof = r == 0 || (errno != EINTR && errno != EAGAIN);
		return 0;
	}
	return (size_t)r;
}

bool console_input_open(const struct vm *vm)
{
	return vm->cfg.console_in >= 0 && vm->console && !vm->console->eof;
}

void console_sha256(const struct vm *vm, char hex[65])
{
	SHA2_CTX h = vm->console->hash;
	uint8_t d[SHA256_DIGEST_LENGTH];

	SHA256Final(d, &h);
	for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(hex + 2 * i, 3, "%02x", d[i]);
}
