/*
 * types.h - the addresses and small facts that every file shares.
 *
 * Guest-physical and guest-virtual (linear) addresses are one-member structs, so that passing one for the other does
 * not compile. Host addresses are ordinary pointers.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct { uint64_t a; } gpa_t; /* guest-physical address, bytes */
typedef struct { uint64_t a; } gva_t; /* guest-virtual (linear) address, bytes; 32-bit guests use the low half */

#define GPA(x) ((gpa_t){ (uint64_t)(x) })
#define GVA(x) ((gva_t){ (uint64_t)(x) })

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096u
#define PAGE_MASK  (~(uint64_t)(PAGE_SIZE - 1))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
