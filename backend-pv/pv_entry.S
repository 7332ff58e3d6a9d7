/*
 * pv_entry.S - the crossings: into guest code by iretq, out of it by a signal or through the hypercall page.
 *
 * Host state is the guest's to poison (DESIGN: direct execution): on every way in, FS base and flags are the guest's
 * until restored here, and nothing before that touches TLS or the guest's stack. No handler ever returns by
 * rt_sigreturn: it unwinds to pv_enter's caller, or resumes interrupted VMM code by iretq.
 *
 * XRSTOR and far jumps of --user-isolation keys are in pv_gate.S; what is here then serves signals only.
 *
 * pv_signal.c knows the labels: a kick that lands between the test of `attention` and the instruction that enters the
 * guest is undone by going back to before the test.
 */
#include "pv_asm.h"
	.text
	.globl pv_text_begin, pv_text_end, pv_enter, pv_enter_crit, pv_enter_end
	.globl pv_unwind, pv_resumed, pv_hc_slow, pv_hc_kick, pv_signal_entry, pv_hc_begin, pv_hc_check, pv_hc_end
	.p2align 6
pv_text_begin:

/* int pv_enter(struct pv_cpu *c): runs guest code until a signal or a hypercall wants the VMM; returns c->exit. */
	.type pv_enter, @function
pv_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$8, %rsp
	mov	%rdi, %r15
	mov	%rsp, C_HOST_RSP(%r15)
pv_enter_crit:
	mov	C_ATT(%r15), %rax
	cmpb	$0, (%rax)
	jne	enter_kick
	mov	C_XMASK(%r15), %eax
	mov	C_XMASK+4(%r15), %edx
	mov	C_XSAVE(%r15), %rcx
	xrstor64 (%rcx)
	mov	C_SEL(%r15), %ds
	mov	C_SEL+2(%r15), %es
	mov	C_SEL+4(%r15), %fs
	mov	C_SEL+6(%r15), %gs
	mov	C_GUEST_FS(%r15), %rax
	wrfsbase %rax
	movl	$1, C_IN_GUEST(%r15)
	mov	C_ST(%r15), %r14
	mov	0(%r14), %eax
	mov	8(%r14), %ecx
	mov	16(%r14), %edx
	mov	24(%r14), %ebx
	mov	40(%r14), %ebp
	mov	48(%r14), %esi
	mov	56(%r14), %edi
	lea	C_IRET(%r15), %rsp
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	iretq
pv_enter_end:
enter_kick:
	movl	$PVX_ABORT_N, C_EXIT(%r15)
	/* fall through: unwind with r15 = cpu, host FS base in place */
pv_unwind:
	movl	$0, C_IN_GUEST(%r15)
	mov	C_EXIT(%r15), %eax
	mov	C_HOST_RSP(%r15), %rsp
	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/*
 * The signal handler (SA_ONSTACK; SA_NODEFER but for kicks). The alternate stack is a 64 KiB block, aligned; its first
 * word is the cpu. rdi = signal, rsi = siginfo, rdx = ucontext.
 */
	.type pv_signal_entry, @function
pv_signal_entry:
	pushq	$2
	popfq
	mov	%rsp, %rax
	and	$-65536, %rax
	mov	(%rax), %r15
	mov	C_IN_GUEST(%r15), %r12d
	movl	$0, C_IN_GUEST(%r15)
	mov	C_GATE(%r15), %rax
	test	%rax, %rax
	jz	1f
	movl	$0, G_GUEST(%rax)
1:	rdfsbase %r14
	mov	C_HOST_FS(%r15), %rax
	wrfsbase %rax
	mov	%rdx, %r13
	mov	%rdx, %rcx
	mov	%rsi, %rdx
	mov	%edi, %esi
	mov	%r15, %rdi
	mov	%r12d, %r8d
	and	$-16, %rsp
	call	pv_signal
	test	%eax, %eax
	jnz	pv_unwind
	/* Resume what was interrupted, as rt_sigreturn would: FPU, FS base, registers, iretq. */
	mov	C_XMASK(%r15), %eax
	mov	C_XMASK+4(%r15), %edx
	mov	UC_FPREGS(%r13), %rcx
	cmpq	$0, C_GATE(%r15)
	je	1f
	jmp	*C_GATE_RESUME(%r15)
1:	xrstor64 (%rcx)
pv_resumed:
	mov	%r12d, C_IN_GUEST(%r15)
	wrfsbase %r14
	movzwl	UC_SS(%r13), %eax
	push	%rax
	push	UC_RSP(%r13)
	push	UC_EFL(%r13)
	movzwl	UC_CS(%r13), %eax
	push	%rax
	push	UC_RIP(%r13)
	mov	UC_R8(%r13), %r8
	mov	UC_R8+8(%r13), %r9
	mov	UC_R8+16(%r13), %r10
	mov	UC_R8+24(%r13), %r11
	mov	UC_R8+32(%r13), %r12
	mov	UC_R8+48(%r13), %r14
	mov	UC_R8+56(%r13), %r15
	mov	UC_RDI(%r13), %rdi
	mov	UC_RDI+8(%r13), %rsi
	mov	UC_RDI+16(%r13), %rbp
	mov	UC_RDI+24(%r13), %rbx
	mov	UC_RDI+32(%r13), %rdx
	mov	UC_RDI+40(%r13), %rax
	mov	UC_RDI+48(%r13), %rcx
	mov	UC_R8+40(%r13), %r13
	iretq

/*
 * The hypercall: guest code has far-jumped to the stub at the trampoline page, which has loaded r15 = cpu (compatibility
 * mode cannot touch r8-r15, and a guest that reached 64-bit mode by itself gains nothing by coming here). EAX = number.
 */
pv_hc_begin:
	mov	%r13d, C_SITE(%r15)
	HC_TAKE	%eax, %ecx, %edx
pv_hc_check:
	mov	C_ATT(%r15), %rax
	cmpb	$0, (%rax)
	jne	pv_hc_kick
	movl	$1, C_IN_GUEST(%r15)
	mov	C_ST(%r15), %r14
	mov	C_GUEST_FS(%r15), %rax
	wrfsbase %rax
	mov	C_HOST_RSP(%r15), %rsp
	push	C_RAW_FLAGS(%r15)
	popfq
	mov	0(%r14), %eax
	mov	8(%r14), %ecx
	mov	16(%r14), %edx
	mov	24(%r14), %ebx
	mov	40(%r14), %ebp
	mov	48(%r14), %esi
	mov	56(%r14), %edi
	mov	32(%r14), %esp
	ljmp	*C_FAR(%r15)
pv_hc_end:
pv_hc_kick:
	movl	$PVX_KICK_N, C_EXIT(%r15)
	mov	C_HOST_FS(%r15), %rax /* a kick may have sent us back after the guest's was loaded */
	wrfsbase %rax
	lea	pv_unwind(%rip), %rbx
	jmp	hc_save
pv_hc_slow:
	lea	pv_unwind(%rip), %rbx
	cmp	$PVX_HYPERCALL_N, %eax
	jne	hc_save
	lea	hc_medium(%rip), %rbx
hc_save:
	/* x87 and SSE state is still the guest's: keep it, and give VMM code what the ABI promises (XSAVE and XRSTOR cost twice as much). */
	mov	C_XSAVE(%r15), %rcx
	fxsave64 (%rcx)
	movq	$3, 512(%rcx) /* XSTATE_BV, for pv_enter's XRSTOR */
	mov	C_XINIT(%r15), %rcx
	fninit
	ldmxcsr	24(%rcx)
	jmp	*%rbx
/* Most hypercalls change none of the guest's registers but EAX: done here, with its segment registers in place. */
hc_medium:
	mov	%r15, %rdi /* the stack is aligned, as pv_hc_begin left it */
	call	pv_hypercall_medium
	mov	%eax, C_EXIT(%r15)
	test	%eax, %eax
	jnz	pv_unwind
	mov	C_XSAVE(%r15), %rcx
	fxrstor64 (%rcx)
	cmpq	$0, C_GATE(%r15)
	je	pv_hc_check
	jmp	pv_keys_check
pv_text_end:
	.section .note.GNU-stack,"",@progbits
