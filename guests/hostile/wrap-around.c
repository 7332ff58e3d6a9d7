/*
 * wrap-around.c - segments with huge bases and limits, and accesses that wrap around at 4 GiB.
 */
#include "hostile.h"

KERNEL_CODE(load_gs, "mov %%eax, %%gs")
KERNEL_CODE(read_gs, "mov %%gs:(%%eax), %%eax")
KERNEL_CODE(write_gs, "movl $0x41414141, %%gs:(%%eax)")
KERNEL_CODE(read_wrap, "mov -2(,%%eax,1), %%eax")
KERNEL_CODE(write_wrap, "movl $0x41414141, -2(,%%eax,1)")
KERNEL_CODE(move_wrap, "mov $-16, %%edi; mov $0x100000, %%esi; mov $64, %%ecx; rep movsb")
KERNEL_CODE(stack_wrap, "mov %%esp, %%ebx; mov $8, %%esp; pop %%eax; pop %%eax; mov %%ebx, %%esp")

static uint64_t ldt[4];

static void through(uint16_t selector, const char *what)
{
	static const uint32_t offsets[] = { 0, 0xfff, 0x1000, 0x2000, 0x7ffffffc, 0x80000000, 0xc0000000, 0xf0000000, 0xfffff000,
		0xfffffffc, 0xffffffff };
	uint32_t faults = 0;
	if (attack(what, load_gs, selector))
		return;
	for (unsigned i = 0; i < ARRAY_LEN(offsets); i++) {
		__asm__ volatile("mov %0, %%gs" : : "r"((uint32_t)selector));
		faults += attack_quiet(read_gs, offsets[i]);
		__asm__ volatile("mov %0, %%gs" : : "r"((uint32_t)selector));
		if (offsets[i] >= 0x7ffffffc) /* the low ones may be our own memory */
			faults += attack_quiet(write_gs, offsets[i]);
	}
	attack_tally(what, faults, ARRAY_LEN(offsets) + 7);
}

int guest_main(void)
{
	static const uint32_t bases[] = { 0xfffff000, 0xffffffff, 0x80000000, 0x7ffff000, 0xf6800000, 0xfffffff8 };
	for (unsigned i = 0; i < ARRAY_LEN(bases); i++) {
		printf("base 0x%08x\n", bases[i]);
		gdt_set(SEL_SPARE, gdt_entry(bases[i], 0xfffff, 0x93, 0xc));
		through(SEL_SPARE, "gdt-segment");
		gdt_set(SEL_SPARE, gdt_entry(bases[i], 0x00000, 0x97, 0xc)); /* expand-down, all but the first page */
		through(SEL_SPARE, "expand-down-segment");
		ldt[1] = gdt_entry(bases[i], 0xfffff, 0xf3, 0xc);
		gdt_set(SEL_LDT, gdt_entry((uint32_t)ldt, sizeof ldt - 1, 0x82, 0));
		__asm__ volatile("lldt %w0" : : "r"(SEL_LDT));
		through(8 | 7, "ldt-segment");
	}
	attack("read-across-4-gib", read_wrap, 0);
	attack("write-across-4-gib", write_wrap, 0);
	attack("rep-movs-across-4-gib", move_wrap, 0);
	attack("pop-at-0", stack_wrap, 0);
	return hostile_end();
}
