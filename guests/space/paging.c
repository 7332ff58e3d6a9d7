/*
 * paging.c - page tables for several address spaces, 2-level or PAE, over the library's identity map.
 */
#include "space.h"

#define CR4_PAE 0x20u
#define CR4_PGE 0x80u
#define CR0_PG 0x80000000u
#define MSR_EFER 0xc0000080u
#define EFER_NX 0x800u
#define CPUID_NX (1u << 20)
#define PDE (PTE_KERNEL | PTE_U)
#define LOW_PDS (MAP_MAX >> 21)

enum mode mode;
unsigned char frames[FRAMES][PAGE] __attribute__((aligned(4096)));
struct mapping window[SPACES][WINDOW_PAGES], shared[SHARED_PAGES], large;
uint32_t current;

/* Tables hold 1024 entries of 4 bytes or 512 of 8. */
static uint32_t dirs[SPACES][1024] __attribute__((aligned(4096)));     /* 2-level: the directory; PAE: that of the top GiB */
static uint32_t tables[SPACES][2][1024] __attribute__((aligned(4096))); /* WINDOW's, and another to move to */
static uint32_t shared_table[1024] __attribute__((aligned(4096)));
static uint64_t pdpt[SPACES][4] __attribute__((aligned(32)));
static uint64_t low_dir[512] __attribute__((aligned(4096)));
static uint64_t low_tables[LOW_PDS][512] __attribute__((aligned(4096)));
static uint32_t which[SPACES];

uint32_t entry_low(uint32_t frame, uint32_t flags)
{
	return flags & PTE_P ? (uint32_t)frames[frame] | (flags & ~NX) : 0;
}

uint32_t entry_high(uint32_t flags)
{
	return flags & PTE_P && flags & NX ? 0x80000000u : 0;
}

/* The high half first while the entry is absent, last while it is present: no half-made entry is ever valid. */
static void entry_write(uint32_t *table, uint32_t slot, uint32_t low, uint32_t high)
{
	volatile uint32_t *t = table;

	truth_add(PT_WRITE, 1);
	if (mode == TWO_LEVEL) {
		t[slot] = low;
		return;
	}
	t[2 * slot] = 0;
	t[2 * slot + 1] = high;
	t[2 * slot] = low;
}

static uint32_t *window_table(uint32_t space)
{
	return tables[space][which[space]];
}

void window_set(uint32_t space, uint32_t slot, uint32_t frame, uint32_t flags)
{
	window[space][slot] = (struct mapping){ frame, flags };
	entry_write(window_table(space), slot, entry_low(frame, flags), entry_high(flags));
}

void shared_set(uint32_t slot, uint32_t frame, uint32_t flags)
{
	shared[slot] = (struct mapping){ frame, flags };
	entry_write(shared_table, slot, entry_low(frame, flags), entry_high(flags));
}

static uint32_t dir_slot(uint32_t va)
{
	return mode == TWO_LEVEL ? va >> 22 : va >> 21 & 511;
}

void large_set(uint32_t flags)
{
	large.flags = flags;
	for (uint32_t s = 0; s < SPACES; s++)
		entry_write(dirs[s], dir_slot(LARGE), flags & PTE_P ? (flags & ~NX) | PTE_PS : 0, entry_high(flags));
}

void window_move(uint32_t space)
{
	uint32_t *old = window_table(space);

	which[space] ^= 1;
	memcpy(window_table(space), old, PAGE);
	entry_write(dirs[space], dir_slot(WINDOW), (uint32_t)window_table(space) | PDE, 0);
}

uint32_t window_entry(uint32_t space, uint32_t slot)
{
	return ((volatile uint32_t *)window_table(space))[mode == TWO_LEVEL ? slot : 2 * slot];
}

uint32_t window_entry_pa(uint32_t space, uint32_t slot)
{
	return (uint32_t)window_table(space) + slot * (mode == TWO_LEVEL ? 4 : 8);
}

static uint32_t root(uint32_t space)
{
	return mode == TWO_LEVEL ? (uint32_t)dirs[space] : (uint32_t)pdpt[space];
}

void space_load(uint32_t space)
{
	current = space;
	write_cr3(root(space));
}

/* The library's identity map, once more in PAE form. */
static void low_build(void)
{
	for (uint32_t a = 0; a < MAP_MAX; a += PAGE)
		low_tables[a >> 21][a >> 12 & 511] = page_table[a >> 22][a >> 12 & 1023];
	for (uint32_t i = 0; i < LOW_PDS; i++)
		low_dir[i] = (uint32_t)low_tables[i] | PDE;
}

static void spaces_build(void)
{
	for (uint32_t s = 0; s < SPACES; s++) {
		if (mode == TWO_LEVEL) {
			memcpy(dirs[s], page_dir, PAGE);
		} else {
			pdpt[s][0] = (uint32_t)low_dir | 1;
			pdpt[s][3] = (uint32_t)dirs[s] | 1;
		}
		entry_write(dirs[s], dir_slot(WINDOW), (uint32_t)tables[s][0] | PDE, 0);
		entry_write(dirs[s], dir_slot(SHARED), (uint32_t)shared_table | PDE, 0);
	}
}

bool paging_start(void)
{
	if (mode == PAE_NX && !(cpuid(0x80000001, 0).d & CPUID_NX))
		return false;
	low_build();
	spaces_build();
	write_cr0(read_cr0() & ~CR0_PG);
	write_cr4((read_cr4() & ~CR4_PAE) | (mode == TWO_LEVEL ? 0 : CR4_PAE) | CR4_PGE);
	if (mode == PAE_NX)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NX);
	space_load(0);
	write_cr0(read_cr0() | CR0_PG);
	return true;
}

void paging_stop(void)
{
	write_cr0(read_cr0() & ~CR0_PG);
	write_cr4(read_cr4() & ~(CR4_PAE | CR4_PGE));
	if (mode == PAE_NX)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_NX);
	write_cr3((uint32_t)page_dir);
	write_cr0(read_cr0() | CR0_PG | 0x10000);
}
