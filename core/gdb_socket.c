/*
 * gdb_socket.c - where a debugger connects: a port of 127.0.0.1, or a Unix socket that its owner alone may open.
 *
 * All of it happens before the jail closes. One connection is accepted, and then nobody listens any more, so that a guest
 * that broke out could reach nobody but the debugger who came to look at it. Called by the CLI. Read next: gdb.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "core/gdb.h"
#include "core/vm.h"

static int fail(int fd, const char *what, const char *spec, char *why, size_t n)
{
	int e = errno;

	snprintf(why, n, "--gdb %s: cannot %s: %s", spec, what, strerror(e));
	if (fd >= 0)
		close(fd);
	return -e;
}

static int listen_tcp(const char *spec, char *why, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd, one = 1;
	char *end;
	unsigned long port = strtoul(spec + 1, &end, 10);

	if (!spec[1] || *end || port > 65535 || spec[1] == '-') {
		snprintf(why, n, "--gdb %s: give :PORT, with a port from 0 to 65535 (0: any that is free), or the path of a Unix socket", spec);
		return -EINVAL;
	}
	a.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(fd, "make a socket", spec, why, n);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1) || getsockname(fd, (struct sockaddr *)&a, &len))
		return fail(fd, "listen there", spec, why, n);
	say("waiting for gdb: target remote :%u", ntohs(a.sin_port));
	return fd;
}

/* A socket that nobody listens at any more may be replaced; any other file stays. */
static bool is_stale(const struct sockaddr_un *a)
{
	struct stat st;
	int fd, r;

	if (lstat(a->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	r = connect(fd, (const struct sockaddr *)a, sizeof(*a)) && errno == ECONNREFUSED;
	close(fd);
	return r;
}

static int listen_unix(const char *spec, const char *path, char *why, size_t n)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, r;

	if (!*path || strlen(path) >= sizeof(a.sun_path)) {
		snprintf(why, n, "--gdb %s: the path of a Unix socket has 1 to %zu bytes", spec, sizeof(a.sun_path) - 1);
		return -EINVAL;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(fd, "make a socket", spec, why, n);
	mode_t mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&a, sizeof(a));
	if (r && errno == EADDRINUSE && is_stale(&a) && !unlink(path))
		r = bind(fd, (struct sockaddr *)&a, sizeof(a));
	umask(mask);
	if (r || listen(fd, 1))
		return fail(fd, "listen there", spec, why, n);
	say("waiting for gdb: target remote %s", path);
	return fd;
}

/* The first connection; the listening socket is closed in any case. */
static int accept_one(int fd, const volatile int *stop)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int c = -EINTR, one = 1;

	while (!*stop) {
		if (poll(&p, 1, 100) <= 0)
			continue;
		c = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (c >= 0 || (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED))
			break;
	}
	if (c == -1)
		c = -errno;
	if (c >= 0)
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* refused on a Unix socket, where it means nothing */
	close(fd);
	return c;
}

int gdb_accept(const char *spec, const volatile int *stop, char *why, size_t n)
{
	const char *path = !strncmp(spec, "unix:", 5) ? spec + 5 : spec;
	bool tcp = *spec == ':';
	int fd = tcp ? listen_tcp(spec, why, n) : listen_unix(spec, path, why, n), c;

	if (fd < 0)
		return fd;
	c = accept_one(fd, stop);
	if (!tcp)
		unlink(path);
	if (c < 0)
		snprintf(why, n, "--gdb %s: %s", spec, c == -EINTR ? "interrupted while waiting for gdb" : strerror(-c));
	return c;
}
