/*
 * xen_boot.S - the Xen build's first instructions: ELF notes, hypercall page, and the entries of all vectors and of the upcall.
 *
 * State at _start: xen/xen.h, "Start-of-day memory layout" (ESI start_info, ESP a boot stack, paging on, events masked).
 * No selector is ever named here but in the frames that programs start with. Read next: entry.S, xen.c.
 */
#include <xen/elfnote.h>
#include "truth_offsets.h"
#include "vectors.h"

	.macro	NOTE type, desc:vararg
	.pushsection .note.Xen, "a", @note
	.balign	4
	.long	4, 2f - 1f, \type
	.asciz	"Xen"
1:	\desc
2:	.balign	4
	.popsection
	.endm

	NOTE XEN_ELFNOTE_GUEST_OS, .asciz "ringlab-kernel"
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
	mov	%esp, %eax
	mov	$boot_stack_top, %esp
	push	%eax
	push	%esi
	call	xen_entry		/* does not return */
	ud2

	VECTOR_STUBS 20

	.globl	vector_syscall, event_entry, failsafe_entry
vector_syscall:
	push	$0
	push	$0x80
	jmp	trap_common

event_entry:
	push	$0
	push	$0x20
	jmp	trap_common

failsafe_entry:	/* DS, ES, FS and GS as they were, and a selector that could not be loaded: go on with the stack's */
	push	%ss
	pop	%ds
	push	%ss
	pop	%es
	COUNT(SEG_READ, 2)
	COUNT(SEG_LOAD, 2)
	add	$16, %esp
	movw	$0, 6(%esp)
	jmp	hypercall_page + 23 * 32

	.section .hypercall, "ax", @progbits
	.balign	4096
	.globl	hypercall_page
hypercall_page:
	.skip	4096, 0xcc

	.section .rodata
	VECTOR_TABLE 20

	.section .stacks, "aw", @nobits
	.balign	4096
	.skip	8192
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
