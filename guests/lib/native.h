/*
 * native.h - the layout of the native kernel: selectors, descriptor tables, page tables, interrupt controller.
 *
 * The selectors begin at 0x80 because the host's own GDT ends below: under direct execution each load of one of ours
 * then traps, and none silently picks a host descriptor (guests that want that name host selectors themselves).
 * The order of the four flat segments is what SYSENTER and SYSEXIT demand (SDM vol. 2B).
 */
#pragma once

#define SEL_KCODE 0x80
#define SEL_KDATA 0x88
#define SEL_UCODE 0x93
#define SEL_UDATA 0x9b
#define SEL_TSS   0xa0
#define SEL_LDT   0xa8
#define SEL_SPARE 0xb0 /* the first of 16 slots for guests */
#define GDT_SLOTS (SEL_SPARE / 8 + 16)

#define IRQ_BASE 0x20 /* vectors of the 8259 pair */
#define MAP_MAX (32u << 20) /* identity-mapped at most, in 4 KiB pages */

#ifndef __ASSEMBLER__
#include "x86.h"

struct tss { /* SDM vol. 3, figure 7-2 */
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs, ldt;
	uint16_t trap, iomap;
};

extern uint64_t gdt[GDT_SLOTS];
extern uint64_t idt[256];
extern struct tss tss;
extern uint32_t page_dir[1024];
extern uint32_t page_table[MAP_MAX >> 22][1024];
extern char kernel_stack[], kernel_stack_top[], trap_stack[], trap_stack_top[], user_stack[];
/* The user stack is declared by its bottom only: the compiler takes what lies below a symbol for out of bounds. */
#define USER_STACK_SIZE 8192
extern char image_start[], text_end[], user_start[], utext_end[], user_end[], image_end[];

/* access: bits 8..15 of the high word (0x9b kernel code, 0x93 kernel data, 0xfb, 0xf3 user); gran: 0xc 4 GiB, 0x4 bytes. */
uint64_t gdt_entry(uint32_t base, uint32_t limit, uint8_t access, uint8_t gran);
void gdt_set(uint16_t sel, uint64_t descriptor); /* a plain store to memory */
void idt_set(uint8_t vector, uint16_t sel, void (*entry)(void), uint8_t access); /* access: 0x8e, 0xee, 0x8f, 0x85 ... */
void pic_mask(uint16_t mask); /* bit n masks IRQ n */
void irq_raise(void (*fn)(struct trap_frame *f)); /* makes one interrupt pending now: IRQ 4, from the UART */
extern void vector_other(void); /* an entry that counts and returns to the same level */
/* Multiboot's information structure, as far as we read it. */
struct multiboot_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};
extern const struct multiboot_info *multiboot;
#endif
