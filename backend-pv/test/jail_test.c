/*
 * The jail of pv against every system call number there is, in both ABIs and with x32's bit: what is not on the list below
 * kills, and nothing is on it by accident. This is what guest code meets that jumps to a system call of the VMM's; from the
 * low 4 GiB, where guest code lives, no number at all may pass, and none of the i386 ABI anywhere.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/backend.h"
#include "core/jail.h"
#include "command.h"

extern const struct backend_ops pv_backend;

#define LAST 470
#define X32 0x40000000l

/* What the run loop needs with arguments of no use to anybody; signals and disks are allowed for some arguments only. */
static const int allowed[] = {
	SYS_read, SYS_write, SYS_writev, SYS_poll, SYS_ppoll, SYS_lseek, SYS_clock_gettime, SYS_clock_nanosleep, SYS_timer_create,
	SYS_timer_settime, SYS_timer_delete, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_mremap, SYS_set_robust_list,
	SYS_rseq, SYS_futex, SYS_sched_yield, SYS_rt_sigprocmask, SYS_rt_sigtimedwait, SYS_restart_syscall, SYS_getpid, SYS_gettid,
	SYS_getuid, SYS_close, SYS_exit, SYS_exit_group, SYS_modify_ldt, SYS_arch_prctl, SYS_pkey_mprotect,
};

static bool expected(long nr)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (allowed[i] == nr)
			return true;
	return false;
}

static void by_syscall(long nr)
{
	syscall(nr, -1l, -1l, -1l, -1l, -1l, -1l);
}

static void by_int80(long nr)
{
	__asm__ volatile("int $0x80" : "+a"(nr) : "b"(-1l), "c"(-1l), "d"(-1l), "S"(-1l), "D"(-1l) : "r8", "r9", "r10", "r11", "memory");
}

/* MOV EAX, EDI; SYSCALL; RET in the low 4 GiB. */
static void from_low(long nr)
{
	static const uint8_t code[] = { 0x89, 0xf8, 0x0f, 0x05, 0xc3 };
	void *p = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	memcpy(p, code, sizeof(code));
	((void (*)(long))p)(nr);
}

/* Does a jailed process live through it? exit and exit_group count as that. */
static bool survives(void (*call)(long), long nr)
{
	int status;
	pid_t child = fork();

	if (!child) {
		signal(SIGSYS, SIG_DFL);
		if (jail_enter(&pv_backend, NULL, 0))
			_exit(99);
		call(nr);
		_exit(7);
	}
	cr_assert(child > 0 && waitpid(child, &status, 0) == child);
	cr_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 99, "the jail could not be closed");
	cr_assert(WIFEXITED(status) || WTERMSIG(status) == SIGSYS, "number %ld: killed by signal %d", nr, WTERMSIG(status));
	return WIFEXITED(status);
}

Test(jail, only_what_is_listed_passes, .timeout = 120)
{
#ifdef __SANITIZE_ADDRESS__
	fprintf(stderr, "SKIPPED: the sanitizer's own system calls at _exit are not on the list\n");
	return;
#endif
	/* 335 and 336 are the host kernel's own probes (uretprobe, uprobe): it answers before seccomp, with SIGILL or an error. */
	for (long nr = 0; nr <= LAST; nr += nr == 334 ? 3 : 1)
		cr_expect_eq(survives(by_syscall, nr), expected(nr), "system call %ld: allowed is %d", nr, !expected(nr));
}

Test(jail, no_x32_and_no_wild_number_passes, .timeout = 120)
{
	static const long wild[] = { 511, 512, 547, 548, 1000, 0x7fffffff, 0x80000000l, 0xffffffffl, -1, -2, 1l << 32 | 1l << 31 };

	for (size_t i = 0; i < ARRAY_LEN(wild); i++)
		cr_expect(!survives(by_syscall, wild[i]), "system call %#lx passed", wild[i]);
	for (long nr = 0; nr <= LAST + 80; nr += 3)
		cr_expect(!survives(by_syscall, X32 | nr), "x32 system call %ld passed", nr);
}

Test(jail, no_i386_call_passes, .timeout = 120)
{
	for (long nr = 0; nr <= LAST; nr += 3)
		cr_expect(!survives(by_int80, nr), "i386 system call %ld passed", nr);
	cr_expect(!survives(by_int80, 0xffffffffl));
}

Test(jail, no_call_passes_from_where_guest_code_lives, .timeout = 120)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		cr_expect(!survives(from_low, allowed[i]), "system call %d passed from the low 4 GiB", allowed[i]);
}

/* A guest that far-jumps to 64-bit code and makes the call itself, out of its kernel and out of its user mode. */
Test(jail, no_number_passes_from_a_guest, .timeout = 280)
{
	static const char *const guests[] = { "code64-xen", "code64-user-xen" };
	char command[400], out[4096];

	if (!pv_available())
		return;
	for (long nr = 0; nr <= LAST; nr += nr == 334 ? 3 : 1) {
		snprintf(command, sizeof(command), RINGLAB_BINARY " run --backend pv --timeout 20 --append nr=%ld " RINGLAB_GUESTS
			"/hostile/%s.elf 2>&1 </dev/null", nr, guests[nr & 1]);
		cr_expect_eq(command_run(out, sizeof(out), command), 224, "system call %ld out of %s:\n%s", nr, guests[nr & 1], out);
		cr_expect_null(strstr(out, "escaped"), "system call %ld out of %s printed:\n%s", nr, guests[nr & 1], out);
	}
	cr_expect(access("escaped", F_OK), "a guest has made a file");
}
