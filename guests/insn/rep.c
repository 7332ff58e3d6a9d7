/*
 * rep.c - repeated string instructions: a page fault in the middle, overlap, direction, early ends, address sizes.
 */
#include "insn.h"

static uint8_t from[2 * PAGE] __attribute__((aligned(4096))), to[2 * PAGE] __attribute__((aligned(4096)));
static uint32_t at_fault[3];
static uint8_t *absent;

static bool on_fault(struct trap_frame *f)
{
	at_fault[0] = f->esi - (uint32_t)from;
	at_fault[1] = f->edi - (uint32_t)to;
	at_fault[2] = f->ecx;
	page_set(absent, page_pa(absent), PTE_KERNEL, true);
	return true;
}

struct regs { uint32_t esi, edi, ecx; };

static struct regs movsb(const void *s, void *d, uint32_t n)
{
	struct regs r = { (uint32_t)s, (uint32_t)d, n };
	__asm__ volatile("rep movsb" : "+S"(r.esi), "+D"(r.edi), "+c"(r.ecx) : : "memory");
	return r;
}

static struct regs movsl(const void *s, void *d, uint32_t n)
{
	struct regs r = { (uint32_t)s, (uint32_t)d, n };
	__asm__ volatile("rep movsl" : "+S"(r.esi), "+D"(r.edi), "+c"(r.ecx) : : "memory");
	return r;
}

static void take_away(uint8_t *page)
{
	absent = page;
	page_set(page, 0, 0, true);
	trap_set(PF, on_fault);
}

static void faults(void)
{
	take_away(from + PAGE);
	struct regs r = movsb(from + PAGE - 100, to, 200);
	expect("source-fault-esi", at_fault[0], PAGE);
	expect("source-fault-edi", at_fault[1], 100);
	expect("source-fault-ecx", at_fault[2], 100);
	expect("source-end", r.ecx, 0);
	expect("source-copied", memcmp(from + PAGE - 100, to, 200), 0);
	take_away(to + PAGE);
	r = movsl(from, to + PAGE - 38, 20); /* the tenth element crosses into the absent page */
	expect("destination-fault-esi", at_fault[0], 36);
	expect("destination-fault-edi", at_fault[1], PAGE - 2);
	expect("destination-fault-ecx", at_fault[2], 11);
	expect("destination-end", r.edi - (uint32_t)to, PAGE + 42);
	expect("destination-copied", memcmp(from, to + PAGE - 38, 80), 0);
	trap_set(PF, NULL);
}

static void scans(void)
{
	uint8_t *d = to;
	uint32_t n = 100;
	memset(to, 7, 100);
	to[41] = 9;
	__asm__ volatile("repe scasb" : "+D"(d), "+c"(n) : "a"(7) : "memory", "cc");
	expect("repe-scas-stops-behind", (uint32_t)(d - to), 42);
	expect("repe-scas-count", n, 58);
	d = to;
	n = 100;
	__asm__ volatile("repne scasb" : "+D"(d), "+c"(n) : "a"(8) : "memory", "cc");
	expect("repne-scas-none", n, 0);
	const uint8_t *s = from;
	d = to;
	n = 100;
	memcpy(to, from, 100);
	to[17] ^= 1;
	__asm__ volatile("repe cmpsb" : "+S"(s), "+D"(d), "+c"(n) : : "memory", "cc");
	expect("repe-cmps-stops-behind", (uint32_t)(d - to), 18);
	n = 0;
	__asm__ volatile("xor %%eax, %%eax; repne cmpsb; setz %%al" : "+S"(s), "+D"(d), "+c"(n) : : "eax", "memory", "cc");
	expect("zero-count", (uint32_t)(d - to), 18);
}

static void shapes(void)
{
	memset(to, 0, 64);
	to[0] = 5;
	movsb(to, to + 1, 20); /* overlapping upwards: the first byte spreads */
	expect("overlap-spreads", to[20], 5);
	struct regs r = { (uint32_t)from + 99, (uint32_t)to + 99, 100 };
	__asm__ volatile("std; rep movsb; cld" : "+S"(r.esi), "+D"(r.edi), "+c"(r.ecx) : : "memory");
	expect("down-esi", r.esi - (uint32_t)from, (uint32_t)-1);
	expect("down-copied", memcmp(from, to, 100), 0);
	uint32_t edi = 0x70600, ecx = 0x50004;
	__asm__ volatile("addr16 rep stosb" : "+D"(edi), "+c"(ecx) : "a"(0x5a) : "memory");
	expect("16-bit-edi", edi, 0x70604);
	expect("16-bit-ecx", ecx, 0x50000);
	uint8_t *volatile low = (uint8_t *)0x600; /* volatile: the compiler trusts no pointer below a page */
	expect("16-bit-address", low[3], 0x5a);
	uint32_t esi = (uint32_t)from, value;
	__asm__ volatile("rep lodsl" : "+S"(esi), "=a"(value), "+c"(ecx) : : "memory");
	expect("lods-end", esi - (uint32_t)from, 0x140000);
}

int guest_main(void)
{
	for (uint32_t i = 0; i < sizeof from; i++)
		from[i] = (uint8_t)(i * 7 + i / 256);
	faults();
	scans();
	shapes();
	memset(to, 0, sizeof to);
	return insn_end();
}
