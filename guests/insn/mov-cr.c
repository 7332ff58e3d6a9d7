/*
 * mov-cr.c - MOV to and from control registers: values, effects of WP, CR2 and CR3, and faults.
 */
#include "insn.h"

char page[PAGE] __attribute__((aligned(4096)));

KERNEL_CODE(write_page, "movl $1, page")
KERNEL_CODE(paging_without_protection, "mov %%eax, %%cr0")
KERNEL_CODE(cr4_reserved, "mov %%eax, %%cr4")
KERNEL_CODE(cr1, ".byte 0x0f, 0x20, 0xc8") /* mov %cr1, %eax */
RING3_CODE(user_read_cr0, "mov %%cr0, %%eax")
RING3_CODE(user_read_cr2, "mov %%cr2, %%eax")
RING3_CODE(user_write_cr3, "mov %%eax, %%cr3")

int guest_main(void)
{
	expect("cr0", read_cr0(), 0x80010033);
	expect("cr3", read_cr3() - (uint32_t)page_dir, 0);
	expect("cr4", read_cr4(), 0x610);
	write_cr2(0x12345678);
	expect("cr2", read_cr2(), 0x12345678);
	page_set(page, page_pa(page), PTE_KERNEL & ~PTE_W, true);
	expect_fault("write-with-wp", write_page, 0, PF, 3);
	expect("cr2-of-the-fault", read_cr2() - (uint32_t)page, 0);
	write_cr0(read_cr0() & ~0x10000u);
	expect_fine("write-without-wp", write_page, 0);
	write_cr0(read_cr0() | 0x10000u);
	page_set(page, page_pa(page), PTE_KERNEL, true);
	if (insn_our_machine()) /* QEMU takes it */
		expect_fault("pg-without-pe", paging_without_protection, 0x80010032, GP, 0);
	if (insn_our_machine())
		expect_fault("cr4-reserved-bit", cr4_reserved, 0x80000610, GP, 0);
	expect_fault("cr1", cr1, 0, UD, 0);
	expect_user_fault("user-read-cr0", user_read_cr0, 0, GP, 0);
	expect_user_fault("user-read-cr2", user_read_cr2, 0, GP, 0);
	expect_user_fault("user-write-cr3", user_write_cr3, 0, GP, 0);
	write_cr2(0);
	return insn_end();
}
