/*
 * wild-tables.c - points GDT, LDT, IDT and TSS at memory that is not there, and makes the CPU use them.
 */
#include "hostile.h"

KERNEL_CODE(load_gs, "mov %%eax, %%gs")
KERNEL_CODE(ltr, "ltr %%ax")
KERNEL_CODE(lldt, "lldt %%ax")
KERNEL_CODE(breakpoint, "int3")
KERNEL_CODE(undefined, "ud2")

static void lgdt_base(uint32_t base)
{
	struct dtable d = { 0xffff, base };
	__asm__ volatile("lgdt %0" : : "m"(d) : "memory");
}

int guest_main(void)
{
	static const uint32_t bases[] = { 0x10000000, 0x7fffff00, 0xf6800000, 0xfffff000, 0xffffffff };
	for (unsigned i = 0; i < ARRAY_LEN(bases); i++) {
		printf("base 0x%08x\n", bases[i]);
		gdt_set(SEL_SPARE, gdt_entry(bases[i], 0xfffff, 0x82, 0xc));
		attack("lldt", lldt, SEL_SPARE);
		attack("ldt-load", load_gs, 0x1004);
		attack("ldt-load-last", load_gs, 0xfffc);
		__asm__ volatile("lldt %w0" : : "r"(0));
		gdt_set(SEL_SPARE, gdt_entry(bases[i], 0x67, 0x89, 0));
		attack("ltr", ltr, SEL_SPARE);
		gdt_set(SEL_TSS, gdt_entry((uint32_t)&tss, sizeof tss - 1, 0x89, 0));
		__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
	}
	/* A gate to nowhere, and one through a selector that is no code. */
	idt_set(0x90, SEL_KCODE, (void (*)(void))0xf6800000, 0x8e);
	idt_set(0x91, SEL_KDATA, (void (*)(void))0x100000, 0x8e);
	idt_set(0x92, 0x33, (void (*)(void))0x100000, 0x8e);
	printf("gates\n");
	idt_set(3, SEL_KDATA, (void (*)(void))0x100000, 0xee);
	attack("gate-to-data", breakpoint, 0);
	idt_set(3, 0x33, (void (*)(void))0x100000, 0xee);
	attack("gate-to-0x33", breakpoint, 0);
	idt_set(3, SEL_KCODE, (void (*)(void))0xf6800000, 0xee);
	attack("gate-to-nowhere", breakpoint, 0);
	printf("ATTACK gdt-nowhere: now\n");
	lgdt_base(0xfff00000);
	attack_quiet(load_gs, SEL_UDATA);
	undefined(0);
	return hostile_end();
}
