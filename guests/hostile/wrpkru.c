/*
 * wrpkru.c - the instructions that move protection keys and extended state: WRPKRU, RDPKRU, XRSTOR, XSAVE, XSETBV,
 * XGETBV.
 */
#include "hostile.h"

static uint8_t area[4096] USER_DATA __attribute__((aligned(64)));

KERNEL_CODE(wrpkru, "xor %%eax, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; .byte 0x0f, 0x01, 0xef")
KERNEL_CODE(rdpkru, "xor %%ecx, %%ecx; .byte 0x0f, 0x01, 0xee")
KERNEL_CODE(xgetbv, "xor %%ecx, %%ecx; xgetbv")
KERNEL_CODE(xsetbv, "mov $7, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; xsetbv")
KERNEL_CODE(xrstor, "mov %%eax, %%ebx; mov $-1, %%eax; mov $-1, %%edx; xrstor (%%ebx)")
KERNEL_CODE(xsave, "mov %%eax, %%ebx; mov $-1, %%eax; mov $-1, %%edx; xsave (%%ebx)")
RING3_CODE(user_wrpkru, "xor %%eax, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; .byte 0x0f, 0x01, 0xef")
RING3_CODE(user_rdpkru, "xor %%ecx, %%ecx; .byte 0x0f, 0x01, 0xee")
RING3_CODE(user_xrstor, "mov %%eax, %%ebx; mov $-1, %%eax; mov $-1, %%edx; xrstor (%%ebx)")
RING3_CODE(user_xsave, "mov %%eax, %%ebx; mov $-1, %%eax; mov $-1, %%edx; xsave (%%ebx)")
/* WRPKRU inside the immediate of another instruction, reached by a jump into its middle. */
RING3_CODE(user_hidden, "xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1f + 1, %%ebx; xor %%eax, %%eax; jmp *%%ebx;"
	"1: mov $0x90ef010f, %%eax; nop")

int guest_main(void)
{
	memset(area, 0, sizeof area);
	area[512] = 0xff; /* XSTATE_BV: everything, PKRU (bit 9) too */
	area[513] = 0x02;
	attack("wrpkru", wrpkru, 0);
	attack("rdpkru", rdpkru, 0);
	attack("xgetbv", xgetbv, 0);
	attack("xsetbv", xsetbv, 0);
	attack("xrstor", xrstor, (uint32_t)area);
	attack("xsave", xsave, (uint32_t)area);
	attack_user("user-wrpkru", user_wrpkru, 0);
	attack_user("user-rdpkru", user_rdpkru, 0);
	attack_user("user-xrstor", user_xrstor, (uint32_t)area);
	attack_user("user-xsave", user_xsave, (uint32_t)area);
	attack_user("user-hidden-wrpkru", user_hidden, 0);
	return hostile_end();
}
