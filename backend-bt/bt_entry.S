/*
 * bt_entry.S - the border between C and translated code.
 *
 * bt_enter goes in and returns when translated code has to leave. A callout is `jmp *HOT_thunk(%r14)` with the guest EIP in
 * r10d, an argument in r9d and in r15 where to come back to (rsp is the guest's: nothing may be pushed before it is ours): all guest registers are stored into struct cpu_state, a C function runs, and what it
 * returns is where to go on, or NULL to leave. From bt_resume_start to bt_resume_end nothing but reads of memory
 * happens (but for the GS base, set twice as well as once), so bt_async.c may restart it from the top when a kick arrives in between: that is what makes the attention
 * test race-free. Registers in translated code: rsp window + guest ESP, r14 hot, r13 window, r11 window + 4 GiB, r12 table.
 *
 * FPU: C code uses SSE but never x87, so an ordinary callout saves XMM0-7 and gives C its own MXCSR; the rest of the guest's
 * FPU state stays in the CPU. The whole of it goes to state.fx (fpu_mem) when translated code is left, and before the
 * interpreter runs an FPU instruction. Nothing of this happens until the guest has used the FPU at all.
 */
#include "bt_asm.h"

	.text

.macro XMM op
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7
	.ifc \op, save
	movaps %xmm\n, HOT_XMM + 16 * \n(%r14)
	.else
	movaps HOT_XMM + 16 * \n(%r14), %xmm\n
	.endif
	.endr
.endm

/* int bt_enter(void *hot_end) */
	.globl bt_enter
	.hidden bt_enter
	.type bt_enter, @function
bt_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	mov %rdi, %r14
	mov %rsp, HOT_HOST_RSP(%r14)
	mov HOT_GS_WIN(%r14), %r9
	cmpq $-1, HOT_GS(%r14)
	je bt_resume_start
	wrgsbase %r9
	mov %r9, HOT_GS(%r14)

	.globl bt_resume_start
	.hidden bt_resume_start
bt_resume_start:
	mov HOT_ATTENTION(%r14), %r8
	cmpb $0, (%r8)
	jne bt_leave_kick
	mov HOT_STATE(%r14), %r8
	mov HOT_WIN(%r14), %r13
	mov HOT_GS_WIN(%r14), %r9
	cmp HOT_GS(%r14), %r9
	jne 5f
6:	cmpb $0, HOT_FPU(%r14)
	jne 2f
1:	pushq HOT_HFLAGS(%r14)
	popfq
	RESUME_GUEST
2:	cmpb $0, HOT_FPU_MEM(%r14)
	jne 3f
	XMM load
	mov HOT_GMXCSR(%r14), %r9d
	cmp HOT_MXCSR(%r14), %r9d
	je 1b
	ldmxcsr HOT_GMXCSR(%r14)
	jmp 1b
3:	mov HOT_FX(%r14), %r9
	fxrstor (%r9)
	jmp 1b
5:	cmpq $-1, HOT_GS(%r14)
	je 6b
	wrgsbase %r9
	mov %r9, HOT_GS(%r14)
	jmp 6b
	.globl bt_resume_end
	.hidden bt_resume_end
bt_resume_end:

bt_leave_kick:
	mov $LEAVE_KICK, %ebx
	jmp bt_leave_saved

/* A host fault or a kick in translated code: the handler has stored the guest's registers, and sends us here. */
	.globl bt_fault_exit
	.hidden bt_fault_exit
bt_fault_exit:
	mov $LEAVE_FAULT, %ebx
	.globl bt_leave_live
	.hidden bt_leave_live
bt_leave_live:
	cmpb $0, HOT_FPU(%r14)
	je bt_leave
	jmp 4f

/* C code ran: XMM and MXCSR are its own, unless everything is in fx already. */
bt_leave_saved:
	cmpb $0, HOT_FPU(%r14)
	je bt_leave
	cmpb $0, HOT_FPU_MEM(%r14)
	jne bt_leave
	XMM load
	ldmxcsr HOT_GMXCSR(%r14)
4:	mov HOT_FX(%r14), %r8
	fxsave (%r8)
	fninit
	ldmxcsr HOT_MXCSR(%r14)
	movl $1, HOT_FPU_MEM(%r14)
bt_leave:
	cld
	mov %ebx, %eax
	mov HOT_HOST_RSP(%r14), %rsp
	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

bt_callout_common:
	SAVE_GUEST %r11, %r12
	.globl bt_callout_saved
	.hidden bt_callout_saved
bt_callout_saved:
	cmpb $0, HOT_FPU(%r14)
	jne 2f
1:	mov HOT_BT(%r14), %rdi
	mov %r10d, %esi
	mov %r9d, %edx
	call *%r8
	mov %rax, HOT_RESUME(%r14)
	test %rax, %rax
	jnz bt_resume_start
	mov $LEAVE_CALLOUT, %ebx
	jmp bt_leave_saved
2:	XMM save
	movl $0, HOT_FPU_MEM(%r14)
	stmxcsr HOT_GMXCSR(%r14)
	mov HOT_GMXCSR(%r14), %r11d
	cmp HOT_MXCSR(%r14), %r11d
	je 1b
	ldmxcsr HOT_MXCSR(%r14)
	jmp 1b

bt_callout_fpu:
	SAVE_GUEST %r11, %r12
	cmpb $0, HOT_FPU(%r14)
	je 1b
	mov HOT_FX(%r14), %r11
	fxsave (%r11)
	fninit
	ldmxcsr HOT_MXCSR(%r14)
	movl $1, HOT_FPU_MEM(%r14)
	jmp 1b

/* One entry for each callout: C function -> common path. Order: enum bt_thunk. */
.macro THUNK fn, common=bt_callout_common
	.hidden \fn
9:	lea \fn(%rip), %r8
	jmp \common
	.pushsection .data.rel.ro, "aw"
	.quad 9b
	.popsection
.endm

	.pushsection .data.rel.ro, "aw"
	.globl bt_thunks
	.hidden bt_thunks
	.balign 8
bt_thunks:
	.popsection
	THUNK bt_co_miss
	THUNK bt_co_chain
	THUNK bt_co_interp
	THUNK bt_co_interp, bt_callout_fpu
	THUNK bt_co_sti_window
	THUNK bt_co_in
	THUNK bt_co_out
	THUNK bt_co_cpuid
	THUNK bt_co_popf
	THUNK bt_co_stop
	THUNK bt_co_soft
	THUNK bt_co_soft, bt_callout_fpu

/* The same with --witness: by way of bt_witness.c. */
	.pushsection .data.rel.ro, "aw"
	.globl bt_witness_thunks
	.hidden bt_witness_thunks
	.balign 8
bt_witness_thunks:
	.popsection
	THUNK bt_wi_miss
	THUNK bt_wi_chain
	THUNK bt_wi_interp
	THUNK bt_wi_interp, bt_callout_fpu
	THUNK bt_wi_sti_window
	THUNK bt_wi_in
	THUNK bt_wi_out
	THUNK bt_wi_cpuid
	THUNK bt_wi_popf
	THUNK bt_wi_stop
	THUNK bt_wi_soft
	THUNK bt_wi_soft, bt_callout_fpu

	.section .note.GNU-stack,"",@progbits
