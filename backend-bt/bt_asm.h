/*
 * bt_asm.h - offsets that bt_entry.S and C share: fields of struct bt_hot and of struct cpu_state.
 *
 * r14 points at the end of struct bt_hot, which is also the first byte of the code cache, so every field lies at a small
 * negative displacement. bt.c asserts each of these against the structs.
 */
#pragma once

#define HOT_SIZE 768

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
#define HOT_XMM       (112 - HOT_SIZE)

/* struct cpu_state */
#define STATE_GPR 0

#define LEAVE_KICK    1
#define LEAVE_CALLOUT 2
#define LEAVE_FAULT   3
