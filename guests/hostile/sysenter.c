/*
 * sysenter.c - SYSENTER with a good and with bad EBP, from both levels.
 */
#include "hostile.h"

static uint32_t args[16] USER_DATA;
static char text[] USER_DATA = "escaped\n";

static void enter(uint32_t ebp)
{
	__asm__ volatile("push %%ebp; mov %0, %%ebp; mov $4, %%eax; mov $1, %%ebx; mov %1, %%ecx; mov $8, %%edx; sysenter; pop %%ebp"
		: : "S"(ebp), "D"(text) : "eax", "ebx", "ecx", "edx", "memory", "cc");
}

static USER_CODE void user_enter_with(uint32_t ebp)
{
	__asm__ volatile("push %%ebp; mov %0, %%ebp; mov $4, %%eax; mov $1, %%ebx; mov %1, %%ecx; mov $8, %%edx; sysenter; pop %%ebp"
		: : "S"(ebp), "D"(text) : "eax", "ebx", "ecx", "edx", "memory", "cc");
	user_exit(0);
}

int guest_main(void)
{
	static const uint32_t bad[] = { 0, 1, 0xfff, 0x7ffffff0, 0xc0000000, 0xf6800000, 0xfffff000, 0xffffffff };
	attack("good-ebp", enter, (uint32_t)args);
	attack_user("user-good-ebp", user_enter_with, (uint32_t)args);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		printf("ebp 0x%08x\n", bad[i]);
		attack("bad-ebp", enter, bad[i]);
		attack_user("user-bad-ebp", user_enter_with, bad[i]);
	}
	return hostile_end();
}
