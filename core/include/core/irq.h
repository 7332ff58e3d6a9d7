/*
 * irq.h - interrupt lines, from devices to the 8259 pair, and from there to the vCPU.
 *
 * The same user-space controllers serve all three backends. A device raises and lowers ISA lines 0 to 15. When the
 * controller's output rises, the vCPU's `attention` byte is set: the backend returns EXIT_KICK at the next instruction
 * boundary, and the run loop injects or asks for an interrupt window.
 */
#pragma once
#include "core/types.h"

struct vm;

void irq_set(struct vm *vm, unsigned line, bool level); /* line 0..15 */
bool irq_pending(const struct vm *vm);                  /* the PIC's INT output */
int irq_ack(struct vm *vm);                             /* the INTA cycle: vector 0..255 */
