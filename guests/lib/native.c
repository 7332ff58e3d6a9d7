/*
 * native.c - the native kernel's machine: descriptor tables, identity-mapped paging, 8259 and 8254, UART, command line.
 *
 * boot.S calls hal_start once; guests see hal.h and, for more, native.h.
 */
#include "native.h"

#define COM1 0x3f8
#define LSR_THR_EMPTY 0x20
#define SEND_SPINS 100000

extern const uint32_t vector_table[48];
extern void vector_syscall(void);
_Noreturn void user_enter(uint32_t eip, uint32_t esp, uint32_t eflags);
_Noreturn void hal_scrub_and_end(uint32_t status);

const char hal_name[] = "native";
struct hal_memory hal_memory;
const struct multiboot_info *multiboot;
static uint32_t ram_bytes;
static void (*timer_fn)(void);

#define D(lo, hi) ((uint64_t)(hi) << 32 | (lo))
uint64_t gdt[GDT_SLOTS] __attribute__((aligned(4096))) = {
	[SEL_KCODE / 8] = D(0x0000ffff, 0x00cf9b00),
	[SEL_KDATA / 8] = D(0x0000ffff, 0x00cf9300),
	[SEL_UCODE / 8] = D(0x0000ffff, 0x00cffb00),
	[SEL_UDATA / 8] = D(0x0000ffff, 0x00cff300),
};
uint64_t idt[256] __attribute__((aligned(4096)));
struct tss tss __attribute__((aligned(128)));
uint32_t page_dir[1024] __attribute__((aligned(4096)));
uint32_t page_table[MAP_MAX >> 22][1024] __attribute__((aligned(4096)));

uint64_t gdt_entry(uint32_t base, uint32_t limit, uint8_t access, uint8_t gran)
{
	uint32_t lo = base << 16 | (limit & 0xffff);
	uint32_t hi = (base & 0xff000000) | (uint32_t)gran << 20 | (limit & 0xf0000) | (uint32_t)access << 8 | (base >> 16 & 0xff);
	return D(lo, hi);
}

void gdt_set(uint16_t sel, uint64_t descriptor)
{
	((volatile uint64_t *)gdt)[sel / 8] = descriptor;
}

void idt_set(uint8_t vector, uint16_t sel, void (*entry)(void), uint8_t access)
{
	uint32_t e = (uint32_t)entry;
	((volatile uint64_t *)idt)[vector] = D((uint32_t)sel << 16 | (e & 0xffff), (e & 0xffff0000) | (uint32_t)access << 8);
}

static void tables_init(void)
{
	for (unsigned v = 0; v < 48; v++)
		idt_set((uint8_t)v, SEL_KCODE, (void (*)(void))vector_table[v], v == 3 || v == 4 ? 0xee : 0x8e);
	idt_set(SYSCALL_VECTOR, SEL_KCODE, vector_syscall, 0xee);
	struct dtable p = { sizeof idt - 1, (uint32_t)idt };
	truth_add(DT_LOAD, 1);
	__asm__ volatile("lidt %0" : : "m"(p));

	tss.ss0 = SEL_KDATA;
	tss.esp0 = (uint32_t)trap_stack_top;
	tss.iomap = sizeof tss;
	gdt_set(SEL_TSS, gdt_entry((uint32_t)&tss, sizeof tss - 1, 0x89, 0));
	truth_add(DT_LOAD, 1);
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

/* Text is read-only, the user's sections are the user's, everything else is the kernel's to write. */
static uint32_t page_flags(uint32_t a)
{
	uint32_t flags = PTE_KERNEL;
	if (a >= (uint32_t)image_start && a < (uint32_t)utext_end)
		flags &= ~PTE_W;
	if (a >= (uint32_t)user_start && a < (uint32_t)user_end)
		flags |= PTE_U;
	return flags;
}

static void paging_init(void)
{
	uint32_t end = ram_bytes < MAP_MAX ? ram_bytes & ~(PAGE - 1) : MAP_MAX;
	for (uint32_t a = 0; a < end; a += PAGE)
		page_table[a >> 22][a >> 12 & 1023] = a | page_flags(a);
	for (uint32_t i = 0; i << 22 < end; i++)
		page_dir[i] = (uint32_t)page_table[i] | PTE_KERNEL | PTE_U;
	write_cr4(0x610);  /* PSE, OSFXSR, OSXMMEXCPT */
	write_cr3((uint32_t)page_dir);
	write_cr0(0x80010033); /* PG, WP, NE, ET, MP, PE */
	__asm__ volatile("fninit");
}

static void memory_init(void)
{
	if (multiboot->flags & 1)
		hal_memory.kib = 1024 + multiboot->mem_upper;
	if (multiboot->flags & 64) {
		uint32_t at = multiboot->mmap_addr, end = at + multiboot->mmap_length;
		for (; at < end; at += *(uint32_t *)at + 4)
			hal_memory.regions++;
	}
	ram_bytes = hal_memory.kib < (MAP_MAX >> 10) ? hal_memory.kib << 10 : MAP_MAX;
}

void hal_start(uint32_t magic, uint32_t info)
{
	multiboot = (const struct multiboot_info *)info;
	tables_init();
	pic_mask(0xffff);  /* firmware may have left a timer running on vectors that are exceptions here */
	outb(COM1 + 1, 0); /* no UART interrupts */
	outb(COM1 + 3, 3); /* 8N1 */
	if (magic != 0x2BADB002) {
		hal_puts("not started by a Multiboot loader\n");
		hal_exit(98);
	}
	memory_init();
	paging_init();
	hal_exit((uint32_t)guest_main());
}

void hal_exit(uint32_t status)
{
	cli();
	memset(user_stack, 0, USER_STACK_SIZE);
	trap_forget();
	hal_scrub_and_end(status);
}

const char *hal_cmdline(void)
{
	return multiboot->flags & 4 ? (const char *)multiboot->cmdline : "";
}

void hal_putc(char c)
{
	for (unsigned spin = 0; !(inb(COM1 + 5) & LSR_THR_EMPTY) && spin < SEND_SPINS; spin++)
		;
	outb(COM1, (uint8_t)c);
}

uint32_t trap_cr2(void)
{
	return read_cr2();
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
	sti();
}

void irq_off(void)
{
	cli();
}

void pic_mask(uint16_t mask)
{
	outb(0x21, (uint8_t)mask);
	outb(0xa1, (uint8_t)(mask >> 8));
}

static void pic_init(void)
{
	static const uint8_t icw[2][4] = { { 0x11, IRQ_BASE, 4, 1 }, { 0x11, IRQ_BASE + 8, 2, 1 } };
	for (unsigned chip = 0; chip < 2; chip++) {
		uint16_t port = chip ? 0xa0 : 0x20;
		outb(port, icw[chip][0]);
		for (unsigned i = 1; i < 4; i++)
			outb(port + 1, icw[chip][i]);
	}
	pic_mask(0xffff);
}

bool timer_handle(struct trap_frame *f)
{
	(void)f;
	timer_fn();
	outb(0x20, 0x20); /* end of interrupt */
	return true;
}

#define PIT_HZ 1193182u
void timer_start(uint32_t hz, void (*fn)(void))
{
	uint32_t divisor = PIT_HZ / hz;
	timer_fn = fn;
	trap_set(IRQ_BASE, timer_handle);
	pic_init();
	outb(0x43, 0x34); /* channel 0, low and high byte, mode 2 */
	outb(0x40, (uint8_t)divisor);
	outb(0x40, (uint8_t)(divisor >> 8));
	pic_mask(0xfffe);
}

void timer_stop(void)
{
	pic_mask(0xffff);
	outb(0x43, 0x30); /* mode 0, no count: silent */
}

/*
 * An interrupt that is pending at once and comes once: the UART's "transmitter empty", which it raises when it is enabled
 * (PC16550D data sheet, 8.6). IRQ 4. fn gets the frame, for its EIP.
 */
static void (*uart_fn)(struct trap_frame *f);

static bool uart_irq(struct trap_frame *f)
{
	inb(COM1 + 2); /* the identification read takes the cause away */
	outb(COM1 + 1, 0);
	outb(0x20, 0x20);
	uart_fn(f);
	return true;
}

void irq_raise(void (*fn)(struct trap_frame *f))
{
	uart_fn = fn;
	trap_set(IRQ_BASE + 4, uart_irq);
	pic_init();
	pic_mask(0xffff & ~(1u << 4));
	outb(COM1 + 4, 0x0b); /* OUT2 connects the UART to the controller */
	outb(COM1 + 1, 2);
}

static uint32_t *entry_of(const void *va)
{
	return &page_table[(uint32_t)va >> 22][(uint32_t)va >> 12 & 1023];
}

void page_set(void *va, uint32_t pa, uint32_t flags, bool flush)
{
	volatile uint32_t *e = entry_of(va);
	uint32_t to = flags ? pa | flags : 0;
	if (*e != to) /* what changes nothing is no event: abi/events.h */
		truth_add(PT_WRITE, 1);
	*e = to;
	if (flush)
		invlpg(va);
}

void page_root_reload(void)
{
	write_cr3((uint32_t)page_dir);
}

uint32_t page_pa(const void *va)
{
	return (uint32_t)va;
}

uint32_t page_entry(const void *va)
{
	return *entry_of(va);
}
