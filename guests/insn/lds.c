/*
 * lds.c - LDS, LES, LFS, LGS and LSS load a far pointer, segment and offset, or nothing.
 */
#include "insn.h"

struct __attribute__((packed)) far { uint32_t offset; uint16_t selector; };
struct far pointer;

KERNEL_CODE(lfs, "lfs pointer, %%eax")

int guest_main(void)
{
	uint32_t v, ds;
	gdt_set(SEL_SPARE, gdt_entry(0x1000, 0xfffff, 0xf3, 0xc));
	pointer = (struct far){ 0x1234, SEL_SPARE | 3 };
	truth_add(SEG_LOAD, 3);
	truth_add(SEG_READ, 4);
	__asm__ volatile("lfs pointer, %0; mov %%fs, %1" : "=r"(v), "=r"(ds));
	expect("lfs-offset", v, 0x1234);
	expect("lfs-selector", ds & 0xffff, SEL_SPARE | 3);
	__asm__ volatile("lgs pointer, %0; mov %%gs, %1" : "=r"(v), "=r"(ds));
	expect("lgs-selector", ds & 0xffff, SEL_SPARE | 3);
	__asm__ volatile("les pointer, %0; mov %%es, %1; push %%ds; pop %%es" : "=r"(v), "=r"(ds));
	expect("les-selector", ds & 0xffff, SEL_SPARE | 3);
	truth_add(SEG_READ, 1);
	truth_add(SEG_LOAD, 1);
	pointer.selector = SEL_TSS;
	expect_fault("lfs-tss", lfs, 0, GP, SEL_TSS);
	__asm__ volatile("mov %%fs, %0" : "=r"(ds));
	expect("fs-after-the-fault", ds & 0xffff, SEL_SPARE | 3);
	truth_add(SEG_LOAD, 2);
	__asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
	return insn_end();
}
