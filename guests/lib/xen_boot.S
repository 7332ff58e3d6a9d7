/*
 * xen_boot.S - the Xen kernel's entry: ELF notes, hypercall page, trap and upcall entry, way to user mode.
 *
 * State at _start: xen/xen.h, "Start-of-day memory layout" (ESI start_info, ESP a boot stack, flat segments, events masked).
 * No segment register is ever loaded here: the selectors of start serve kernel and user. Traps and upcalls store what
 * hardware would, with CS naming the level (RPL 1 kernel, 3 user) and the upcall mask in CS's upper half, which is
 * cleared before the iret hypercall. Read next: xen.c.
 */
#include <xen/elfnote.h>
#include "truth_offsets.h"
#include "vectors.h"

#define KERNEL_CS 0xe019	/* FLAT_KERNEL_CS ... of xen/arch-x86/xen-x86_32.h, which is C */
#define USER_CS 0xe02b
#define USER_SS 0xe033
#define HYPERCALL_IRET (hypercall_page + 23 * 32)

	.macro	NOTE type, desc:vararg
	.pushsection .note.Xen, "a", @note
	.balign	4
	.long	4, 2f - 1f, \type
	.asciz	"Xen"
1:	\desc
2:	.balign	4
	.popsection
	.endm

	NOTE XEN_ELFNOTE_GUEST_OS, .asciz "ringlab"
	NOTE XEN_ELFNOTE_GUEST_VERSION, .asciz "1"
	NOTE XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
	NOTE XEN_ELFNOTE_LOADER, .asciz "generic"
	NOTE XEN_ELFNOTE_PAE_MODE, .asciz "yes"
	NOTE XEN_ELFNOTE_VIRT_BASE, .long 0xc0000000
	NOTE XEN_ELFNOTE_PADDR_OFFSET, .long 0
	NOTE XEN_ELFNOTE_ENTRY, .long _start
	NOTE XEN_ELFNOTE_HYPERCALL_PAGE, .long hypercall_page
	NOTE XEN_ELFNOTE_HV_START_LOW, .long 0xf5800000

	.text
	.globl	_start
_start:
	cld
	mov	$kernel_stack_top, %esp
	push	%esi
	push	$0
	call	hal_start	/* does not return */
	ud2

	VECTOR_STUBS 20

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
	movw	$0, 6(%esp)
	jmp	HYPERCALL_IRET
2:	COUNT_SS(SEG_LOAD, 2)
	COUNT_SS(SEG_READ, 2)
	push	%ss		/* the one data selector that is surely good here */
	pop	%ds
	push	%ss
	pop	%es
	jmp	1b

	.globl	vector_syscall
vector_syscall:
	test	%eax, %eax
	jnz	1f
	COUNT(SYSCALL_ENTRY, 1)
	COUNT(USER_RETURN, 1)
	COUNT(HYPERCALL, 1)
	movw	$0, 6(%esp)
	jmp	HYPERCALL_IRET
1:	push	$0
	push	$0x80
	jmp	trap_common

	.globl	event_entry, failsafe_entry
event_entry:
	push	$0
	push	$0x20
	jmp	trap_common

failsafe_entry:	/* a selector could not be restored: ours never change */
	jmp	hal_crash

/* void user_enter(uint32_t eip, uint32_t esp, uint32_t eflags): never comes back this way. */
	.globl	user_enter
user_enter:
	mov	4(%esp), %eax
	mov	8(%esp), %ecx
	mov	12(%esp), %edx
	pushl	$USER_SS
	pushl	%ecx
	pushl	%edx
	pushl	$USER_CS
	pushl	%eax
	COUNT(USER_RETURN, 1)
	COUNT(HYPERCALL, 1)
	jmp	HYPERCALL_IRET

	.section .hypercall, "ax", @progbits
	.balign	4096
	.globl	hypercall_page
hypercall_page:
	.skip	4096, 0xcc

	.section .rodata
	VECTOR_TABLE 20

	.section .note.GNU-stack, "", @progbits
