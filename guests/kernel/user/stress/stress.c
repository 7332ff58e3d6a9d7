/*
 * stress.c - a deterministic stress test of a Unix kernel: stress [SCALE] [CASE...].
 *
 * Prints a line for each case, "stress NAME ok CHECKS SUM", and a total. The same text comes from Linux natively and from
 * guests/kernel on every engine, for the same SCALE; a difference, or a line that begins with "wrong", is a bug. Makes its
 * files in /tmp. The cases are in the other files of this folder.
 */
#include "stress.h"

struct stress s = { .scale = 1 };

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "fork-tree", case_fork_tree }, { "wait", case_wait }, { "orphan", case_orphan }, { "exec", case_exec },
	{ "many", case_many }, { "sleep", case_sleep },
	{ "cow", case_cow }, { "cow-kernel", case_cow_kernel }, { "mmap", case_mmap }, { "brk", case_brk },
	{ "fault-storm", case_fault_storm }, { "user-pager", case_user_pager },
	{ "pipe", case_pipe }, { "pipe-chain", case_pipe_chain }, { "pipe-ring", case_pipe_ring }, { "descriptors", case_descriptors },
	{ "signal", case_signal }, { "signal-mask", case_signal_mask }, { "signal-wait", case_signal_wait },
	{ "signal-child", case_signal_child }, { "preempt", case_preempt }, { "fpu", case_fpu }, { "fpu-signal", case_fpu_signal },
	{ "crash", case_crash }, { "bad-calls", case_bad_calls }, { "bad-pointers", case_bad_pointers },
	{ "file", case_file }, { "file-sparse", case_file_sparse }, { "file-shared", case_file_shared }, { "names", case_names },
	{ "directories", case_directories }, { "file-exec", case_file_exec },
};

void check_that(bool ok, const char *what, const char *file, int line)
{
	const char *slash = strrchr(file, '/');

	s.checks++;
	if (ok)
		return;
	s.wrong++;
	eprintf("wrong %s: %s (%s:%d, errno %d)\n", s.name, what, slash ? slash + 1 : file, line, errno);
}

void mix(uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		s.sum = (s.sum ^ (v & 0xff)) * 16777619;
}

pid_t spawn(int (*fn)(uint32_t arg), uint32_t arg)
{
	pid_t pid = fork();

	if (!pid) {
		int status;

		s.wrong = 0;
		status = fn(arg);
		_exit(s.wrong ? 99 : status);
	}
	check(pid > 0);
	return pid;
}

int wait_status(pid_t pid)
{
	int status = -1;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	check(got == pid);
	return status & ~0x80; /* whether a core was dumped is the host's own affair */
}

void expect_exit(pid_t pid, int status)
{
	int got = wait_status(pid);

	if (got != status << 8)
		eprintf("status %x instead of %x\n", got, status << 8);
	check(got == status << 8);
}

void expect_signal(pid_t pid, int sig)
{
	int got = wait_status(pid);

	if (got != sig)
		eprintf("status %x instead of signal %d\n", got, sig);
	check(got == sig);
}

bool read_all(int fd, void *buf, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t k = read(fd, (char *)buf + have, n - have);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		have += k;
	}
	return true;
}

void fill(void *p, size_t n, uint32_t seed)
{
	uint32_t *w = p;

	for (size_t i = 0; i < n / 4; i++)
		w[i] = (seed + i) * 2654435761u;
}

bool is_filled(const void *p, size_t n, uint32_t seed)
{
	const uint32_t *w = p;

	for (size_t i = 0; i < n / 4; i++)
		if (w[i] != (seed + i) * 2654435761u)
			return false;
	return true;
}

uint32_t busy(uint32_t seed, uint32_t rounds)
{
	uint32_t a = seed, b = ~seed, c = seed * 3, d = seed ^ 0x5a5a5a5a;

	while (rounds--) {
		a += b << 3 ^ c;
		b = (b ^ d) * 5 + 1;
		c += a >> 2;
		d = (d << 7 | d >> 25) + c;
		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d)); /* all in registers, each time around */
	}
	return a ^ b ^ c ^ d;
}

static char scratch[64];

void scratch_begin(void)
{
	snprintf(scratch, sizeof(scratch), "/tmp/stress-%d", getpid());
	check(!mkdir(scratch, 0755));
	check(!chdir(scratch));
}

void scratch_end(void)
{
	check(!chdir("/tmp"));
	check(!rmdir(scratch));
}

/* A relative path would lead elsewhere once a case has changed the directory. */
static const char *absolute(const char *path)
{
	static char full[512];

	if (path[0] == '/' || !strchr(path, '/') || !getcwd(full, sizeof(full) - strlen(path) - 2))
		return path;
	strcat(full, "/");
	return strcat(full, path);
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
	uint32_t checks = 0, wrong = 0, total = 0, ran = 0;
	int first = 1;

	s.self = absolute(argv[0]);
	s.name = "start";
	if (argc > 1 && !strcmp(argv[1], "--arguments"))
		return role_arguments(argc, argv);
	if (argc > 1 && !strcmp(argv[1], "--descriptors"))
		return role_descriptors(argc, argv);
	if (argc > 1 && argv[1][0] >= '1' && argv[1][0] <= '9')
		s.scale = atoi(argv[first++]);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (!wanted(argc, argv, first, cases[i].name))
			continue;
		s.name = cases[i].name;
		s.checks = s.wrong = 0;
		s.sum = 2166136261u;
		s.seed = 12345;
		cases[i].run();
		printf("stress %-12s %-5s %5u checks %08x\n", s.name, s.wrong ? "WRONG" : "ok", s.checks, s.sum);
		checks += s.checks;
		wrong += s.wrong;
		total = total * 31 + s.sum;
		ran++;
	}
	printf("stress total: %u cases, %u checks, %u wrong, sum %08x\n", ran, checks, wrong, total);
	return !ran || wrong;
}
