/*
 * host-selectors.c - loads every selector of the host's GDT and LDT, and reaches through those that load.
 */
#include "hostile.h"

KERNEL_CODE(load_fs, "mov %%eax, %%fs")
KERNEL_CODE(load_ss, "mov %%ss, %%ecx; mov %%eax, %%ss; mov %%ecx, %%ss")
KERNEL_CODE(read_fs, "mov %%eax, %%fs; mov %%fs:0xf6800000, %%eax")
KERNEL_CODE(write_fs, "mov %%eax, %%fs; movl $0x41414141, %%fs:0xf6800000")
KERNEL_CODE(read_top, "mov %%eax, %%fs; mov %%fs:0xfffff000, %%eax")
RING3_CODE(user_load_fs, "mov %%eax, %%fs")
RING3_CODE(user_write_fs, "mov %%eax, %%fs; movl $0x41414141, %%fs:0xf6800000")
RING3_CODE(user_load_ss, "mov %%ss, %%ecx; mov %%eax, %%ss; mov %%ecx, %%ss")

int guest_main(void)
{
	static const uint32_t host[] = { 0x23, 0x2b, 0x33, 0x53, 0x63, 0x6b, 0x73, 0x7b, 0x10, 0x18, 0x40, 0x50 };
	for (unsigned i = 0; i < ARRAY_LEN(host); i++) {
		printf("selector 0x%x\n", host[i]);
		attack("load", load_fs, host[i]);
		attack("load-ss", load_ss, host[i]);
		attack("read", read_fs, host[i]);
		attack("write", write_fs, host[i]);
		attack("read-top", read_top, host[i]);
		attack_user("user-load", user_load_fs, host[i]);
		attack_user("user-write", user_write_fs, host[i]);
		attack_user("user-load-ss", user_load_ss, host[i]);
	}
	uint32_t loads = 0, n = 0;
	for (uint32_t s = 4; s < 0x2000; s++) { /* all that the host's tables could hold, local ones too */
#ifndef HAL_XEN
		if ((s & ~3u) >= SEL_KCODE && (s & ~3u) < GDT_SLOTS * 8)
			continue;
#endif
		n += 2;
		loads += attack_quiet(read_fs, s);
		loads += attack_user_quiet(user_load_fs, s);
	}
	attack_tally("every-selector", loads, n);
	return hostile_end();
}
