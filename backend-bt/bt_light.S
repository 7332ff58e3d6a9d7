/*
 * bt_light.S - the border for light callouts: C functions that are compiled for general registers only.
 *
 * As bt_entry.S, with three differences that make it cheaper: XMM, x87 and MXCSR stay in the CPU as they are, whatever the
 * guest does with them; arithmetic flags come back by SAHF; and a function may say that nothing has changed and the
 * interpreter shall do the instruction (LIGHT_INTERP), for which the ordinary callout is then entered. In: r10d guest EIP,
 * r9d argument, r8d operand, r15 where to come back to. From bt_light_start to bt_light_end nothing but reads of memory happens, so a kick may start
 * it again from the top. Read next: bt_gate.c, bt_segment.c.
 */
#include "bt_asm.h"

#define DF 0x400

	.text

bt_light_common:
	SAVE_GUEST %r12, %r15
	mov %r10d, HOT_LIGHT_EIP(%r14)
	mov %r9d, HOT_LIGHT_ARG(%r14)
	mov HOT_BT(%r14), %rdi
	mov %r10d, %esi
	mov %r9d, %edx
	mov %r8d, %ecx
	call *%r11
	cmp $LIGHT_SLOW, %rax
	jbe 1f
	mov %rax, HOT_RESUME(%r14)

	.globl bt_light_start
	.hidden bt_light_start
bt_light_start:
	mov HOT_ATTENTION(%r14), %r8
	cmpb $0, (%r8)
	jne bt_light_kick
	mov HOT_STATE(%r14), %r8
	mov HOT_WIN(%r14), %r13
	mov HOT_GS_WIN(%r14), %r9
	cmp HOT_GS(%r14), %r9
	jne 7f
8:	mov HOT_HFLAGS(%r14), %eax
	test $DF, %eax
	jnz 3f
	mov %eax, %ecx
	shl $8, %eax        /* ah: the low byte of EFLAGS */
	shr $11, %ecx
	and $1, %ecx        /* OF */
	or %ecx, %eax
	add $0x7f, %al      /* overflows if it was set */
	sahf
2:	RESUME_GUEST
3:	pushq HOT_HFLAGS(%r14)
	popfq
	jmp 2b
7:	cmpq $-1, HOT_GS(%r14)
	je 8b
	wrgsbase %r9
	mov %r9, HOT_GS(%r14)
	jmp 8b
	.globl bt_light_end
	.hidden bt_light_end
bt_light_end:

bt_light_kick:
	mov $LEAVE_KICK, %ebx
	jmp bt_leave_live

1:	je 5f
	test %eax, %eax
	jnz 4f
	lea bt_co_interp(%rip), %r8
	jmp 6f
5:	lea bt_co_light_end(%rip), %r8
6:	mov HOT_LIGHT_EIP(%r14), %r10d
	mov HOT_LIGHT_ARG(%r14), %r9d
	jmp bt_callout_saved
4:	mov $LEAVE_CALLOUT, %ebx
	jmp bt_leave_live

/* Entries, in the order of enum bt_thunk from TH_LIGHT on. */
.macro LIGHT fn
	.hidden \fn
9:	lea \fn(%rip), %r11
	jmp bt_light_common
	.pushsection .data.rel.ro, "aw"
	.quad 9b
	.popsection
.endm

	.hidden bt_co_interp
	.hidden bt_co_light_end
	.pushsection .data.rel.ro, "aw"
	.globl bt_light_thunks
	.hidden bt_light_thunks
	.balign 8
bt_light_thunks:
	.popsection
	LIGHT bt_lt_int
	LIGHT bt_lt_iret
	LIGHT bt_lt_sysenter
	LIGHT bt_lt_sysexit
	LIGHT bt_lt_seg_load
	LIGHT bt_lt_verify

/* The same with --witness. */
	.pushsection .data.rel.ro, "aw"
	.globl bt_witness_light_thunks
	.hidden bt_witness_light_thunks
	.balign 8
bt_witness_light_thunks:
	.popsection
	LIGHT bt_wl_int
	LIGHT bt_wl_iret
	LIGHT bt_wl_sysenter
	LIGHT bt_wl_sysexit
	LIGHT bt_wl_seg_load
	LIGHT bt_wl_verify

	.section .note.GNU-stack,"",@progbits
