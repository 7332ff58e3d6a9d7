/*
 * huge-rep.c - REP string instructions with huge counts, to the end of RAM and around 4 GiB, ports too.
 */
#include "hostile.h"

KERNEL_CODE(stos_up, "mov %%eax, %%edi; mov $-1, %%ecx; rep stosl")
KERNEL_CODE(movs_up, "mov %%eax, %%edi; mov $0x100000, %%esi; mov $-1, %%ecx; rep movsb")
KERNEL_CODE(lods_up, "mov %%eax, %%esi; mov $-1, %%ecx; rep lodsl")
KERNEL_CODE(scas_up, "mov %%eax, %%edi; mov $-1, %%ecx; mov $0x5a5a5a5a, %%eax; repne scasl")
KERNEL_CODE(cmps_up, "mov %%eax, %%edi; mov %%eax, %%esi; mov $-1, %%ecx; repe cmpsl")
KERNEL_CODE(ins_up, "mov %%eax, %%edi; mov $-1, %%ecx; mov $0x3ff, %%edx; rep insb")
KERNEL_CODE(outs_up, "mov %%eax, %%esi; mov $-1, %%ecx; mov $0x3ff, %%edx; rep outsb")
KERNEL_CODE(stos_down, "mov $16, %%edi; mov $-1, %%ecx; std; rep stosl")
KERNEL_CODE(movs_wrap, "mov $0xfffffff0, %%edi; mov $0x100000, %%esi; mov $-1, %%ecx; rep movsl")
KERNEL_CODE(lods16, "mov %%eax, %%esi; mov $-1, %%ecx; addr16 rep lodsb")

int guest_main(void)
{
	uint32_t end = hal_memory.kib << 10;
	if (end > MAP_MAX)
		end = MAP_MAX;
	uint32_t at = end - 0x10000;
	attack("stos", stos_up, at);
	attack("movs", movs_up, at);
	attack("lods", lods_up, at);
	attack("scas", scas_up, at);
	attack("cmps", cmps_up, at);
	attack("ins", ins_up, end - 0x800);
	attack("outs", outs_up, end - 0x800);
	attack("unaligned-stos", stos_up, end - 0x1002);
	attack("movs-around-4-gib", movs_wrap, 0);
	attack("lods-16-bit-address", lods16, 0xf000);
	page_set((void *)0, 0, 0, true); /* so that it does not eat us from below */
	attack("stos-down-through-0", stos_down, 0);
	return hostile_end();
}
