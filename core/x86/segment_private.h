/*
 * segment_private.h - descriptors, for the files that move between segments and privilege levels (segment, far, deliver,
 * task). All return 0, or -1 with the exception in *f.
 */
#pragma once
#include "core/segment.h"

/* A descriptor as read from its table. */
struct desc {
	uint16_t sel;
	uint32_t lo, hi;
	uint32_t lin; /* linear address of the descriptor */
};

#define DESC_TYPE(d) (((d)->hi >> 8) & 15)
#define DESC_S(d) (((d)->hi >> 12) & 1)
#define DESC_DPL(d) (((d)->hi >> 13) & 3)
#define DESC_P(d) (((d)->hi >> 15) & 1)
#define DESC_CODE(d) (DESC_S(d) && (DESC_TYPE(d) & 8))
#define DESC_CONFORMING(d) (DESC_TYPE(d) & 4)

#define GATE_SEL(d) ((uint16_t)((d)->lo >> 16))
#define GATE_OFFSET32(d) (((d)->hi & 0xffff0000u) | ((d)->lo & 0xffff))
#define GATE_OFFSET16(d) ((d)->lo & 0xffff)

/* System descriptor types (SDM vol. 3, table 3-2) */
enum { SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK = 5, SYS_INT16 = 6, SYS_TRAP16 = 7, SYS_TSS32 = 9,
	SYS_TSS32_BUSY = 11, SYS_CALL32 = 12, SYS_INT32 = 14, SYS_TRAP32 = 15 };

/* EXT: the event being delivered is external to the program (bit 0 of the error code). */
#define SEL_ERROR(sel) ((uint32_t)(sel) & 0xfffc)

static inline int fault_set(struct fault *f, uint8_t vector, uint32_t error)
{
	*f = (struct fault){ vector, true, error };
	return -1;
}

static inline bool sel_null(uint16_t sel) { return (sel & 0xfffc) == 0; }

/* Whether the table of sel reaches that far; and the read itself (vector(selector) when beyond the limit). */
bool desc_in_table(const struct cpu_state *s, uint16_t sel, uint32_t *lin);
int desc_read(struct vcpu *v, uint16_t sel, uint8_t vector, uint32_t ext, struct desc *d, struct fault *f);
struct segment desc_segment(const struct desc *d);
/* Sets the accessed bit in memory and in *d. */
int desc_set_accessed(struct vcpu *v, struct desc *d, struct fault *f);
/* Sets or clears the busy bit of a TSS descriptor, in memory. */
int desc_set_busy(struct vcpu *v, struct desc *d, bool busy, struct fault *f);

/* Limit and rights of one segment; vector is #SS or #GP. */
int segment_check(const struct segment *g, uint8_t vector, uint32_t off, uint32_t len, unsigned access, uint32_t *lin,
	struct fault *f);

/* A stack being pushed to or popped from before it becomes (or ceases to be) the current one. */
struct stack {
	struct segment ss;
	uint32_t sp;
	unsigned user; /* ACCESS_USER or 0 */
	uint32_t error; /* #SS error code: 0, or the selector of a new stack */
};

void stack_current(const struct cpu_state *s, struct stack *k);
int stack_push(struct vcpu *v, struct stack *k, uint32_t value, unsigned size, struct fault *f);
int stack_pop(struct vcpu *v, struct stack *k, uint32_t *value, unsigned size, struct fault *f);
int stack_read(struct vcpu *v, const struct stack *k, uint32_t offset, uint32_t *value, unsigned size, struct fault *f);
uint32_t stack_sp_mask(const struct stack *k);
/* Room for n pushes, in their order: checked before the first of them. */
int stack_room(struct vcpu *v, const struct stack *k, unsigned n, unsigned size, struct fault *f);
void stack_commit(struct cpu_state *s, const struct stack *k);

/* The stack of an inner privilege level, from the current TSS; vector #TS for what is wrong with it. */
int stack_from_tss(struct vcpu *v, unsigned dpl, uint32_t ext, struct stack *k, struct fault *f);

/* A code segment for a transfer that was checked: sets accessed, makes CS with RPL = cpl. */
int code_segment(struct vcpu *v, struct desc *d, unsigned cpl, struct segment *cs, struct fault *f);

/* far.c */
int far_jump(struct vcpu *v, uint16_t sel, uint32_t off, unsigned opsz, uint32_t next, struct fault *f);
int far_call(struct vcpu *v, uint16_t sel, uint32_t off, unsigned opsz, uint32_t next, struct fault *f);
int far_return(struct vcpu *v, unsigned opsz, uint16_t drop, bool *outer, struct fault *f);
int far_iret(struct vcpu *v, unsigned opsz, uint32_t next, bool *outer, struct fault *f);

/* task.c */
enum task_how { TASK_JUMP, TASK_CALL, TASK_IRET };
/*
 * Switches to the task whose TSS descriptor is d (already checked for privilege). eip: what the old task resumes at.
 * Returns 0, or -1 with *f; a fault raised in the new task's context (SDM vol. 3, 7.3) leaves the switch done.
 */
int task_switch(struct vcpu *v, struct desc *d, enum task_how how, uint32_t eip, uint32_t ext, struct fault *f);
/* A fault the interpreter cannot go on from: f->vector is FAULT_CRASH, and v->interp.why says why. */
#define FAULT_CRASH 0xff
__attribute__((format(printf, 3, 4)))
int fault_crash(struct vcpu *v, struct fault *f, const char *fmt, ...);
