/* pv_offsets.h - offsets that pv_entry.S shares with C; each is asserted in pv_signal.c. */
#pragma once
#define C_HOST_RSP   0
#define C_HOST_FS    8
#define C_ST         16
#define C_GUEST_FS   24
#define C_IRET       32
#define C_SEL        72
#define C_IN_GUEST   80
#define C_EXIT       84
#define C_XSAVE      88
#define C_XINIT      96
#define C_XMASK      104
#define C_FAR        112
#define C_FAR_SS     118
#define C_ATT        120
#define C_RAW_FLAGS  128
#define C_USE_PKRU   144
#define C_PKRU       148
#define C_SITE       152
#define PVX_KICK_N   2
#define PVX_HYPERCALL_N 3
#define PVX_ABORT_N  7
/* ucontext_t of x86-64 glibc */
#define UC_R8     40
#define UC_RDI    104
#define UC_RSP    160
#define UC_RIP    168
#define UC_EFL    176
#define UC_CS     184
#define UC_SS     190
#define UC_FPREGS 224
