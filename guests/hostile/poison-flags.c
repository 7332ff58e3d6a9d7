/*
 * poison-flags.c - sets DF, AC, TF, NT, RF and ID before every kind of entry into the VMM.
 */
#include "hostile.h"

#define SET "push %%eax; popf; "
KERNEL_CODE(by_pf, SET "mov 0xf6900000, %%eax")
KERNEL_CODE(by_ud, SET "ud2")
KERNEL_CODE(by_int3, SET "int3")
KERNEL_CODE(by_int80, SET "mov $77, %%eax; int $0x80")
KERNEL_CODE(by_in, SET "mov $0x3fd, %%edx; inb %%dx, %%al")
KERNEL_CODE(by_out, SET "mov $0x80, %%edx; outb %%al, %%dx")
KERNEL_CODE(by_de, SET "mov $0, %%ecx; mov $1, %%eax; cltd; idiv %%ecx")
KERNEL_CODE(by_cpuid, SET "cpuid")
KERNEL_CODE(by_hlt_fault, SET "mov $0xffff, %%eax; mov %%eax, %%gs")
#ifdef HAL_XEN
KERNEL_CODE(by_hypercall, SET "call hypercall_page + 17 * 32")
#else
KERNEL_CODE(by_cli, SET "cli; sti; cli")
#endif
RING3_CODE(user_by_pf, SET "mov 0xf6900000, %%eax")
RING3_CODE(user_by_ud, SET "ud2")
RING3_CODE(user_by_int80, SET "mov $0, %%eax; int $0x80")
RING3_CODE(user_by_in, SET "mov $0x3fd, %%edx; inb %%dx, %%al")
RING3_CODE(user_by_move, SET "mov $0xf6900000, %%esi; mov %%esp, %%edi; mov $4, %%ecx; rep movsb")

int guest_main(void)
{
	static const struct { const char *name; uint32_t flags; } poison[] = { { "DF", 0x402 }, { "AC", 0x40002 }, { "TF", 0x102 },
		{ "NT", 0x4002 }, { "RF", 0x10002 }, { "ID", 0x200002 }, { "IOPL", 0x3002 }, { "VIF", 0x80002 }, { "all", 0x2d4fd7 } };
	for (unsigned i = 0; i < ARRAY_LEN(poison); i++) {
		uint32_t f = poison[i].flags;
		printf("flag %s\n", poison[i].name);
		attack("page-fault", by_pf, f);
		attack("undefined", by_ud, f);
		attack("breakpoint", by_int3, f);
		attack("int80", by_int80, f);
		attack("in", by_in, f);
		attack("out", by_out, f);
		attack("divide", by_de, f);
		attack("cpuid", by_cpuid, f);
		attack("segment", by_hlt_fault, f);
#ifdef HAL_XEN
		attack("hypercall", by_hypercall, f);
#else
		attack("cli-sti", by_cli, f);
#endif
		attack_user("user-page-fault", user_by_pf, f);
		attack_user("user-undefined", user_by_ud, f);
		attack_user("user-int80", user_by_int80, f);
		attack_user("user-in", user_by_in, f);
		attack_user("user-string", user_by_move, f);
	}
	return hostile_end();
}
