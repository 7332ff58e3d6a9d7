/*
 * kernel.h - what every file of the kernel may use: console, panic, memory, lists, sleep, time.
 *
 * The kernel is one program with two builds, native and Xen; what differs is behind arch.h. One CPU. A process in the
 * kernel is never preempted: it gives the CPU away only where it sleeps (proc_sleep, and what says that it may sleep).
 * Interrupt handlers run in between, and touch only what is kept under irq_save. So code that does not sleep needs no
 * lock against other processes.
 *
 * Errors are negative numbers of Linux's: -LENOENT (user/abi.h). Read next: fs.h, mm.h, proc.h, arch.h; main.c.
 */
#pragma once
#include "hal.h"
#include "user/abi.h"

#define PAGE_MASK (PAGE - 1)
#define page_up(n) (((n) + PAGE_MASK) & ~PAGE_MASK)
#define page_down(n) ((n) & ~PAGE_MASK)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

/* ---- main.c, console.c ---- */
/* To the console, at once: %s %c %d %u %x %p with width and zero fill, 32-bit arguments (guests/lib/print.c). */
#define printk hal_printf
__attribute__((format(__printf__, 1, 2))) _Noreturn void panic(const char *fmt, ...);
#define assert(x) ((x) ? (void)0 : panic("%s:%u: assertion failed: %s\n", __FILE_NAME__, __LINE__, #x))
/* Writes back, reports lost pages, and ends the VM with this status. */
_Noreturn void kernel_end(uint32_t status);
extern bool kernel_verbose; /* the word `verbose` of the command line */

/* ---- lists: circular, doubly linked, with a head ---- */
struct list { struct list *next, *prev; };
static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_remove(struct list *l)
{
	l->next->prev = l->prev;
	l->prev->next = l->next;
	list_init(l);
}
/* Before head: at the end of the list. */
static inline void list_append(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}
#define list_of(l, type, member) container_of(l, type, member)
#define list_each(at, head) for (struct list *at = (head)->next; at != (head); at = at->next)

/* ---- frames.c: page frames. All of RAM is mapped from KERNEL_BASE on, so a frame has one kernel address for good ---- */
#define KERNEL_BASE 0xc0000000u
#define KERNEL_LIMIT 0xf5000000u /* the kernel's mapping ends below; Xen's own begins at 0xf5800000 */
#define pa_to_va(pa) ((void *)((uint32_t)(pa) + KERNEL_BASE))
#define va_to_pa(va) ((uint32_t)(va) - KERNEL_BASE)

/* 1 << order contiguous pages, not cleared, with one reference; NULL if there are none. Never sleeps. */
void *page_alloc(unsigned order);
void *page_zalloc(void);          /* one page, cleared */
void page_get(void *va);          /* one more reference (order 0 only) */
void page_put(void *va);          /* one less; the last one frees the page, or all that page_alloc gave with it */
unsigned page_refs(const void *va);
uint32_t pages_free(void);

/* ---- arena.c: pages of the kernel's own, close together; order 0 or 1 ---- */
enum arena { ARENA_KERNEL, ARENA_TABLES, ARENAS };
void arena_init(void);
void *arena_alloc(enum arena which, unsigned order); /* not cleared; NULL without memory */
void *arena_zalloc(enum arena which);                /* one page, cleared */
void arena_free(enum arena which, void *p, unsigned order);
uint32_t arena_free_pages(void);

/* ---- kmalloc.c ---- */
/* 8-byte aligned, not cleared, up to 128 KiB; NULL if there is no memory. Never sleeps. */
void *kmalloc(size_t n);
void *kzalloc(size_t n);
void kfree(void *p); /* NULL is allowed */

/* ---- sleep: sched.c ---- */
struct waitq { struct list procs; };
#define WAITQ(name) struct waitq name = { { &name.procs, &name.procs } }
static inline void waitq_init(struct waitq *q) { list_init(&q->procs); }
/*
 * How to wait for a condition, without missing a wakeup from an interrupt handler:
 *	int r = 0;
 *	while (!condition && !(r = proc_sleep(&q)))
 *		;
 * with irq_save held around the test and the sleep if an interrupt handler changes the condition: proc_sleep lets
 * interrupts in while it sleeps, and comes back with the flag as it was. 0, or -LEINTR when a signal wants attention.
 */
int proc_sleep(struct waitq *q);
int proc_sleep_for(struct waitq *q, uint32_t ticks); /* 0 too when the time is up; q may be NULL */
void wake(struct waitq *q); /* everyone; from interrupt handlers too */

#define HZ 100
extern volatile uint32_t ticks; /* since boot, of 1/HZ s */
uint64_t time_ns(void); /* since boot */
/* Divides *n, and gives the remainder: there is no libgcc here. */
static inline uint32_t div64(uint64_t *n, uint32_t by)
{
	uint32_t high = (uint32_t)(*n >> 32), low = (uint32_t)*n, q = high / by, rest = high % by;
	__asm__("divl %2" : "+a"(low), "+d"(rest) : "rm"(by) : "cc");
	*n = (uint64_t)q << 32 | low;
	return rest;
}
uint32_t time_wall(void); /* seconds of Unix time, as far as the machine tells it */

/* ---- user memory: user.c. True: all bytes were copied. Pages are brought in as the user's own access would ---- */
bool copy_from_user(void *to, uint32_t from, size_t n);
bool copy_to_user(uint32_t to, const void *from, size_t n);
/* How many of n bytes from `at` on the user could write. */
uint32_t user_room(uint32_t at, uint32_t n);
/* With its zero, into n bytes. Its length; -LEFAULT, or -LENAMETOOLONG. */
int32_t string_from_user(char *to, uint32_t from, size_t n);

#include "arch.h"
