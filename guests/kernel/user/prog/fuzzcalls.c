/*
 * fuzzcalls.c - fuzzcalls [SEED [CHILDREN [CALLS]]]: children that make random system calls with random arguments, until they die of it.
 *
 * For the guest kernel, which must survive: what the calls give is not looked at. Left out are those that end the machine, and what
 * would kill the parent. On a host it would harm what the user may harm.
 */
#include "../lib/user.h"

static uint32_t state;

static uint32_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static char memory[8192];

static uint32_t argument(void)
{
	static const uint32_t nice[] = { 0, 1, 2, 3, 8, 16, 255, 4096, 8192, 0x1000, 0x08048000, 0x40000000, 0x7fffffff, 0x80000000, 0xbffff000,
		0xbfffe000, 0xc0000000, 0xc0100000, 0xfffff000, 0xffffffff, 0xfffffffe, 0x22, 0x32, 0x241, 7, 14, 0x21, 1000000 };

	switch (rnd() % 5) {
	case 0: return nice[rnd() % (sizeof(nice) / sizeof(nice[0]))];
	case 1: return (uint32_t)memory + rnd() % sizeof(memory);
	case 2: return rnd() % 12;
	case 3: return ((uint32_t)memory & ~4095u) + (rnd() % 4) * 4096;
	}
	return rnd();
}

static void child(uint32_t calls)
{
	static const char *const names[] = { "/tmp/a", "/tmp/b", "/tmp/d", "/tmp/d/x", "/bin/true", "/dev/null", ".", "/tmp/../etc/motd" };

	for (uint32_t i = 0; i < calls; i++) {
		uint32_t nr = rnd() % 280, a[6];

		for (int k = 0; k < 6; k++)
			a[k] = argument();
		if (rnd() % 3 == 0)
			a[0] = (uint32_t)names[rnd() % 8];
		if (rnd() % 5 == 0)
			a[1] = (uint32_t)names[rnd() % 8];
		if (nr == LNR_reboot || nr == LNR_exit || nr == LNR_exit_group || nr == LNR_fork || nr == LNR_kill || nr == LNR_pause ||
				nr == LNR_rt_sigsuspend || nr == LNR_nanosleep || (nr == LNR_read && a[0] < 3) || nr == LNR_wait4 || nr == LNR_waitpid)
			continue;
		if (nr == LNR_write && a[0] < 3)
			continue;
		if (nr == LNR_read || nr == LNR_write || nr == LNR_open)
			alarm(1); /* an empty pipe */
		syscall_raw((long)nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (rnd() % 16 == 0)
			memory[rnd() % sizeof(memory)] = (char)rnd();
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	uint32_t seed = argc > 1 ? (uint32_t)atoi(argv[1]) : 1, children = argc > 2 ? (uint32_t)atoi(argv[2]) : 50;
	uint32_t calls = argc > 3 ? (uint32_t)atoi(argv[3]) : 2000, ended = 0;
	int status;

	for (uint32_t i = 0; i < children; i++) {
		pid_t pid = fork();

		if (!pid) {
			state = seed * 2654435761u + i * 40503u + 1;
			child(calls);
		}
		ended += pid > 0 && waitpid(pid, &status, 0) == pid;
	}
	printf("fuzzcalls: %u of %u children have ended\n", ended, children);
	return ended != children;
}
