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
#define C_PKRU       144
#define C_SITE       148
#define C_GATE       160 /* the VMM's view of struct pv_gate */
#define C_GATE_EXIT  168
#define C_GATE_FAST  176
#define C_GATE_RESUME 184
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
/* struct pv_gate: what the gate's code (pv_gate.S) reads with the guest's rights, one page after it, and the VMM writes two after. */
#define G_GUEST  0
#define G_PKRU   4
#define G_NEG    8
#define G_RAX    16
#define G_IRET   40
#define G_ESP    80
#define G_FAR    88
#define VMM_PKRU 0x55555554 /* key 0 alone: what the host kernel starts signal handlers with, so that none has to change it */
