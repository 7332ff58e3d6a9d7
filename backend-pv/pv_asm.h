/* pv_asm.h - what the two ways into and out of the guest share: without keys (pv_entry.S) and with them (pv_gate.S). */
#pragma once
#include "pv_offsets.h"

/*
 * A hypercall has arrived: r15 = cpu, and the guest's EAX, ECX and EDX are where the arguments say. Onto the host's stack and FS
 * base, flags made harmless, and into C. Goes on behind itself when that was all, else at pv_hc_slow with the reason in EAX.
 */
.macro HC_TAKE eax, ecx, edx
	mov	C_ST(%r15), %r14
	mov	%esp, 32(%r14)
	mov	C_HOST_RSP(%r15), %rsp
	pushfq
	cld
	mov	\eax, 0(%r14)
	mov	\ecx, 8(%r14)
	mov	\edx, 16(%r14)
	mov	%ebx, 24(%r14)
	mov	%ebp, 40(%r14)
	mov	%esi, 48(%r14)
	mov	%edi, 56(%r14)
	rdfsbase %rax
	mov	%rax, C_GUEST_FS(%r15)
	mov	C_HOST_FS(%r15), %rax
	wrfsbase %rax
	movl	$0, C_IN_GUEST(%r15)
	mov	%ss, %eax
	mov	%ax, C_FAR_SS(%r15)
	pop	%rax
	mov	%rax, C_RAW_FLAGS(%r15)
	test	$0x44100, %eax /* AC, NT, TF */
	jz	1f
	pushq	$2
	popfq
1:	mov	%r15, %rdi
	call	pv_hypercall_fast
	mov	%eax, C_EXIT(%r15)
	test	%eax, %eax
	jnz	pv_hc_slow
.endm

/* The guest's EAX, ECX and EDX, which the gate itself needs, to where it finds them: r13 = gate, r14 = state after it. */
.macro GATE_TAKE
	mov	C_GATE(%r15), %r13
	mov	C_ST(%r15), %r14
	mov	0(%r14), %eax
	mov	%rax, G_RAX(%r13)
	mov	8(%r14), %eax
	mov	%rax, G_RAX+8(%r13)
	mov	16(%r14), %eax
	mov	%rax, G_RAX+16(%r13)
.endm
