/*
 * crt0.S - where a program begins, how it enters the kernel, and how a signal handler returns.
 *
 * The kernel leaves argc, the argument pointers, 0, the environment pointers and 0 on the stack (System V ABI for i386,
 * "Process Initialization").
 */
	.text
	.globl	_start
_start:
	xorl	%ebp, %ebp
	movl	%esp, %eax
	andl	$-16, %esp
	subl	$12, %esp
	pushl	%eax
	call	proc_start		/* (uint32_t *stack): does not return */
	hlt

/* long syscall_raw(long nr, long a, long b, long c, long d, long e, long f) */
	.globl	syscall_raw
syscall_raw:
	pushl	%ebp
	pushl	%edi
	pushl	%esi
	pushl	%ebx
	movl	20(%esp), %eax
	movl	24(%esp), %ebx
	movl	28(%esp), %ecx
	movl	32(%esp), %edx
	movl	36(%esp), %esi
	movl	40(%esp), %edi
	movl	44(%esp), %ebp
	int	$0x80
	popl	%ebx
	popl	%esi
	popl	%edi
	popl	%ebp
	ret

/* The return address of every handler: SA_RESTORER. */
	.globl	signal_restorer
signal_restorer:
	movl	$173, %eax		/* LNR_rt_sigreturn */
	int	$0x80
	.section .note.GNU-stack,"",@progbits
