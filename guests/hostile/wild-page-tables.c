/*
 * wild-page-tables.c - page-table entries that point outside RAM, at themselves, at the tables; reserved bits; at
 * last a wild CR3.
 */
#include "hostile.h"

static char page[PAGE] __attribute__((aligned(4096)));
#define HIGH 0xd0000000u /* a directory slot of our own */
#define SLOT (HIGH >> 22)

static void read(uint32_t a) { (void)*(volatile uint32_t *)a; }
static void write(uint32_t a) { *(volatile uint32_t *)a = 0x41414141; }
KERNEL_CODE(jump, "call *%%eax")

static void pde(uint32_t entry)
{
	*(volatile uint32_t *)&page_dir[SLOT] = entry;
	__asm__ volatile("mov %%cr3, %%eax; mov %%eax, %%cr3" : : : "eax", "memory");
}

static void through(const char *name, uint32_t a)
{
	printf("%s\n", name);
	attack("read", read, a);
	attack("write", write, a);
}

int guest_main(void)
{
	static const uint32_t frames[] = { 0x01000000, 0x10000000, 0x7ffff000, 0x80000000, 0xc0000000, 0xfec00000, 0xfee00000, 0xfffff000 };
	for (unsigned i = 0; i < ARRAY_LEN(frames); i++) {
		printf("frame 0x%08x\n", frames[i]);
		page_set(page, frames[i], PTE_KERNEL, true);
		through("by-entry", (uint32_t)page);
		pde(frames[i] | PTE_KERNEL | PTE_U); /* a page table outside RAM */
		through("by-directory", HIGH + 0x5000);
		pde((frames[i] & 0xffc00000) | PTE_KERNEL | PTE_PS);
		through("by-large-page", HIGH + 0x5000);
		pde(frames[i] | PTE_KERNEL | PTE_PS | 0x3fe000); /* reserved bits and PSE-36 */
		through("by-reserved-bits", HIGH + 0x5000);
	}
	page_set(page, (uint32_t)page, PTE_KERNEL, true);
	pde(0xffffffff);
	through("all-ones", HIGH);
	pde((uint32_t)page_dir | PTE_KERNEL); /* the directory as its own table: write to it through itself */
	printf("recursive\n");
	attack("read", read, HIGH + SLOT * PAGE);
	attack("write-own-entry", write, HIGH + SLOT * PAGE + 4 * 0x3f0);
	uint32_t last = (hal_memory.kib << 10) - PAGE;
	pde(last | PTE_KERNEL); /* the last page of RAM as a table: zeros */
	through("last-page", HIGH);
	pde(0);
	for (unsigned i = 0; i < ARRAY_LEN(frames); i++) { /* an engine may end the guest here */
		printf("jump to frame 0x%08x\n", frames[i]);
		page_set(page, frames[i], PTE_KERNEL, true);
		attack("jump", jump, (uint32_t)page);
	}
	printf("ATTACK wild-cr3: now\n");
	__asm__ volatile("mov %0, %%cr3; .rept 64; nop; .endr; int3" : : "r"(0xfffff000u) : "memory");
	return hostile_end();
}
