/*
 * process.c - fork trees, waiting, exec, many processes at once.
 */
#include "stress.h"

/* Every process has two children until the tree is deep enough; a status is made of the children's. */
static int tree(uint32_t arg)
{
	uint32_t depth = arg >> 8, id = arg & 0xff;
	pid_t left, right;
	int a, b;

	if (!depth)
		return id % 61;
	left = spawn(tree, (depth - 1) << 8 | ((id * 2 + 1) & 0xff));
	right = spawn(tree, (depth - 1) << 8 | ((id * 2 + 2) & 0xff));
	b = wait_status(right);
	a = wait_status(left);
	check(WIFEXITED(a) && WIFEXITED(b));
	return (WEXITSTATUS(a) * 3 + WEXITSTATUS(b) * 5 + id) % 61;
}

void case_fork_tree(void)
{
	for (uint32_t i = 0; i < s.scale; i++) {
		int status = wait_status(spawn(tree, 4 << 8 | (i & 0xf)));

		check(WIFEXITED(status) && WEXITSTATUS(status) < 61);
		mix(status);
	}
}

static int leave(uint32_t status) { return status; }

static int linger(uint32_t fd)
{
	char c;

	read(fd, &c, 1);
	return 0;
}

void case_wait(void)
{
	int hold[2], status;
	pid_t child[10], pid;
	uint32_t seen = 0;

	check_error(waitpid(-1, &status, 0), ECHILD);
	check_error(waitpid(getpid(), &status, 0), ECHILD);
	for (int i = 0; i < 10; i++)
		child[i] = spawn(leave, i * 7);
	expect_exit(child[7], 49); /* this one, though others have ended before */
	expect_exit(child[2], 14);
	for (int i = 0; i < 8; i++) {
		pid = waitpid(-1, &status, 0);
		check(pid > 0);
		for (int k = 0; k < 10; k++)
			if (child[k] == pid) {
				check(status == (k * 7) << 8);
				seen |= 1u << k;
			}
	}
	check(seen == (0x3ff & ~(1u << 7 | 1u << 2)));
	check_error(waitpid(-1, &status, LWNOHANG), ECHILD);

	check(!pipe(hold));
	pid = spawn(linger, hold[0]);
	check(waitpid(pid, &status, LWNOHANG) == 0);
	check(waitpid(-1, &status, LWNOHANG) == 0);
	check(write(hold[1], "x", 1) == 1);
	expect_exit(pid, 0);
	expect_exit(spawn(leave, 255), 255);
	close(hold[0]);
	close(hold[1]);
	mix(seen);
}

/* The child of a child that has ended gets another parent, and its end is nobody's business here. */
static int middle(uint32_t arg)
{
	int to = arg & 0xff, go = arg >> 8;
	pid_t me = getpid(), child = fork();
	char c;

	if (!child) {
		read(go, &c, 1); /* until this one has ended */
		c = getppid() != me ? 'o' : 'x';
		write(to, &c, 1);
		_exit(0);
	}
	return getppid() == me;
}

void case_orphan(void)
{
	int answer[2], go[2];
	char c = 0;

	check(!pipe(answer) && !pipe(go));
	expect_exit(spawn(middle, answer[1] | go[0] << 8), 0);
	check(write(go[1], "g", 1) == 1);
	check(read_all(answer[0], &c, 1) && c == 'o');
	check_error(waitpid(-1, NULL, LWNOHANG), ECHILD);
	close(answer[0]), close(answer[1]), close(go[0]), close(go[1]);
	mix(c);
}

/* ---- exec ---- */

/* Prints nothing: the status tells a hash of arguments and environment. */
int role_arguments(int argc, char **argv)
{
	uint32_t h = argc;
	const char *stress_env = getenv("STRESS");

	for (int i = 1; i < argc; i++)
		for (const char *p = argv[i]; *p; p++)
			h = (h ^ (uint8_t)*p) * 16777619;
	for (const char *p = stress_env ? stress_env : "none"; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619;
	return (h ^ h >> 8 ^ h >> 16) % 97;
}

static int exec_arguments(uint32_t n)
{
	static char big[3000], *argv[70];
	static char *envp[] = { "A=b", "STRESS=on", NULL };
	int at = 0;

	argv[at++] = (char *)s.self;
	argv[at++] = "--arguments";
	for (uint32_t i = 0; i < n && at < 68; i++)
		argv[at++] = i % 2 ? "x" : "";
	memset(big, 'b', sizeof(big) - 1);
	argv[at++] = big;
	if (n % 2)
		environ = envp;
	else
		setenv("STRESS", "set");
	execvp(s.self, argv);
	if (n % 2) { /* without PATH it may not be found */
		setenv("PATH", "/bin");
		execvp(s.self, argv);
	}
	return 98;
}

static int exec_path(uint32_t arg)
{
	char *const argv[] = { "x", NULL };

	execve((const char *)arg, argv, environ);
	return errno;
}

void case_exec(void)
{
	for (uint32_t i = 0; i < 6 * s.scale; i++) {
		int status = wait_status(spawn(exec_arguments, i % 3 * 16));

		check(WIFEXITED(status) && WEXITSTATUS(status) < 97);
		mix(status);
	}
	scratch_begin();
	int fd = open("text", LO_WRONLY | LO_CREAT, 0755);
	check(write(fd, "no program\n", 11) == 11);
	close(fd);
	expect_exit(spawn(exec_path, (uint32_t)"./text"), ENOEXEC);
	expect_exit(spawn(exec_path, (uint32_t)"./nothing"), ENOENT);
	expect_exit(spawn(exec_path, (uint32_t)"/tmp"), EACCES);
	expect_exit(spawn(exec_path, (uint32_t)"./text/more"), ENOTDIR);
	expect_exit(spawn(exec_path, 0), EFAULT);
	check(!unlink("text"));
	scratch_end();
}

/* ---- many ---- */

static int worker(uint32_t arg)
{
	uint32_t n = arg & 0xffff;
	uint32_t out[2] = { n, 0 };

	for (int i = 0; i < 5; i++) {
		out[1] ^= busy(n + i, 2000);
		sched_yield();
	}
	return write(arg >> 16, out, sizeof(out)) == sizeof(out) ? 0 : 1;
}

void case_many(void)
{
	uint32_t n = 24 * s.scale < 100 ? 24 * s.scale : 100, got[2], sum = 0;
	int ends[2];

	check(!pipe(ends));
	for (uint32_t i = 0; i < n; i++)
		spawn(worker, i | (uint32_t)ends[1] << 16);
	for (uint32_t i = 0; i < n; i++) { /* in any order */
		uint32_t want = 0;

		check(read_all(ends[0], got, sizeof(got)));
		for (int k = 0; k < 5; k++)
			want ^= busy(got[0] + k, 2000);
		check(got[1] == want);
		sum += want;
	}
	for (uint32_t i = 0; i < n; i++) {
		int status;

		check(waitpid(-1, &status, 0) > 0 && status == 0);
	}
	close(ends[0]);
	close(ends[1]);
	mix(sum);
}

void case_sleep(void)
{
	struct linux_timespec a, b, t = { .nsec = 30000000 };
	int32_t ms;

	check(!clock_gettime(CLOCK_MONOTONIC, &a));
	check(!nanosleep(&t, NULL));
	check(!clock_gettime(CLOCK_MONOTONIC, &b));
	ms = (b.sec - a.sec) * 1000 + (b.nsec - a.nsec) / 1000000;
	check(ms >= 29 && ms < 20000);
	t.nsec = 0;
	check(!nanosleep(&t, NULL));
	t.nsec = 1000000000;
	check_error(nanosleep(&t, NULL), EINVAL);
	t = (struct linux_timespec){ .sec = -1 };
	check_error(nanosleep(&t, NULL), EINVAL);
	mix(1);
}
