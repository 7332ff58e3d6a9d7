/*
 * cells_cpu.c - cells of single instructions in kernel mode: branches, ports, flags, CPUID, RDTSC, tables, segments.
 */
#include "nano.h"
#ifdef HAL_XEN
#include "xen.h"
#else
#include "native.h"
#endif

#define TEN(op) op op op op op op op op op op
#define INLINE static inline __attribute__((always_inline))

/* A scratch register that reads back what was written: 16550 offset 7. */
#define PORT_SCRATCH 0x3ff

INLINE void pre_nothing(uint32_t k)
{
}

/* ---- call and return ---- */
__asm__(".text; .balign 64; nano_leaf: ret; .balign 64; nano_leaf1: ret; .balign 64; nano_leaf2: ret; .balign 64");
extern char nano_leaf[], nano_leaf1[], nano_leaf2[];

INLINE void call_one(void) { __asm__ volatile("call nano_leaf" : : : "memory"); }
INLINE void call_ten(void) { __asm__ volatile(TEN("call nano_leaf;") : : : "memory"); }

static const char *call_ret(void)
{
	nano_measure(10, pre_nothing, call_one, call_ten, NULL);
	return NULL;
}

/* Three targets in turn, so that the last target alone predicts nothing. */
static void *volatile targets[3] = { nano_leaf, nano_leaf1, nano_leaf2 };

INLINE void indirect_one(void) { __asm__ volatile("call *%0" : : "m"(targets[0]) : "memory"); }
INLINE void indirect_ten(void)
{
	for (unsigned i = 0; i < 10; i++)
		__asm__ volatile("call *(%0)" : : "r"(&targets[i % 3]) : "memory");
}

static const char *indirect_call(void)
{
	nano_measure(10, pre_nothing, indirect_one, indirect_ten, NULL);
	return NULL;
}

/* ---- ports ---- */
INLINE void in_pre(uint32_t k) { truth_add(PORT_IN, k); }
INLINE void in_one(void)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "d"((uint16_t)PORT_SCRATCH));
	if (v != 0x5a)
		nano.hole = true;
}

static const char *in_port(void)
{
	outb(PORT_SCRATCH, 0x5a);
	nano_measure(1, in_pre, in_one, in_one, NULL);
	return NULL;
}

INLINE void out_pre(uint32_t k) { truth_add(PORT_OUT, k); }
INLINE void out_one(void) { __asm__ volatile("outb %0, %1" : : "a"((uint8_t)0xa5), "d"((uint16_t)PORT_SCRATCH)); }

static const char *out_port(void)
{
	outb(PORT_SCRATCH, 0);
	nano_measure(1, out_pre, out_one, out_one, NULL);
	nano.hole = inb(PORT_SCRATCH) != 0xa5;
	return NULL;
}

/* ---- interrupt flag: its effect is checked by irq-mask-storm, with a timer ---- */
#ifdef HAL_XEN
INLINE void flag_pre(uint32_t k) { truth_add(INT_FLAG, 2 * k); }
INLINE void flag_one(void) { xen_mask_unmask(); }
INLINE void flag_ten(void) { for (int i = 0; i < 10; i++) xen_mask_unmask(); }
#else
INLINE void flag_pre(uint32_t k) { truth_add(INT_FLAG, 2 * k); }
INLINE void flag_one(void) { __asm__ volatile("cli; sti" : : : "memory"); }
INLINE void flag_ten(void) { __asm__ volatile(TEN("cli; sti;") : : : "memory"); }
#endif

static const char *cli_sti(void)
{
	nano_measure(10, flag_pre, flag_one, flag_ten, NULL);
	irq_off();
	return NULL;
}

/* ---- PUSHF and POPF ---- */
#ifdef HAL_XEN
static const char *pushf_popf(void)
{
	return "a Xen guest saves and restores evtchn_upcall_mask instead: see cli-sti";
}
#else
#define FLAG_IF 0x200u
INLINE void image_pre(uint32_t k) { truth_add(FLAGS_IMAGE, 2 * k); }
INLINE void image_one(void) { __asm__ volatile("pushfl; popfl" : : : "memory", "cc"); }
INLINE void image_ten(void) { __asm__ volatile(TEN("pushfl; popfl;") : : : "memory", "cc"); }

/* Under classic trap-and-emulate PUSHF shows the host's IF, and POPF leaves it as it is, both silently. */
static bool flags_lie(void)
{
	bool lie = false;
	cli();
	lie |= (pushf() & FLAG_IF) != 0;
	popf(pushf() | FLAG_IF);
	lie |= (pushf() & FLAG_IF) == 0;
	popf(pushf() & ~FLAG_IF);
	lie |= (pushf() & FLAG_IF) != 0;
	cli();
	return lie;
}

static const char *pushf_popf(void)
{
	nano.hole = flags_lie();
	nano_measure(10, image_pre, image_one, image_ten, NULL);
	return NULL;
}
#endif

/* ---- CPUID and RDTSC ---- */
#define CPUID_LM (1u << 29) /* 80000001H:EDX: long mode, which no machine that we present has */

INLINE void cpuid_pre(uint32_t k) { truth_add(CPUID, k); }
INLINE void cpuid_one(void)
{
	uint32_t a = 1, c = 0;
#ifdef HAL_XEN
	__asm__ volatile(".byte 0x0f,0x0b,0x78,0x65,0x6e; cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
#else
	__asm__ volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
#endif
}

static const char *cpuid_cell(void)
{
	nano.hole = cpuid(0x80000000, 0).a >= 0x80000001 && (cpuid(0x80000001, 0).d & CPUID_LM);
	nano_measure(1, cpuid_pre, cpuid_one, cpuid_one, NULL);
	return NULL;
}

INLINE void rdtsc_pre(uint32_t k) { truth_add(RDTSC, k); }
INLINE void rdtsc_one(void) { __asm__ volatile("rdtsc" : : : "eax", "edx"); }
INLINE void rdtsc_ten(void) { __asm__ volatile(TEN("rdtsc;") : : : "eax", "edx"); }

static const char *rdtsc_cell(void)
{
	uint64_t before = hal_rdtsc();
	nano_measure(10, rdtsc_pre, rdtsc_one, rdtsc_ten, NULL);
	nano.hole = hal_rdtsc() <= before;
	return NULL;
}

/* ---- descriptor tables and segments ---- */
#ifdef HAL_XEN
static const char *sgdt_cell(void)
{
	return "a Xen guest has no GDT register of its own";
}

/* Reloads DS with the selector that the domain was started with. */
INLINE void segment_pre(uint32_t k) { truth_add(SEG_LOAD, k); }
static uint32_t own_ds;
INLINE void segment_one(void) { __asm__ volatile("mov %0, %%ds" : : "r"(own_ds)); }
INLINE void segment_ten(void) { __asm__ volatile(TEN("mov %0, %%ds;") : : "r"(own_ds)); }

static const char *mov_seg(void)
{
	truth_add(SEG_READ, 1);
	__asm__ volatile("mov %%ds, %0" : "=r"(own_ds));
	nano_measure(10, segment_pre, segment_one, segment_ten, NULL);
	return NULL;
}
#else
static struct dtable gdt_seen;
INLINE void sgdt_pre(uint32_t k) { truth_add(DT_STORE, k); }
INLINE void sgdt_one(void) { __asm__ volatile("sgdt %0" : "=m"(gdt_seen)); }
INLINE void sgdt_ten(void) { __asm__ volatile(TEN("sgdt %0;") : "=m"(gdt_seen)); }

static const char *sgdt_cell(void)
{
	nano_measure(10, sgdt_pre, sgdt_one, sgdt_ten, NULL);
	nano.hole = gdt_seen.base != (uint32_t)gdt || gdt_seen.limit != sizeof gdt - 1;
	memset(&gdt_seen, 0, sizeof gdt_seen);
	return NULL;
}

/* FS with a base of its own: the word read through it proves that the load took effect. */
static const uint32_t fs_word = 0x5e60f5;
INLINE void segment_pre(uint32_t k) { truth_add(SEG_LOAD, k); }
INLINE void segment_one(void) { __asm__ volatile("mov %0, %%fs" : : "r"(SEL_SPARE)); }
INLINE void segment_ten(void) { __asm__ volatile(TEN("mov %0, %%fs;") : : "r"(SEL_SPARE)); }

static void read_fs(void *out)
{
	__asm__ volatile("mov %%fs:0, %0" : "=r"(*(uint32_t *)out));
}

static const char *mov_seg(void)
{
	struct fault f;
	uint32_t seen = 0;
	gdt_set(SEL_SPARE, gdt_entry((uint32_t)&fs_word, 3, 0x93, 4));
	nano_measure(10, segment_pre, segment_one, segment_ten, NULL);
	nano.hole = trap_try(&f, read_fs, &seen) || seen != fs_word;
	truth_add(SEG_LOAD, 1);
	__asm__ volatile("mov %0, %%fs" : : "r"(0));
	return NULL;
}
#endif

/* ---- self-modified code: patch the immediate of MOV EAX, imm32; RET, and call it ---- */
__asm__(".section .smc, \"awx\", @progbits; .balign 4096; nano_patch: .byte 0xb8,0,0,0,0,0xc3; .balign 4096; .text");
extern char nano_patch[];
static uint32_t smc_value;

INLINE void smc_one(void)
{
	uint32_t got;
	smc_value++;
	*(volatile uint32_t *)(nano_patch + 1) = smc_value;
	__asm__ volatile("call nano_patch" : "=a"(got) : : "memory");
	if (got != smc_value)
		nano.hole = true;
}

static const char *smc_call(void)
{
	nano_measure(1, pre_nothing, smc_one, smc_one, NULL);
	return NULL;
}

const struct cell cells_cpu[] = {
	{ .name = "in", .run = in_port },
	{ .name = "out", .run = out_port },
	{ .name = "call-ret", .run = call_ret },
	{ .name = "indirect-call", .run = indirect_call },
	{ .name = "cli-sti", .run = cli_sti },
	{ .name = "pushf-popf", .run = pushf_popf },
	{ .name = "cpuid", .run = cpuid_cell },
	{ .name = "rdtsc", .run = rdtsc_cell },
	{ .name = "sgdt", .run = sgdt_cell },
	{ .name = "mov-seg", .run = mov_seg },
	{ .name = "smc-call", .run = smc_call },
	{ .name = NULL },
};
