/*
 * entry.S - what both builds share of entry code: from a vector to trap() and back, the switch of stacks, user_copy.
 *
 * A stub stores an error code and the vector; then come the data segments and the registers: struct regs of arch.h. The
 * kernel's data selector is taken from SS, which alone is surely good: a program may load what it likes into the others.
 * Read next: native_boot.S or xen_boot.S, trap.c.
 */
#include "truth_offsets.h"

	.text
	.globl	trap_common, process_start, thread_start, stack_switch, user_copy, user_copy_fault, user_copy_fixup
trap_common:
	push	%es
	push	%ds
	pusha
	push	%ss
	pop	%ds
	push	%ss
	pop	%es
	COUNT(SEG_READ, 4)
	COUNT(SEG_LOAD, 4)	/* and the two pops below */
	cld
	push	%esp
	call	trap
	add	$4, %esp
trap_exit:
	popa
	pop	%ds
	pop	%es
	add	$8, %esp
#ifdef HAL_XEN
	movw	$0, 6(%esp)	/* the upper half of CS showed the mask */
	jmp	hypercall_page + 23 * 32
#else
	.globl	return_iret
return_iret:
	iret
#endif

/* Where a new process begins: its registers lie at the top of its stack, and nothing else. */
thread_start:
	call	thread_enter
	call	*%ebx
process_start:
	push	%esp
	call	process_return
	add	$4, %esp
	jmp	trap_exit

/* void stack_switch(uint32_t *save, uint32_t to) */
stack_switch:
	mov	4(%esp), %eax
	mov	8(%esp), %edx
	push	%ebx
	push	%esi
	push	%edi
	push	%ebp
	mov	%esp, (%eax)
	mov	%edx, %esp
	pop	%ebp
	pop	%edi
	pop	%esi
	pop	%ebx
	ret

/* uint32_t user_copy(void *to, const void *from, uint32_t n): a fault that cannot be mended comes back at the fixup. */
user_copy:
	push	%edi
	push	%esi
	mov	12(%esp), %edi
	mov	16(%esp), %esi
	mov	20(%esp), %ecx
user_copy_fault:
	rep movsb
user_copy_fixup:
	mov	%ecx, %eax
	pop	%esi
	pop	%edi
	ret

	.section .note.GNU-stack, "", @progbits
