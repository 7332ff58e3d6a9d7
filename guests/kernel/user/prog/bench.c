/*
 * bench.c - what a kernel's everyday operations cost, in TSC cycles: bench [-p] [-n FACTOR] [ROW...].
 *
 * Prints "bench ROW cycles N first M" for each row: the quickest of BATCHES short batches, for what else runs on the host only
 * ever adds, and the very first one. Names and meanings are those of guests/linux/lat.c where it has the same row. Runs
 * natively too. A row that fails prints "bench ROW failed", and the status tells.
 * With -p a line "bench-phase ROW WHICH n=N" says when N operations are done (as the row divides them): the first, those that
 * warm up, and the batches; `ringlab run --phase bench-phase` notes its counters there. These lines are as long as each
 * other; the row "none" does nothing between two of them, so that what a line costs can be taken off.
 */
#include "../lib/user.h"

#define BATCHES 7
#define RING 8     /* processes that a byte goes around, at most */
#define STORM 256u /* pages of a page-fault storm */
#define WHOLE 65536u

static struct {
	bool phases;
	int file, whole, to[RING][2], back[2];
	pid_t child[RING];
	int children;
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

/* A byte around the ring of processes: this one, then each child. */
static bool do_ring(void)
{
	char c = 'x';

	return write(s.to[0][1], &c, 1) == 1 && read(s.back[0], &c, 1) == 1;
}

static _Noreturn void ring_child(int i)
{
	int out = i + 1 < s.children ? s.to[i + 1][1] : s.back[1];
	char c;

	for (int k = 0; k < s.children; k++) /* or the ends of pipes would never be seen */
		if (s.to[k][1] != out)
			close(s.to[k][1]);
	while (read(s.to[i][0], &c, 1) == 1 && write(out, &c, 1) == 1)
		;
	_exit(0);
}

static bool ring_begin(int processes)
{
	s.children = processes - 1;
	if (pipe(s.back))
		return false;
	for (int i = 0; i < s.children; i++)
		if (pipe(s.to[i]))
			return false;
	for (int i = 0; i < s.children; i++) {
		s.child[i] = fork();
		if (!s.child[i])
			ring_child(i);
		if (s.child[i] < 0)
			return false;
	}
	return true;
}

static bool pair_begin(void) { return ring_begin(2); }
static bool ring_of_8_begin(void) { return ring_begin(RING); }

static void ring_end(void)
{
	for (int i = 0; i < s.children; i++)
		close(s.to[i][1]);
	for (int i = 0; i < s.children; i++) {
		waitpid(s.child[i], NULL, 0);
		close(s.to[i][0]);
	}
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

static bool touch_fresh(uint32_t pages)
{
	uint8_t *p = mmap(NULL, pages * PAGE, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	for (uint32_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	return !munmap(p, pages * PAGE);
}

static bool do_mmap(void) { return touch_fresh(64); }
static bool do_storm(void) { return touch_fresh(STORM); }

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

/* A file of 16 blocks, from its start to its end. */
static bool do_whole(void)
{
	uint32_t n = 0;
	ssize_t k;

	for (lseek(s.whole, 0, LSEEK_SET); (k = read(s.whole, buf, sizeof(buf))) > 0; n += k)
		;
	return n == WHOLE;
}

static bool whole_begin(void)
{
	uint32_t n = 0;

	s.whole = open(s.path, LO_RDWR | LO_CREAT | LO_TRUNC, 0600);
	while (s.whole >= 0 && n < WHOLE && write(s.whole, buf, sizeof(buf)) == sizeof(buf))
		n += sizeof(buf);
	return n == WHOLE;
}

static void whole_end(void) { close(s.whole); }

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
static bool do_none(void) { return true; }

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
	{ "pipe-pingpong", do_ring, 50, 1, pair_begin, ring_end },
	{ "switch-2", do_ring, 50, 2, pair_begin, ring_end },
	{ "switch-8", do_ring, 12, RING, ring_of_8_begin, ring_end },
	{ "fork-exit", do_fork_exit, 5, 1, NULL, NULL },
	{ "fork-exec", do_fork_exec, 3, 1, NULL, NULL },
	{ "mmap-touch-64", do_mmap, 5, 1, NULL, NULL },
	{ "page-fault", do_mmap, 5, 64, NULL, NULL },
	{ "page-fault-storm", do_storm, 1, STORM, NULL, NULL },
	{ "fork-cow-64", do_cow, 3, 1, cow_begin, cow_end },
	{ "read-4k", do_read, 50, 1, NULL, NULL },
	{ "write-4k", do_write, 50, 1, NULL, NULL },
	{ "file-read-64k", do_whole, 5, 1, whole_begin, whole_end },
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

static void phase(const char *name, const char *which, uint32_t n)
{
	if (!s.phases)
		return;
	printf("bench-phase %-16s %-6s n=%-7u\n", name, which, n);
	out_flush();
}

/* The cycles of the first operation, and the quickest of the batches that follow. */
static bool batches(const struct row *r, uint32_t n, uint64_t *first, uint64_t *best)
{
	phase(r->name, "begin", 0);
	*first = batch(r, 1);
	phase(r->name, "first", r->divide);
	if (!*first || !batch(r, n))
		return false;
	phase(r->name, "warm", n * r->divide);
	*best = ~0ull;
	for (int i = 0; i < BATCHES; i++) {
		uint64_t t = batch(r, n);

		if (!t)
			return false;
		if (t < *best)
			*best = t;
	}
	phase(r->name, "steady", BATCHES * n * r->divide);
	return true;
}

static bool measure(const struct row *r, uint32_t n)
{
	uint64_t best, first;
	bool ok = (!r->begin || r->begin()) && batches(r, n, &first, &best);

	if (r->end)
		r->end();
	if (ok)
		printf("bench %s cycles %llu first %llu\n", r->name, (unsigned long long)div64(best, n * r->divide, NULL),
			(unsigned long long)div64(first, r->divide, NULL));
	else
		printf("bench %s failed\n", r->name);
	out_flush();
	return ok;
}

static const struct row nothing = { "none", do_none, 1, 1, NULL, NULL };

static bool wanted(int argc, char **argv, int first, const char *name)
{
	for (int i = first; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return first >= argc;
}

static bool options(int argc, char **argv, int *first, uint32_t *factor)
{
	for (; *first < argc && argv[*first][0] == '-'; ++*first)
		if (!strcmp(argv[*first], "-p"))
			s.phases = true;
		else if (!strcmp(argv[*first], "-n") && *first + 1 < argc)
			*factor = atoi(argv[++*first]);
		else
			return false;
	return *factor > 0;
}

int main(int argc, char **argv)
{
	uint32_t factor = 1;
	uint64_t unused;
	int bad = 0, first = 1;

	if (argc == 2 && !strcmp(argv[1], "--exit"))
		return 0;
	if (!options(argc, argv, &first, &factor))
		die("usage: bench [-p] [-n FACTOR] [ROW...]");
	s.self = argv[0];
	snprintf(s.path, sizeof(s.path), "/tmp/bench-%d", getpid());
	s.file = open(s.path, LO_RDWR | LO_CREAT | LO_TRUNC, 0600);
	if (s.file < 0 || !do_write())
		die("cannot write %s", s.path);
	if (s.phases)
		batches(&nothing, 1, &unused, &unused);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (wanted(argc, argv, first, rows[i].name))
			bad |= !measure(&rows[i], rows[i].n * factor);
	unlink(s.path);
	if (s.phases)
		puts("bench-end");
	return bad;
}
