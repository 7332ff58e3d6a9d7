/*
 * jail.c - seccomp: what the process may still ask of the host once guest code runs.
 *
 * Two filters, and one below both. The full jail kills the process at any system call outside the list; the list has no call that opens,
 * connects, creates a process, or changes who we are. In both, a system call of the i386 ABI (int 0x80, SYSENTER, and
 * SYSCALL in compatibility mode) is turned into SIGSYS: guest code in `pv` runs where it can execute such an
 * instruction, and the backend reflects it to the guest. Below both, a 64-bit system call made from the low 4 GiB kills
 * the process: only guest code lives there, and it gets to 64-bit mode by a far jump. Called by the CLI only.
 */
#include "core/jail.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core/backend.h"

/* Run loop, console, timers, memory of malloc, the end of the process. */
static const int jail_core[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(lseek),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_delete),
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mremap),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), /* the watching thread may only now be starting */
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(restart_syscall),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), /* for pthread_sigqueue */ SCMP_SYS(close), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static int jail_allow(scmp_filter_ctx ctx, const int *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, list[i], 0);
		if (r && r != -EEXIST)
			return r;
	}
	return 0;
}

/* Signals to ourselves only: that is how another thread kicks the vCPU, and how abort() dies. */
static int jail_allow_self_signals(scmp_filter_ctx ctx)
{
	uint64_t self = (uint64_t)getpid();
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, self));

	return r ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(rt_tgsigqueueinfo), 1, SCMP_A0(SCMP_CMP_EQ, self));
}

/*
 * The VMM is position-independent and lies above 4 GiB, as the vDSO does. libseccomp has no rule on the instruction
 * pointer, so these are the BPF instructions themselves (seccomp(2)). i386 calls are left to the other filter.
 */
static int jail_low_code(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static const struct sock_fprog prog = { .len = ARRAY_LEN(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) ? -errno : 0;
}

static int jail_load(scmp_filter_ctx ctx)
{
	int r = jail_low_code();

	if (r)
		return r;
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);

	if (!r)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	return r ? r : seccomp_load(ctx);
}

/* disk.c's calls, on the disks' own descriptors. */
static int jail_allow_disks(scmp_filter_ctx ctx, const int *fds, unsigned n)
{
	static const int calls[] = { SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(fdatasync) };
	int r = 0;

	for (unsigned i = 0; i < n; i++)
		for (size_t k = 0; !r && k < ARRAY_LEN(calls); k++)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[k], 1, SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)fds[i]));
	return r;
}

int jail_enter(const struct backend_ops *ops, const int *disks, unsigned n)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	static const int sigreturn = SCMP_SYS(rt_sigreturn);
	int r;

	if (!ctx)
		return -ENOMEM;
	r = jail_allow(ctx, jail_core, ARRAY_LEN(jail_core));
	if (!r)
		r = jail_allow_self_signals(ctx);
	if (!r)
		r = jail_allow_disks(ctx, disks, n);
	/* A backend that leaves its handlers without rt_sigreturn lists what it needs, and not that. */
	if (!r && !ops->jail_syscalls)
		r = jail_allow(ctx, &sigreturn, 1);
	for (const int *s = ops->jail_syscalls; !r && s && *s >= 0; s++)
		r = jail_allow(ctx, s, 1);
	if (!r)
		r = jail_load(ctx);
	seccomp_release(ctx);
	return r;
}

int jail_enter_i386_only(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return -ENOMEM;
	r = jail_load(ctx);
	seccomp_release(ctx);
	return r;
}
