/*
 * bad.c - system calls that make no sense: each must give its error, and change nothing.
 */
#include "stress.h"

static long call_result; /* for check_call */
#define check_call(err, ...) check_that((call_result = syscall_raw(__VA_ARGS__)) == -(err), #__VA_ARGS__ " gives " #err, __FILE__, __LINE__)

void case_bad_calls(void)
{
	int ends[2];
	char buf[8];
	static char long_path[5000];

	check(!pipe(ends));
	check_call(ENOSYS, 9999, 0, 0, 0);
	check_call(ENOSYS, -1, 0, 0, 0);
	check_call(EBADF, LNR_read, 77, buf, 1);
	check_call(EBADF, LNR_read, -1, buf, 1);
	check_call(EBADF, LNR_write, 0x7fffffff, buf, 1);
	check_call(EBADF, LNR_close, 1000000);
	check_call(EBADF, LNR_lseek, 77, 0, 0);
	check_call(ESPIPE, LNR_lseek, ends[0], 0, 0);
	check_call(EBADF, LNR_read, ends[1], buf, 1);
	check_call(EBADF, LNR_fstat64, 77, buf);
	check_call(EBADF, LNR_fcntl64, 77, LF_GETFD, 0);
	check_call(EINVAL, LNR_fcntl64, ends[0], 12345, 0);
	check_call(ENOTTY, LNR_ioctl, ends[0], LTCGETS, buf);
	check_call(EBADF, LNR_getdents64, 77, buf, 8);
	check_call(ENOTDIR, LNR_getdents64, ends[0], buf, 8);
	check_call(EINVAL, LNR_ftruncate64, ends[0], 0, 0);
	check_call(ENOENT, LNR_open, "", LO_RDONLY, 0);
	check_call(ENOENT, LNR_open, "/nothing/there", LO_RDONLY, 0);
	check_call(EISDIR, LNR_open, "/tmp", LO_WRONLY, 0);
	check_call(EINVAL, LNR_wait4, -1, 0, 0x40000, 0);
	check_call(EINVAL, LNR_rt_sigprocmask, 17, buf, 0, 8);
	check_call(EINVAL, LNR_rt_sigaction, LSIGUSR1, 0, 0, 4);
	check_call(EINVAL, LNR_kill, getpid(), -5);
	check_call(EINVAL, LNR_setitimer, 9, 0, 0);
	memset(long_path, 'a', sizeof(long_path) - 1);
	check_call(ENAMETOOLONG, LNR_open, long_path, LO_RDONLY, 0);
	check_call(ENAMETOOLONG, LNR_stat64, long_path, buf);
	long_path[300] = 0;
	check_call(ENAMETOOLONG, LNR_mkdir, long_path, 0755);
	for (int i = 0; i < 100; i++)
		memcpy(long_path + 2 * i, "./", 3);
	memcpy(long_path + 200, "tmp", 4);
	memcpy(long_path, "/", 1);
	check_call(0, LNR_chdir, long_path); /* long, but nothing is wrong with it */
	close(ends[0]);
	close(ends[1]);
	mix(call_result);
}

/* Addresses that no program has here: the first page, and where guest kernels live. */
static const uint32_t wild[] = { 1, 0x10, 0xc0000000, 0xc0100000 };

void case_bad_pointers(void)
{
	uint8_t *edge = mmap(NULL, 2 * PAGE, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS, -1, 0);
	char *path = (char *)edge + PAGE - 5;
	int ends[2], fd;
	ssize_t n;

	check(edge != MAP_FAILED && !munmap(edge + PAGE, PAGE)); /* a page with nothing behind it */
	check(!pipe(ends));
	check(write(ends[1], "abcdef", 6) == 6);
	for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
		uint32_t w = wild[i];

		check_call(EFAULT, LNR_read, ends[0], w, 3);
		check_call(EFAULT, LNR_write, ends[1], w, 1);
		check_call(EFAULT, LNR_open, w, LO_RDONLY, 0);
		check_call(EFAULT, LNR_stat64, w, edge);
		check_call(EFAULT, LNR_stat64, "/tmp", w);
		check_call(EFAULT, LNR_fstat64, ends[0], w);
		check_call(EFAULT, LNR_pipe, w);
		check_call(EFAULT, LNR_execve, w, 0, 0);
		check_call(EFAULT, LNR_execve, s.self[0] == '/' ? s.self : "/bin/true", w, 0) ;
		check_call(EFAULT, LNR_unlink, w);
		check_call(EFAULT, LNR_rename, w, "/tmp/x");
		check_call(EFAULT, LNR_mkdir, w, 0755);
		check_call(EFAULT, LNR_chdir, w);
		check_call(EFAULT, LNR_getcwd, w, 100);
		check_call(EFAULT, LNR_uname, w);
		check_call(EFAULT, LNR_rt_sigaction, LSIGUSR1, w, 0, 8);
		check_call(EFAULT, LNR_rt_sigaction, LSIGUSR1, 0, w, 8);
		check_call(EFAULT, LNR_rt_sigprocmask, LSIG_BLOCK, w, 0, 8);
		check_call(EFAULT, LNR_clock_gettime, CLOCK_REALTIME, w);
		check_call(EFAULT, LNR_nanosleep, w, 0);
		check_call(EFAULT, LNR_gettimeofday, w, 0);
	}
	fd = open("/tmp", LO_RDONLY | LO_DIRECTORY);
	check_call(EFAULT, LNR_getdents64, fd, 0x10, 512);
	check_call(EINVAL, LNR_getdents64, fd, edge, 4);
	close(fd);
	/* What crosses into nothing. */
	memcpy(path, "/tmpx", 5);
	check_call(EFAULT, LNR_chdir, path);
	path[4] = 0;
	check_call(0, LNR_chdir, path);
	check_call(EFAULT, LNR_stat64, "/tmp", edge + PAGE - 20);
	n = write(ends[1], edge + PAGE - 3, 10); /* all that is there, or nothing */
	check((n == -1 && errno == EFAULT) || n == 3);
	check_call(EFAULT, LNR_pipe, edge + PAGE - 4);
	close(ends[0]);
	close(ends[1]);
	check(!munmap(edge, PAGE));
	mix(ARRAY_LEN(wild));
}
