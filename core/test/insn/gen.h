/* gen.h - what gen.c, gen_state.c and enumerate.c share. */
#pragma once
#include "itest.h"

/* A linear address for an access of size bytes: into, across and beyond the test pages. */
uint32_t gen_target(struct it_rng *r, uint32_t size);
void gen_fx(struct it_rng *r, uint8_t fx[512]);
void fx_default(uint8_t fx[512]);
