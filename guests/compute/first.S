/*
 * first.S - the shortest guest: reads the TSC with its first instruction, prints it, waits a little, and ends.
 *
 * `ringlab-bench startup` compares the stamp with the one it took before it started the process, and looks at the
 * process while this guest waits. Native build: Multiboot, paging off; output through the UART at 0x3f8, the end through
 * port 0xf4. Xen build (HAL_XEN): console_io and sched_op.
 */
#define WAIT 150000000	/* cycles: about 60 ms, so that the process can be looked at */

#ifdef HAL_XEN
#include <xen/elfnote.h>
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
	NOTE XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
	NOTE XEN_ELFNOTE_LOADER, .asciz "generic"
	NOTE XEN_ELFNOTE_PAE_MODE, .asciz "yes"
	NOTE XEN_ELFNOTE_VIRT_BASE, .long 0xc0000000
	NOTE XEN_ELFNOTE_PADDR_OFFSET, .long 0
	NOTE XEN_ELFNOTE_ENTRY, .long _start
	NOTE XEN_ELFNOTE_HYPERCALL_PAGE, .long hypercall_page
	NOTE XEN_ELFNOTE_HV_START_LOW, .long 0xf5800000

	.section .hypercall, "ax"
	.balign	4096
hypercall_page:
	.space	4096
#endif

	.text
#ifndef HAL_XEN
	.balign	4
	.long	0x1BADB002, 0, -0x1BADB002
#endif
	.globl	_start
_start:
	rdtsc
	mov	$stack_top, %esp
	mov	%eax, %ebx		/* low half, kept */
	mov	%edx, %ebp		/* high half, kept */
	mov	$digits_at, %edi
	call	put_hex
	mov	%ebx, %edx
	call	put_hex
	push	%ebx
#ifdef HAL_XEN
	xor	%ebx, %ebx		/* CONSOLEIO_write */
	mov	$text_end - text, %ecx
	mov	$text, %edx
	call	hypercall_page + 18 * 32	/* console_io */
#else
	mov	$text, %esi
	mov	$text_end - text, %ecx
	mov	$0x3f8, %edx
	rep	outsb
#endif
	pop	%ebx
1:	rdtsc
	sub	%ebx, %eax
	sbb	%ebp, %edx
	jnz	2f
	cmp	$WAIT, %eax
	jb	1b
2:
#ifdef HAL_XEN
	mov	$2, %ebx		/* SCHEDOP_shutdown */
	mov	$reason, %ecx
	call	hypercall_page + 29 * 32	/* sched_op */
#else
	mov	$0xf4, %edx
	xor	%eax, %eax
	out	%eax, %dx
#endif
3:	hlt
	jmp	3b

put_hex:				/* EDX as eight digits at EDI */
	mov	$8, %ecx
1:	rol	$4, %edx
	mov	%edx, %eax
	and	$15, %eax
	mov	digits(%eax), %al
	stosb
	loop	1b
	ret

	.data
reason:	.long	0			/* SHUTDOWN_poweroff */
digits:	.ascii	"0123456789abcdef"
text:	.ascii	"FIRST tsc="
digits_at:
	.ascii	"0000000000000000\n"
text_end:

	.bss
	.balign	16
	.space	256
stack_top:
	.section .note.GNU-stack, "", @progbits
