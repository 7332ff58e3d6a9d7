/*
 * dev.h - the devices of the machine: a PC as small as its guests allow.
 *
 * A device is one file in core/dev/ and one line in dev_create. Each registers its ports on the bus, raises ISA lines
 * through irq_set, and arms timers on vm->clock.
 */
#pragma once
#include "core/types.h"

struct vm;
struct dev_set;

int dev_create(struct vm *vm);   /* all of them; 0 or -errno */
void dev_destroy(struct vm *vm);

struct pic;
struct pic *dev_pic(const struct vm *vm);
void pic_set_line(struct pic *p, unsigned line, bool level);
bool pic_output(const struct pic *p);
int pic_ack(struct pic *p);

/* Console input has bytes for the UART (the run loop polls the descriptor while halted and between exits). */
void uart_poll_input(struct vm *vm);
/* Would a byte of console input interrupt the guest? False when the input has ended or the guest does not listen. */
bool uart_input_wakes(const struct vm *vm);
/* Writes out what the UART has buffered; called when the VM ends, and by the UART itself at newlines and when idle. */
void uart_flush(struct vm *vm);

/* Ports: 8259 0x20/0xa0, 8254 0x40, 0x61, RTC 0x70, 0x80, COM1 0x3f8 (IRQ 4), ATA 0x1f0 and 0x3f6 (IRQ 14), PCI 0xcf8 and
 * 0xcfc, its I/O window 0xc000 and its memory window 0xe0000000, debug-exit 0xf4 (4 bytes wide). */
#define PORT_DEBUG_EXIT 0xf4
