/*
 * pv_gate.S - the crossings under --user-isolation keys, where guest code cannot touch a byte of VMM memory.
 *
 * Keys do not stop instruction fetch: guest code that reached 64-bit mode may jump to any byte of ours, with registers of
 * its own. So WRPKRU and XRSTOR exist in the process in two places only: the hypercall trampoline (pv_keys.c), where what follows
 * is an ordinary hypercall whatever came before, and the gate below, which is copied to a page of its own. There each
 * of them is followed by a comparison with what the VMM has written down and the guest can read, but not write: the rights
 * that the guest mode now running has, or that no guest code runs at all. Every other one in the process is overwritten.
 *
 * The gate's data lie one page after it for the guest's rights (read-only, the guest's key) and two after it for the
 * VMM's. Signal handlers need no WRPKRU: the host starts them with the VMM's rights. Read first: pv_entry.S.
 */
#include "pv_asm.h"
	.section .rodata.pv_gate, "a", @progbits
	.globl pv_gate_begin, pv_gate_exit, pv_gate_fast, pv_gate_resume, pv_gate_end
	.p2align 6
pv_gate_begin:
#define RO (pv_gate_begin + 4096)
#define RW (pv_gate_begin + 8192)
#define TO (pv_gate_begin + 12288)

/* To the guest: rcx = XSAVE area, edx:eax = components; EBX, EBP, ESI, EDI are the guest's. */
pv_gate_exit:
	xrstor64 (%rcx)
	mov	RW + G_PKRU(%rip), %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	wrpkru
	cmp	RO + G_PKRU(%rip), %eax
	jne	die
	xor	%r8d, %r8d
	lea	RO + G_RAX(%rip), %rsp
	pop	%rax
	pop	%rcx
	pop	%rdx
	iretq
die:
	ud2

/* The same after a short hypercall: x87 and SSE state is in place, and the flags are the guest's already. */
pv_gate_fast:
	mov	$0, %r8d
	mov	RW + G_PKRU(%rip), %eax
	mov	$0, %ecx
	mov	$0, %edx
	wrpkru
	mov	RO + G_NEG(%rip), %ecx
	lea	(%rcx, %rax), %ecx
	jecxz	1f
	ud2
1:	mov	RO + G_RAX(%rip), %eax
	mov	RO + G_RAX + 8(%rip), %ecx
	mov	RO + G_RAX + 16(%rip), %edx
	mov	RO + G_ESP(%rip), %esp
	ljmp	*RO + G_FAR(%rip)

/* Interrupted VMM code goes on: rcx = its XSAVE area. */
pv_gate_resume:
	xrstor64 (%rcx)
	cmpl	$0, RW + G_GUEST(%rip)
	jne	die
	jmp	*TO(%rip)
pv_gate_end:

/* What pv_keys.c runs in a child: no rights, then a signal whose handler makes the child end well. */
	.globl pv_probe_begin, pv_probe_handler, pv_probe_end
pv_probe_begin:
	mov	$0x55555555, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	wrpkru
	ud2
pv_probe_handler:
	xor	%edi, %edi
	mov	$231, %eax /* exit_group */
	syscall
pv_probe_end:

	.text
	.globl pv_keys_enter, pv_keys_crit, pv_keys_crit_end, pv_keys_hc, pv_keys_check, pv_keys_check_end
/* int pv_keys_enter(struct pv_cpu *c): pv_enter under keys. */
	.type pv_keys_enter, @function
pv_keys_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$8, %rsp
	mov	%rdi, %r15
	mov	%rsp, C_HOST_RSP(%r15)
pv_keys_crit:
	mov	C_ATT(%r15), %rax
	cmpb	$0, (%rax)
	jne	keys_abort
	GATE_TAKE
	mov	C_IRET(%r15), %rax
	mov	%rax, G_IRET(%r13)
	mov	C_IRET+8(%r15), %rax
	mov	%rax, G_IRET+8(%r13)
	mov	C_IRET+16(%r15), %rax
	mov	%rax, G_IRET+16(%r13)
	mov	C_IRET+24(%r15), %rax
	mov	%rax, G_IRET+24(%r13)
	mov	C_IRET+32(%r15), %rax
	mov	%rax, G_IRET+32(%r13)
	mov	C_PKRU(%r15), %eax
	mov	%eax, G_PKRU(%r13)
	neg	%eax
	mov	%eax, G_NEG(%r13)
	movl	$1, G_GUEST(%r13)
	mov	C_SEL(%r15), %ds
	mov	C_SEL+2(%r15), %es
	mov	C_SEL+4(%r15), %fs
	mov	C_SEL+6(%r15), %gs
	mov	C_GUEST_FS(%r15), %rax
	wrfsbase %rax
	movl	$1, C_IN_GUEST(%r15)
	mov	24(%r14), %ebx
	mov	40(%r14), %ebp
	mov	48(%r14), %esi
	mov	56(%r14), %edi
	mov	C_XMASK(%r15), %eax
	mov	C_XMASK+4(%r15), %edx
	mov	C_XSAVE(%r15), %rcx
	mov	C_GATE_EXIT(%r15), %r8
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	jmp	*%r8
pv_keys_crit_end:
keys_abort:
	movl	$PVX_ABORT_N, C_EXIT(%r15)
	jmp	pv_unwind

/* A hypercall, from the trampoline: r15 = cpu; EAX, ECX, EDX in r8d, r9d, r10d; flags untouched; the VMM's rights. */
pv_keys_hc:
	mov	%r13d, C_SITE(%r15)
	mov	C_GATE(%r15), %r13
	movl	$0, G_GUEST(%r13)
	HC_TAKE	%r8d, %r9d, %r10d
pv_keys_check:
	mov	C_ATT(%r15), %rax
	cmpb	$0, (%rax)
	jne	keys_kick
	GATE_TAKE
	mov	32(%r14), %eax
	mov	%rax, G_ESP(%r13)
	mov	C_FAR(%r15), %rax
	mov	%rax, G_FAR(%r13)
	mov	24(%r14), %ebx
	mov	40(%r14), %ebp
	mov	48(%r14), %esi
	mov	56(%r14), %edi
	movl	$1, C_IN_GUEST(%r15)
	movl	$1, G_GUEST(%r13)
	mov	C_GUEST_FS(%r15), %rax
	wrfsbase %rax
	mov	C_HOST_RSP(%r15), %rsp
	push	C_RAW_FLAGS(%r15)
	popfq
	mov	C_GATE_FAST(%r15), %r8
	mov	$0, %r9d
	mov	$0, %r10d
	mov	$0, %r11d
	mov	$0, %r12d
	mov	$0, %r13d
	mov	$0, %r14d
	mov	$0, %r15d
	jmp	*%r8
pv_keys_check_end:
keys_kick:
	mov	C_GATE(%r15), %r13 /* a kick may have sent us back after this was the guest's */
	movl	$0, G_GUEST(%r13)
	jmp	pv_hc_kick
	.section .note.GNU-stack,"",@progbits
