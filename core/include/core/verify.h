/*
 * verify.h - did the guest change a byte of the VMM? `run --verify-vmm` asks before and after.
 *
 * Covers the code and read-only data of every loaded object, and canaries spread over the heap and high mappings;
 * ordinary data changes while a VM runs and cannot be hashed.
 */
#pragma once
#include <stdbool.h>

struct verify;
int verify_begin(struct verify **out); /* 0 or -errno */
/* True when nothing has changed. Frees v. */
bool verify_end(struct verify *v);
