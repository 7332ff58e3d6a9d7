/*
 * bt_asm.h - offsets that bt_entry.S and C share: fields of struct bt_hot and of struct cpu_state.
 *
 * r14 points at the end of struct bt_hot, which is also the first byte of the code cache, so every field lies at a small
 * negative displacement. bt.c asserts each of these against the structs.
 */
#pragma once

#define HOT_SIZE 1280

#define HOT_HOST_RSP  (0 - HOT_SIZE)
#define HOT_STATE     (8 - HOT_SIZE)
#define HOT_BT        (16 - HOT_SIZE)
#define HOT_RET       (24 - HOT_SIZE)
#define HOT_RESUME    (32 - HOT_SIZE)
#define HOT_HFLAGS    (40 - HOT_SIZE)
#define HOT_WIN       (48 - HOT_SIZE)
#define HOT_WIN_HI    (56 - HOT_SIZE)
#define HOT_TABLE     (64 - HOT_SIZE)
#define HOT_ATTENTION (72 - HOT_SIZE)
#define HOT_FPU       (80 - HOT_SIZE)
#define HOT_MXCSR     (84 - HOT_SIZE)
#define HOT_FX        (88 - HOT_SIZE)
#define HOT_FPU_MEM   (96 - HOT_SIZE)
#define HOT_GMXCSR    (100 - HOT_SIZE)
#define HOT_GS        (104 - HOT_SIZE)
#define HOT_XMM       (112 - HOT_SIZE)

#define HOT_LIGHT_EIP (504 - HOT_SIZE)
#define HOT_LIGHT_ARG (508 - HOT_SIZE)
#define HOT_GS_WIN    (512 - HOT_SIZE)

/* What a light callout may return instead of an address. */
#define LIGHT_INTERP 0 /* nothing has changed: the interpreter does the instruction */
#define LIGHT_LEAVE  1 /* leave to bt_run */
#define LIGHT_SLOW   2 /* done; bt_co_light_end goes on from b->light */

/* struct cpu_state */
#define STATE_GPR 0

#define LEAVE_KICK    1
#define LEAVE_CALLOUT 2
#define LEAVE_FAULT   3

#ifdef __ASSEMBLER__
/* From translated code to C: the return address in r15, the guest's registers and flags saved, on the host's stack. */
.macro SAVE_GUEST state, esp
	mov %r15, HOT_RET(%r14)
	mov HOT_STATE(%r14), \state
	mov %esp, \esp\()d
	mov HOT_HOST_RSP(%r14), %rsp
	pushfq
	popq HOT_HFLAGS(%r14)
	cld
	mov %rax, STATE_GPR+0(\state)
	mov %rcx, STATE_GPR+8(\state)
	mov %rdx, STATE_GPR+16(\state)
	mov %rbx, STATE_GPR+24(\state)
	mov \esp, STATE_GPR+32(\state)
	mov %rbp, STATE_GPR+40(\state)
	mov %rsi, STATE_GPR+48(\state)
	mov %rdi, STATE_GPR+56(\state)
.endm

/* Back: state in r8, the window in r13, flags as they shall be; on at HOT_RESUME. */
.macro RESUME_GUEST
	mov HOT_TABLE(%r14), %r12
	mov HOT_WIN_HI(%r14), %r11
	mov STATE_GPR+0(%r8), %eax
	mov STATE_GPR+8(%r8), %ecx
	mov STATE_GPR+16(%r8), %edx
	mov STATE_GPR+24(%r8), %ebx
	mov STATE_GPR+32(%r8), %esp
	lea (%rsp,%r13), %rsp
	mov STATE_GPR+40(%r8), %ebp
	mov STATE_GPR+48(%r8), %esi
	mov STATE_GPR+56(%r8), %edi
	jmp *HOT_RESUME(%r14)
.endm
#endif
