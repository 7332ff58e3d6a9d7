/*
 * native_entry.S - from 64-bit code into 32-bit code with a given state, and back out of a signal.
 *
 * native_enter(ctx) loads the FPU image, the data selectors, the registers and, by IRETQ, CS:EIP, EFLAGS and SS:ESP. The
 * tested code always ends in a fault or INT3, so that the kernel saves all its registers exactly. native_signal is the
 * handler's first instructions: the tested code may have replaced the FS base, and with it libc's TLS, so the context is
 * found at the bottom of the aligned alternate stack, and FS is repaired before any C code runs. native_leave drops the
 * signal frame (no rt_sigreturn is needed: SA_NODEFER, and the kernel has reset the FPU for the handler) and returns
 * from native_enter. Offsets are checked in native.c.
 */
#define CTX_RSP 0
#define CTX_FSBASE 8
#define CTX_USE_WRFSBASE 16
#define CTX_SEL 20 /* es cs ss ds fs gs, 2 bytes each */
#define CTX_OUT_SEL 32
#define CTX_GPR 48
#define CTX_EIP 80
#define CTX_EFLAGS 84
#define CTX_FX 96
#define ALTSTACK_MASK (-65536)
#define SYS_ARCH_PRCTL 158
#define ARCH_SET_FS 0x1002

	.text
	.globl native_enter
	.type native_enter, @function
native_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, CTX_RSP(%rdi)
	fxrstor64 CTX_FX(%rdi)
	movzwl CTX_SEL + 4(%rdi), %eax
	push %rax
	mov CTX_GPR + 16(%rdi), %eax
	push %rax
	mov CTX_EFLAGS(%rdi), %eax
	push %rax
	movzwl CTX_SEL + 2(%rdi), %eax
	push %rax
	mov CTX_EIP(%rdi), %eax
	push %rax
	mov CTX_SEL + 0(%rdi), %es
	mov CTX_SEL + 6(%rdi), %ds
	mov CTX_SEL + 8(%rdi), %fs
	mov CTX_SEL + 10(%rdi), %gs
	mov CTX_GPR + 0(%rdi), %eax
	mov CTX_GPR + 4(%rdi), %ecx
	mov CTX_GPR + 8(%rdi), %edx
	mov CTX_GPR + 12(%rdi), %ebx
	mov CTX_GPR + 20(%rdi), %ebp
	mov CTX_GPR + 24(%rdi), %esi
	mov CTX_GPR + 28(%rdi), %edi
	iretq
	.size native_enter, . - native_enter

	.globl native_signal
	.type native_signal, @function
native_signal:
	pushq $2
	popfq /* the kernel leaves NT and AC as tested code set them; IRETQ with NT is #GP */
	mov %rsp, %rbx
	and $ALTSTACK_MASK, %rbx
	mov (%rbx), %rbx
	mov %es, CTX_OUT_SEL + 0(%rbx)
	mov %ds, CTX_OUT_SEL + 6(%rbx)
	mov %fs, CTX_OUT_SEL + 8(%rbx)
	mov %gs, CTX_OUT_SEL + 10(%rbx)
	mov %rsi, %r12
	mov %rdx, %r13
	mov %edi, %r14d
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	cmpl $0, CTX_USE_WRFSBASE(%rbx)
	je 1f
	mov CTX_FSBASE(%rbx), %rax
	wrfsbase %rax
	jmp 2f
1:	mov CTX_FSBASE(%rbx), %rsi
	mov $ARCH_SET_FS, %edi
	mov $SYS_ARCH_PRCTL, %eax
	syscall
2:	mov %rbx, %rdi
	mov %r14d, %esi
	mov %r12, %rdx
	mov %r13, %rcx
	and $-16, %rsp
	call native_caught
	mov %rbx, %rdi
	/* fall through */
	.globl native_leave
native_leave:
	mov CTX_RSP(%rdi), %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.size native_signal, . - native_signal
	.section .note.GNU-stack, "", @progbits
