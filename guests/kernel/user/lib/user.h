/*
 * user.h - what a user program of guests/kernel may use: a C library as small as the programs need.
 *
 * Names and meanings are those of POSIX where a function has a POSIX name (a call gives -1 and sets errno when it fails);
 * the rest is named after its file (out_, line_, proc_). No threads, no locale, no floating-point output. A program
 * defines main(argc, argv). printf's output is kept back until the buffer is full, the program exits or forks, or at the
 * end of a line where the output is a terminal.
 *
 * Read next: sys.c and crt0.S (how a call reaches the kernel), out.c, malloc.c, proc.c.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../abi.h"

#define PAGE 4096u
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
typedef int32_t pid_t;
typedef int32_t ssize_t;
typedef int32_t off_t;

enum {
#define X(name, number, text) name = number,
	LINUX_ERRORS(X)
#undef X
};

/* ---- system calls: sys.c, crt0.S ---- */
extern int errno;
extern char **environ;
long syscall_raw(long nr, ...); /* six arguments; the result or -errno */

_Noreturn void _exit(int status);
pid_t fork(void); /* what printf holds back is written first */
pid_t getpid(void);
pid_t getppid(void);
pid_t waitpid(pid_t pid, int *status, int options);
int execve(const char *path, char *const argv[], char *const envp[]);
int kill(pid_t pid, int sig);
int setpgid(pid_t pid, pid_t pgid);
int sched_yield(void);
int nanosleep(const struct linux_timespec *want, struct linux_timespec *rest);
int clock_gettime(int clock, struct linux_timespec *t);
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1

ssize_t read(int fd, void *buf, size_t n);
ssize_t write(int fd, const void *buf, size_t n);
int open(const char *path, int flags, ...); /* and a mode, where flags has LO_CREAT */
int close(int fd);
off_t lseek(int fd, off_t off, int whence);
int dup(int fd);
int dup2(int from, int to);
int pipe(int fd[2]);
int fcntl(int fd, int cmd, long arg);
int isatty(int fd);
int access(const char *path, int mode);
int unlink(const char *path);
int rename(const char *from, const char *to);
int mkdir(const char *path, int mode);
int rmdir(const char *path);
int chdir(const char *path);
char *getcwd(char *buf, size_t n);
int stat(const char *path, struct linux_stat64 *st);
int fstat(int fd, struct linux_stat64 *st);
int truncate(const char *path, uint32_t size);
int ftruncate(int fd, uint32_t size);
int fsync(int fd);
void sync(void);
int uname(struct linux_utsname *u);

int brk(void *end);
void *sbrk(intptr_t change);
void *mmap(void *at, size_t n, int prot, int flags, int fd, uint32_t off);
int munmap(void *at, size_t n);
int mprotect(void *at, size_t n, int prot);
#define MAP_FAILED ((void *)-1)

/* How a child ended. */
#define WIFEXITED(s) (((s) & 0x7f) == 0)
#define WEXITSTATUS(s) (((s) >> 8) & 0xff)
#define WTERMSIG(s) ((s) & 0x7f)

/* ---- signals: signal.c ---- */
typedef void signal_handler(int sig, struct linux_siginfo *info, struct linux_ucontext *context);
#define SIG_SET(sig) (1ull << ((sig) - 1))
/* fn may also be LSIG_DFL or LSIG_IGN, cast; flags are SA_RESTART and its kin; mask is blocked in the handler. */
int signal_set(int sig, signal_handler *fn, uint32_t flags, uint64_t mask);
int signal_default(int sig);
int signal_ignore(int sig);
uint64_t signal_mask(int how, uint64_t set); /* gives the old mask */
uint64_t signal_pending(void);
int signal_suspend(uint64_t mask); /* waits for a signal outside mask; -1 with EINTR */
int pause(void);
unsigned alarm(unsigned seconds);
int timer_set(uint32_t first_us, uint32_t period_us); /* setitimer(ITIMER_REAL) */

/* ---- memory and strings: malloc.c, string.c ---- */
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
void free(void *p);
void *memcpy(void *d, const void *s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
char *strcpy(char *d, const char *s);
char *strcat(char *d, const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *what);
char *strdup(const char *s);
const char *strerror(int err);
long strtol(const char *s, char **end, int base); /* base 0: by prefix */
int atoi(const char *s);
/* Sorts pointers; stable. */
void sort_pointers(void **p, size_t n, int (*compare)(const void *a, const void *b));
uint64_t div64(uint64_t n, uint32_t by, uint32_t *rest); /* the compiler would call a library that is not there */

/* ---- output: out.c ---- */
/* %s %c %d %i %u %x %X %o %p %%, with -, 0, width (or *), precision of strings, l and ll. */
__attribute__((format(printf, 1, 2))) int printf(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) int eprintf(const char *fmt, ...); /* to stderr, at once */
__attribute__((format(printf, 3, 4))) int snprintf(char *buf, size_t n, const char *fmt, ...);
int vsnprintf(char *buf, size_t n, const char *fmt, va_list args);
int puts(const char *s);
int putchar(int c);
void out_write(const void *buf, size_t n); /* into the same buffer */
int out_flush(void);                       /* -1: something could not be written, now or before */
ssize_t write_all(int fd, const void *buf, size_t n);

/* ---- input by lines: line.c ---- */
struct line_reader {
	int fd;
	size_t at, have;
	char *line;
	size_t room;
	char buf[1024];
};
void line_init(struct line_reader *r, int fd);
/* The next line without its end, valid until the next call; NULL at the end or on an error. *n, if given, is its length. */
char *line_next(struct line_reader *r, size_t *n);
void line_done(struct line_reader *r);

/* ---- directories: dir.c ---- */
struct dir {
	int fd;
	size_t at, have;
	char buf[1024] __attribute__((aligned(8)));
};
struct dir *opendir(const char *path);
struct linux_dirent64 *readdir(struct dir *d);
int closedir(struct dir *d);

/* ---- processes, environment, complaints: proc.c ---- */
_Noreturn void exit(int status); /* flushes; status 1 instead of 0 where output was lost */
char *getenv(const char *name);
int setenv(const char *name, const char *value);
int execvp(const char *file, char *const argv[]); /* along $PATH, or /bin; a file without a program's header goes to sh */
unsigned sleep(unsigned seconds);
int usleep(uint32_t us);
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* "NAME: ...": status 1 */
void warn(const char *what); /* "NAME: what: strerror" */
extern const char *program_name;
int abort_with(int sig); /* ends this program by a signal */

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* xorshift32: reproducible randomness; *state is not 0. */
static inline uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}
