/*
 * first.S - the shortest guest: reads the TSC with its first instruction, prints it, waits a little, and ends.
 *
 * `ringlab-bench startup` compares the stamp with the one it took before it started the process, and looks at the
 * process while this guest waits. Multiboot, paging off; output through the UART at 0x3f8, the end through port 0xf4.
 */
	.text
	.balign	4
	.long	0x1BADB002, 0, -0x1BADB002

	.text
	.globl	_start
_start:
	rdtsc
	mov	$stack_top, %esp
	mov	%eax, %ebx		/* low half */
	mov	%edx, %ebp		/* high half */
	mov	$text, %esi
1:	lodsb
	test	%al, %al
	jz	2f
	call	put
	jmp	1b
2:	mov	%ebp, %edi
	call	put_hex
	mov	%ebx, %edi
	call	put_hex
	mov	$'\n', %al
	call	put
	/* Stay for 50 million cycles (about 20 ms), so that the process can be looked at. */
3:	rdtsc
	sub	%ebx, %eax
	sbb	%ebp, %edx
	jnz	4f
	cmp	$50000000, %eax
	jb	3b
4:	mov	$0xf4, %edx
	xor	%eax, %eax
	out	%eax, %dx
5:	hlt
	jmp	5b

put:	mov	$0x3f8, %edx		/* AL; changes EDX */
	out	%al, %dx
	ret

put_hex:				/* EDI, eight digits */
	mov	$8, %ecx
1:	rol	$4, %edi
	mov	%edi, %eax
	and	$15, %eax
	mov	digits(%eax), %al
	call	put
	loop	1b
	ret

text:	.asciz	"FIRST tsc="
digits:	.ascii	"0123456789abcdef"

	.bss
	.space	256
stack_top:
	.section .note.GNU-stack, "", @progbits
