/*
 * walk.h - the guest's page tables: 2-level with PSE, and PAE with NX (SDM vol. 3, chapter 4).
 *
 * One walker for the interpreter, bt's shadow pages and pv's trap interface. It reads guest RAM only, bounds-checked; a
 * table outside RAM reads as all ones, as the bus would give.
 */
#pragma once
#include "core/cpu.h"
#include "core/mem.h"

#define ACCESS_R 0u
#define ACCESS_W 1u
#define ACCESS_X 2u
#define ACCESS_USER 4u

struct walk {
	gpa_t gpa;           /* of the byte addressed */
	uint32_t page_size;  /* 4 KiB, 2 MiB or 4 MiB; with paging off 4 KiB */
	gpa_t entry[3];      /* guest-physical addresses of the entries used, root first */
	uint8_t levels;      /* how many of entry[] are used */
	uint8_t entry_size;  /* 4 or 8 */
	uint8_t written;     /* bit i: the accessed or dirty bit of entry[i] was set by this walk */
	bool writable, user, exec, dirty, global; /* combined over levels; writable ignores CR0.WP */
};

/*
 * Translates gva under s's CR0, CR3, CR4, EFER for an access of the given kind. Returns 0 and fills *w, or the
 * page-fault error code (nonzero: bit 0..4) | WALK_FAULT. set_ad updates accessed and dirty bits as the CPU would;
 * the caller then sees to its own write-protection of those table pages.
 */
#define WALK_FAULT 0x10000u
uint32_t walk_page(const struct cpu_state *s, const struct mem *m, gva_t gva, unsigned access, bool set_ad, struct walk *w);
