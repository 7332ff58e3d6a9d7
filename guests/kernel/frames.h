/*
 * frames.h - how main.c makes the frame allocator.
 */
#pragma once
#include "kernel.h"

uint32_t frames_table_size(uint32_t n); /* bytes, for n frames */
void frames_init(void *table, uint32_t n); /* takes what arch_memory says is free */
