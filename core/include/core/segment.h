/*
 * segment.h - loading segment registers from the guest's descriptor tables, and checking accesses through them.
 *
 * Used by the interpreter and by engines that do segment loads themselves. All functions return 0, or -1 with the
 * exception in *f and nothing changed but accessed bits in descriptors.
 */
#pragma once
#include "core/cpu.h"

struct vcpu;

/* An exception that an operation would raise. For #PF, CR2 has been set. */
struct fault {
	uint8_t vector;
	bool has_error;
	uint32_t error;
};

/* MOV to or POP of ES, SS, DS, FS, GS (SDM vol. 2B, MOV), LLDT (S_LDTR), LTR (S_TR): the checks of each, then the load. */
int segment_load(struct vcpu *v, enum sreg r, uint16_t sel, struct fault *f);

/*
 * The linear address of len bytes at off in segment r, for an access of the given kind (ACCESS_R, ACCESS_W or ACCESS_X of
 * walk.h): limit, type and null checks (SDM vol. 3, 5.3 to 5.5). #SS for the stack segment, else #GP.
 */
int segment_linear(const struct cpu_state *s, enum sreg r, uint32_t off, uint32_t len, unsigned access, uint32_t *lin,
	struct fault *f);
