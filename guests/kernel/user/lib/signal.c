/*
 * signal.c - handlers, masks and timers. Every handler gets three arguments and returns through signal_restorer.
 */
#include "user.h"

void signal_restorer(void);

static int action(int sig, uint32_t handler, uint32_t flags, uint64_t mask)
{
	struct linux_sigaction sa = {
		.handler = handler, .flags = flags | LSA_SIGINFO | LSA_RESTORER, .restorer = (uint32_t)signal_restorer,
		.mask = { (uint32_t)mask, (uint32_t)(mask >> 32) },
	};
	long r = syscall_raw(LNR_rt_sigaction, sig, &sa, 0, 8);

	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : 0;
}

int signal_set(int sig, signal_handler *fn, uint32_t flags, uint64_t mask) { return action(sig, (uint32_t)fn, flags, mask); }
int signal_default(int sig) { return action(sig, LSIG_DFL, 0, 0); }
int signal_ignore(int sig) { return action(sig, LSIG_IGN, 0, 0); }

uint64_t signal_mask(int how, uint64_t set)
{
	uint64_t old = 0;

	syscall_raw(LNR_rt_sigprocmask, how, &set, &old, 8);
	return old;
}

uint64_t signal_pending(void)
{
	uint64_t set = 0;

	syscall_raw(LNR_rt_sigpending, &set, 8);
	return set;
}

int signal_suspend(uint64_t mask)
{
	errno = -syscall_raw(LNR_rt_sigsuspend, &mask, 8);
	return -1;
}

int pause(void)
{
	errno = -syscall_raw(LNR_pause);
	return -1;
}

unsigned alarm(unsigned seconds) { return syscall_raw(LNR_alarm, seconds); }

int timer_set(uint32_t first_us, uint32_t period_us)
{
	struct linux_itimerval t = {
		.interval = { period_us / 1000000, period_us % 1000000 }, .value = { first_us / 1000000, first_us % 1000000 },
	};
	long r = syscall_raw(LNR_setitimer, 0, &t, 0);

	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : 0;
}

int abort_with(int sig)
{
	out_flush();
	signal_default(sig);
	signal_mask(LSIG_UNBLOCK, SIG_SET(sig));
	return kill(getpid(), sig);
}
