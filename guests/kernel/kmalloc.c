/*
 * kmalloc.c - memory in pieces: pages of equal slots for sizes up to 1 KiB, whole pages above.
 *
 * The first bytes of a slot page say its slot size and how many are in use; a slot never begins on a page boundary, so an
 * address says by itself which kind it is. A page with no slot in use goes back to frames.c.
 */
#include "kernel.h"

#define CLASSES 7 /* 16 .. 1024 bytes */
#define SMALLEST 16u

struct slot { struct slot *next; };

struct slab {
	struct list link; /* in its class, while it has free slots */
	struct slot *free;
	uint16_t used, class;
};

_Static_assert(sizeof(struct slab) % 16 == 0, "slots follow it");

static struct list partial[CLASSES];

static uint32_t class_size(unsigned class)
{
	return SMALLEST << class;
}

static struct slab *slab_new(unsigned class)
{
	struct slab *s = arena_alloc(ARENA_KERNEL, 0);
	if (!s)
		return NULL;
	*s = (struct slab){ .class = (uint16_t)class };
	for (uint32_t at = sizeof *s; at + class_size(class) <= PAGE; at += class_size(class)) {
		struct slot *slot = (struct slot *)((char *)s + at);
		slot->next = s->free;
		s->free = slot;
	}
	list_append(&partial[class], &s->link);
	return s;
}

static void *slot_take(unsigned class)
{
	struct list *head = &partial[class];
	if (!head->next)
		list_init(head);
	struct slab *s = list_empty(head) ? slab_new(class) : list_of(head->next, struct slab, link);
	if (!s)
		return NULL;
	struct slot *slot = s->free;
	s->free = slot->next;
	s->used++;
	if (!s->free)
		list_remove(&s->link);
	return slot;
}

void *kmalloc(size_t n)
{
	unsigned class = 0, order = 0;
	while (class < CLASSES && class_size(class) < n)
		class++;
	if (class < CLASSES)
		return slot_take(class);
	while ((PAGE << order) < n && order < 6)
		order++;
	return (PAGE << order) < n ? NULL : page_alloc(order);
}

void *kzalloc(size_t n)
{
	void *p = kmalloc(n);
	if (p)
		memset(p, 0, n);
	return p;
}

void kfree(void *p)
{
	if (!p)
		return;
	if (!((uint32_t)p & PAGE_MASK)) {
		page_put(p);
		return;
	}
	struct slab *s = (struct slab *)page_down((uint32_t)p);
	struct slot *slot = p;
	assert(s->used && s->class < CLASSES);
	if (!s->free)
		list_append(&partial[s->class], &s->link);
	slot->next = s->free;
	s->free = slot;
	if (--s->used)
		return;
	list_remove(&s->link);
	arena_free(ARENA_KERNEL, s, 0);
}
