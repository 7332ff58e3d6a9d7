/*
 * page-fault.c - page faults: error codes for every kind of access, accessed and dirty bits, a 4 MiB page.
 */
#include "insn.h"

char page[2 * PAGE] __attribute__((aligned(4096)));

KERNEL_CODE(read, "mov page, %%eax")
KERNEL_CODE(write, "movl $1, page")
KERNEL_CODE(write_across, "movl $1, page + 4094")
RING3_CODE(user_read, "mov page, %%eax")
RING3_CODE(user_write, "movl $1, page")

static void user_jump(uint32_t arg);
static USER_CODE void user_jump(uint32_t arg)
{
	__asm__ volatile("jmp *%0" : : "r"(arg));
	user_exit(0);
}

static void set(uint32_t flags)
{
	page_set(page, page_pa(page), flags, true);
}

int guest_main(void)
{
	page_set(page, 0, 0, true);
	expect_fault("read-absent", read, 0, PF, 0);
	expect("cr2", insn_fault.cr2 - (uint32_t)page, 0);
	expect_fault("write-absent", write, 0, PF, 2);
	expect_user_fault("user-read-absent", user_read, 0, PF, 4);
	expect_user_fault("user-write-absent", user_write, 0, PF, 6);
	set(PTE_KERNEL);
	expect_user_fault("user-read-kernel-page", user_read, 0, PF, 5);
	expect_user_fault("user-write-kernel-page", user_write, 0, PF, 7);
	expect_user_fault("user-jump-kernel-page", user_jump, (uint32_t)page, PF, 5);
	set((PTE_KERNEL | PTE_U) & ~PTE_W);
	expect_fault("write-read-only", write, 0, PF, 3);
	expect_user_fault("user-write-read-only", user_write, 0, PF, 7);
	*(volatile uint32_t *)page_table; /* the table itself stays readable */
	set(PTE_P | PTE_W);
	expect("fresh", page_entry(page) & (PTE_A | PTE_D), 0);
	expect_fine("read", read, 0);
	expect("accessed", page_entry(page) & (PTE_A | PTE_D), PTE_A);
	expect_fine("write", write, 0);
	expect("dirty", page_entry(page) & (PTE_A | PTE_D), PTE_A | PTE_D);
	set(PTE_KERNEL);
	page_set(page + PAGE, 0, 0, true);
	memset(page, 0, 4096);
	expect_fault("write-across-into-absent", write_across, 0, PF, 2);
	expect("cr2-across", insn_fault.cr2 - (uint32_t)page, PAGE);
	expect("nothing-written", *(uint16_t *)(page + 4094), 0);
	page_set(page + PAGE, page_pa(page + PAGE), PTE_KERNEL, true);
	truth_add(PT_WRITE, 1);
	((volatile uint32_t *)page_dir)[0x300] = 0 | PTE_KERNEL | PTE_PS; /* 0xc0000000: the first 4 MiB */
	*(volatile uint32_t *)page = 0xabcd;
	expect("through-4-mib-page", *(volatile uint32_t *)(0xc0000000 + (uint32_t)page), 0xabcd);
	truth_add(PT_WRITE, 1);
	((volatile uint32_t *)page_dir)[0x300] = 0;
	invlpg((void *)0xc0000000);
	write_cr2(0);
	return insn_end();
}
