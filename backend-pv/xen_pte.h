/* xen_pte.h - the bits of PAE page-table entries (SDM vol. 3, 4.4) as page types and host mappings read them. */
#pragma once
#include <stdint.h>

#define E_P 0x1ull
#define E_RW 0x2ull
#define E_US 0x4ull
#define E_A 0x20ull
#define E_D 0x40ull
#define E_PS 0x80ull
#define E_NX (1ull << 63)
#define E_ADDR 0x0000000ffffff000ull /* bits 35..12: 36 physical bits */
#define E_RSVD 0x7ffffff000000000ull
/* What Xen refuses in an entry of an ordinary domain: cache attributes, large pages, global pages, and reserved bits. */
#define E_REFUSED (E_RSVD | 0x198ull)
#define E_REFUSED_L3 (E_REFUSED | E_NX)
#define E_OURS_L3 0x66ull /* RW, US, A, D: Xen lets a 32-bit guest set them (GRUB sets RW) and keeps its own; a CPU reserves them */

static inline uint32_t entry_mfn(uint64_t e)
{
	return (uint32_t)((e & E_ADDR) >> 12);
}
