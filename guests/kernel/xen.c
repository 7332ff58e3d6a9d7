/*
 * xen.c - the Xen build's machine: start_info, shared_info, traps, events, time, console.
 *
 * The x86-32 PAE PV ABI (xen/xen.h; docs/pv-abi.md says what of it this VMM has). evtchn_upcall_mask is the interrupt flag, the
 * upcall the one interrupt vector. Read next: xen_mm.c; arch.h for what each function owes.
 */
#include "proc.h"
#include "frames.h"
#include "xen_build.h"
#include <xen/io/console.h>
#include <xen/vcpu.h>

#define MASK_ON_ENTRY 4 /* struct trap_info.flags: events are masked, as by an interrupt gate */
#define TICK_NS (1000000000u / HZ)
#define ROOM (256u << 10) /* the ABI promises 512 KiB; the first tables need some */
#define CATCH_UP 10u    /* ticks that a late timer may bring at once */

extern const uint32_t vector_table[20];
extern char image_start[], text_end[], image_end[];
void vector_syscall(void);
void event_entry(void);
void failsafe_entry(void);
void stack_switch(uint32_t *save, uint32_t to);
_Noreturn void xen_entry(struct start_info *si, uint32_t stack);
_Noreturn void kernel_main(void);

const char arch_name[] = "xen";
struct start_info *xen_start;
struct shared_info xen_shared __attribute__((aligned(4096), section(".shared")));
static uint32_t ram_end, first_free, frames_table; /* physical */
static struct { uint32_t port; uint64_t next; } timer;
static struct { uint32_t n; char text[200]; } line;

/* ---- the start ---- */

static void traps_init(void)
{
	static struct trap_info table[22];
	unsigned n = 0;

	for (unsigned v = 0; v < 20; v++)
		if (v != 2 && v != 15)
			table[n++] = (struct trap_info){ (uint8_t)v, (v == 3 || v == 4 ? 3 : 0) | MASK_ON_ENTRY, FLAT_KERNEL_CS, vector_table[v] };
	table[n++] = (struct trap_info){ VECTOR_SYSCALL, 3, FLAT_KERNEL_CS, (unsigned long)vector_syscall };
	table[n] = (struct trap_info){ 0 };
	hypercall(__HYPERVISOR_set_trap_table, (uint32_t)table, 0, 0, 0, 0);
	hypercall(__HYPERVISOR_set_callbacks, FLAT_KERNEL_CS, (uint32_t)event_entry, FLAT_KERNEL_CS, (uint32_t)failsafe_entry, 0);
}

static void shared_init(void)
{
	uint64_t e = (xen_start->shared_info & PTE_ADDRESS) | PTE_KERNEL;

	truth_add(PT_WRITE, 1);
	truth_add(TLB_FLUSH, 1);
	hypercall(__HYPERVISOR_update_va_mapping, (uint32_t)&xen_shared, (uint32_t)e, (uint32_t)(e >> 32), UVMF_INVLPG, 0);
	for (unsigned i = 0; i < ARRAY_LEN(xen_shared.evtchn_mask); i++)
		xen_shared.evtchn_mask[i] = ~0ul;
	upcall_mask = 1;
}

/* Near the kernel's other data, if it fits into what the builder maps behind the boot stack; see arena.c. */
static void frames_place(void)
{
	uint32_t bytes = page_up(frames_table_size(ram_end / PAGE));

	if (bytes > ROOM)
		return;
	frames_table = first_free;
	first_free += bytes;
}

/* The boot stack is the last thing that the builder placed. */
void xen_entry(struct start_info *si, uint32_t stack)
{
	xen_start = si;
	traps_init();
	shared_init();
	if (cpuid(0x80000000, 0).a >= 0x80000001 && (cpuid(0x80000001, 0).d >> 20 & 1))
		pte_nx = 1ull << 63;
	ram_end = min((uint32_t)xen_start->nr_pages, (KERNEL_LIMIT - KERNEL_BASE) / PAGE) * PAGE;
	first_free = va_to_pa(page_up(stack));
	frames_place();
	xen_map_all(&first_free, ram_end);
	kernel_main();
}

const char *hal_cmdline(void)
{
	return (const char *)xen_start->cmd_line;
}

/* ---- memory ---- */

uint32_t arch_ram_end(void)
{
	return ram_end;
}

void *arch_frames_table(uint32_t bytes)
{
	void *p = pa_to_va(frames_table ? frames_table : first_free);

	if (!frames_table)
		first_free += page_up(bytes);
	if (first_free >= ram_end)
		panic("kernel: too little memory: %u KiB\n", ram_end >> 10);
	memset(p, 0, page_up(bytes));
	return p;
}

/* Below the image there is RAM like any other. */
void arch_memory(void (*free_range)(uint32_t from, uint32_t to))
{
	free_range(PAGE, va_to_pa(image_start));
	free_range(first_free, ram_end);
}

/* The initial RAM disk lies among what the builder placed, and is mapped. */
bool arch_module(void **base, uint32_t *bytes)
{
	*base = (void *)xen_start->mod_start;
	*bytes = (uint32_t)xen_start->mod_len;
	return *bytes;
}

/* ---- processes ---- */

void arch_switch(struct proc *prev, struct proc *next)
{
	if (prev->mm)
		fpu_save(prev->fpu);
	if (next->mm) {
		xen_switch((uint32_t)next->kstack + KSTACK_SIZE, next->mm->root);
		fpu_restore(next->fpu);
	}
	stack_switch(&prev->kesp, next->kesp);
}

void arch_regs_user(struct regs *r, uint32_t eip, uint32_t esp)
{
	xen_switch((uint32_t)current->kstack + KSTACK_SIZE, current->mm->root); /* a kernel thread becomes a program */
	*r = (struct regs){ .ds = FLAT_USER_DS, .es = FLAT_USER_DS, .eip = eip, .cs = FLAT_USER_CS, .eflags = FLAG_IF | 2, .esp = esp,
		.ss = FLAT_USER_SS };
}

uint32_t arch_fault_address(void)
{
	return xen_shared.vcpu_info[0].arch.cr2;
}

/* ---- events and time ---- */

/* Any hypercall delivers what is pending on its way out. */
void irq_enable(void)
{
	truth_add(INT_FLAG, 1);
	__asm__ volatile("" : : : "memory");
	upcall_mask = 0;
	__asm__ volatile("" : : : "memory");
	if (*(volatile uint8_t *)&xen_shared.vcpu_info[0].evtchn_upcall_pending)
		hypercall(__HYPERVISOR_xen_version, 0, 0, 0, 0, 0);
}

/* xen/xen.h, struct vcpu_time_info. */
uint64_t time_ns(void)
{
	volatile struct vcpu_time_info *t = &xen_shared.vcpu_info[0].time;
	uint32_t version;
	uint64_t now;

	do {
		version = t->version;
		uint64_t delta = hal_rdtsc() - t->tsc_timestamp;
		int8_t shift = t->tsc_shift;
		delta = shift >= 0 ? delta << shift : delta >> -shift;
		now = t->system_time + ((uint64_t)(uint32_t)delta * t->tsc_to_system_mul >> 32) +
			(uint64_t)(uint32_t)(delta >> 32) * t->tsc_to_system_mul;
	} while (version != t->version || (version & 1));
	return now;
}

uint32_t time_wall(void)
{
	uint64_t ns = time_ns();
	div64(&ns, 1000000000);
	return xen_shared.wc_sec + (uint32_t)ns;
}

static void timer_arm(void)
{
	hypercall(__HYPERVISOR_set_timer_op, (uint32_t)timer.next, (uint32_t)(timer.next >> 32), 0, 0, 0);
}

/* Ticks that were missed are made up for, but a long pause is a pause. */
static void timer_event(bool user)
{
	uint64_t now = time_ns();

	for (unsigned n = 0; n < CATCH_UP && timer.next <= now; n++) {
		timer.next += TICK_NS;
		sched_tick(user);
	}
	if (timer.next <= now)
		timer.next = now + TICK_NS;
	timer_arm();
}

static void unmask(uint32_t port)
{
	xen_shared.evtchn_mask[port / 32] &= ~(1ul << port % 32);
}

void arch_start(void)
{
	struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER, .vcpu = 0 };

	hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0, 0, 0);
	if (hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, (uint32_t)&bind, 0, 0, 0))
		panic("kernel: no timer\n");
	timer.port = bind.port;
	unmask(timer.port);
	unmask(xen_start->console.domU.evtchn);
	timer.next = time_ns() + TICK_NS;
	timer_arm();
}

/* ---- console: the ring of xen/io/console.h ---- */

static volatile struct xencons_interface *ring(void)
{
	return pa_to_va(MACHINE_PFN(xen_start->console.domU.mfn) * PAGE);
}

static void ring_notify(void)
{
	struct evtchn_send send = { .port = xen_start->console.domU.evtchn };
	hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint32_t)&send, 0, 0, 0);
}

void console_put(const char *s, uint32_t n)
{
	volatile struct xencons_interface *r = ring();

	while (n) {
		uint32_t prod = r->out_prod;
		while (n && prod - r->out_cons < sizeof r->out) {
			r->out[MASK_XENCONS_IDX(prod++, r->out)] = *s++;
			n--;
		}
		__asm__ volatile("" : : : "memory");
		r->out_prod = prod;
		ring_notify();
	}
}

static void console_event(void)
{
	volatile struct xencons_interface *r = ring();
	uint32_t cons = r->in_cons;
	bool any = false;

	for (; cons != r->in_prod; any = true) {
		char c = r->in[MASK_XENCONS_IDX(cons++, r->in)];
		tty_input(&c, 1);
	}
	r->in_cons = cons;
	if (any)
		ring_notify(); /* there is room again */
}

static void line_flush(void)
{
	console_put(line.text, line.n);
	line.n = 0;
}

void hal_putc(char c)
{
	line.text[line.n++] = c;
	if (c == '\n' || line.n == sizeof line.text)
		line_flush();
}

/* ---- the upcall ---- */

static void event(uint32_t port, bool user)
{
	if (port == timer.port)
		timer_event(user);
	else if (port == xen_start->console.domU.evtchn)
		console_event();
}

void arch_irq(struct regs *r)
{
	volatile struct vcpu_info *v = &xen_shared.vcpu_info[0];

	while (v->evtchn_upcall_pending) {
		v->evtchn_upcall_pending = 0;
		uint32_t words = (uint32_t)__atomic_exchange_n(&v->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
		for (; words; words &= words - 1) {
			uint32_t w = (uint32_t)__builtin_ctz(words);
			uint32_t bits = (uint32_t)(xen_shared.evtchn_pending[w] & ~xen_shared.evtchn_mask[w]);
			__atomic_and_fetch(&xen_shared.evtchn_pending[w], ~bits, __ATOMIC_SEQ_CST);
			for (; bits; bits &= bits - 1)
				event(w * 32 + (uint32_t)__builtin_ctz(bits), regs_user(r));
		}
	}
}

/* SCHEDOP_block opens the mask, and comes back when an event was delivered. */
void arch_idle(void)
{
	truth_add(HLT, 1);
	hypercall(__HYPERVISOR_sched_op, SCHEDOP_block, 0, 0, 0, 0);
}

/* ---- the end ---- */

void arch_end(uint32_t status)
{
	struct sched_shutdown s = { .reason = status ? SHUTDOWN_crash : SHUTDOWN_poweroff };

	if (line.n)
		line_flush();
	if (status)
		outl(0xf4, status); /* on Xen itself nothing is there, and a crash it is */
	for (;;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uint32_t)&s, 0, 0, 0);
}

void hal_exit(uint32_t status)
{
	arch_end(status);
}
