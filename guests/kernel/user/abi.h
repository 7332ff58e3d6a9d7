/*
 * abi.h - the part of i386 Linux's system-call ABI that guests/kernel offers and that its user programs use.
 *
 * Numbers, structures, flags and error numbers are Linux's own (arch/x86/entry/syscalls/syscall_32.tbl and the uapi
 * headers), entry is INT 0x80 with the number in EAX, arguments in EBX, ECX, EDX, ESI, EDI, EBP, and the result or
 * -errno in EAX: so each program also runs natively on Linux, which is the oracle for what it must print. The kernel
 * includes this file too. Names begin with L so that a host program (a test of the file system) can include it beside
 * libc's headers.
 *
 * Read next: lib/user.h (what programs see), README.md (which call does how much).
 */
#pragma once
#include <stdint.h>

/* X(NAME, number) in ascending order: the kernel makes its table of it. */
#define LINUX_CALLS(X) \
	X(exit, 1) X(fork, 2) X(read, 3) X(write, 4) X(open, 5) X(close, 6) X(waitpid, 7) X(unlink, 10) X(execve, 11) \
	X(chdir, 12) X(time, 13) X(lseek, 19) X(getpid, 20) X(alarm, 27) X(pause, 29) X(access, 33) X(sync, 36) X(kill, 37) \
	X(rename, 38) X(mkdir, 39) X(rmdir, 40) X(dup, 41) X(pipe, 42) X(brk, 45) X(ioctl, 54) X(setpgid, 57) X(umask, 60) \
	X(dup2, 63) X(getppid, 64) X(gettimeofday, 78) X(reboot, 88) X(munmap, 91) X(setitimer, 104) X(wait4, 114) \
	X(fsync, 118) X(uname, 122) X(mprotect, 125) X(sched_yield, 158) X(nanosleep, 162) X(rt_sigreturn, 173) \
	X(rt_sigaction, 174) X(rt_sigprocmask, 175) X(rt_sigpending, 176) X(rt_sigsuspend, 179) X(getcwd, 183) X(mmap2, 192) \
	X(truncate64, 193) X(ftruncate64, 194) X(stat64, 195) X(lstat64, 196) X(fstat64, 197) X(getdents64, 220) \
	X(fcntl64, 221) X(exit_group, 252) X(clock_gettime, 265)

enum {
#define X(name, number) LNR_##name = number,
	LINUX_CALLS(X)
#undef X
};

/* X(NAME, number, what strerror says): all that the kernel returns. */
#define LINUX_ERRORS(X) \
	X(EPERM, 1, "Operation not permitted") X(ENOENT, 2, "No such file or directory") X(ESRCH, 3, "No such process") \
	X(EINTR, 4, "Interrupted system call") X(EIO, 5, "Input/output error") X(E2BIG, 7, "Argument list too long") \
	X(ENOEXEC, 8, "Exec format error") X(EBADF, 9, "Bad file descriptor") X(ECHILD, 10, "No child processes") \
	X(EAGAIN, 11, "Resource temporarily unavailable") X(ENOMEM, 12, "Cannot allocate memory") \
	X(EACCES, 13, "Permission denied") X(EFAULT, 14, "Bad address") X(EBUSY, 16, "Device or resource busy") \
	X(EEXIST, 17, "File exists") X(ENODEV, 19, "No such device") X(ENOTDIR, 20, "Not a directory") \
	X(EISDIR, 21, "Is a directory") X(EINVAL, 22, "Invalid argument") X(ENFILE, 23, "Too many open files in system") \
	X(EMFILE, 24, "Too many open files") X(ENOTTY, 25, "Inappropriate ioctl for device") \
	X(ETXTBSY, 26, "Text file busy") X(EFBIG, 27, "File too large") X(ENOSPC, 28, "No space left on device") \
	X(ESPIPE, 29, "Illegal seek") X(EROFS, 30, "Read-only file system") X(EMLINK, 31, "Too many links") \
	X(EPIPE, 32, "Broken pipe") X(ERANGE, 34, "Numerical result out of range") \
	X(ENAMETOOLONG, 36, "File name too long") X(ENOSYS, 38, "Function not implemented") \
	X(ENOTEMPTY, 39, "Directory not empty") X(ELOOP, 40, "Too many levels of symbolic links")

enum {
#define X(name, number, text) L##name = number,
	LINUX_ERRORS(X)
#undef X
};

/* open */
#define LO_RDONLY 0
#define LO_WRONLY 1
#define LO_RDWR 2
#define LO_ACCMODE 3
#define LO_CREAT 0100
#define LO_EXCL 0200
#define LO_TRUNC 01000
#define LO_APPEND 02000
#define LO_NONBLOCK 04000
#define LO_DIRECTORY 0200000
#define LO_CLOEXEC 02000000
/* fcntl64 */
#define LF_DUPFD 0
#define LF_GETFD 1
#define LF_SETFD 2
#define LF_GETFL 3
#define LF_SETFL 4
#define LFD_CLOEXEC 1
/* lseek */
#define LSEEK_SET 0
#define LSEEK_CUR 1
#define LSEEK_END 2
/* mmap2, mprotect */
#define LPROT_READ 1
#define LPROT_WRITE 2
#define LPROT_EXEC 4
#define LMAP_SHARED 1
#define LMAP_PRIVATE 2
#define LMAP_FIXED 0x10
#define LMAP_ANONYMOUS 0x20
/* wait4 */
#define LWNOHANG 1
#define LWUNTRACED 2
/* file types and permissions in st_mode */
#define LS_IFMT 0170000
#define LS_IFIFO 0010000
#define LS_IFCHR 0020000
#define LS_IFDIR 0040000
#define LS_IFREG 0100000
#define LS_IFLNK 0120000
/* d_type */
#define LDT_FIFO 1
#define LDT_CHR 2
#define LDT_DIR 4
#define LDT_REG 8
#define LDT_LNK 10
/* ioctl: TCGETS tells a terminal */
#define LTCGETS 0x5401
#define LTCSETS 0x5402
#define LTIOCGWINSZ 0x5413
/* reboot: both magic numbers, then a command */
#define LREBOOT_MAGIC1 0xfee1dead
#define LREBOOT_MAGIC2 0x28121969
#define LREBOOT_RESTART 0x01234567
#define LREBOOT_POWER_OFF 0x4321fedc

struct linux_stat64 {
	uint64_t dev;
	uint32_t pad0, ino_low, mode, nlink, uid, gid;
	uint64_t rdev __attribute__((packed, aligned(4)));
	uint32_t pad3;
	int64_t size __attribute__((packed, aligned(4)));
	uint32_t blksize;
	uint64_t blocks __attribute__((packed, aligned(4))); /* of 512 bytes */
	uint32_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
	uint64_t ino __attribute__((packed, aligned(4)));
};
_Static_assert(sizeof(struct linux_stat64) == 96, "as the ABI has it");

struct linux_dirent64 {
	uint64_t ino;
	int64_t off;     /* where the next one begins, for lseek */
	uint16_t reclen; /* a multiple of 8 */
	uint8_t type;
	char name[];     /* ends in a zero */
};

struct linux_timespec { int32_t sec, nsec; };
struct linux_timeval { int32_t sec, usec; };
struct linux_itimerval { struct linux_timeval interval, value; };
struct linux_utsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65]; };

/* ---- signals ---- */
enum {
	LSIGHUP = 1, LSIGINT, LSIGQUIT, LSIGILL, LSIGTRAP, LSIGABRT, LSIGBUS, LSIGFPE, LSIGKILL, LSIGUSR1, LSIGSEGV, LSIGUSR2,
	LSIGPIPE, LSIGALRM, LSIGTERM, LSIGSTKFLT, LSIGCHLD, LSIGCONT, LSIGSTOP, LSIGTSTP, LSIGTTIN, LSIGTTOU,
	LNSIG = 64
};
#define LSIG_DFL 0u
#define LSIG_IGN 1u
#define LSA_NOCLDSTOP 1u
#define LSA_SIGINFO 4u
#define LSA_RESTORER 0x04000000u
#define LSA_ONSTACK 0x08000000u
#define LSA_RESTART 0x10000000u
#define LSA_NODEFER 0x40000000u
#define LSA_RESETHAND 0x80000000u
#define LSIG_BLOCK 0
#define LSIG_UNBLOCK 1
#define LSIG_SETMASK 2

/*
 * rt_sigaction and its kin take a set of 64 bits and say so in their last argument, 8. Our programs always give
 * SA_SIGINFO and SA_RESTORER: the handler is called with three arguments on the stack (signal, siginfo, ucontext) and a
 * return address that is the restorer, which does rt_sigreturn with ESP 4 above where the frame began.
 */
struct linux_sigaction {
	uint32_t handler, flags, restorer;
	uint32_t mask[2];
};

struct linux_siginfo {
	int32_t signo, error, code;
	union {
		uint32_t addr;                            /* SIGSEGV, SIGBUS, SIGILL, SIGFPE: where */
		struct { int32_t pid, uid, status; };     /* SIGCHLD and kill: who */
		uint32_t pad[29];
	};
};
_Static_assert(sizeof(struct linux_siginfo) == 128, "as the ABI has it");

/* The registers in a signal frame: struct sigcontext, then the rest of struct ucontext. */
struct linux_sigcontext {
	uint32_t gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, trapno, err, eip, cs, eflags, esp_at_signal, ss;
	uint32_t fpstate, oldmask, cr2;
};
struct linux_ucontext {
	uint32_t flags, link, stack_sp, stack_flags, stack_size;
	struct linux_sigcontext regs;
	uint32_t mask[2];
};
struct linux_rt_frame {
	uint32_t restorer, signo, info_address, context_address;
	struct linux_siginfo info;
	struct linux_ucontext context;
};
