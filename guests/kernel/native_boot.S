/*
 * native_boot.S - the native build's first instructions: Multiboot header, PAE paging, the jump to the kernel's addresses;
 * and the entries of all vectors.
 *
 * State at _start: Multiboot specification 0.6.96, section 3.2 (flat protected mode, EAX magic, EBX information, no stack).
 * Until paging is on, every address is less KERNEL_BASE. Boot tables map the first GiB twice, by 2 MiB pages: at 0 for
 * the instructions here, at KERNEL_BASE for good; native.c makes better ones. Read next: entry.S, native.c.
 */
#include "native.h"
#include "truth_offsets.h"
#include "vectors.h"

#define BASE 0xc0000000
#define LOW(symbol) (symbol - BASE)

	.section .multiboot, "a"
	.balign	4
	.long	0x1BADB002, 3, -(0x1BADB002 + 3)	/* modules page-aligned, memory information wanted */

	.section .boot, "ax"
	.globl	_start
_start:
	cld
	mov	$LOW(boot_stack_top), %esp
	mov	%eax, %ebp
	mov	$LOW(boot_l2), %edi
	mov	$0xe3, %eax		/* present, writable, accessed, dirty, 2 MiB */
	mov	$512, %ecx
1:	mov	%eax, (%edi)
	add	$0x200000, %eax
	add	$8, %edi
	loop	1b
	mov	$LOW(boot_l2) + 1, %eax
	mov	%eax, LOW(boot_l3)
	mov	%eax, LOW(boot_l3) + 24
	mov	$0x630, %eax		/* PAE, PSE, OSFXSR, OSXMMEXCPT */
	mov	%eax, %cr4
	mov	$LOW(boot_l3), %eax
	mov	%eax, %cr3
	mov	$0x80010033, %eax	/* PG, WP, NE, ET, MP, PE */
	mov	%eax, %cr0
	mov	$high, %eax
	jmp	*%eax

	.text
high:	add	$BASE, %esp
	COUNT(CR_WRITE, 2)
	COUNT(CR3_WRITE, 1)
	COUNT(DT_LOAD, 1)
	lgdt	gdt_pointer
	COUNT(FAR_BRANCH, 1)
	ljmp	$SEL_KCODE, $1f
1:	COUNT(SEG_LOAD, 5)
	mov	$SEL_KDATA, %eax
	mov	%eax, %ss
	mov	%eax, %ds
	mov	%eax, %es
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	push	%ebx
	push	%ebp
	call	native_start		/* does not return */
	ud2

	VECTOR_STUBS 48

	.globl	vector_syscall
vector_syscall:
	push	$0
	push	$0x80
	jmp	trap_common

	.data
	.balign	8
gdt_pointer:
	.word	GDT_SLOTS * 8 - 1
	.long	gdt

	.section .rodata
	VECTOR_TABLE 48

	.section .stacks, "aw", @nobits
	.balign	4096
boot_l2:
	.skip	4096
boot_l3:
	.skip	4096
	.skip	8192
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
