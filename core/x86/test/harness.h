/*
 * harness.h - a bare machine for the interpreter's tests: RAM, an empty bus, one vCPU in flat protected mode, ring 0.
 *
 * No devices, no run loop: tests place bytes and tables in RAM, set v->state, and call interp_step or the function under
 * test. Guest-physical layout: GDT at 0x1000, IDT at 0x2000, TSS at 0x3000, LDT at 0x4000, code at 0x10000, handlers at
 * 0x20000 + vector * 16, stacks below 0x80000 (ring 0) and 0x90000 (ring 3).
 */
#pragma once
#include "core/interp.h"
#include "core/segment.h"
#include "core/vm.h"
#include "core/walk.h"

#define AT_GDT 0x1000u
#define AT_IDT 0x2000u
#define AT_TSS 0x3000u
#define AT_LDT 0x4000u
#define AT_CODE 0x10000u
#define AT_HANDLER(vec) (0x20000u + (vec) * 16u)
#define AT_STACK0 0x80000u
#define AT_STACK3 0x90000u

/* Selectors of the GDT that rig_open makes. */
enum {
	RIG_CODE0 = 0x08, RIG_DATA0 = 0x10, RIG_CODE3 = 0x1b, RIG_DATA3 = 0x23, RIG_TSS = 0x28, RIG_CONF = 0x30, RIG_ABSENT = 0x38,
	RIG_LDT = 0x40, RIG_RO = 0x48, RIG_XONLY = 0x50, RIG_SMALL = 0x58, RIG_GATE = 0x60, RIG_TSS2 = 0x68, RIG_DOWN = 0x70,
	RIG_TASKGATE = 0x78,
};

struct rig {
	struct vm *vm;
	struct vcpu *v;
	struct cpu_state *s;
};

struct rig rig_open(void);
void rig_close(struct rig *r);
/* Ring 3 with flat segments and its own stack. */
void rig_user(struct rig *r);
void rig_code(struct rig *r, const void *bytes, unsigned n);
#define CODE(r, ...) rig_code((r), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
void rig_put32(struct rig *r, uint32_t at, uint32_t v);
void rig_put64(struct rig *r, uint32_t at, uint64_t v);
uint32_t rig_get32(struct rig *r, uint32_t at);
uint64_t rig_descriptor(uint32_t base, uint32_t limit20, unsigned access, unsigned flags);
/* type: 0xe interrupt, 0xf trap, 5 task, 6, 7 16-bit */
void rig_gate(struct rig *r, unsigned vector, uint16_t sel, uint32_t off, unsigned type, unsigned dpl, bool present);
