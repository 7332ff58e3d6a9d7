/*
 * task-switch.c - far jumps and gates to task-state segments, and IRET with NT set.
 */
#include "hostile.h"

static struct tss other;
static char stack[PAGE];
static uint32_t ran;

static void landed(void)
{
	ran++;
	printf("ATTACK task: it ran\n");
	hostile_end();
}

KERNEL_CODE(jump, "ljmp $0xb0, $0")
KERNEL_CODE(iret_nt, "pushf; orl $0x4000, (%%esp); popf; iret")
RING3_CODE(user_jump, "ljmp $0xb0, $0")
RING3_CODE(user_iret_nt, "pushf; orl $0x4000, (%%esp); popf; iret")

int guest_main(void)
{
	attack_user("user-jump-to-kernel-tss", user_jump, 0);
	attack_user("user-iret-with-nt", user_iret_nt, 0);
	attack("iret-with-nt", iret_nt, 0);
	other = (struct tss){ .cr3 = (uint32_t)page_dir, .eip = (uint32_t)landed, .esp = (uint32_t)(stack + sizeof stack), .eflags = 2,
		.cs = SEL_KCODE, .ss = SEL_KDATA, .ds = SEL_UDATA, .es = SEL_UDATA, .iomap = sizeof other };
	gdt_set(SEL_SPARE, gdt_entry((uint32_t)&other, 20, 0x89, 0)); /* too short */
	attack("jump-to-short-tss", jump, 0);
	gdt_set(SEL_SPARE, gdt_entry(0xf6800000, sizeof other - 1, 0x89, 0));
	attack("jump-to-tss-nowhere", jump, 0);
	gdt_set(SEL_SPARE, gdt_entry((uint32_t)&other, sizeof other - 1, 0x89, 0));
	attack("jump-to-tss", jump, 0);
	return hostile_end();
}
