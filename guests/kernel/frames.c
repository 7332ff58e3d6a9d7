/*
 * frames.c - page frames: a buddy allocator over all RAM, and a count of references for each frame.
 *
 * Free blocks are linked through their own first bytes. References exist because fork shares pages. Called by everyone who
 * needs pages; no locks, for interrupt handlers do not allocate. Read next: kmalloc.c, mm.c.
 */
#include "frames.h"

#define ORDERS 11 /* up to 4 MiB in one piece */
#define FREE 0xff

struct frame {
	uint16_t refs;
	uint8_t order;
	uint8_t state; /* FREE: the head of a free block */
};

static struct {
	struct frame *frame;
	uint32_t n, free;
	struct list list[ORDERS];
} frames;

static uint32_t number_of(const void *va)
{
	uint32_t n = va_to_pa(va) / PAGE;
	assert(n < frames.n);
	return n;
}

static void *address_of(uint32_t n)
{
	return pa_to_va(n * PAGE);
}

static void block_put(uint32_t n, unsigned order)
{
	for (; order + 1 < ORDERS; order++) {
		uint32_t buddy = n ^ 1u << order;
		if (buddy >= frames.n || frames.frame[buddy].state != FREE || frames.frame[buddy].order != order)
			break;
		list_remove(address_of(buddy));
		frames.frame[buddy].state = 0;
		n &= buddy;
	}
	frames.frame[n] = (struct frame){ .order = (uint8_t)order, .state = FREE };
	list_append(&frames.list[order], address_of(n));
}

static void range_free(uint32_t from, uint32_t to)
{
	for (uint32_t n = page_up(from) / PAGE; n < to / PAGE; n++) {
		block_put(n, 0);
		frames.free++;
	}
}

void frames_init(void *table, uint32_t n)
{
	frames.frame = table;
	frames.n = n;
	memset(table, 0, frames_table_size(n));
	for (unsigned i = 0; i < ORDERS; i++)
		list_init(&frames.list[i]);
	arch_memory(range_free);
}

uint32_t frames_table_size(uint32_t n)
{
	return n * sizeof(struct frame);
}

void *page_alloc(unsigned order)
{
	unsigned at = order;
	while (at < ORDERS && list_empty(&frames.list[at]))
		at++;
	if (at >= ORDERS) {
		/* Page tables that are kept for reuse are the last reserve. */
		return pt_pool_drain() ? page_alloc(order) : NULL;
	}
	struct list *l = frames.list[at].next;
	uint32_t n = number_of(l);
	list_remove(l);
	frames.frame[n] = (struct frame){ .refs = 1, .order = (uint8_t)order };
	while (at-- > order) {
		uint32_t upper = n + (1u << at);
		frames.frame[upper] = (struct frame){ .order = (uint8_t)at, .state = FREE };
		list_append(&frames.list[at], address_of(upper));
	}
	frames.free -= 1u << order;
	return l;
}

void *page_zalloc(void)
{
	void *p = page_alloc(0);
	if (p)
		memset(p, 0, PAGE);
	return p;
}

void page_get(void *va)
{
	struct frame *f = &frames.frame[number_of(va)];
	assert(f->refs && f->refs < UINT16_MAX && !f->order);
	f->refs++;
}

void page_put(void *va)
{
	uint32_t n = number_of(va);
	struct frame *f = &frames.frame[n];
	assert(f->refs && f->state != FREE);
	if (--f->refs)
		return;
	frames.free += 1u << f->order;
	block_put(n, f->order);
}

unsigned page_refs(const void *va)
{
	return frames.frame[number_of(va)].refs;
}

uint32_t pages_free(void)
{
	return frames.free + arena_free_pages();
}
