/*
 * pipes.c - pipes, their ends and their limits; descriptors across fork and exec.
 */
#include "stress.h"

static int pump(uint32_t fd)
{
	static uint32_t buf[1500];
	uint32_t seed = 1;

	for (int i = 0; i < 20; i++) {
		fill(buf, sizeof(buf), seed);
		seed += sizeof(buf) / 4;
		if (write_all(fd, buf, sizeof(buf)) < 0)
			return 1;
	}
	return 0;
}

static volatile int got_pipe;

static void on_pipe(int sig, struct linux_siginfo *info, struct linux_ucontext *context)
{
	got_pipe++;
}

static int write_broken(uint32_t fd)
{
	write(fd, "x", 1);
	return 6;
}

/* More than a pipe holds, in pieces whose number is a matter of time: only their sum is checked. */
static uint32_t bulk(void)
{
	static uint32_t buf[700];
	uint32_t seed = 1, total = 0;
	bool same = true;
	int ends[2];
	pid_t pid;

	check(!pipe(ends));
	pid = spawn(pump, ends[1]);
	close(ends[1]);
	for (;;) {
		ssize_t n = read(ends[0], buf, random_next(&s.seed) % sizeof(buf) / 4 * 4 + 4);
		ssize_t rest = n > 0 ? -n & 3 : 0; /* up to a whole word, for the pattern's sake */

		if (n <= 0)
			break;
		same &= read_all(ends[0], (char *)buf + n, rest);
		n += rest;
		same &= is_filled(buf, n, seed);
		seed += n / 4;
		total += n;
	}
	check(same);
	check(total == 20 * 6000);
	expect_exit(pid, 0);
	close(ends[0]);
	return total;
}

/* Writing where nobody can read: a signal, and an error for who does not die of it. */
static void broken(void)
{
	int ends[2];

	check(!pipe(ends));
	close(ends[0]);
	expect_signal(spawn(write_broken, ends[1]), LSIGPIPE);
	got_pipe = 0;
	check(!signal_set(LSIGPIPE, on_pipe, 0, 0));
	check_error(write(ends[1], "x", 1), EPIPE);
	check(got_pipe == 1);
	check(!signal_ignore(LSIGPIPE));
	check_error(write(ends[1], "x", 1), EPIPE);
	check(!signal_default(LSIGPIPE));
	close(ends[1]);
}

void case_pipe(void)
{
	int ends[2];
	char c;

	mix(bulk());
	broken();
	check(!pipe(ends));
	check(write(ends[1], "ab", 2) == 2);
	close(ends[1]);
	check(read(ends[0], &c, 1) == 1 && c == 'a'); /* what was written is still there */
	check(read(ends[0], &c, 1) == 1 && c == 'b');
	check(read(ends[0], &c, 1) == 0);
	check_error(write(ends[0], "x", 1), EBADF);
	close(ends[0]);
}

/* Each process of a chain adds one to every byte. */
static int add_one(uint32_t arg)
{
	uint8_t buf[256];
	ssize_t n;

	while ((n = read(arg & 0xff, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			buf[i]++;
		if (write_all(arg >> 8, buf, n) < 0)
			return 1;
	}
	return n < 0;
}

void case_pipe_chain(void)
{
	enum { N = 8 };
	static uint8_t data[2000], back[2000];
	int in, first, ends[2];
	pid_t pid[N];

	for (uint32_t round = 0; round < s.scale; round++) {
		bool same = true;

		check(!pipe(ends));
		in = ends[0];
		first = ends[1];
		for (int i = 0; i < N; i++) {
			check(!pipe(ends));
			pid[i] = fork();
			if (!pid[i]) {
				close(first);
				close(ends[0]);
				_exit(add_one((uint32_t)in | (uint32_t)ends[1] << 8));
			}
			close(in);
			close(ends[1]);
			in = ends[0];
		}
		for (uint32_t i = 0; i < sizeof(data); i++)
			data[i] = random_next(&s.seed);
		check(write_all(first, data, sizeof(data)) == sizeof(data));
		close(first);
		check(read_all(in, back, sizeof(back)));
		for (uint32_t i = 0; i < sizeof(data); i++)
			same &= back[i] == (uint8_t)(data[i] + N);
		check(same);
		check(read(in, back, 1) == 0);
		close(in);
		for (int i = 0; i < N; i++)
			expect_exit(pid[i], 0);
		mix(back[77]);
	}
}

/* A token goes around and around. */
void case_pipe_ring(void)
{
	enum { N = 6 };
	uint32_t rounds = 30 * s.scale, token = 0;
	int ends[N][2];
	pid_t pid[N];

	for (int i = 0; i < N; i++)
		check(!pipe(ends[i]));
	for (int i = 1; i < N; i++)
		if (!(pid[i] = fork())) {
			uint32_t t;

			for (uint32_t k = 0; k < rounds; k++) {
				if (!read_all(ends[i - 1][0], &t, sizeof(t)))
					_exit(1);
				t += i;
				if (write(ends[i][1], &t, sizeof(t)) != sizeof(t))
					_exit(1);
			}
			_exit(0);
		}
	for (uint32_t k = 0; k < rounds; k++) {
		check(write(ends[0][1], &token, sizeof(token)) == sizeof(token));
		check(read_all(ends[N - 1][0], &token, sizeof(token)));
	}
	for (int i = 1; i < N; i++)
		expect_exit(pid[i], 0);
	for (int i = 0; i < N; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
	check(token == rounds * (N * (N - 1) / 2));
	mix(token);
}

/* ---- descriptors ---- */

/* argv: a descriptor that is open, one that must not be. */
int role_descriptors(int argc, char **argv)
{
	char c;

	if (argc != 4 || write(atoi(argv[2]), "d", 1) != 1)
		return 1;
	return write(atoi(argv[3]), &c, 1) == -1 && errno == EBADF ? 12 : 2;
}

static int exec_descriptors(uint32_t arg)
{
	char kept[8], gone[8];
	char *argv[] = { (char *)s.self, "--descriptors", kept, gone, NULL };

	snprintf(kept, sizeof(kept), "%u", arg & 0xff);
	snprintf(gone, sizeof(gone), "%u", arg >> 8);
	execvp(s.self, argv);
	return 3;
}

void case_descriptors(void)
{
	int ends[2], copy, high, n, fd[16];
	char c;

	check(!pipe(ends));
	copy = dup(ends[1]);
	check(copy > ends[1]);
	close(ends[1]);
	check(write(copy, "q", 1) == 1);
	check(dup2(copy, copy) == copy);
	high = dup2(copy, 30);
	check(high == 30);
	check(read(ends[0], &c, 1) == 1 && c == 'q');
	check(fcntl(high, LF_SETFD, LFD_CLOEXEC) == 0);
	check(fcntl(high, LF_GETFD, 0) == LFD_CLOEXEC && fcntl(copy, LF_GETFD, 0) == 0);
	expect_exit(spawn(exec_descriptors, (uint32_t)copy | (uint32_t)high << 8), 12);
	check(read(ends[0], &c, 1) == 1 && c == 'd');
	check(fcntl(copy, LF_DUPFD, 20) == 20);
	close(20);
	close(copy);
	close(high);
	check(read(ends[0], &c, 1) == 0);
	check_error(close(high), EBADF);
	check_error(dup(high), EBADF);
	check_error(dup2(high, 5), EBADF);
	check_error(dup2(ends[0], 1 << 20), EBADF);
	for (n = 0; n < 16; n++) { /* the lowest number that is free is taken each time */
		fd[n] = dup(ends[0]);
		check(fd[n] > (n ? fd[n - 1] : 0));
	}
	close(fd[5]);
	check(dup(ends[0]) == fd[5]);
	for (n = 0; n < 16; n++)
		check(!close(fd[n]));
	close(ends[0]);
	mix(n);
}
