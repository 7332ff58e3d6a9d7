/*
 * native.c - the native build's machine: descriptor tables, page tables, interrupt controller, timer, serial port.
 *
 * A PC as Multiboot hands it over: ring 0, flat segments with selectors from 0x80 on (guests/lib/native.h says why), PAE tables
 * that are written in place, 8259 pair, 8254 channel 0, 16550 as COM1. Read next: arch.h for what each function owes.
 */
#include "proc.h"
#include "native.h"

#define COM1 0x3f8
#define LSR_DATA 1
#define LSR_THR_EMPTY 0x20
#define SEND_SPINS 100000
#define PIT_HZ 1193182u
#define MSR_EFER 0xc0000080u
#define EFER_NXE 0x800u
#define RESERVED_MAX 4

extern const uint32_t vector_table[48];
extern char image_start[], text_end[], image_end[];
void vector_syscall(void);
void stack_switch(uint32_t *save, uint32_t to);
_Noreturn void native_start(uint32_t magic, uint32_t info);
_Noreturn void kernel_main(void);

const char arch_name[] = "native";
pte_t pte_nx;
pte_t *kernel_root;
static uint32_t loaded_root; /* what CR3 holds */
static uint32_t ram_end;
static char command_line[512];
static struct { uint32_t from, to; } reserved[RESERVED_MAX]; /* physical: the image, the module, early tables */
static unsigned reserved_n;
static struct { uint32_t start, end; } module;
static char early_input[64]; /* what was typed before the terminal is there */
static uint32_t early_n;

#define D(lo, hi) ((uint64_t)(hi) << 32 | (lo))
uint64_t gdt[GDT_SLOTS] __attribute__((aligned(4096))) = {
	[SEL_KCODE / 8] = D(0x0000ffff, 0x00cf9b00),
	[SEL_KDATA / 8] = D(0x0000ffff, 0x00cf9300),
	[SEL_UCODE / 8] = D(0x0000ffff, 0x00cffb00),
	[SEL_UDATA / 8] = D(0x0000ffff, 0x00cff300),
};
uint64_t idt[256] __attribute__((aligned(4096)));
struct tss tss __attribute__((aligned(128)));

/* ---- the start ---- */

static void gate_set(unsigned vector, uint32_t entry, uint8_t access)
{
	idt[vector] = D((uint32_t)SEL_KCODE << 16 | (entry & 0xffff), (entry & 0xffff0000) | (uint32_t)access << 8);
}

static void tables_init(void)
{
	uint32_t base = (uint32_t)&tss, limit = sizeof tss - 1;
	struct dtable p = { sizeof idt - 1, (uint32_t)idt };

	for (unsigned v = 0; v < 48; v++)
		gate_set(v, vector_table[v], v == 3 || v == 4 ? 0xee : 0x8e);
	gate_set(VECTOR_SYSCALL, (uint32_t)vector_syscall, 0xef); /* a trap gate: interrupts stay as they are */
	truth_add(DT_LOAD, 2);
	__asm__ volatile("lidt %0" : : "m"(p));
	tss.ss0 = SEL_KDATA;
	tss.iomap = sizeof tss;
	gdt[SEL_TSS / 8] = D(base << 16 | limit, (base & 0xff000000) | 0x8900 | (base >> 16 & 0xff));
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

static void reserve(uint32_t from, uint32_t to)
{
	assert(reserved_n < RESERVED_MAX);
	reserved[reserved_n].from = page_down(from);
	reserved[reserved_n++].to = page_up(to);
}

/* What of Multiboot's information is needed, copied or reserved. */
static void boot_info(const struct multiboot_info *info)
{
	const uint32_t *mods = pa_to_va(info->mods_addr);
	const char *line = pa_to_va(info->cmdline);

	ram_end = info->flags & 1 ? (1024 + info->mem_upper) << 10 : 16u << 20;
	ram_end = page_down(min(ram_end, KERNEL_LIMIT - KERNEL_BASE));
	for (unsigned i = 0; info->flags & 4 && line[i] && i + 1 < sizeof command_line; i++)
		command_line[i] = line[i];
	reserve(va_to_pa(image_start), va_to_pa(image_end));
	if (!(info->flags & 8) || !info->mods_count)
		return;
	module.start = mods[0];
	module.end = mods[1];
	reserve(module.start, module.end);
}

/* The first place behind the image where n bytes are free. */
static uint32_t early_alloc(uint32_t n)
{
	uint32_t at = 0, i = 0;

	while (i < reserved_n) {
		if (at < reserved[0].to || (at < reserved[i].to && at + n > reserved[i].from)) {
			at = max(reserved[i].to, at);
			i = 0;
		} else {
			i++;
		}
	}
	if (at + n > ram_end)
		panic("kernel: too little memory: %u KiB\n", ram_end >> 10);
	reserve(at, at + n);
	memset(pa_to_va(at), 0, page_up(n));
	return at;
}

/* All RAM from KERNEL_BASE on in 4 KiB pages, as under Xen; the kernel's code is read-only, nothing else may run. */
static void paging_init(void)
{
	uint32_t tables = (ram_end + (1u << 21) - 1) >> 21;
	pte_t *l3 = pa_to_va(early_alloc((2 + tables) * PAGE)), *l2 = l3 + 512, *l1 = l2 + 512;

	if (cpuid(0x80000000, 0).a >= 0x80000001 && (cpuid(0x80000001, 0).d >> 20 & 1)) {
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
		pte_nx = 1ull << 63;
	}
	for (uint32_t pa = 0; pa < ram_end; pa += PAGE) {
		bool text = pa >= va_to_pa(image_start) && pa < va_to_pa(text_end);
		l1[pa / PAGE] = pa | PTE_P | PTE_A | PTE_D | (text ? 0 : PTE_W | pte_nx);
	}
	for (uint32_t i = 0; i < tables; i++)
		l2[i] = va_to_pa(l1 + i * 512) | PTE_P | PTE_W | PTE_A;
	l3[3] = va_to_pa(l2) | PTE_P;
	kernel_root = l3;
	root_load(l3);
}

void native_start(uint32_t magic, uint32_t info)
{
	outb(0x21, 0xff); /* firmware may have left a timer running on vectors that are exceptions here */
	outb(0xa1, 0xff);
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3); /* 8N1 */
	while (early_n < sizeof early_input && (inb(COM1 + 5) & LSR_DATA))
		early_input[early_n++] = (char)inb(COM1);
	outb(COM1 + 2, 1); /* FIFOs on, and so empty */
	tables_init();
	if (magic != 0x2BADB002)
		panic("kernel: not started by a Multiboot loader\n");
	boot_info(pa_to_va(info));
	paging_init();
	kernel_main();
}

const char *hal_cmdline(void)
{
	return command_line;
}

/* ---- memory ---- */

uint32_t arch_ram_end(void)
{
	return ram_end;
}

void *arch_frames_table(uint32_t bytes)
{
	return pa_to_va(early_alloc(bytes));
}

static bool is_reserved(uint32_t pa, uint32_t *to)
{
	for (unsigned i = 0; i < reserved_n; i++)
		if (pa >= reserved[i].from && pa < reserved[i].to) {
			*to = reserved[i].to;
			return true;
		}
	return false;
}

void arch_memory(void (*free_range)(uint32_t from, uint32_t to))
{
	for (uint32_t pa = 1u << 20, next; pa < ram_end; pa = next)
		if (!is_reserved(pa, &next)) {
			next = pa + PAGE;
			free_range(pa, next);
		}
}

bool arch_module(void **base, uint32_t *bytes)
{
	*base = pa_to_va(module.start);
	*bytes = module.end - module.start;
	return *bytes;
}

uint32_t page_pa(const void *va)
{
	return va_to_pa(va);
}

/* ---- page tables ---- */

pte_t pte_make(uint32_t pa, pte_t flags)
{
	return pa | flags | PTE_A | PTE_D;
}

uint32_t pte_pa(pte_t e)
{
	return (uint32_t)(e & PTE_ADDRESS);
}

/* The present bit goes first and comes last: no half of an entry is ever in use. */
void pt_set(pte_t *slot, pte_t e)
{
	volatile uint32_t *half = (volatile uint32_t *)slot;

	truth_add(PT_WRITE, 1);
	half[0] = 0;
	half[1] = (uint32_t)(e >> 32);
	half[0] = (uint32_t)e;
}

void pt_commit(void)
{
}

void frame_clear(void *page)
{
	memset(page, 0, PAGE);
}

void frame_copy(void *page, const void *from)
{
	memcpy(page, from, PAGE);
}

void tlb_flush_page(uint32_t va)
{
	invlpg((void *)va);
}

void tlb_flush(void)
{
	write_cr3(loaded_root);
}

pte_t *pt_alloc(unsigned level)
{
	return arena_zalloc(ARENA_TABLES);
}

void pt_free(pte_t *table, unsigned level)
{
	arena_free(ARENA_TABLES, table, 0);
}

pte_t *root_alloc(void)
{
	pte_t *root = arena_zalloc(ARENA_TABLES);
	if (root)
		root[3] = kernel_root[3];
	return root;
}

void root_free(pte_t *root)
{
	arena_free(ARENA_TABLES, root, 0);
}

void root_load(pte_t *root)
{
	loaded_root = va_to_pa(root);
	write_cr3(loaded_root);
}

/* The CPU holds the entries of the top level in registers, from the last load of CR3 on (SDM vol. 3, 4.4.1). */
void root_changed(pte_t *root)
{
	if (loaded_root == va_to_pa(root))
		write_cr3(loaded_root);
}

uint32_t pt_pool_drain(void)
{
	return 0;
}

/* ---- processes ---- */

void arch_switch(struct proc *prev, struct proc *next)
{
	if (prev->mm)
		fpu_save(prev->fpu);
	if (next->mm) {
		tss.esp0 = (uint32_t)next->kstack + KSTACK_SIZE;
		if (va_to_pa(next->mm->root) != loaded_root)
			root_load(next->mm->root);
		fpu_restore(next->fpu);
	}
	stack_switch(&prev->kesp, next->kesp);
}

void arch_regs_user(struct regs *r, uint32_t eip, uint32_t esp)
{
	tss.esp0 = (uint32_t)current->kstack + KSTACK_SIZE; /* a kernel thread becomes a program */
	*r = (struct regs){ .ds = SEL_UDATA, .es = SEL_UDATA, .eip = eip, .cs = SEL_UCODE, .eflags = FLAG_IF | 2, .esp = esp, .ss = SEL_UDATA };
}

uint32_t arch_fault_address(void)
{
	return read_cr2();
}

/* ---- interrupts and time ---- */

void arch_start(void)
{
	static const uint8_t icw[2][4] = { { 0x11, IRQ_BASE, 4, 1 }, { 0x11, IRQ_BASE + 8, 2, 1 } };
	uint32_t divisor = (PIT_HZ + HZ / 2) / HZ;

	for (unsigned chip = 0; chip < 2; chip++)
		for (unsigned i = 0; i < 4; i++)
			outb((uint16_t)((chip ? 0xa0 : 0x20) + !!i), icw[chip][i]);
	outb(0x43, 0x34); /* channel 0, low and high byte, mode 2 */
	outb(0x40, (uint8_t)divisor);
	outb(0x40, (uint8_t)(divisor >> 8));
	tty_input(early_input, early_n);
	outb(COM1 + 4, 0x0b); /* OUT2 connects the UART to the controller */
	outb(COM1 + 1, 1);    /* received data */
	outb(0x21, (uint8_t)~(1u << 0 | 1u << 4));
	outb(0xa1, 0xff);
}

static void uart_receive(void)
{
	while (inb(COM1 + 5) & LSR_DATA) {
		char c = (char)inb(COM1);
		tty_input(&c, 1);
	}
}

void arch_irq(struct regs *r)
{
	uint32_t line = r->vector - VECTOR_IRQ;

	if (line != 0 && line != 4)
		return; /* spurious: all others are masked */
	outb(0x20, 0x20); /* end of interrupt */
	if (line == 0)
		sched_tick(regs_user(r));
	else
		uart_receive();
}

void arch_idle(void)
{
	truth_add(INT_FLAG, 1);
	truth_add(HLT, 1);
	__asm__ volatile("sti; hlt" : : : "memory");
}

uint64_t time_ns(void)
{
	return (uint64_t)ticks * (1000000000u / HZ);
}

uint32_t time_wall(void)
{
	return ticks / HZ;
}

/* ---- console and end ---- */

void hal_putc(char c)
{
	for (unsigned spin = 0; !(inb(COM1 + 5) & LSR_THR_EMPTY) && spin < SEND_SPINS; spin++)
		;
	outb(COM1, (uint8_t)c);
}

void console_put(const char *s, uint32_t n)
{
	while (n--)
		hal_putc(*s++);
}

void arch_end(uint32_t status)
{
	irq_disable();
	outl(0xf4, status);
	for (;;)
		__asm__ volatile("hlt");
}

void hal_exit(uint32_t status)
{
	arch_end(status);
}
