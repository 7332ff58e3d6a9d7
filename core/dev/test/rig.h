/*
 * rig.h - the machine's devices on a bench: a bus to poke them by, a clock that the test turns, a console in memory.
 *
 * rig.c defines clock_*, console_*, vm_stop, vm_mem_written and say in place of core's, so that a test decides what time it is and
 * sees what a device did. Everything else, the bus and the interrupt lines included, is the real thing.
 */
#pragma once
#include "core/vm.h"
#include "core/dev.h"

#define RIG_RAM (48u << 20)

struct rig {
	struct vm vm;
	uint64_t now;        /* ns */
	char out[8192];      /* what the guest wrote to the console */
	size_t out_n;
	bool deaf;           /* what it writes is not kept */
	const char *in;      /* what it can still read; NULL: the input has ended */
	unsigned in_polls;
	bool ahead;          /* console.c has read from it before the guest asks */
	uint64_t written;    /* bytes of RAM that devices said they wrote */
};

struct rig *rig_new(void);
/* A disk in memory: each sector holds its number in four bytes, and then step times that. Close its descriptor. */
void rig_disk_make(struct disk *d, unsigned sectors, unsigned step);
void rig_free(struct rig *r);
/* Turns the clock to ns, firing each timer at its own time. */
void rig_until(struct rig *r, uint64_t ns);

uint8_t rig_in(struct rig *r, uint16_t port);
void rig_out(struct rig *r, uint16_t port, uint8_t v);

/* Initialises both PICs as PC software does: vectors 0x20 and 0x28, 8086 mode, all unmasked. */
void rig_pic_init(struct rig *r);
void rig_line(struct rig *r, unsigned line, bool level);
/* The vector of an INTA cycle, or -1 when INT is low. */
int rig_ack(struct rig *r);
/* Acknowledges, asserts nothing: a cycle the CPU runs whatever INT says. */
int rig_ack_anyway(struct rig *r);
