/*
 * bench.c - what a kernel's everyday operations cost, in TSC cycles: bench [-n FACTOR] [ROW...].
 *
 * Prints "bench ROW cycles N" for each row: the quickest of BATCHES short batches, for what else runs on the host only ever
 * adds. Names and meanings are those of guests/linux/lat.c where it has the same row. Runs natively too. A row that fails
 * prints "bench ROW failed", and the status tells.
 */
#include "../lib/user.h"

#define BATCHES 7

static struct {
	int file, to[2], back[2];
	pid_t child;
	const char *self;
	char path[32];
	uint8_t *area;
} s;

static inline long getpid_inline(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "0"(LNR_getpid) : "memory");
	return r;
}

static bool do_getpid(void) { return getpid_inline() > 0; }

static bool do_pingpong(void)
{
	char c = 'x';

	return write(s.to[1], &c, 1) == 1 && read(s.back[0], &c, 1) == 1;
}

static bool pingpong_begin(void)
{
	char c;

	if (pipe(s.to) || pipe(s.back))
		return false;
	s.child = fork();
	if (!s.child) {
		close(s.to[1]);
		while (read(s.to[0], &c, 1) == 1 && write(s.back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	return s.child > 0;
}

static void pingpong_end(void)
{
	close(s.to[1]);
	waitpid(s.child, NULL, 0);
	close(s.to[0]);
	close(s.back[0]);
	close(s.back[1]);
}

static bool do_fork_exit(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return waitpid(pid, &status, 0) == pid && !status;
}

static bool do_fork_exec(void)
{
	char *argv[] = { (char *)s.self, "--exit", NULL };
	int status;
	pid_t pid = fork();

	if (!pid) {
		execvp(s.self, argv);
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

static bool do_mmap(void)
{
	uint8_t *p = mmap(NULL, 64 * PAGE, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	for (int i = 0; i < 64; i++)
		p[i * PAGE] = 1;
	return !munmap(p, 64 * PAGE);
}

/* A child writes to 64 pages that it shares with its parent, and the same without writing is not taken off. */
static bool do_cow(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < 64; i++)
			s.area[i * PAGE]++;
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

static bool cow_begin(void)
{
	s.area = mmap(NULL, 64 * PAGE, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS, -1, 0);
	if (s.area == MAP_FAILED)
		return false;
	memset(s.area, 1, 64 * PAGE);
	return true;
}

static void cow_end(void) { munmap(s.area, 64 * PAGE); }

static char buf[4096];

static bool do_read(void) { return lseek(s.file, 0, LSEEK_SET) == 0 && read(s.file, buf, sizeof(buf)) == sizeof(buf); }
static bool do_write(void) { return lseek(s.file, 0, LSEEK_SET) == 0 && write(s.file, buf, sizeof(buf)) == sizeof(buf); }

static bool do_open(void)
{
	int fd = open(s.path, LO_RDONLY);

	return fd >= 0 && !close(fd);
}

static volatile uint32_t handled;

static void handler(int sig, struct linux_siginfo *info, struct linux_ucontext *context) { handled++; }

static bool do_signal(void)
{
	uint32_t before = handled;

	return !kill(getpid(), LSIGUSR1) && handled == before + 1;
}

static bool signal_begin(void) { return !signal_set(LSIGUSR1, handler, 0, 0); }

static bool do_yield(void) { return !sched_yield(); }

static const struct row {
	const char *name;
	bool (*once)(void);
	uint32_t n;      /* times, in a batch */
	uint32_t divide; /* what is reported is the cost divided by this */
	bool (*begin)(void);
	void (*end)(void);
} rows[] = {
	{ "getpid", do_getpid, 500, 1, NULL, NULL },
	{ "sched-yield", do_yield, 200, 1, NULL, NULL },
	{ "pipe-pingpong", do_pingpong, 50, 1, pingpong_begin, pingpong_end },
	{ "fork-exit", do_fork_exit, 5, 1, NULL, NULL },
	{ "fork-exec", do_fork_exec, 3, 1, NULL, NULL },
	{ "mmap-touch-64", do_mmap, 5, 1, NULL, NULL },
	{ "page-fault", do_mmap, 5, 64, NULL, NULL },
	{ "fork-cow-64", do_cow, 3, 1, cow_begin, cow_end },
	{ "read-4k", do_read, 50, 1, NULL, NULL },
	{ "write-4k", do_write, 50, 1, NULL, NULL },
	{ "open-close", do_open, 50, 1, NULL, NULL },
	{ "signal", do_signal, 50, 1, signal_begin, NULL },
};

static uint64_t batch(const struct row *r, uint32_t n)
{
	uint64_t t0 = rdtsc();

	for (uint32_t i = 0; i < n; i++)
		if (!r->once())
			return 0;
	return rdtsc() - t0;
}

static bool measure(const struct row *r, uint32_t n, uint64_t *cycles)
{
	uint64_t best = ~0ull;

	if (r->begin && !r->begin())
		return false;
	for (int i = 0; i <= BATCHES; i++) {
		uint64_t t = batch(r, n);

		if (!t)
			return false;
		if (i && t < best) /* the first one warms up */
			best = t;
	}
	if (r->end)
		r->end();
	*cycles = div64(best, n * r->divide, NULL);
	return true;
}

static bool wanted(int argc, char **argv, int first, const char *name)
{
	for (int i = first; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return first >= argc;
}

int main(int argc, char **argv)
{
	uint32_t factor = 1;
	int bad = 0, first = 1;

	if (argc == 2 && !strcmp(argv[1], "--exit"))
		return 0;
	if (argc > 2 && !strcmp(argv[1], "-n")) {
		factor = atoi(argv[2]);
		first = 3;
	}
	s.self = argv[0];
	snprintf(s.path, sizeof(s.path), "/tmp/bench-%d", getpid());
	s.file = open(s.path, LO_RDWR | LO_CREAT | LO_TRUNC, 0600);
	if (s.file < 0 || !do_write())
		die("cannot write %s", s.path);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t cycles;

		if (!wanted(argc, argv, first, rows[i].name))
			continue;
		if (measure(&rows[i], rows[i].n * factor, &cycles)) {
			printf("bench %s cycles %llu\n", rows[i].name, (unsigned long long)cycles);
		} else {
			printf("bench %s failed\n", rows[i].name);
			bad = 1;
		}
		out_flush();
	}
	unlink(s.path);
	return bad;
}
