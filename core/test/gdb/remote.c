/* A gdb of our own for the tests: just enough of the protocol, over a Unix socket. */
#include "remote.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "core/loader.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

bool remote_start(struct remote *r, const char *backend, const char *guest, const char *const *args)
{
	const char *argv[20] = { "ringlab", "run", "--backend", backend, "--gdb", r->path };
	int n = 6;

	memset(r, 0, sizeof(*r));
	r->fd = -1;
	snprintf(r->path, sizeof(r->path), "/tmp/ringlab-gdb-%d-%s", getpid(), backend);
	while (args && *args && n < 18)
		argv[n++] = *args++;
	argv[n] = guest;
	signal(SIGPIPE, SIG_IGN);
	r->pid = fork();
	if (!r->pid) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		execv(RINGLAB_BINARY, (char **)argv);
		_exit(127);
	}
	return r->pid > 0;
}

bool remote_connect(struct remote *r)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	double end = now() + 10;

	strcpy(a.sun_path, r->path);
	for (; now() < end; nap()) {
		r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!connect(r->fd, (struct sockaddr *)&a, sizeof(a)))
			return true;
		close(r->fd);
		r->fd = -1;
	}
	return false;
}

void remote_write(struct remote *r, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t w = send(r->fd, p, n, MSG_NOSIGNAL);
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

void remote_send(struct remote *r, const char *packet)
{
	char frame[40000];
	uint8_t sum = 0;

	for (const char *p = packet; *p; p++)
		sum = (uint8_t)(sum + (uint8_t)*p);
	int n = snprintf(frame, sizeof(frame), "$%s#%02x", packet, sum);
	remote_write(r, frame, (size_t)n);
}

/* Takes a packet out of what has been read. */
static bool take(struct remote *r)
{
	char *start = memchr(r->in, '$', r->in_len), *hash = start ? memchr(start, '#', r->in_len - (size_t)(start - r->in)) : NULL;

	if (!hash || hash + 3 > r->in + r->in_len)
		return false;
	memcpy(r->reply, start + 1, (size_t)(hash - start - 1));
	r->reply[hash - start - 1] = 0;
	r->in_len -= (size_t)(hash + 3 - r->in);
	memmove(r->in, hash + 3, r->in_len);
	return true;
}

bool remote_receive(struct remote *r, double seconds)
{
	double end = now() + seconds;

	while (!take(r)) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		int left = (int)((end - now()) * 1000);
		if (r->in_len == sizeof(r->in) || poll(&p, 1, left > 0 ? left : 0) <= 0)
			return false;
		ssize_t n = read(r->fd, r->in + r->in_len, sizeof(r->in) - r->in_len);
		if (n <= 0)
			return false;
		r->in_len += (size_t)n;
	}
	return true;
}

const char *remote_ask(struct remote *r, const char *fmt, ...)
{
	char packet[20000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(packet, sizeof(packet), fmt, ap);
	va_end(ap);
	remote_send(r, packet);
	return remote_receive(r, 15) ? r->reply : "(nothing)";
}

uint32_t remote_reg(struct remote *r, unsigned number)
{
	return __builtin_bswap32((uint32_t)strtoul(remote_ask(r, "p%x", number), NULL, 16));
}

int remote_wait(struct remote *r, double seconds)
{
	double end = now() + seconds;
	int status = -1;

	for (; now() < end; nap())
		if (waitpid(r->pid, &status, WNOHANG) == r->pid)
			return status;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, &status, 0);
	return -1;
}

int remote_end(struct remote *r, double seconds)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	return remote_wait(r, seconds);
}

uint32_t remote_symbol(const char *guest, const char *symbol)
{
	struct load_request req = { 0 };
	struct image img = { 0 };
	struct cpu_state s;
	struct mem m;
	char path[600], why[200];
	uint64_t at = 0, size;

	snprintf(path, sizeof(path), "%s/%s.elf", RINGLAB_GUESTS, guest);
	req.path = path;
	cpu_reset(&s);
	if (mem_init(&m, 64 << 20))
		return 0;
	if (!loader_load(&req, &m, &img, &s, why, sizeof(why)))
		loader_symbol(&img, symbol, &at, &size);
	loader_free(&img);
	mem_fini(&m);
	return (uint32_t)at;
}
