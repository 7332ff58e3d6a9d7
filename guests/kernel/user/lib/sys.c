/*
 * sys.c - one function for each system call: -errno becomes -1 and errno.
 */
#include "user.h"

int errno;

static long result(long r)
{
	if (r < 0 && r >= -4095) {
		errno = -r;
		return -1;
	}
	return r;
}

void _exit(int status)
{
	for (;;)
		syscall_raw(LNR_exit_group, status);
}

pid_t fork(void)
{
	out_flush();
	return result(syscall_raw(LNR_fork));
}

pid_t getpid(void) { return syscall_raw(LNR_getpid); }
pid_t getppid(void) { return syscall_raw(LNR_getppid); }
pid_t waitpid(pid_t pid, int *status, int options) { return result(syscall_raw(LNR_wait4, pid, status, options, 0)); }
int kill(pid_t pid, int sig) { return result(syscall_raw(LNR_kill, pid, sig)); }
int setpgid(pid_t pid, pid_t pgid) { return result(syscall_raw(LNR_setpgid, pid, pgid)); }
int sched_yield(void) { return result(syscall_raw(LNR_sched_yield)); }

int execve(const char *path, char *const argv[], char *const envp[])
{
	return result(syscall_raw(LNR_execve, path, argv, envp));
}

int nanosleep(const struct linux_timespec *want, struct linux_timespec *rest)
{
	return result(syscall_raw(LNR_nanosleep, want, rest));
}

int clock_gettime(int clock, struct linux_timespec *t)
{
	return result(syscall_raw(LNR_clock_gettime, clock, t));
}

ssize_t read(int fd, void *buf, size_t n) { return result(syscall_raw(LNR_read, fd, buf, n)); }
ssize_t write(int fd, const void *buf, size_t n) { return result(syscall_raw(LNR_write, fd, buf, n)); }

int open(const char *path, int flags, ...)
{
	va_list args;
	int mode = 0;

	if (flags & LO_CREAT) {
		va_start(args, flags);
		mode = va_arg(args, int);
		va_end(args);
	}
	return result(syscall_raw(LNR_open, path, flags, mode));
}

int close(int fd) { return result(syscall_raw(LNR_close, fd)); }
off_t lseek(int fd, off_t off, int whence) { return result(syscall_raw(LNR_lseek, fd, off, whence)); }
int dup(int fd) { return result(syscall_raw(LNR_dup, fd)); }
int dup2(int from, int to) { return result(syscall_raw(LNR_dup2, from, to)); }
int pipe(int fd[2]) { return result(syscall_raw(LNR_pipe, fd)); }
int fcntl(int fd, int cmd, long arg) { return result(syscall_raw(LNR_fcntl64, fd, cmd, arg)); }

int isatty(int fd)
{
	char termios[64];

	return result(syscall_raw(LNR_ioctl, fd, LTCGETS, termios)) == 0;
}

int access(const char *path, int mode) { return result(syscall_raw(LNR_access, path, mode)); }
int unlink(const char *path) { return result(syscall_raw(LNR_unlink, path)); }
int rename(const char *from, const char *to) { return result(syscall_raw(LNR_rename, from, to)); }
int mkdir(const char *path, int mode) { return result(syscall_raw(LNR_mkdir, path, mode)); }
int rmdir(const char *path) { return result(syscall_raw(LNR_rmdir, path)); }
int chdir(const char *path) { return result(syscall_raw(LNR_chdir, path)); }

char *getcwd(char *buf, size_t n)
{
	return result(syscall_raw(LNR_getcwd, buf, n)) < 0 ? NULL : buf;
}

int stat(const char *path, struct linux_stat64 *st) { return result(syscall_raw(LNR_stat64, path, st)); }
int fstat(int fd, struct linux_stat64 *st) { return result(syscall_raw(LNR_fstat64, fd, st)); }
int truncate(const char *path, uint32_t size) { return result(syscall_raw(LNR_truncate64, path, size, 0)); }
int ftruncate(int fd, uint32_t size) { return result(syscall_raw(LNR_ftruncate64, fd, size, 0)); }
int fsync(int fd) { return result(syscall_raw(LNR_fsync, fd)); }
void sync(void) { syscall_raw(LNR_sync); }
int uname(struct linux_utsname *u) { return result(syscall_raw(LNR_uname, u)); }

/* ---- memory ---- */

/* The call gives the end that holds, not an error. */
int brk(void *end)
{
	if (syscall_raw(LNR_brk, end) == (long)end)
		return 0;
	errno = ENOMEM;
	return -1;
}

void *sbrk(intptr_t change)
{
	char *now = (char *)syscall_raw(LNR_brk, 0);

	return change && brk(now + change) ? (void *)-1 : now;
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, uint32_t off)
{
	return (void *)result(syscall_raw(LNR_mmap2, at, n, prot, flags, fd, off / PAGE));
}

int munmap(void *at, size_t n) { return result(syscall_raw(LNR_munmap, at, n)); }
int mprotect(void *at, size_t n, int prot) { return result(syscall_raw(LNR_mprotect, at, n, prot)); }
