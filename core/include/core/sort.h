/*
 * sort.h - sorting without a system call: glibc's qsort asks sysinfo(2) for the memory it may use, which the jail forbids.
 */
#pragma once
#include <stddef.h>

/* As qsort; not stable. Elements of at most 256 bytes. */
void sort_array(void *base, size_t n, size_t size, int (*compare)(const void *a, const void *b));
