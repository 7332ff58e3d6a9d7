/*
 * files.c - files and directories: contents against a copy in memory, holes, shared offsets, names, programs.
 */
#include "stress.h"

#define SIZE (48u << 10)

void case_file(void)
{
	static uint8_t model[SIZE], back[SIZE];
	uint32_t size = 0;
	int fd;

	scratch_begin();
	fd = open("data", LO_RDWR | LO_CREAT | LO_EXCL, 0644);
	check(fd >= 0);
	check_error(open("data", LO_RDWR | LO_CREAT | LO_EXCL, 0644), EEXIST);
	for (uint32_t i = 0; i < 120 * s.scale; i++) {
		uint32_t at = random_next(&s.seed) % (SIZE - 3000), n = random_next(&s.seed) % 3000 + 1;

		if (i % 20 == 19) {
			at = random_next(&s.seed) % SIZE;
			check(!ftruncate(fd, at));
			if (at > size)
				memset(model + size, 0, at - size);
			size = at;
			continue;
		}
		check(lseek(fd, at, LSEEK_SET) == (off_t)at);
		if (i % 3 == 2) {
			uint32_t want = at >= size ? 0 : size - at < n ? size - at : n;

			check(read(fd, back, n) == (ssize_t)want);
			check(!memcmp(back, model + at, want));
			continue;
		}
		for (uint32_t k = 0; k < n; k++)
			back[k] = random_next(&s.seed);
		check(write(fd, back, n) == (ssize_t)n);
		if (at > size)
			memset(model + size, 0, at - size);
		memcpy(model + at, back, n);
		size = at + n > size ? at + n : size;
	}
	check(lseek(fd, 0, LSEEK_END) == (off_t)size);
	check(lseek(fd, 0, LSEEK_SET) == 0);
	check(read_all(fd, back, size) && read(fd, back, 1) == 0);
	check(!memcmp(back, model, size) || size == 0);
	check(!fsync(fd));
	check(!close(fd));
	for (uint32_t i = 0; i < size; i += 97)
		mix(model[i]);
	check(!unlink("data"));
	check_error(open("data", LO_RDONLY), ENOENT);
	scratch_end();
}

/* Far out, where a file needs index blocks of two levels; what lies between is zeros. */
void case_file_sparse(void)
{
	static const uint32_t places[] = { 0, 11000, 13000, 270000, 271000, 600000, 5000000 };
	struct linux_stat64 st;
	uint8_t buf[16];
	int fd;

	scratch_begin();
	fd = open("sparse", LO_RDWR | LO_CREAT, 0600);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		check(lseek(fd, places[i], LSEEK_SET) == (off_t)places[i]);
		check(write(fd, "mark", 4) == 4);
	}
	check(!fstat(fd, &st) && st.size == 5000004 && st.blocks < 1000);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		lseek(fd, places[i], LSEEK_SET);
		check(read(fd, buf, 8) == (i + 1 < ARRAY_LEN(places) ? 8 : 4) && !memcmp(buf, "mark", 4));
	}
	lseek(fd, 400000, LSEEK_SET);
	check(read(fd, buf, 16) == 16 && !memcmp(buf, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16));
	check(!ftruncate(fd, 270002)); /* cuts through a mark */
	check(!ftruncate(fd, 270010));
	lseek(fd, 270000, LSEEK_SET);
	check(read(fd, buf, 16) == 10 && !memcmp(buf, "ma\0\0\0\0\0\0\0\0", 10));
	check(!truncate("sparse", 0));
	check(!fstat(fd, &st) && st.size == 0 && st.blocks == 0);
	close(fd);
	check(!unlink("sparse"));
	scratch_end();
	mix(ARRAY_LEN(places));
}

static int shared_writer(uint32_t fd)
{
	return write(fd, "child.", 6) == 6 ? 0 : 1;
}

static int appender(uint32_t n)
{
	int fd = open("log", LO_WRONLY | LO_APPEND);
	char line[8];

	for (int i = 0; i < 20; i++) {
		snprintf(line, sizeof(line), "%u:%02d\n", n, i);
		if (write(fd, line, 5) != 5)
			return 1;
		if (i % 4 == 0)
			sched_yield();
	}
	return close(fd);
}

void case_file_shared(void)
{
	char buf[32], line[8];
	uint32_t lines[3] = { 0 };
	pid_t pid[3];
	int fd, own;

	scratch_begin();
	fd = open("shared", LO_RDWR | LO_CREAT, 0644);
	check(write(fd, "start.", 6) == 6);
	expect_exit(spawn(shared_writer, fd), 0); /* the offset is one for both */
	check(lseek(fd, 0, LSEEK_CUR) == 12);
	check(write(fd, "end", 3) == 3);
	own = open("shared", LO_RDONLY); /* this one has its own */
	check(read(own, buf, sizeof(buf)) == 15 && !memcmp(buf, "start.child.end", 15));
	check_error(write(own, "x", 1), EBADF);
	check(!unlink("shared")); /* a file without a name lives as long as it is open */
	check(lseek(fd, 0, LSEEK_SET) == 0 && read(fd, buf, sizeof(buf)) == 15);
	check(write(fd, "more", 4) == 4);
	check(read(own, buf, sizeof(buf)) == 4 && !memcmp(buf, "more", 4));
	close(fd);
	close(own);

	close(open("log", LO_WRONLY | LO_CREAT, 0644));
	for (uint32_t i = 0; i < 3; i++)
		pid[i] = spawn(appender, i);
	for (int i = 0; i < 3; i++)
		expect_exit(pid[i], 0);
	fd = open("log", LO_RDONLY);
	while (read(fd, line, 5) == 5) { /* no line is torn, each writer's come in order */
		uint32_t who = line[0] - '0';

		check(who < 3 && line[1] == ':' && line[4] == '\n');
		check(atoi(line + 2) == (int)lines[who % 3]++);
	}
	check(lines[0] == 20 && lines[1] == 20 && lines[2] == 20);
	close(fd);
	check(!unlink("log"));
	scratch_end();
	mix(lines[0]);
}

static uint32_t count_names(const char *path, uint32_t *hash)
{
	struct dir *d = opendir(path);
	struct linux_dirent64 *e;
	uint32_t n = 0, sum = 0;

	check(d != NULL);
	while (d && (e = readdir(d))) {
		uint32_t h = 0;

		if (e->name[0] == '.')
			continue;
		for (const char *p = e->name; *p; p++)
			h = h * 31 + *p;
		sum += h * (e->type + 1); /* in any order */
		n++;
	}
	if (d)
		closedir(d);
	*hash = sum;
	return n;
}

void case_names(void)
{
	uint32_t n = 60, hash;
	char name[40], other[40];

	scratch_begin();
	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "a-file-with-a-longer-name-%u", i);
		int fd = open(name, LO_WRONLY | LO_CREAT, 0644);
		check(write(fd, name, strlen(name)) == (ssize_t)strlen(name));
		close(fd);
	}
	check(count_names(".", &hash) == n);
	mix(hash);
	for (uint32_t i = 0; i < n; i += 2) { /* half of them over the others */
		snprintf(name, sizeof(name), "a-file-with-a-longer-name-%u", i);
		snprintf(other, sizeof(other), "a-file-with-a-longer-name-%u", i + 1);
		check(!rename(name, other));
		check_error(access(name, 0), ENOENT);
	}
	check(count_names(".", &hash) == n / 2);
	mix(hash);
	for (uint32_t i = 1; i < n; i += 2) {
		char buf[40] = "";
		int fd;

		snprintf(name, sizeof(name), "a-file-with-a-longer-name-%u", i);
		snprintf(other, sizeof(other), "a-file-with-a-longer-name-%u", i - 1);
		fd = open(name, LO_RDONLY);
		check(read(fd, buf, 39) == (ssize_t)strlen(other) && !strcmp(buf, other));
		close(fd);
		check(!unlink(name));
	}
	check(count_names(".", &hash) == 0);
	check_error(rename("nothing", "else"), ENOENT);
	check_error(unlink("nothing"), ENOENT);
	scratch_end();
}

void case_directories(void)
{
	char cwd[128], want[128];
	uint32_t hash;

	scratch_begin();
	check(!mkdir("a", 0755) && !mkdir("a/b", 0755) && !mkdir("a/b/c", 0755));
	check_error(mkdir("a", 0755), EEXIST);
	check_error(mkdir("x/y", 0755), ENOENT);
	check_error(rmdir("a"), ENOTEMPTY);
	check_error(unlink("a"), EISDIR);
	check_error(rename("a", "a/b/d"), EINVAL);
	check(!chdir("a/b/c"));
	check(getcwd(cwd, sizeof(cwd)) != NULL);
	snprintf(want, sizeof(want), "/tmp/stress-%d/a/b/c", getpid());
	check(!strcmp(cwd, want));
	check(!chdir("../../.."));
	check(count_names("a/b/../b/./", &hash) == 1);
	mix(hash);
	close(open("f", LO_WRONLY | LO_CREAT, 0644));
	check_error(rmdir("f"), ENOTDIR);
	check_error(chdir("f"), ENOTDIR);
	check_error(open("f/x", LO_RDONLY), ENOTDIR);
	check_error(open("f", LO_RDONLY | LO_DIRECTORY), ENOTDIR);
	check(!mkdir("g", 0755));
	check_error(rename("f", "g"), EISDIR);
	check_error(rename("g", "f"), ENOTDIR);
	check(!rename("a/b", "g")); /* over an empty directory */
	check(!rename("g", "a/h"));
	check(!rename("f", "a/h/c/f"));
	check(!access("a/h/c/f", 0));
	check(!chdir("a/h/c") && !rename("f", "../f") && !chdir("../../.."));
	check(!unlink("a/h/f") && !rmdir("a/h/c") && !rmdir("a/h") && !rmdir("a"));
	check_error(rmdir("a"), ENOENT);
	check(count_names(".", &hash) == 0);
	scratch_end();
	mix(hash);
}

/* A program that has just been written runs. */
static int exec_copy(uint32_t arg)
{
	char *argv[] = { "copy", "--arguments", "from", "a", "copy", NULL };

	setenv("STRESS", "copy");
	execve("./copy", argv, environ);
	return errno;
}

static int open_self(void)
{
	char path[128];
	int fd = open(s.self, LO_RDONLY);
	const char *p = getenv("PATH");

	for (p = p ? p : "/bin"; fd < 0 && *p; p += *p == ':') {
		size_t n = 0;

		while (p[n] && p[n] != ':')
			n++;
		snprintf(path, sizeof(path), "%.*s/%s", (int)n, p, s.self);
		fd = open(path, LO_RDONLY);
		p += n;
	}
	return fd;
}

void case_file_exec(void)
{
	int in = open_self(), out, status;
	char buf[4096];
	ssize_t n;

	check(in >= 0);
	scratch_begin();
	out = open("copy", LO_WRONLY | LO_CREAT, 0755);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		check(write(out, buf, n) == n);
	s.checks = 0; /* how many, depends on the size */
	close(in);
	close(out);
	for (int i = 0; i < 3; i++) {
		status = wait_status(spawn(exec_copy, 0));
		check(WIFEXITED(status) && WEXITSTATUS(status) < 97);
		mix(status);
	}
	check(!unlink("copy"));
	scratch_end();
}
