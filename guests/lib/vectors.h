/*
 * vectors.h - for assembly: one stub for each vector below n, and the table of their addresses.
 *
 * A stub stores an error code where the CPU does not, and the vector (SDM vol. 3, table 6-1), and goes to trap_common.
 */
#pragma once

	.macro	STUB n
vector_\n:
	.if	!(\n == 8 || (\n >= 10 && \n <= 14) || \n == 17)
	push	$0
	.endif
	push	$\n
	jmp	trap_common
	.endm

	.macro	VECTOR_STUBS count
	.altmacro
	.set	n, 0
	.rept	\count
	STUB	%n
	.set	n, n + 1
	.endr
	.noaltmacro
	.endm

	.macro	ENTRY n
	.long	vector_\n
	.endm

	.macro	VECTOR_TABLE count
	.globl	vector_table
	.balign	4
vector_table:
	.altmacro
	.set	n, 0
	.rept	\count
	ENTRY	%n
	.set	n, n + 1
	.endr
	.noaltmacro
	.endm
