/*
 * syscall.c - SYSCALL with the numbers of host system calls.
 */
#include "hostile.h"

static char text[] USER_DATA = "escaped\n";

static void kernel_syscall(uint32_t nr)
{
	__asm__ volatile("push %%ebp; mov %1, %%ebp; syscall; pop %%ebp" : "+a"(nr) : "S"(text), "b"(1), "d"(8) : "ecx", "memory", "cc");
}

static USER_CODE void user_syscall(uint32_t nr)
{
	__asm__ volatile("push %%ebp; mov %1, %%ebp; syscall; pop %%ebp" : "+a"(nr) : "S"(text), "b"(1), "d"(8) : "ecx", "memory", "cc");
	user_exit(nr);
}

KERNEL_CODE(sysret, "sysret")
RING3_CODE(user_sysret, "sysret")

int guest_main(void)
{
	bool user = hal_flag("user"), ret = hal_flag("sysret");
	static const uint32_t numbers[] = { 0, 1, 2, 4, 5, 11, 37, 162, 252, 0xffffffff };
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		printf("eax %u\n", numbers[i]);
		if (ret)
			user ? attack_user("user-sysret", user_sysret, 0) : attack("sysret", sysret, 0);
		else
			user ? attack_user("user-syscall", user_syscall, numbers[i]) : attack("syscall", kernel_syscall, numbers[i]);
	}
	return hostile_end();
}
