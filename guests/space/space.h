/*
 * space.h - several address spaces that share frames in every way that page tables allow, and a model of what they map.
 *
 * paging.c builds them in 2-level or PAE form; storm.c changes them at random and checks every access against the model.
 *
 *   WINDOW  16 pages, each space's own table: where most things happen
 *   SHARED  4 pages through one table that all spaces have; its entries may be global
 *   LARGE   the first 4 MiB (PAE: 2 MiB) once more through one large page
 */
#pragma once
#include "../lib/native.h"

#define SPACES 3
#define FRAMES 8
#define WINDOW 0xd0000000u
#define WINDOW_PAGES 16u
#define SHARED 0xd0400000u
#define SHARED_PAGES 4u
#define LARGE 0xe0000000u
#define PTE_G 0x100u
#define NX 0x80000000u /* in flags: bit 63 of the entry */

enum mode { TWO_LEVEL, PAE, PAE_NX };
extern enum mode mode;
extern unsigned char frames[FRAMES][PAGE];

/* What an entry is meant to be: frame FRAMES or more is none of ours, flags 0 is absent. */
struct mapping {
	uint32_t frame, flags;
};
extern struct mapping window[SPACES][WINDOW_PAGES], shared[SHARED_PAGES], large;
extern uint32_t current; /* the live space */

bool paging_start(void); /* false: the machine lacks what the mode needs */
void paging_stop(void);  /* back to the library's own tables */
/* Change an entry in memory, and the model; nothing is flushed. */
void window_set(uint32_t space, uint32_t slot, uint32_t frame, uint32_t flags);
void shared_set(uint32_t slot, uint32_t frame, uint32_t flags);
void large_set(uint32_t flags);
/* Gives the space's window another table with the same contents; nothing is flushed. */
void window_move(uint32_t space);
void space_load(uint32_t space); /* MOV to CR3 */
/* The entry as it is in memory now: its low half. */
uint32_t window_entry(uint32_t space, uint32_t slot);
/* Physical address of the entry, for those who write it through some other mapping. */
uint32_t window_entry_pa(uint32_t space, uint32_t slot);
/* The bytes of an entry, low half first; in PAE form there is a high half. */
uint32_t entry_low(uint32_t frame, uint32_t flags), entry_high(uint32_t flags);
