/*
 * cells_memory.c - page tables and faults: CR3 write, page fault with mapping and retry, PTE change, divide error, MMIO.
 */
#include "nano.h"

#define WINDOW 16
#define INLINE static inline __attribute__((always_inline))

/* Pages whose mapping the cells change, and two frames with a known first word that they map there. */
static char window[WINDOW][PAGE] __attribute__((aligned(4096)));
static char frames[2][PAGE] __attribute__((aligned(4096)));
static uint32_t window_pa[WINDOW]; /* the window's own frames: natively the identity map */
static uint32_t turn; /* counts operations: chooses page and frame */

INLINE volatile uint32_t *page_now(void) { return (volatile uint32_t *)window[turn % WINDOW]; }
INLINE uint32_t frame_now(void) { return page_pa(frames[turn / WINDOW % 2]); }

static void window_restore(void)
{
	for (unsigned i = 0; i < WINDOW; i++)
		page_set(window[i], window_pa[i], PTE_KERNEL, true);
}

static void window_init(void)
{
	turn = 0;
	*(volatile uint32_t *)frames[0] = 0xf0f0;
	*(volatile uint32_t *)frames[1] = 0xf1f1;
	for (unsigned i = 0; i < WINDOW; i++)
		window_pa[i] = page_pa(window[i]);
}

INLINE void pre_nothing(uint32_t k)
{
}

/* ---- CR3 ---- */
INLINE void cr3_one(void) { page_root_reload(); }

static const char *cr3_write(void)
{
	nano_measure(1, pre_nothing, cr3_one, cr3_one, NULL);
	return NULL;
}

/* ---- page fault: touch a page that is not present; the handler maps it; the access is retried ---- */
static bool map_on_fault(struct trap_frame *f)
{
	uint32_t cr2 = trap_cr2();
	if (cr2 - (uint32_t)window >= sizeof window)
		return false;
	page_set((void *)(cr2 & ~(PAGE - 1)), frame_now(), PTE_KERNEL, false);
	return true;
}

INLINE void fault_pre(uint32_t k) { page_set((void *)page_now(), 0, 0, true); }
INLINE void fault_one(void)
{
	uint32_t v = *page_now();
	if (v != 0xf0f0 && v != 0xf1f1)
		nano.hole = true;
}
INLINE void next(void) { turn++; }

static const char *page_fault(void)
{
	uint32_t before = ringlab_truth.count[EV_PAGE_FAULT];
	window_init();
	trap_set(14, map_on_fault);
	nano_measure(1, fault_pre, fault_one, fault_one, next);
	trap_set(14, NULL);
	nano.hole |= ringlab_truth.count[EV_PAGE_FAULT] - before != nano.n;
	window_restore();
	return NULL;
}

/* ---- divide error: the handler steps over DIV ECX, which is two bytes long ---- */
static bool skip_divide(struct trap_frame *f)
{
	f->eip += 2;
	return true;
}

INLINE void divide_one(void) { __asm__ volatile("div %0" : : "c"(0), "a"(1), "d"(0) : "cc"); }

static const char *divide_error(void)
{
	uint32_t before = ringlab_truth.count[EV_EXCEPTION];
	trap_set(0, skip_divide);
	nano_measure(1, pre_nothing, divide_one, divide_one, NULL);
	trap_set(0, NULL);
	nano.hole = ringlab_truth.count[EV_EXCEPTION] - before != nano.n;
	return NULL;
}

/* ---- PTE change and INVLPG; the new mapping is read outside the timed region ---- */
INLINE void pte_one(void) { page_set((void *)page_now(), frame_now(), PTE_KERNEL, true); }
INLINE void pte_check(void)
{
	if (*page_now() != (turn / WINDOW % 2 ? 0xf1f1u : 0xf0f0u))
		nano.hole = true;
	turn++;
}

static const char *pte_invlpg(void)
{
	window_init();
	nano_measure(1, pre_nothing, pte_one, pte_one, pte_check);
	window_restore();
	return NULL;
}

/* ---- a read of an address where there is neither RAM nor a device: all ones on a PC and here, zero in QEMU ---- */
#ifdef HAL_XEN
static const char *mmio_free(void)
{
	return "a Xen guest may not map addresses that are not its own memory";
}
#else
#define MMIO_HOLE 0xfe900000u
#define PTE_UNCACHED 0x18u
INLINE void mmio_pre(uint32_t k) { truth_add(MMIO, k); }
INLINE void mmio_one(void)
{
	uint32_t v = *(volatile uint32_t *)window[0];
	if (v != ~0u && v != 0)
		nano.hole = true;
}

static const char *mmio_free(void)
{
	window_init();
	page_set(window[0], MMIO_HOLE, PTE_KERNEL | PTE_UNCACHED, true);
	nano_measure(1, mmio_pre, mmio_one, mmio_one, NULL);
	window_restore();
	return NULL;
}
#endif

const struct cell cells_memory[] = {
	{ .name = "cr3-write", .run = cr3_write },
	{ .name = "page-fault", .run = page_fault },
	{ .name = "divide-error", .run = divide_error },
	{ .name = "pte-invlpg", .run = pte_invlpg },
	{ .name = "mmio-free", .run = mmio_free },
	{ .name = NULL },
};
