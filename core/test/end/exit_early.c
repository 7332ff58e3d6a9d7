/*
 * exit_early.c - preloaded into ringlab, it does what a guest that broke out might: ends the process as if all were well.
 *
 * RINGLAB_TEST_END: "exit" ends at once with status 0; "noise" writes to every descriptor first; "change" lets the run end, and
 * then changes the exit status. timer_create is called by the jailed child alone, just before guest code runs.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *mode;

int timer_create(clockid_t clock, struct sigevent *ev, timer_t *out);
int timer_create(clockid_t clock, struct sigevent *ev, timer_t *out)
{
	mode = getenv("RINGLAB_TEST_END");
	if (mode && !strcmp(mode, "noise"))
		for (int fd = 3; fd < 40; fd++)
			if (write(fd, "\0\0\0\0\0\0\0\0", 8) < 0)
				continue;
	if (mode && strcmp(mode, "change"))
		_exit(0);
	*out = NULL;
	return 0;
}

int timer_settime(timer_t t, int flags, const struct itimerspec *now, struct itimerspec *old);
int timer_settime(timer_t t, int flags, const struct itimerspec *now, struct itimerspec *old)
{
	return 0;
}

__attribute__((destructor)) static void change(void)
{
	if (mode)
		_exit(7);
}
