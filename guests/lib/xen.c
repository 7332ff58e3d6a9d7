/*
 * xen.c - the Xen kernel's machine: start_info, shared_info, traps, the console, events and the timer, page tables.
 *
 * xen_boot.S calls hal_start once; guests see hal.h and, for more, xen.h. Every hypercall is counted; see hal.h for
 * what else counts.
 */
#include "x86.h"
#include "xen.h"

#define MASK_ON_ENTRY 4 /* struct trap_info.flags: events are masked, as by an interrupt gate */
#define IRQ_VECTOR 0x20 /* what event_entry stores */

extern const uint32_t vector_table[20];
extern void vector_syscall(void);
extern void event_entry(void), failsafe_entry(void);
extern char user_start[], utext_end[], user_end[], trap_stack_top[], user_stack[];
#define USER_STACK_SIZE 8192
_Noreturn void user_enter(uint32_t eip, uint32_t esp, uint32_t eflags);
_Noreturn void hal_scrub_and_end(uint32_t status);

const char hal_name[] = "xen";
struct hal_memory hal_memory;
struct start_info *xen_start;
struct shared_info xen_shared __attribute__((aligned(4096), section(".shared")));
static struct {
	void (*fn)(void);
	uint32_t port;
	uint64_t next, period; /* ns of system time */
	bool bound;
} timer;
static struct {
	uint32_t n;
	char text[240];
} line;

/* ---- start ---- */

static void traps_init(void)
{
	static struct trap_info table[22];
	unsigned n = 0;
	for (unsigned v = 0; v < 20; v++)
		if (v != 2 && v != 15)
			table[n++] = (struct trap_info){ (uint8_t)v, (v == 3 || v == 4 ? 3 : 0) | MASK_ON_ENTRY, FLAT_KERNEL_CS, vector_table[v] };
	table[n++] = (struct trap_info){ SYSCALL_VECTOR, 3 | MASK_ON_ENTRY, FLAT_KERNEL_CS, (unsigned long)vector_syscall };
	table[n] = (struct trap_info){ 0 };
	hypercall(__HYPERVISOR_set_trap_table, (uint32_t)table, 0, 0, 0, 0);
	hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, (uint32_t)trap_stack_top, 0, 0, 0);
	hypercall(__HYPERVISOR_set_callbacks, FLAT_KERNEL_CS, (uint32_t)event_entry, FLAT_KERNEL_CS, (uint32_t)failsafe_entry, 0);
}

static int32_t set_entry(const void *va, uint64_t entry, uint32_t flags)
{
	truth_add(PT_WRITE, 1);
	if (flags)
		truth_add(TLB_FLUSH, 1);
	return hypercall(__HYPERVISOR_update_va_mapping, (uint32_t)va, (uint32_t)entry, (uint32_t)(entry >> 32), flags, 0);
}

static void memory_init(void)
{
	hal_memory = (struct hal_memory){ .kib = xen_start->nr_pages * 4, .regions = 1 };
	for (char *a = user_start; a < user_end; a += PAGE)
		page_set(a, page_pa(a), (PTE_KERNEL | PTE_U) & (a < utext_end ? ~PTE_W : ~0u), true);
	set_entry(&xen_shared, xen_start->shared_info | PTE_KERNEL, UVMF_INVLPG);
	for (unsigned i = 0; i < ARRAY_LEN(xen_shared.evtchn_mask); i++)
		xen_shared.evtchn_mask[i] = ~0ul;
	xen_shared.vcpu_info[0].evtchn_upcall_mask = 1;
}

void hal_start(uint32_t magic, uint32_t info)
{
	(void)magic;
	xen_start = (struct start_info *)info;
	traps_init();
	memory_init();
	__asm__ volatile("fninit");
	hal_exit((uint32_t)guest_main());
}

const char *hal_cmdline(void)
{
	return (const char *)xen_start->cmd_line;
}

/* ---- end ---- */

static void line_flush(void)
{
	if (line.n)
		hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, line.n, (uint32_t)line.text, 0, 0);
	line.n = 0;
}

void hal_exit(uint32_t status)
{
	line_flush();
	irq_off();
	memset(user_stack, 0, USER_STACK_SIZE);
	trap_forget();
	hal_scrub_and_end(status);
}

void hal_crash(void)
{
	struct sched_shutdown s = { .reason = SHUTDOWN_crash };
	line_flush();
	for (;;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uint32_t)&s, 0, 0, 0);
}

void hal_putc(char c)
{
	line.text[line.n++] = c;
	if (c == '\n' || line.n == sizeof line.text)
		line_flush();
}

/* ---- traps, user mode, events ---- */

uint32_t trap_cr2(void)
{
	return xen_shared.vcpu_info[0].arch.cr2;
}

uint32_t user_run(void (*fn)(uint32_t arg), uint32_t arg)
{
	return user_run_flags(fn, arg, 0x202);
}

uint32_t user_run_flags(void (*fn)(uint32_t arg), uint32_t arg, uint32_t eflags)
{
	uint32_t *sp = (uint32_t *)(user_stack + USER_STACK_SIZE);
	*--sp = arg;
	*--sp = 0; /* a return address: fn must not return */
	if (!context_save(&user_context))
		user_enter((uint32_t)fn, (uint32_t)sp, eflags);
	return user_result;
}

void irq_on(void)
{
	volatile struct vcpu_info *v = &xen_shared.vcpu_info[0];
	truth_add(INT_FLAG, 1);
	v->evtchn_upcall_mask = 0;
	if (v->evtchn_upcall_pending)
		hypercall(__HYPERVISOR_xen_version, 0, 0, 0, 0, 0);
}

void irq_off(void)
{
	truth_add(INT_FLAG, 1);
	*(volatile uint8_t *)&xen_shared.vcpu_info[0].evtchn_upcall_mask = 1;
}

/* System time in ns: xen/xen.h, struct vcpu_time_info. */
static uint64_t time_now(void)
{
	volatile struct vcpu_time_info *t = &xen_shared.vcpu_info[0].time;
	uint32_t version;
	uint64_t now;
	do {
		version = t->version;
		uint64_t delta = hal_rdtsc() - t->tsc_timestamp;
		int8_t shift = t->tsc_shift;
		delta = shift >= 0 ? delta << shift : delta >> -shift;
		uint64_t low = (uint64_t)(uint32_t)delta * t->tsc_to_system_mul >> 32;
		now = t->system_time + low + (uint64_t)(uint32_t)(delta >> 32) * t->tsc_to_system_mul;
	} while (version != t->version || (version & 1));
	return now;
}

static void timer_arm(void)
{
	hypercall(__HYPERVISOR_set_timer_op, (uint32_t)timer.next, (uint32_t)(timer.next >> 32), 0, 0, 0);
}

static void event_one(uint32_t port)
{
	volatile unsigned long *pending = &xen_shared.evtchn_pending[port / 32];
	*pending &= ~(1ul << port % 32);
	if (port != timer.port || !timer.next)
		return;
	timer.fn();
	timer.next = time_now() + timer.period;
	timer_arm();
}

bool timer_handle(struct trap_frame *f)
{
	volatile struct vcpu_info *v = &xen_shared.vcpu_info[0];
	(void)f;
	while (v->evtchn_upcall_pending) {
		v->evtchn_upcall_pending = 0;
		unsigned long words = v->evtchn_pending_sel;
		v->evtchn_pending_sel = 0;
		for (uint32_t w = 0; w < 32; w++)
			for (uint32_t b = 0; (words >> w & 1) && b < 32; b++)
				if (xen_shared.evtchn_pending[w] & ~xen_shared.evtchn_mask[w] & 1ul << b)
					event_one(w * 32 + b);
	}
	return true;
}

void timer_start(uint32_t hz, void (*fn)(void))
{
	trap_set(IRQ_VECTOR, timer_handle);
	if (!timer.bound) {
		struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER, .vcpu = 0 };
		if (hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, (uint32_t)&bind, 0, 0, 0))
			return;
		timer.port = bind.port;
		timer.bound = true;
	}
	xen_shared.evtchn_mask[timer.port / 32] &= ~(1ul << timer.port % 32);
	timer.fn = fn;
	timer.period = 1000000000u / hz;
	timer.next = time_now() + timer.period;
	timer_arm();
}

void timer_stop(void)
{
	timer.next = 0;
	timer_arm(); /* 0: no timer */
	if (timer.bound)
		xen_shared.evtchn_mask[timer.port / 32] |= 1ul << timer.port % 32;
}

/* ---- page tables ---- */

static uint32_t frame_of(uint32_t pfn)
{
	return ((const unsigned long *)xen_start->mfn_list)[pfn];
}

/* The tables that Xen built are contiguous in pseudo-physical memory; this finds one by its machine frame. */
static const uint64_t *table_at(uint64_t entry)
{
	uint32_t mfn = (uint32_t)(entry >> 12), first = (xen_start->pt_base - XEN_VIRT_BASE) >> 12;
	for (uint32_t i = 0; i < xen_start->nr_pt_frames; i++)
		if (frame_of(first + i) == mfn)
			return (const uint64_t *)(xen_start->pt_base + i * PAGE);
	return NULL;
}

static const uint64_t *level1_of(const void *va, uint64_t *machine)
{
	const uint64_t *l3 = (const uint64_t *)xen_start->pt_base;
	const uint64_t *l2 = table_at(l3[(uint32_t)va >> 30]);
	uint64_t entry = l2 ? l2[(uint32_t)va >> 21 & 511] : 0;
	const uint64_t *l1 = entry & PTE_P ? table_at(entry) : NULL;
	*machine = (entry & 0xffffff000ull) + ((uint32_t)va >> 12 & 511) * 8;
	return l1 ? l1 + ((uint32_t)va >> 12 & 511) : NULL;
}

uint64_t xen_entry_address(const void *va)
{
	uint64_t machine;
	return level1_of(va, &machine) ? machine : 0;
}

int32_t xen_mmu_update(const struct mmu_update *u, uint32_t n)
{
	truth_add(PT_WRITE, n);
	return hypercall(__HYPERVISOR_mmu_update, (uint32_t)u, n, 0, DOMID_SELF, 0);
}

static void mmuext(uint32_t cmd, uint32_t mfn)
{
	struct mmuext_op op = { .cmd = cmd, .arg1.mfn = mfn };
	hypercall(__HYPERVISOR_mmuext_op, (uint32_t)&op, 1, 0, DOMID_SELF, 0);
}

void xen_flush_all(void)
{
	truth_add(TLB_FLUSH, 1);
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
}

void page_root_reload(void)
{
	truth_add(CR3_WRITE, 1);
	mmuext(MMUEXT_NEW_BASEPTR, frame_of((xen_start->pt_base - XEN_VIRT_BASE) >> 12));
}

void page_set(void *va, uint32_t pa, uint32_t flags, bool flush)
{
	set_entry(va, flags ? pa | flags : 0, flush ? UVMF_INVLPG : 0);
}

uint32_t page_pa(const void *va)
{
	return frame_of(((uint32_t)va - XEN_VIRT_BASE) >> 12) << 12;
}

uint32_t page_entry(const void *va)
{
	uint64_t machine;
	const uint64_t *e = level1_of(va, &machine);
	return e ? (uint32_t)*e : 0;
}
