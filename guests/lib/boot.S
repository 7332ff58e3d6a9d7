/*
 * boot.S - the native kernel's entry: Multiboot 1 header, first descriptor loads, trap entry, way to user mode, SYSENTER.
 *
 * State at _start: Multiboot specification 0.6.96, section 3.2 (flat protected mode, EAX magic, EBX information, no stack).
 * Read next: native.c (hal_start).
 */
#include "native.h"
#include "truth_offsets.h"
#include "vectors.h"

	.section .multiboot, "a"
	.balign	4
	.long	0x1BADB002, 3, -(0x1BADB002 + 3)	/* modules page-aligned, memory information wanted */

	.text
	.globl	_start
_start:
	cld
	mov	$kernel_stack_top, %esp
	push	%ebx
	push	%eax
	COUNT(DT_LOAD, 1)
	lgdt	gdt_pointer
	COUNT(FAR_BRANCH, 1)
	ljmp	$SEL_KCODE, $1f
1:	COUNT(SEG_LOAD, 5)
	mov	$SEL_KDATA, %eax
	mov	%eax, %ss
	mov	$SEL_UDATA, %eax	/* DS and ES stay the user's: entries from user mode need not load them */
	mov	%eax, %ds
	mov	%eax, %es
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	pop	%eax
	pop	%edx
	push	%edx
	push	%eax
	call	hal_start	/* does not return */
	ud2

	VECTOR_STUBS 48

trap_common:
	pusha
	cld
	cmpb	$0, %cs:trap_distrust
	jne	2f
1:	push	%esp
	call	trap_dispatch
	add	$4, %esp
	popa
	add	$8, %esp
	iret
2:	COUNT_SS(SEG_LOAD, 2)
	mov	$SEL_UDATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	jmp	1b

/* The null system call stays here, as short as an honest entry can be; the others take the common way. */
	.globl	vector_syscall, vector_other
vector_syscall:
	test	%eax, %eax
	jnz	1f
	COUNT(SYSCALL_ENTRY, 1)
	COUNT(USER_RETURN, 1)
	iret
1:	push	$0
	push	$0x80
	jmp	trap_common

/* For guests that set gates of their own: a software interrupt that only returns to the same level. */
vector_other:
	COUNT(SYSCALL_ENTRY, 1)
	COUNT(IRET, 1)
	iret

/* SYSENTER's target: EDX and ECX hold what SYSEXIT wants, by agreement with the user code of the cell. */
	.globl	sysenter_entry
sysenter_entry:
	COUNT(SYSCALL_ENTRY, 1)
	COUNT(USER_RETURN, 1)
	sysexit

/* void user_enter(uint32_t eip, uint32_t esp, uint32_t eflags): never comes back this way. */
	.globl	user_enter
user_enter:
	mov	4(%esp), %eax
	mov	8(%esp), %ecx
	mov	12(%esp), %edx
	pushl	$SEL_UDATA
	pushl	%ecx
	pushl	%edx
	pushl	$SEL_UCODE
	pushl	%eax
	COUNT(USER_RETURN, 1)
	iret

/* A triple fault: no IDT, then an exception. */
	.globl	hal_crash
hal_crash:
	COUNT(DT_LOAD, 1)
	lidt	no_idt
	int3
	jmp	hal_crash

	.data
	.balign	8
gdt_pointer:
	.word	GDT_SLOTS * 8 - 1
	.long	gdt
no_idt:
	.word	0
	.long	0
	VECTOR_TABLE 48

	.section .note.GNU-stack, "", @progbits
