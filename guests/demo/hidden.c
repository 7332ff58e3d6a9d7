/*
 * hidden.c - a segment register goes on working by what it loaded, when the descriptor in memory has long become another.
 *
 * The guest of `ringlab demo hidden-state`. FS is loaded from a descriptor whose segment holds the word 1; then the descriptor in memory is
 * changed to a segment that holds 2, and at last to one that is not present. What FS:0 reads after each kind of entry into the VMM says
 * whether the part of FS that no instruction can read has survived. A real CPU answers 1 until FS is loaded again. The Xen build changes
 * its table by hypercall, for Xen keeps it read-only.
 * Builds: XEN PREVIRT
 */
#include "x86.h"
#ifdef HAL_XEN
#include "xen.h"
#else
#include "native.h"
#endif

static uint32_t first[4] USER_DATA = { 1 }, second[4] USER_DATA = { 2 };
static char touched[PAGE] __attribute__((aligned(4096)));

/* A byte-granular data segment of 16 bytes, DPL 3, so that a visit to user mode leaves it in place. */
static uint64_t descriptor(const uint32_t *words, bool present)
{
	uint32_t base = (uint32_t)words;

	return (uint64_t)((base & 0xff000000) | 0x00400000 | (present ? 0xf300 : 0x7300) | (base >> 16 & 0xff)) << 32 | base << 16 | 15;
}

#ifdef HAL_XEN
#define SELECTOR 0x83u
static uint64_t gdt[512] __attribute__((aligned(4096)));

static void table_init(void)
{
	unsigned long frame = page_pa(gdt) >> 12;

	gdt[SELECTOR >> 3] = descriptor(first, true);
	page_set(gdt, page_pa(gdt), PTE_KERNEL & ~PTE_W, true);
	hypercall(__HYPERVISOR_set_gdt, (uint32_t)&frame, ARRAY_LEN(gdt), 0, 0, 0);
}

static __attribute__((noipa)) void table_change(uint64_t d)
{
	hypercall(__HYPERVISOR_update_descriptor, page_pa(gdt) + (SELECTOR & ~7u), 0, (uint32_t)d, (uint32_t)(d >> 32), 0);
}
#else
#define SELECTOR (SEL_SPARE | 3u)

static void table_init(void)
{
	gdt_set(SELECTOR, descriptor(first, true));
}

/* Two words of the table, and nothing else: to be shown. */
static __attribute__((noipa)) void table_change(uint64_t d)
{
	((volatile uint32_t *)gdt)[SELECTOR / 8 * 2] = (uint32_t)d;
	((volatile uint32_t *)gdt)[SELECTOR / 8 * 2 + 1] = (uint32_t)(d >> 32);
}
#endif

static __attribute__((noipa)) void load_fs(uint32_t selector)
{
	truth_add(SEG_LOAD, 1);
	__asm__ volatile("movl %0, %%fs" : : "a"(selector) : "memory");
}

static __attribute__((noipa)) uint32_t read_fs(void)
{
	uint32_t v;

	__asm__ volatile("movl %%fs:0, %0" : "=a"(v) : : "memory");
	return v;
}

static void try_load(void *arg)
{
	(void)arg;
	__asm__ volatile("movl %0, %%fs" : : "a"(SELECTOR) : "memory");
}

static void try_read(void *out)
{
	*(uint32_t *)out = read_fs();
}

/* "NAME 1": by what was loaded. 2: by the table. 0: it faulted. */
static void report(const char *name)
{
	struct fault f;
	uint32_t v = 0;

	if (trap_try(&f, try_read, &v))
		v = 0;
	printf("%s %u\n", name, v);
}

static volatile uint32_t came;

static void tick(void)
{
	came++;
}

static bool mapped_again(struct trap_frame *f)
{
	(void)f;
	page_set(touched, page_pa(touched), PTE_KERNEL, true);
	return true;
}

static bool skip_ud2(struct trap_frame *f)
{
	f->eip += 2;
	return true;
}

static USER_CODE void user_visit(uint32_t arg)
{
	user_exit(arg);
}

static void after_each_entry(void)
{
	report("after-change");
	inb(0x21);
	report("after-port");
	cpuid(0, 0);
	report("after-cpuid");
	trap_set(6, skip_ud2);
	__asm__ volatile("ud2" : : : "memory");
	trap_set(6, NULL);
	report("after-exception");
	page_set(touched, 0, 0, true);
	trap_set(14, mapped_again);
	*(volatile char *)touched = 1;
	trap_set(14, NULL);
	report("after-page-fault");
	page_root_reload();
	report("after-cr3");
	timer_start(1000, tick);
	irq_on();
	for (uint32_t t0 = hal_tsc32(); !came && hal_tsc32() - t0 < 2000000000u;)
		;
	irq_off();
	timer_stop();
	report("after-interrupt");
	user_run(user_visit, 0);
	report("after-user");
}

int guest_main(void)
{
	struct fault f;

	table_init();
	load_fs(SELECTOR);
	report("loaded");
	table_change(descriptor(second, true));
	after_each_entry();
	table_change(descriptor(second, false));
	report("not-present");
	printf("load-not-present %s\n", trap_try(&f, try_load, NULL) ? trap_name(f.vector) : "loaded");
	report("after-refusal");
	table_change(descriptor(second, true));
	load_fs(SELECTOR);
	report("reloaded");
	load_fs(0);
	return 0;
}
