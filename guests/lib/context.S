/*
 * context.S - context_save and context_jump (a setjmp for a kernel), and the scrubbing of stacks that ends every guest.
 *
 * Shared by both builds.
 */
#include "truth_offsets.h"

	.text
	.globl context_save, context_jump
/* int context_save(struct context *c): {ebx, esi, edi, ebp, esp, eip} */
context_save:
	mov	4(%esp), %eax
	mov	%ebx, 0(%eax)
	mov	%esi, 4(%eax)
	mov	%edi, 8(%eax)
	mov	%ebp, 12(%eax)
	lea	4(%esp), %ecx
	mov	%ecx, 16(%eax)
	mov	(%esp), %ecx
	mov	%ecx, 20(%eax)
	xor	%eax, %eax
	ret

/* void context_jump(const struct context *c, int value) */
context_jump:
	mov	8(%esp), %eax
	mov	4(%esp), %edx
	mov	0(%edx), %ebx
	mov	4(%edx), %esi
	mov	8(%edx), %edi
	mov	12(%edx), %ebp
	mov	16(%edx), %esp
	jmp	*20(%edx)

/*
 * void hal_scrub_and_end(uint32_t status): what differs from engine to engine (time stamps, undefined flags in stored
 * EFLAGS) may lie on the stacks and in registers: zero them all, then write the status to the debug-exit port. Only EAX
 * still holds something, and EFLAGS are those of an equal comparison. A Xen guest ends with status 0 by shutting down.
 */
	.globl	hal_scrub_and_end
hal_scrub_and_end:
	mov	4(%esp), %ebx
	mov	$kernel_stack_top, %esp
	cld
	xor	%eax, %eax
	mov	$stacks_start, %edi
	mov	$stacks_end, %ecx
	sub	%edi, %ecx
	shr	$2, %ecx
	rep stosl
#ifdef HAL_XEN
	test	%ebx, %ebx
	jnz	1f
	COUNT(HYPERCALL, 1)
	mov	$2, %ebx		/* SCHEDOP_shutdown */
	mov	$shutdown_poweroff, %ecx
	call	hypercall_page + 29 * 32	/* sched_op */
1:
#endif
	COUNT(PORT_OUT, 1)
	mov	%ebx, %eax
	xor	%ebx, %ebx
	xor	%edx, %edx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	cmp	%eax, %eax
	outl	%eax, $0xf4
2:	jmp	2b	/* no debug-exit device: nothing more to do */
#ifdef HAL_XEN
	.section .rodata
	.balign	4
shutdown_poweroff:
	.long	0			/* SHUTDOWN_poweroff */
#endif

	.section .stacks, "aw", @nobits
	.balign	4096
	.globl	stacks_start, stacks_end, kernel_stack, kernel_stack_top, trap_stack, trap_stack_top
stacks_start:
kernel_stack:
	.skip	16384
kernel_stack_top:
trap_stack:
	.skip	8192
trap_stack_top:
stacks_end:

	.section .ustack, "aw", @nobits
	.balign	4096
	.globl	user_stack, user_stack_top
user_stack:
	.skip	8192
user_stack_top:

	.section .note.GNU-stack, "", @progbits
