/*
 * poison-segments.c - puts local, host and null selectors into FS and GS, at last into DS and ES, before every kind
 * of entry.
 */
#include "hostile.h"

#define SET "mov %%eax, %%fs; mov %%eax, %%gs; "
KERNEL_CODE(by_pf, SET "mov 0xf6900000, %%eax")
KERNEL_CODE(by_ud, SET "ud2")
KERNEL_CODE(by_int80, SET "mov $77, %%eax; int $0x80")
KERNEL_CODE(by_in, SET "mov $0x3fd, %%edx; inb %%dx, %%al")
KERNEL_CODE(by_out, SET "mov $0x80, %%edx; outb %%al, %%dx")
KERNEL_CODE(by_de, SET "mov $0, %%ecx; mov $1, %%eax; cltd; idiv %%ecx")
KERNEL_CODE(by_cpuid, SET "cpuid")
#ifdef HAL_XEN
KERNEL_CODE(by_hypercall, SET "call hypercall_page + 17 * 32")
#endif
RING3_CODE(user_by_pf, SET "mov 0xf6900000, %%eax")
RING3_CODE(user_by_int80, SET "mov $0, %%eax; int $0x80")

#ifndef HAL_XEN
static const uint32_t word = 0x1d7;
static uint64_t ldt[8];
#endif

static void with(uint32_t selector)
{
	printf("selector 0x%x\n", selector);
	attack("page-fault", by_pf, selector);
	attack("undefined", by_ud, selector);
	attack("int80", by_int80, selector);
	attack("in", by_in, selector);
	attack("out", by_out, selector);
	attack("divide", by_de, selector);
	attack("cpuid", by_cpuid, selector);
#ifdef HAL_XEN
	attack("hypercall", by_hypercall, selector);
#endif
	attack_user("user-page-fault", user_by_pf, selector);
	attack_user("user-int80", user_by_int80, selector);
}

int guest_main(void)
{
	static const uint32_t selectors[] = { 7, 0xf, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x2b, 0x33, 0x7b, 0, 3 };
#ifndef HAL_XEN
	for (unsigned i = 0; i < ARRAY_LEN(ldt); i++)
		ldt[i] = gdt_entry((uint32_t)&word, 3, 0xf3, 4);
	gdt_set(SEL_LDT, gdt_entry((uint32_t)ldt, sizeof ldt - 1, 0x82, 0));
	__asm__ volatile("lldt %w0" : : "r"(SEL_LDT));
#endif
	for (unsigned i = 0; i < ARRAY_LEN(selectors); i++)
		with(selectors[i]);
	printf("ATTACK ds and es null, then a fault: now\n");
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov 0xf6900000, %%eax" : : "r"(0) : "eax", "memory");
	return hostile_end();
}
