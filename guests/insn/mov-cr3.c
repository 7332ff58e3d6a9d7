/*
 * mov-cr3.c - MOV to CR3 switches between two address spaces, and makes changed entries take effect; paging off and
 * on.
 */
#include "insn.h"

#define HIGH 0xd0000000u
#define SLOT (HIGH >> 22)

static uint32_t other_dir[1024] __attribute__((aligned(4096)));
static uint32_t tables[2][1024] __attribute__((aligned(4096)));
static volatile uint32_t frames[3][1024] __attribute__((aligned(4096)));

KERNEL_VALUE(read_high, "mov (%%eax), %%eax")
KERNEL_CODE(touch, "mov (%%eax), %%eax")

static uint32_t at(uint32_t frame, uint32_t flags)
{
	return (uint32_t)frames[frame] | flags;
}

static void spaces_init(void)
{
	for (uint32_t i = 0; i < 3; i++)
		frames[i][0] = 0xf0 + i;
	tables[0][0] = at(0, PTE_KERNEL);
	tables[1][0] = at(1, PTE_KERNEL);
	memcpy(other_dir, page_dir, sizeof other_dir);
	other_dir[SLOT] = (uint32_t)tables[1] | PTE_KERNEL;
	truth_add(PT_WRITE, 1);
	((volatile uint32_t *)page_dir)[SLOT] = (uint32_t)tables[0] | PTE_KERNEL;
}

int guest_main(void)
{
	volatile uint32_t *high = (volatile uint32_t *)HIGH;
	spaces_init();
	expect_value("first-space", read_high, HIGH, 0xf0);
	write_cr3((uint32_t)other_dir);
	expect_value("second-space", read_high, HIGH, 0xf1);
	high[0] = 0x1f1;
	expect("written-there", frames[1][0], 0x1f1);
	expect("not-here", frames[0][0], 0xf0);
	((volatile uint32_t *)tables[0])[0] = at(2, PTE_KERNEL); /* the other space's table: not live now */
	write_cr3((uint32_t)page_dir);
	expect_value("changed-meanwhile", read_high, HIGH, 0xf2);
	truth_add(PT_WRITE, 1);
	((volatile uint32_t *)tables[0])[0] = at(0, PTE_KERNEL);
	write_cr3((uint32_t)page_dir);
	expect_value("changed-and-reloaded", read_high, HIGH, 0xf0);
	truth_add(PT_WRITE, 1);
	((volatile uint32_t *)page_dir)[SLOT] = (uint32_t)tables[1] | PTE_KERNEL;
	write_cr3((uint32_t)page_dir);
	expect_value("another-table", read_high, HIGH, 0x1f1);
	for (uint32_t i = 0, good = 0; i < 20; i++) {
		write_cr3(i % 2 ? (uint32_t)page_dir : (uint32_t)other_dir);
		good += high[0] == 0x1f1;
		if (i == 19)
			expect("back-and-forth", good, 20);
	}
	truth_add(PT_WRITE, 1);
	((volatile uint32_t *)page_dir)[SLOT] = 0;
	write_cr3((uint32_t)page_dir);
	expect_fault("gone", touch, HIGH, PF, 0);
	write_cr0(read_cr0() & 0x7fffffff);
	expect("without-paging", frames[2][0], 0xf2);
	write_cr0(read_cr0() | 0x80000000);
	expect("with-paging-again", read_cr0(), 0x80010033);
	write_cr2(0);
	return insn_end();
}
