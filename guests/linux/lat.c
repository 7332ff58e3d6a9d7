/*
 * lat.c - what an operating system's everyday operations cost, in TSC cycles, as lmbench measures them.
 *
 * usage: lat [ROW...]. Prints "lat ROW cycles N": the quickest of BATCHES batches, for what else runs on the host only
 * ever adds; they are short, so that some are not interrupted (WARM_NS / 8, or one operation; the count is found by
 * doubling). Runs in the guests and, for comparison, natively: the same binary. After its first ten times, when it is warm,
 * and after the batches it also prints "lat-phase ROW WHICH n=N", where `ringlab run --phase lat-phase` notes its counters.
 * A row whose operation fails prints "lat ROW failed", and the status tells.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 15
#define WARM_NS 50000000ull
#define SWITCHERS 16
#define FIRST 10

static struct {
	int zero, null, file;
	int to[SWITCHERS][2], back[2]; /* pipes */
	pid_t child[SWITCHERS];
	int children;
	char buf[4096];
} s;

static bool do_getppid(void)
{
	return syscall(SYS_getppid) >= 0;
}

static bool do_read1(void) { return read(s.zero, s.buf, 1) == 1; }
static bool do_write1(void) { return write(s.null, s.buf, 1) == 1; }
static bool do_read4k(void) { return pread(s.file, s.buf, 4096, 0) == 4096; }
static bool do_write4k(void) { return pwrite(s.file, s.buf, 4096, 0) == 4096; }

static bool do_open(void)
{
	int fd = open("/dev/null", O_RDONLY);

	return fd >= 0 && !close(fd);
}

/* A byte around the ring of processes: this one, then each child. */
static bool do_ring(void)
{
	return write(s.to[0][1], s.buf, 1) == 1 && read(s.back[0], s.buf, 1) == 1;
}

static bool do_fork_exit(void)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(0);
	return waitpid(child, &status, 0) == child && !status;
}

static bool do_fork_exec(void)
{
	int status;
	pid_t child = fork();

	if (!child) {
		execl("/proc/self/exe", "lat", "--exit", NULL);
		_exit(1);
	}
	return waitpid(child, &status, 0) == child && !status;
}

static bool do_mmap(void)
{
	char *p = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	for (int i = 0; i < 64; i++)
		p[i * 4096] = 1;
	return !munmap(p, 64 * 4096);
}

static void ring_child(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1 && write(out, &c, 1) == 1)
		;
	_exit(0);
}

/* A ring of n processes, this one included. */
static void ring_begin(int n)
{
	if (pipe(s.back))
		exit(1);
	for (int i = 0; i < n - 1; i++)
		if (pipe(s.to[i]))
			exit(1);
	s.children = n - 1;
	for (int i = 0; i < n - 1; i++)
		if (!(s.child[i] = fork())) {
			int out = i + 1 < n - 1 ? s.to[i + 1][1] : s.back[1];

			for (int k = 0; k < n - 1; k++) /* or the ends of pipes would never be seen */
				if (s.to[k][1] != out)
					close(s.to[k][1]);
			ring_child(s.to[i][0], out);
		}
}

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
	s.children = 0;
}

static const struct row {
	const char *name;
	bool (*once)(void);
	int ring;         /* processes in the ring, this one included */
	unsigned divide;  /* what is reported is the cost divided by this */
} rows[] = {
	{ "getppid", do_getppid, 0, 1 }, { "read-1", do_read1, 0, 1 }, { "write-1", do_write1, 0, 1 },
	{ "read-4k", do_read4k, 0, 1 }, { "write-4k", do_write4k, 0, 1 }, { "open-close", do_open, 0, 1 },
	{ "pipe-pingpong", do_ring, 2, 1 }, { "fork-exit", do_fork_exit, 0, 1 }, { "fork-exec", do_fork_exec, 0, 1 },
	{ "mmap-touch-64", do_mmap, 0, 1 }, { "switch-2", do_ring, 2, 2 }, { "switch-16", do_ring, 16, 16 },
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lock addl $0, (%%esp)\n\trdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* Cycles of n operations; 0 when one failed. */
static uint64_t batch(const struct row *r, uint64_t n)
{
	uint64_t t0 = tsc();

	for (uint64_t i = 0; i < n; i++)
		if (!r->once())
			return 0;
	return tsc() - t0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What the line brings, a serial console sends by interrupts: they must not fall into what is counted next. */
static void phase(const struct row *r, const char *which, uint64_t n)
{
	printf("lat-phase %s %s n=%llu\n", r->name, which, (unsigned long long)n);
	if (isatty(STDOUT_FILENO)) {
		tcdrain(STDOUT_FILENO);
		usleep(20000);
	}
}

static bool measure(const struct row *r, uint64_t *cycles)
{
	uint64_t n = 1, t0, warm = 0, each[BATCHES];

	phase(r, "begin", 0);
	if (!batch(r, FIRST))
		return false;
	phase(r, "first", FIRST);
	for (;; n *= 2) { /* the last of these has warmed everything up */
		t0 = now_ns();
		if (!batch(r, n))
			return false;
		warm += n;
		if (now_ns() - t0 >= WARM_NS / 2)
			break;
	}
	phase(r, "warm", warm);
	n = n >= 4 ? n / 4 : 1;
	for (int i = 0; i < BATCHES; i++)
		if (!(each[i] = batch(r, n) / n))
			return false;
	phase(r, "steady", n * BATCHES);
	qsort(each, BATCHES, sizeof(each[0]), by_value);
	*cycles = each[0] / r->divide;
	return true;
}

static bool wanted(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/lat-XXXXXX";
	int bad = 0;

	if (argc == 2 && !strcmp(argv[1], "--exit"))
		return 0;
	s.zero = open("/dev/zero", O_RDONLY);
	s.null = open("/dev/null", O_WRONLY);
	s.file = mkstemp(path);
	unlink(path);
	if (s.zero < 0 || s.null < 0 || s.file < 0 || !do_write4k()) {
		perror("lat: /dev/zero, /dev/null or /tmp");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t cycles;

		if (!wanted(argc, argv, rows[i].name))
			continue;
		if (rows[i].ring)
			ring_begin(rows[i].ring);
		bool ok = measure(&rows[i], &cycles);
		if (rows[i].ring)
			ring_end();
		if (ok)
			printf("lat %s cycles %llu\n", rows[i].name, (unsigned long long)cycles);
		else
			printf("lat %s failed\n", rows[i].name);
		bad += !ok;
	}
	return bad != 0;
}
