/*
 * space.c - a guest that looks at all of its 4 GiB of linear addresses, for what is not its own.
 *
 * The guest of `ringlab demo address-space-compression`. Native: it maps the whole linear space, every 4 MiB of it above its own image to one
 * and the same 4 MiB of its RAM, where each page begins with a word and a function that tell the page's number. So it knows what must be
 * at each address, reads it, writes it and runs it, and counts three outcomes: as it mapped it, a fault, and something else: somebody else's.
 * Xen: the interface forbids to map the hypervisor's part; it scans what is there, and asks for what it may not have.
 * Builds: XEN PREVIRT
 */
#include "x86.h"
#ifdef HAL_XEN
#include "xen.h"
#else
#include "native.h"
#endif

#define FIRST (64u << 20)  /* the scan begins here */
#define DENSE 0xff000000u  /* and looks at every page from here on */
#define STEP 0x3ff000u     /* before that: at one page in 4 MiB, another each time */

/* What one kind of access met. */
struct tally {
	uint32_t right, fault, foreign, first, last; /* first, last: addresses of what was not right */
};

static struct fault fault;
static uint32_t got;

static __attribute__((noipa)) void do_read(void *at)
{
	got = *(volatile uint32_t *)at;
}

static void tally(struct tally *t, uint32_t at, bool faulted, bool right)
{
	if (!faulted && right) {
		t->right++;
		return;
	}
	t->fault += faulted;
	t->foreign += !faulted;
	if (t->fault + t->foreign == 1)
		t->first = at;
	t->last = at;
}

/* The limit of the segment that DS holds, as LSL tells it; 0: it says that there is no such segment. */
static uint32_t limit_of_ds(void)
{
	uint32_t ds, limit = 0;

	truth_add(SEG_READ, 1);
	truth_add(SEG_QUERY, 1);
	__asm__ volatile("movl %%ds, %0; lsl %0, %1" : "=&r"(ds), "+r"(limit) : : "cc");
	return limit;
}

#ifdef HAL_XEN
extern char image_end[];

static int32_t ask_for(uint32_t at)
{
	static char mine[PAGE] __attribute__((aligned(4096)));

	truth_add(PT_WRITE, 1);
	return hypercall(__HYPERVISOR_update_va_mapping, at, page_pa(mine) | PTE_KERNEL, 0, UVMF_INVLPG, 0);
}

static void do_write(void *at)
{
	*(volatile uint32_t *)at = 0x41414141;
}

static void one(const char *name, void (*fn)(void *at), uint32_t at)
{
	printf("%s 0x%08x %s\n", name, at, trap_try(&fault, fn, (void *)at) ? trap_name(fault.vector) : "done");
}

/* From where the interface's hole begins: every page. What can be read, and what its segments do not reach. */
static void scan(void)
{
	struct tally there = { 0 }, beyond = { 0 };
	uint32_t absent = 0, n = 0;

	for (uint32_t at = 0xf5000000; at >= 0xf5000000; at += PAGE, n++)
		if (!trap_try(&fault, do_read, (void *)at))
			tally(&there, at, false, false);
		else if (fault.vector == 14)
			absent++;
		else
			tally(&beyond, at, true, false);
	printf("looked %u\nabsent %u\nforeign %u\n", n, absent, there.foreign);
	if (there.foreign)
		printf("foreign-from 0x%08x\nforeign-to 0x%08x\n", there.first, there.last);
	printf("beyond-limit %u\n", beyond.fault);
	if (beyond.fault)
		printf("beyond-from 0x%08x\n", beyond.first);
}

int guest_main(void)
{
	printf("limit-of-ds 0x%08x\n", limit_of_ds());
	scan();
	one("read-table", do_read, 0xf5800000);
	one("write-table", do_write, 0xf5800000);
	one("read-vmm", do_read, 0xf6800000);
	one("write-vmm", do_write, 0xf6800000);
	printf("map-own-space %d\nmap-hole %d\nmap-top %d\n", ask_for((uint32_t)image_end & ~(PAGE - 1)) ? 0 : 1, ask_for(0xf6800000) ? 0 : 1,
		ask_for(0xfffff000) ? 0 : 1);
	return 0;
}
#else
static void report(const char *name, const struct tally *t)
{
	printf("%s-right %u\n%s-faulted %u\n%s-foreign %u\n", name, t->right, name, t->fault, name, t->foreign);
	if (t->fault || t->foreign)
		printf("%s-from 0x%08x\n%s-to 0x%08x\n", name, t->first, name, t->last);
}

#define POOL (16u << 20) /* the 4 MiB of RAM that all of it shows; the library maps it at its own address */

static uint32_t word_of(uint32_t page)
{
	return 0x600d0000 | page;
}

/* Word; and near the end "mov $word, %eax; ret". Not at the start, where a VMM's page has code with host addresses in it, which differ. */
#define CODE_AT 0xff0u

static void pool_fill(void)
{
	for (uint32_t page = 0; page < 1024; page++) {
		uint8_t *p = (uint8_t *)(POOL + page * PAGE);
		uint32_t word = word_of(page);

		memcpy(p, &word, 4);
		p[CODE_AT] = 0xb8;
		memcpy(p + CODE_AT + 1, &word, 4);
		p[CODE_AT + 5] = 0xc3;
	}
}

static void map_everything(void)
{
	for (uint32_t i = FIRST >> 22; i < 1024; i++) {
		truth_add(PT_WRITE, 1);
		page_dir[i] = POOL | PTE_KERNEL | PTE_PS;
	}
	page_root_reload();
}

static void do_write(void *at)
{
	*(volatile uint32_t *)at = 0x41414141;
}

static __attribute__((noipa)) void do_run(void *at)
{
	__asm__ volatile("call *%1" : "=a"(got) : "r"((char *)at + CODE_AT) : "ecx", "edx", "memory", "cc");
}

static void look(uint32_t at, struct tally *r, struct tally *w, struct tally *x)
{
	uint32_t page = at >> 12 & 1023, *home = (uint32_t *)(POOL + page * PAGE);
	bool f;

	got = 0;
	f = trap_try(&fault, do_read, (void *)at);
	tally(r, at, f, got == word_of(page));
	f = trap_try(&fault, do_write, (void *)at);
	tally(w, at, f, *(volatile uint32_t *)home == 0x41414141);
	*(volatile uint32_t *)home = word_of(page);
	got = 0;
	f = trap_try(&fault, do_run, (void *)at);
	tally(x, at, f, got == word_of(page));
}

int guest_main(void)
{
	struct tally r = { 0 }, w = { 0 }, x = { 0 };
	uint32_t n = 0;

	pool_fill();
	map_everything();
	printf("limit-of-ds 0x%08x\n", limit_of_ds());
	for (uint32_t at = FIRST; at >= FIRST; at += at < DENSE ? STEP : PAGE, n++)
		look(at, &r, &w, &x);
	printf("looked %u\n", n);
	report("read", &r);
	report("write", &w);
	report("run", &x);
	return 0;
}
#endif
