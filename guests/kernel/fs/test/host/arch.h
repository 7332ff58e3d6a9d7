/* arch.h - for the file system as a host program, where there are no interrupts. */
#pragma once
#include <stdint.h>

typedef uint32_t irq_flags;

typedef uint32_t irq_flags;

static inline irq_flags irq_save(void) { return 0; }
static inline void irq_restore(irq_flags flags) { }
