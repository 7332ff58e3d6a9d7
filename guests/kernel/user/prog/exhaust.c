/*
 * exhaust.c - exhaust: takes processes, memory and descriptors until there are none, gives them back, and does it again.
 *
 * For the guest kernel, which must say EAGAIN, ENOMEM or EMFILE and go on: on a host without limits it would take the host's.
 * It stops by itself at MOST of each, and counts that as wrong.
 */
#include "../lib/user.h"

#define MOST 1000
#define PIECE (256 * 1024)

static int wrong;

static void told(const char *what, bool ok, int err)
{
	wrong += !ok;
	printf("exhaust %s: %s\n", what, ok ? "ok" : strerror(err));
}

/* Children that wait to be killed; how many there were before fork said no. */
static int processes(void)
{
	static pid_t child[MOST];
	int n = 0, status, err = 0;

	while (n < MOST && (child[n] = fork()) > 0)
		n++;
	if (n < MOST && !child[n])
		for (;;)
			pause();
	err = errno;
	for (int i = 0; i < n; i++)
		kill(child[i], LSIGKILL);
	for (int i = 0; i < n; i++)
		wrong += waitpid(child[i], &status, 0) != child[i] || (status & 0x7f) != LSIGKILL;
	told("fork", n > 10 && n < MOST && (err == EAGAIN || err == ENOMEM), err);
	return n;
}

/* Memory that is promised and touched; with all of it taken, a fork must fail and the rest go on. */
static int memory(void)
{
	static char *piece[MOST];
	int n = 0, err;
	pid_t pid;

	while (n < MOST && (piece[n] = mmap(NULL, PIECE, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS, -1, 0)) != MAP_FAILED) {
		for (int at = 0; at < PIECE; at += 4096)
			piece[n][at] = (char)(n + at);
		n++;
	}
	err = errno;
	told("mmap", n > 10 && n < MOST && err == ENOMEM, err);
	pid = fork();
	if (!pid)
		_exit(0);
	told("fork without memory", pid < 0 && errno == ENOMEM, errno);
	for (int i = 0; i < n; i++) {
		for (int at = 0; at < PIECE; at += 4096)
			wrong += piece[i][at] != (char)(i + at);
		munmap(piece[i], PIECE);
	}
	return n;
}

static int descriptors(void)
{
	int fd[MOST], n = 0, err;

	while (n < MOST && (fd[n] = open("/dev/null", LO_RDONLY)) >= 0)
		n++;
	err = errno;
	for (int i = 0; i < n; i++)
		close(fd[i]);
	told("open", n > 10 && n < MOST && err == EMFILE, err);
	return n;
}

int main(void)
{
	int first[3] = { processes(), memory(), descriptors() }, again[3] = { processes(), memory(), descriptors() };

	for (int i = 0; i < 3; i++)
		told("the same once more", first[i] == again[i], 0);
	return wrong ? 1 : 0;
}
