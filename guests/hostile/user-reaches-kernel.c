/*
 * user-reaches-kernel.c - user mode reads and writes the guest kernel's memory, through its own and through the
 * host's selectors.
 */
#include "hostile.h"

volatile uint32_t kernel_secret = 0x5ec4e7;
uint32_t loot USER_DATA;

RING3_CODE(read, "mov kernel_secret, %%eax; mov %%eax, loot")
RING3_CODE(write, "movl $0x41414141, kernel_secret")
RING3_CODE(read_by, "mov %%eax, %%fs; mov %%fs:kernel_secret, %%eax; mov %%eax, loot")
RING3_CODE(write_by, "mov %%eax, %%fs; movl $0x41414141, %%fs:kernel_secret")
RING3_CODE(call_kernel, "call hal_crash")

static void check(void)
{
	if (kernel_secret != 0x5ec4e7)
		hostile_escaped("user mode wrote kernel memory");
	if (loot == 0x5ec4e7)
		hostile_escaped("user mode read kernel memory");
}

int guest_main(void)
{
	static const uint32_t selectors[] = { 0x23, 0x2b, 0x33, 0x7b, 7, 0xf, 0x17, 0x1f, 0x27, 0x2f };
	attack_user("read", read, 0);
	attack_user("write", write, 0);
	check();
	for (unsigned i = 0; i < ARRAY_LEN(selectors); i++) {
		printf("selector 0x%x\n", selectors[i]);
		attack_user("read-by", read_by, selectors[i]);
		attack_user("write-by", write_by, selectors[i]);
		check();
	}
	if (!attack_user("call-kernel-code", call_kernel, 0))
		hostile_escaped("user mode ran kernel code");
	return hostile_end();
}
